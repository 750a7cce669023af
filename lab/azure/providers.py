"""Which providers the lab simulates, and what they hook onto it."""

from lab.azure.lab import Lab
from lab.azure.routing import Provider

PROVIDERS: list[Provider] = []


def install(lab: Lab) -> None:
    """Hook every provider's callbacks onto a lab."""
