"""site_recovery."""
