"""Healing: why the ASR extension of a node fails, whose turn it is to be repaired, and what proves the repair."""
