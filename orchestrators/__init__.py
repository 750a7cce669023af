"""One file a runbook: order, waiting, compensation. Deterministic, without I/O; the durable entities live here too."""
