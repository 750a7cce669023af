"""A local Azure Functions host: it runs a function app from a path, with its state in one SQLite file."""
