"""Recovery plans: their documents, their verbs and their runs."""
