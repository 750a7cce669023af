"""The pure decisions."""
