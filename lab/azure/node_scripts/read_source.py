"""What the product's script read-source says on a node of the model: machines to fail back, and the room for them."""

import base64
import gzip
import json
from datetime import timedelta

from lab.azure.arc.run_commands import Outcome, node_script
from lab.azure.on_premises import nodes
from lab.azure.simulator.answers import Json
from lab.azure.simulator.lab import Lab
from lab.azure.site_recovery.api.common import MACHINES

STATES = {"On": "Running", "Off": "Off"}
LONGEST_PAGE = 3000


@node_script("read-source", timedelta(seconds=5))
def read_source(lab: Lab, node: Json, parameters: dict[str, str]) -> Outcome:
    """One page of it; parameters: Names, separated by slashes, which no VM's name has, and From, where it begins."""
    wanted = {name.lower() for name in parameters.get("Names", "").split("/")}
    first = int(parameters.get("From", "0"))
    there = [vm for vm in lab.store.all(MACHINES) if vm["node"] == node["name"] and vm["present"]]
    found = sorted((vm for vm in there if vm["friendlyName"].lower() in wanted), key=lambda vm: str(vm["friendlyName"]))
    room = {"Volume1": nodes.require_node(lab, node["name"])["freeGb"]}
    page = found[first:]
    packed = _pack_page(page, room)
    while len(packed) > LONGEST_PAGE and len(page) > 1:
        page = page[: len(page) // 2]
        packed = _pack_page(page, room)
    following = first + len(page)
    facts = {
        "found": packed,
        "home": ["Volume1", room["Volume1"]],
        "next": following if following < len(found) else None,
    }
    return Outcome(f"Read on {node['name']}.\n{json.dumps(facts)}")


def _pack_page(page: list[Json], room: Json) -> str:
    facts = {"machines": [_machine_facts(vm) for vm in page], "room": room}
    return base64.b64encode(gzip.compress(json.dumps(facts, separators=(",", ":")).encode(), mtime=0)).decode()


def _machine_facts(vm: Json) -> Json:
    disks = [[disk["mb"] / 1024, min(vm["fileGb"], disk["mb"] / 1024), "Volume1"] for disk in vm["disks"]]
    return {"n": vm["friendlyName"], "s": STATES[vm["power"]], "k": vm["snapshots"], "d": disks}
