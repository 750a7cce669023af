"""What the product's script read-power says on a node of the model: which VMs are on it, and whether they run."""

import json
from datetime import timedelta

from lab.azure.answers import Json
from lab.azure.asr.common import MACHINES
from lab.azure.lab import Lab
from lab.azure.runcommands import Outcome, script

STATES = {"On": "Running", "Off": "Off"}


@script("read-power", timedelta(seconds=4))
def read_power(lab: Lab, node: Json, parameters: dict[str, str]) -> Outcome:
    """Parameter: Names, separated by slashes, which no VM's name has."""
    wanted = {name.lower() for name in parameters.get("Names", "").split("/")}
    there = [each for each in lab.store.all(MACHINES) if each["node"] == node["name"]]
    seen = {vm["friendlyName"]: STATES[vm["power"]] for vm in there if vm["friendlyName"].lower() in wanted}
    return Outcome(f"Read on {node['name']}.\n{json.dumps({'machines': seen})}")
