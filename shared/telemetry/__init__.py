"""Spans and metrics: what is recorded, and where it goes."""
