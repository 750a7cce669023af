"""What a node of the model reaches: a firewall in front of it may keep it from some of the service's names."""

from collections.abc import Iterable

from lab.azure.simulator.answers import Json

SERVICE_URL = "https://pod01-rcm1.weu.hypervrecoverymanager.windowsazure.com/"
REGISTRATION_NEEDS = ("https://login.microsoftonline.com", "https://backup.windowsazure.com", SERVICE_URL)
"""Source: hyper-v-azure-architecture, outbound connectivity; the pod's name is made up."""


def reach(node: Json, urls: Iterable[str]) -> dict[str, bool]:
    """Whether the node reaches each URL: not if the URL has one of the texts in its `unreachable`."""
    return {url: not any(part in url for part in node.get("unreachable", ())) for url in urls if url}
