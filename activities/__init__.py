"""One Azure effect or one read each. Orchestrators see only `contract`."""
