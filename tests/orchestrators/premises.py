"""The nodes of a cluster, as runbooks see them: what read-source says on each, without any lab."""

import base64
import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shared import activity
from shared.healing import contract as n
from shared.site_recovery import contract as c
from shared.site_recovery.views import ProviderView
from shared.sites.nodes import ExtensionView, NodeView

AT = datetime(2026, 1, 5, 8, tzinfo=UTC)
SITE_NAME = "hci-01-site"
DISK_GB = 40.0


@dataclass
class Source:
    """A machine on premises."""

    node: str = "n1"
    state: str = "Off"
    checkpoints: int = 0
    file: float = DISK_GB

    def told(self, vm: str) -> dict[str, Any]:
        return {"n": vm, "s": self.state, "k": self.checkpoints, "d": [[DISK_GB, self.file, "csv"]]}


@dataclass
class Premises:
    """Two nodes that are well, and machines that are off; tests change what they want."""

    cluster: str
    vms: dict[str, Source] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    status: dict[str, str] = field(default_factory=lambda: {"n1": "Connected", "n2": "Connected"})
    extension: dict[str, str] = field(default_factory=lambda: {"n1": "Succeeded", "n2": "Succeeded"})
    sites: dict[str, str] = field(default_factory=lambda: {"n1": SITE_NAME, "n2": SITE_NAME})
    connected: set[str] = field(default_factory=lambda: {"n1", "n2"})
    free: float = 1000.0
    page: int = 100
    asked: list[str] = field(default_factory=list)
    scripts: dict[str, tuple[str, list[str], int]] = field(default_factory=dict)

    def source(self, vm: str) -> Source:
        """A machine, which is there until a test says that it is gone."""
        return self.vms.setdefault(vm, Source())

    def activities(self) -> dict[activity.Activity[Any, Any], Callable[[Any], Any]]:
        return {
            n.READ_NODES: lambda _: n.NodesRead(nodes=tuple(self._node(name) for name in self.status), at=AT),
            c.READ_PROVIDERS: lambda _: c.ProvidersRead(providers=tuple(map(self._provider, self.sites)), at=AT),
            n.RUN_SCRIPT: self._run,
            n.READ_SCRIPT: self._read,
            n.REMOVE_SCRIPT: lambda ask: self.scripts.pop(f"{ask.machine_id}:{ask.name}") and activity.Nothing(),
        }

    def _node(self, name: str) -> NodeView:
        state = self.extension.get(name)
        extension = ExtensionView(id=f"/{name}/asr", name="asr", provisioning_state=state) if state else None
        return NodeView(
            id=f"/machines/{name}", name=name, cluster_id=self.cluster, status=self.status[name], extension=extension
        )

    def _provider(self, name: str) -> ProviderView:
        up = name in self.connected
        return ProviderView(id=f"/providers/{name}", host=name, connected=up, heartbeat=AT, sites=(self.sites[name],))

    def _run(self, ask: n.RunScript) -> activity.Nothing:
        node = ask.machine_id.rpartition("/")[2]
        self.asked.append(f"{node}: {ask.parameters['Names']}")
        self.scripts[f"{ask.machine_id}:{ask.name}"] = (
            node,
            ask.parameters["Names"].split("/"),
            int(ask.parameters["From"]),
        )
        return activity.Nothing()

    def _read(self, ask: n.ReadScript) -> n.ScriptView:
        node, names, first = self.scripts[f"{ask.machine_id}:{ask.name}"]
        known = {vm: self.source(vm) for vm in names if vm not in self.gone}
        there = [source.told(vm) for vm, source in known.items() if source.node == node]
        here, last = there[first : first + self.page], first + self.page
        told = {"machines": here, "room": {"csv": self.free}}
        packed = base64.b64encode(gzip.compress(json.dumps(told).encode(), mtime=0))
        said = {"found": packed.decode(), "home": ["csv", self.free], "next": last if last < len(there) else None}
        return n.ScriptView(state="Succeeded", exit_code=0, result=said)
