"""What Site Recovery says: protected items, verbs, jobs, recovery points, and what requests cost."""
