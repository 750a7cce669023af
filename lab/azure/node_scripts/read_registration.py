"""What the product's script read-registration says of a node of the model."""

import json
from datetime import timedelta

from lab.azure.arc.run_commands import Outcome, node_script
from lab.azure.on_premises import nodes
from lab.azure.simulator.answers import Json
from lab.azure.simulator.lab import Lab


@node_script("read-registration", timedelta(seconds=3))
def read_registration(lab: Lab, node: Json, parameters: dict[str, str]) -> Outcome:  # noqa: ARG001 - it takes none
    """What the registry, the services and Windows say; the last line is one JSON object."""
    state = nodes.require_node(lab, node["name"])
    facts = {key: state[key] for key in ("registration", "dra", "hyperV", "applicationControl", "lastBoot")}
    if state["registration"] is None and state["boundSite"]:
        facts["registration"] = {"SiteName": state["boundSite"]}  # where a host keeps what it is bound to (assumed)
    return Outcome(f"Read on {node['name']}.\n{json.dumps(facts)}")
