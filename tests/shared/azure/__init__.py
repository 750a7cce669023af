"""The clients, on the wire."""
