"""What the product's script read-registration says of a node of the model."""

import json
from datetime import timedelta

from lab.azure.arc.run_commands import Outcome, node_script
from lab.azure.on_premises import nodes, outbound
from lab.azure.simulator.answers import Json
from lab.azure.simulator.lab import Lab


@node_script("read-registration", timedelta(seconds=3))
def read_registration(lab: Lab, node: Json, parameters: dict[str, str]) -> Outcome:
    """What the registry, the services and Windows say; the last line is one JSON object.

    Parameters: Endpoints, URLs separated by commas, that are tried; whoever answers says what time it is.
    """
    state = nodes.require_node(lab, node["name"])
    facts = {key: state[key] for key in ("registration", "dra", "hyperV", "applicationControl", "lastBoot")}
    if state["registration"] is None and state["boundSite"]:
        facts["registration"] = {"SiteName": state["boundSite"]}  # where a host keeps what it is bound to (assumed)
    facts["endpoints"] = outbound.reach(state, parameters.get("Endpoints", "").split(","))
    facts["clockOffset"] = state["clockOffset"] if any(facts["endpoints"].values()) else None
    return Outcome(f"Read on {node['name']}.\n{json.dumps(facts)}")
