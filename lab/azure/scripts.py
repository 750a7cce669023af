"""What the product's node scripts do on a node of the model."""

import json
from datetime import timedelta

from lab.azure import clusters, nodes
from lab.azure.answers import Json
from lab.azure.lab import Lab
from lab.azure.runcommands import Outcome, script


@script("sync-cluster", timedelta(seconds=20))
def sync_cluster(lab: Lab, node: Json, parameters: dict[str, str]) -> Outcome:  # noqa: ARG001 - it takes none
    """Sync-AzureStackHci: the cluster's resource provider then restores the extensions that are missing on nodes."""
    restored = clusters.synchronise(lab, node["cluster"])
    told = "".join(f"{name}: extension scheduled\n" for name in restored)
    return Outcome(f"Sync-AzureStackHci completed.\n{told}")


@script("read-registration", timedelta(seconds=3))
def read_registration(lab: Lab, node: Json, parameters: dict[str, str]) -> Outcome:  # noqa: ARG001 - it takes none
    """What the registry, the services and Windows say; the last line is one JSON object."""
    known = nodes.named(lab, node["name"])
    seen = {key: known[key] for key in ("registration", "dra", "hyperV", "applicationControl", "lastBoot")}
    return Outcome(f"Read on {node['name']}.\n{json.dumps(seen)}")
