"""The verbs of a protected item: what starts them, and what their jobs do."""
