"""The replication of VMs: what is asked for, how a run goes, and how well VMs replicate."""
