"""The machines on premises, as the script read-source lists those that a node has."""

import base64
import gzip
import json
from dataclasses import dataclass, field
from typing import Any

DISK_GB = 40.0


@dataclass
class SourceMachine:
    """A machine on premises.

    Attributes:
        file: How large its disk's file is, in GB.
    """

    node: str = "n1"
    state: str = "Off"
    checkpoints: int = 0
    file: float = DISK_GB

    def view(self, vm: str) -> dict[str, Any]:
        return {"n": vm, "s": self.state, "k": self.checkpoints, "d": [[DISK_GB, self.file, "csv"]]}


@dataclass
class OnPremises:
    """Stands for a cluster's machines, which are off until a test says otherwise.

    Attributes:
        missing_vms: Those that no node has any more.
        free: GB free on the cluster's volume.
        page_size: How many machines a node lists at once.
        reads: What each node was asked for, in order and as often as it was.
    """

    machines: dict[str, SourceMachine] = field(default_factory=dict)
    missing_vms: set[str] = field(default_factory=set)
    free: float = 1000.0
    page_size: int = 100
    reads: list[str] = field(default_factory=list)

    def source(self, vm: str) -> SourceMachine:
        """A machine, which is there until a test says that it is gone."""
        return self.machines.setdefault(vm, SourceMachine())

    def list_sources(self, node: str, parameters: dict[str, str]) -> dict[str, Any]:
        """What the script read-source finds on a node."""
        first = int(parameters["From"])
        found = {vm: self.source(vm) for vm in parameters["Names"].split("/") if vm not in self.missing_vms}
        views = [source.view(vm) for vm, source in found.items() if source.node == node]
        last = first + self.page_size
        facts = {"machines": views[first:last], "room": {"csv": self.free}}
        packed = base64.b64encode(gzip.compress(json.dumps(facts).encode(), mtime=0))
        following = last if last < len(views) else None
        return {"found": packed.decode(), "home": ["csv", self.free], "next": following}
