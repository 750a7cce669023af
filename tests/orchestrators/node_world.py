"""A cluster's nodes behind the contract of the activities: extensions, scripts, locks, and the vault's providers."""

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from orchestrators.durable.entities import cluster_queue, documents, leases, nodes, obligations
from orchestrators.healing.repair import repair
from orchestrators.reconcile.nodes import watch_nodes
from shared import activity
from shared.arm_ids import key_of
from shared.errors import Refused
from shared.healing import contract as n
from shared.healing.node_record import NodeRecord
from shared.healing.repair import Repair
from shared.operations import contract as app
from shared.operations.obligations import Lock
from shared.plans import contract as plans_contract
from shared.site_recovery import contract as c
from shared.site_recovery.views import ItemView, ProviderView
from shared.sites.nodes import ExtensionView, NodeView
from shared.sites.site import HealingRules, SiteDocument
from tests.driver import Clock, Driver, Result
from tests.shared.samples import SUBSCRIPTION, site
from tests.shared.test_classifier import RACE

CLUSTER = f"{SUBSCRIPTION}/resourceGroups/rg-hci/providers/Microsoft.AzureStackHCI/clusters/hci-01"
MACHINES = f"{SUBSCRIPTION}/resourceGroups/rg-hci-arc/providers/Microsoft.HybridCompute/machines"
LOCK = Lock(id=f"{MACHINES}/n2/providers/Microsoft.Authorization/locks/keep", level="CanNotDelete", notes="by audit")
SETTINGS = {"SiteId": "s1", "ResourceName": "vault-dr"}


class Killed(BaseException):
    """The run is terminated in the middle of an activity."""


@dataclass
class Node:
    name: str
    state: str | None = "Succeeded"
    message: str = ""
    registered: bool = True
    beat: datetime | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{MACHINES}/{self.name}"


