"""recovery_plans."""
