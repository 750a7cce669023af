"""Which providers the lab simulates, and what they hook onto it."""

from lab.azure import activity, compute, network, resources
from lab.azure.asr import install as site_recovery
from lab.azure.lab import Lab
from lab.azure.routing import Provider

PROVIDERS: list[Provider] = [
    resources.provider,
    activity.provider,
    compute.provider,
    network.provider,
    site_recovery.PROVIDER,
]


def install(lab: Lab) -> None:
    """Hook every provider's callbacks onto a lab."""
    site_recovery.install(lab)