@dataclass
class NodeWorld:
    """Three nodes, of which n2 has lost the race; `fails` says what a new installation ends with."""

    clock: Clock = field(default_factory=Clock)
    fails: list[str] = field(default_factory=list)
    sync_restores: bool = True
    locks: list[Lock] = field(default_factory=list)
    items: list[ItemView] = field(default_factory=list)
    ended_runs: set[str] = field(default_factory=set)
    changes: list[str] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    published: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    started: list[app.StartRun] = field(default_factory=list)
    crash_rate: float = 0
    kill_at: int = 0
    kill_after: str = ""
    document: SiteDocument = field(default_factory=site)
    log: n.CauseRead = field(default_factory=n.CauseRead)

    def __post_init__(self) -> None:
        self.chance = random.Random(7)
        self.nodes = {name: Node(name, beat=self.clock.now) for name in ("n1", "n2", "n3")}
        self.nodes["n2"] = Node("n2", "Failed", RACE, registered=False)
        self.due: list[tuple[datetime, Callable[[], None]]] = []
        self.scripts: dict[str, n.ScriptView] = {}
        self.calls = 0
        self.clock.watchers.append(lambda _now: self._pass())
        entities = {
            "leases": leases,
            "documents": documents,
            "obligations": obligations,
            "nodes": nodes,
            "cluster_queue": cluster_queue,
        }
        self.driver = Driver(self.activities(), entities, self.clock)

    # --- driving ---

    def repair(self, run: str = "repair-1", node: str = "n2", **changes: Any) -> Result:
        order = Repair(
            id=run, machine_id=self.nodes[node].id, requested_by="ann", sites={"hci-01": self.document}, **changes
        )
        return self.driver.run(repair, order.model_dump(mode="json"), run)

    def killed(self, run: str = "repair-1", *, at: int = 0, after: str = "") -> None:
        """A repair that is terminated at its n-th activity, or once it has done something."""
        self.kill_at, self.kill_after = at and self.calls + at, after
        with pytest.raises(Killed):
            self.repair(run)
        self.kill_at, self.kill_after = 0, ""
        self.ended_runs.add(run)

    def look_after(self, run: str = "watch") -> Result:
        return self.driver.run(watch_nodes, {"site": "hci-01"}, run)

    def record(self, node: str = "n2") -> NodeRecord:
        return NodeRecord.model_validate(self.driver.states[f"@nodes@{key_of(self.nodes[node].id)}"])

    def state(self, entity: str) -> list[Any]:
        return [state for key, state in self.driver.states.items() if key.startswith(f"@{entity}@") and state]

    def activities(self) -> dict[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        mine: dict[activity.Activity[Any, Any], Callable[[Any], Any]] = {
            n.READ_NODES: self.read_nodes,
            c.READ_PROVIDERS: self.read_providers,
            c.READ_ITEMS: lambda _ask: c.ItemsRead(items=tuple(self.items)),
            n.REMOVE_EXTENSION: self.remove_extension,
            n.CREATE_EXTENSION: self.create_extension,
            n.RUN_SCRIPT: self.run_script,
            n.READ_SCRIPT: lambda ask: self.scripts[ask.name],
            n.REMOVE_SCRIPT: self.remove_script,
            app.PUBLISH_EVENT: self.publish,
            app.READ_ENDED_RUNS: lambda ask: app.EndedRunsRead(ended=tuple(self.ended_runs & set(ask.ids))),
            plans_contract.READ_DOCUMENTS: self.read_book,
            app.START_RUN: self.start_run,
            n.READ_LOCKS: lambda _ask: n.LocksRead(locks=tuple(self.locks)),
            n.REMOVE_LOCKS: self.remove_locks,
            n.RESTORE_LOCKS: self.restore_locks,
            n.READ_CAUSE: lambda _ask: self.log,
            n.READ_NODE_RECORDS: self.read_records,
        }
        return {activity.name: self._served(activity, function) for activity, function in mine.items()}

    def _served(self, activity: activity.Activity[Any, Any], function: Callable[[Any], Any]) -> Any:
        def serve(payload: dict[str, Any]) -> dict[str, Any]:
            self.calls += 1
            if self.calls == self.kill_at or self.kill_after in self.changes:
                raise Killed
            lost = self.chance.random() < self.crash_rate
            if lost and self.chance.random() < 0.5:
                raise ConnectionError("never arrived")
            try:
                answer: dict[str, Any] = function(activity.request.model_validate(payload)).model_dump(mode="json")
            except Refused as no:
                return {"refused": {"code": no.code, "detail": no.detail}}
            if lost:
                raise ConnectionError("the answer was lost")
            return answer

        return serve

    # --- Azure ---

    def after(self, minutes: float, what: Callable[[], None]) -> None:
        self.due.append((self.clock.now + timedelta(minutes=minutes), what))

    def _pass(self) -> None:
        for when, what in sorted(self.due, key=lambda entry: entry[0]):
            if when <= self.clock.now:
                self.due.remove((when, what))
                what()
        for node in self.nodes.values():
            if node.registered:
                node.beat = self.clock.now

    def read_nodes(self, ask: n.ReadNodes) -> n.NodesRead:
        self.reads.append(f"{'node' if ask.machine_id else 'cluster'}, {len(self.changes)} changes")
        wanted = [node for node in self.nodes.values() if not ask.machine_id or node.id == ask.machine_id]
        return n.NodesRead(nodes=tuple(self._view(node) for node in wanted), at=self.clock.now)

    def _view(self, node: Node) -> NodeView:
        extension = None
        if node.state:
            extension = ExtensionView(
                id=f"{node.id}/extensions/asr",
                name="asr",
                provisioning_state=node.state,
                message=node.message,
                settings=SETTINGS,
            )
        return NodeView(id=node.id, name=node.name, cluster_id=CLUSTER, status="Connected", extension=extension)

    def read_providers(self, _ask: c.ReadProviders) -> c.ProvidersRead:
        self.reads.append(f"providers, {len(self.changes)} changes")
        views = [
            ProviderView(id=f"/p/{node.name}", host=node.name, connected=node.registered, heartbeat=node.beat)
            for node in self.nodes.values()
            if node.beat
        ]
        return c.ProvidersRead(providers=tuple(views), at=self.clock.now)

    def _named(self, arm_id: str) -> Node:
        return self.nodes[arm_id.partition("/machines/")[2].partition("/")[0]]

    def remove_extension(self, ask: n.RemoveExtension) -> activity.Nothing:
        node = self._named(ask.extension_id)
        if self.locks:
            raise Refused("ScopeLocked", "locked")
        if node.state not in {None, "Deleting"}:
            self.changes.append(f"uninstall {node.name}")
            node.state, node.registered = "Deleting", False
            self.after(2, lambda: setattr(node, "state", None))
        return activity.Nothing()

    def create_extension(self, ask: n.CreateExtension) -> activity.Nothing:
        node = self._named(ask.machine_id + "/")
        if node.state is None:
            assert ask.saved.settings == SETTINGS
            self.changes.append(f"install {node.name}")
            self._install(node)
        return activity.Nothing()

    def _install(self, node: Node) -> None:
        node.state = "Creating"
        self.after(3, lambda: self._installed(node))

    def _installed(self, node: Node) -> None:
        node.message = self.fails.pop(0) if self.fails else ""
        node.state, node.registered = ("Failed", False) if node.message else ("Succeeded", True)
        node.beat = self.clock.now if node.registered else node.beat

    def run_script(self, ask: n.RunScript) -> activity.Nothing:
        if ask.name not in self.scripts:
            self.changes.append(f"run {ask.script} on {self._named(ask.machine_id + '/').name}")
            self.scripts[ask.name] = n.ScriptView(state="Running")
            self.after(0.5, lambda: self._ran(ask))
        return activity.Nothing()

    def _ran(self, ask: n.RunScript) -> None:
        result: dict[str, Any] = {"synchronised": True}
        if ask.script == "sync-cluster" and self.sync_restores:
            for node in self.nodes.values():
                if node.state is None:
                    self.after(3, lambda node=node: self._install(node) if node.state is None else None)  # type: ignore[misc]
        elif ask.script != "sync-cluster":
            result = self._facts(self._named(ask.machine_id + "/"))
        self.scripts[ask.name] = n.ScriptView(state="Succeeded", exit_code=0, result=result)

    def _facts(self, node: Node) -> dict[str, Any]:
        registration = {"ResourceName": "vault-dr", "SiteName": "hci-01-site", "KeyVaultName": "kv"}
        plain = {"registration": registration if node.registered else None, "hyperV": True}
        boot = (self.clock.now - timedelta(days=9)).isoformat()
        return {**plain, "dra": "Running" if node.registered else "Stopped", "lastBoot": boot, **node.facts}

    def remove_script(self, ask: n.RemoveScript) -> activity.Nothing:
        self.scripts.pop(ask.name, None)
        return activity.Nothing()

    def remove_locks(self, ask: n.RemoveLocks) -> activity.Nothing:
        self.changes.append("unlock")
        self.locks = [lock for lock in self.locks if lock not in ask.locks]
        return activity.Nothing()

    def restore_locks(self, ask: n.RestoreLocks) -> activity.Nothing:
        self.locks += [lock for lock in ask.locks if lock not in self.locks]
        return activity.Nothing()

    # --- the app ---

    def publish(self, ask: app.PublishEvent) -> app.EventPublished:
        self.published.append((ask.type.rpartition(".")[2], ask.data))
        return app.EventPublished(sent=True)

    def read_book(self, _ask: plans_contract.ReadDocuments) -> plans_contract.DocumentsRead:
        entry = plans_contract.DeclaredDocument(
            name="hci-01", document=self.document.model_dump(mode="json"), declared=self.clock.now
        )
        owed = [one for table in self.state("obligations") for one in table.values()]
        return plans_contract.DocumentsRead(sites=(entry,), plans=(), obligations=tuple(owed))

    def read_records(self, ask: n.ReadNodeRecords) -> n.NodeRecordsRead:
        found = [NodeRecord.model_validate(state) for state in self.state("nodes")]
        wanted = {key_of(machine) for machine in ask.machines}
        records = tuple(record for record in found if key_of(record.machine_id) in wanted)
        return n.NodeRecordsRead(records=records, ended_runs=tuple(r.run for r in records if r.run in self.ended_runs))

    def start_run(self, ask: app.StartRun) -> activity.Nothing:
        self.started.append(ask)
        return activity.Nothing()


def with_rules(world: NodeWorld, **rules: object) -> NodeWorld:
    """The same world, at a site with these healing rules."""
    world.document = site(healingRules=HealingRules.model_validate(rules).model_dump(by_alias=True, mode="json"))
    return world


def faulted(seed: int) -> NodeWorld:
    """A locked node's repair with answers lost all the time, every second one terminated; then the timer's looks."""
    world = with_rules(NodeWorld(), allowLockRemoval=True)
    world.locks, world.chance, world.crash_rate = [LOCK], random.Random(seed), 0.15
    world.kill_at = world.chance.randrange(5, 60) if seed % 2 else 0
    with suppress(Killed):
        world.repair()
    world.ended_runs.add("repair-1")
    world.kill_at = 0
    for number in range(12):
        if world.state("obligations"):
            world.look_after(f"watch-{number}")
    return world
