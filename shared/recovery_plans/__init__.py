"""Recovery plans in the vault: ours mirrored there, compared, taken over, and run."""
