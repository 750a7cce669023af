"""The product on Microsoft's own durable engine: a storage emulator, one or two durable hosts, and the same stories."""
