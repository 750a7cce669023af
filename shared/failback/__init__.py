"""failback."""
