"""The runbooks: order, waiting, compensation; and the durable entities. Deterministic, without I/O."""
