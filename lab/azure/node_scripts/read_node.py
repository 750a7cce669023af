"""What the product's script read-node says on a node of the model: Hyper-V, what the node reaches, and its VMs."""

import base64
import gzip
import json
from datetime import timedelta
from typing import Any

from lab.azure.arc.run_commands import Outcome, node_script
from lab.azure.arm import resources
from lab.azure.on_premises import hyper_v_machines, nodes, outbound
from lab.azure.simulator.answers import Json
from lab.azure.simulator.lab import Lab

MOST_MACHINES, LONGEST_PAGE = 60, 3000
DISK_GB = 40.0
GUESTS = {"Windows": "Windows Server 2022 Datacenter", "Linux": "Ubuntu 22.04.4 LTS"}


@node_script("read-node", timedelta(seconds=8))
def read_node(lab: Lab, node: Json, parameters: dict[str, str]) -> Outcome:
    """One page of it; parameters: Endpoints (URLs, separated by commas) and From (the first VM of the page)."""
    state, first = nodes.require_node(lab, node["name"]), int(parameters.get("From", "0"))
    there = hyper_v_machines.machines_of_node(lab, node["name"]) if state["hyperV"] else []
    page, packed = _read_page(lab, sorted(there, key=lambda vm: vm["name"])[first : first + MOST_MACHINES])
    following = first + len(page)
    facts = {
        "hyperV": state["hyperV"],
        "osVersion": resources.require_resource(lab, node["id"])["properties"]["osVersion"],
        "applicationControl": state["applicationControl"],
        "registration": state["registration"],
        "endpoints": _reach_endpoints(state, parameters.get("Endpoints", "")) if first == 0 else {},
        "machines": packed,
        "next": following if following < len(there) else None,
    }
    return Outcome(f"Read on {node['name']}.\n{json.dumps(facts)}")


def _read_page(lab: Lab, there: list[Json]) -> tuple[list[Json], str]:
    page: list[Json] = []
    packed = _pack_page(page)
    for vm in there:
        longer = [*page, _machine_facts(lab, vm)]
        longer_packed = _pack_page(longer)
        if page and len(longer_packed) > LONGEST_PAGE:
            break
        page, packed = longer, longer_packed
    return page, packed


def _pack_page(page: list[Json]) -> str:
    return base64.b64encode(gzip.compress(json.dumps(page, separators=(",", ":")).encode(), mtime=0)).decode()


def _machine_facts(lab: Lab, vm: Json) -> Json:
    """A VM as the script names its properties; what a scenario does not say is a small Windows server."""
    sizes = vm.get("diskSizesGb") or [DISK_GB] * vm.get("disks", 1)
    disks: list[list[Any]] = [[size, vm.get("diskKind", "VHDX")] for size in sizes]
    if vm.get("diskError"):
        disks[-1] = [0, "", vm["diskError"]]
    return {
        "n": vm["name"],
        "i": lab.fixed_id("hyperv", vm["cluster"], vm["name"]),
        "g": int(vm.get("generation", 2)),
        "o": vm.get("guest", GUESTS[vm.get("osType", "Windows")]),
        "h": vm["highlyAvailable"],
        "c": vm.get("cpus", 2),
        "m": vm.get("memoryInMb", 4096),
        "f": vm.get("fibreChannel", False),
        "d": disks,
    }


def _reach_endpoints(node: Json, wanted: str) -> Json:
    return outbound.reach(node, [*wanted.split(","), (node["registration"] or {}).get("SRSUri", "")])
