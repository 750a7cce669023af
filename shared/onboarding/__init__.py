"""Onboarding: preflight, preparation and verification of a site."""
