"""What the product's script sync-cluster does on a node of the model."""

import json
from datetime import timedelta

from lab.azure.arc.run_commands import Outcome, node_script
from lab.azure.hci import cluster_extensions
from lab.azure.simulator.answers import Json
from lab.azure.simulator.lab import Lab, parse_instant


@node_script("sync-cluster", timedelta(seconds=20))
def sync_cluster(lab: Lab, node: Json, parameters: dict[str, str]) -> Outcome:
    """Sync-AzureStackHci, unless the node was started less than MinimumUptime seconds ago.

    The cluster's resource provider then restores the extensions that are missing on nodes.
    """
    rested = lab.now() - parse_instant(node["lastBoot"]) >= timedelta(seconds=int(parameters.get("MinimumUptime", "0")))
    restored = cluster_extensions.synchronise_cluster(lab, node["cluster"]) if rested else []
    lines = "".join(f"{name}: extension scheduled\n" for name in restored)
    facts = {"synchronised": rested, "lastBoot": node["lastBoot"], "registrationStatus": "Registered"}
    return Outcome(f"{lines}{json.dumps(facts)}")
