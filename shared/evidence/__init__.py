"""Proof of what a run did: records in a SHA-256 chain, a manifest, and their check without any Azure."""
