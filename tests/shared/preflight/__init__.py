"""Preflight: its rules, what nodes say, drift."""
