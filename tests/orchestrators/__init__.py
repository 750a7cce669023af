"""Runbooks, driven in virtual time."""
