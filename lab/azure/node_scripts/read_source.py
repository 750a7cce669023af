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
    count, packed = _fill_page(found[first:], room)
    following = first + count
    facts = {
        "found": packed,
        "home": ["Volume1", room["Volume1"]],
        "homeUnread": "",
        "next": following if following < len(found) else None,
    }
    return Outcome(f"Read on {node['name']}.\n{json.dumps(facts)}")


def _fill_page(found: list[Json], room: Json) -> tuple[int, str]:
    """How many of these fit a page, at least one of them, and the page."""
    count, packed = 0, _pack_page([], room)
    while count < len(found):
        longer = _pack_page(found[: count + 1], room)
        if count and len(longer) > LONGEST_PAGE:
            break
        count, packed = count + 1, longer
    return count, packed


def _pack_page(page: list[Json], room: Json) -> str:
    facts = {"machines": [_machine_facts(vm) for vm in page], "room": room}
    return base64.b64encode(gzip.compress(json.dumps(facts, separators=(",", ":")).encode(), mtime=0)).decode()


def _machine_facts(vm: Json) -> Json:
    disks = [[disk["mb"] / 1024, min(vm["fileGb"], disk["mb"] / 1024), "Volume1"] for disk in vm["disks"]]
    if vm["diskError"]:
        disks[-1] = [0, 0, "", vm["diskError"]]
    return {"n": vm["friendlyName"], "s": STATES[vm["power"]], "k": vm["snapshots"], "d": disks}
