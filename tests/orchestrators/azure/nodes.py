"""A cluster's nodes: Arc machines with the extension of Site Recovery, their scripts and locks, and their providers."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shared.activity import Nothing
from shared.errors import Refused
from shared.healing import contract as healing
from shared.operations.obligations import Lock
from shared.site_recovery.contract import ProvidersRead, ReadProviders
from shared.site_recovery.views import ProviderView
from shared.sites.nodes import ExtensionView, NodeView
from tests.driver import Clock
from tests.orchestrators.azure.on_premises import OnPremises
from tests.shared.samples import SUBSCRIPTION

CLUSTER = f"{SUBSCRIPTION}/resourceGroups/rg-hci/providers/Microsoft.AzureStackHCI/clusters/hci-01"
MACHINES = f"{SUBSCRIPTION}/resourceGroups/rg-hci-arc/providers/Microsoft.HybridCompute/machines"
LOCK = Lock(id=f"{MACHINES}/n2/providers/Microsoft.Authorization/locks/keep", level="CanNotDelete", notes="by audit")
SETTINGS = {"SiteId": "s1", "ResourceName": "vault-dr"}
HYPER_V_SITE = "hci-01-site"


@dataclass
class Node:
    """A node of the cluster.

    Attributes:
        status: Of its Arc agent.
        state: Of the extension; None is no extension.
        registered: Whether its provider is connected to the vault.
        heartbeat: Of its provider; None where it was never registered.
        host: What its provider calls it; empty where that is its name.
        host_name: What its Arc agent says that the host is called; empty where it does not say.
        facts: What its scripts find, beside the usual.
    """

    name: str
    state: str | None = "Succeeded"
    message: str = ""
    registered: bool = True
    heartbeat: datetime | None = None
    status: str = "Connected"
    agent_version: str = ""
    host: str = ""
    host_name: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{MACHINES}/{self.name}"

    def view(self, cluster: str) -> NodeView:
        extension = ExtensionView(
            id=f"{self.id}/extensions/asr",
            name="asr",
            provisioning_state=self.state or "",
            message=self.message,
            settings=SETTINGS,
        )
        return NodeView(
            id=self.id,
            name=self.name,
            cluster_id=cluster,
            status=self.status,
            agent_version=self.agent_version,
            host_name=self.host_name,
            extension=extension if self.state else None,
        )

    def view_provider(self) -> ProviderView:
        return ProviderView(
            id=f"/providers/{self.name}",
            host=self.host or self.name,
            connected=self.registered,
            heartbeat=self.heartbeat,
            sites=(HYPER_V_SITE,),
        )


@dataclass
class ScriptRun:
    """A run command: what was asked for, and what is read of it."""

    ask: healing.RunScript
    view: healing.ScriptView = field(default_factory=lambda: healing.ScriptView(state="Running"))


@dataclass
class Nodes:
    """Stands for the nodes of a cluster, of which all are well until a test says otherwise.

    Attributes:
        install_errors: What the next installations of the extension end with; an empty one succeeds.
        sync_restores: Whether a synchronised cluster installs the extension where it is missing.
        activity_log: What the activity log knows of a failure.
        changes: What was done to nodes, in order.
        reads: What was read, and after how many changes.
        scripts: The run commands that are there.
        script_refusals: What each new run command of a script is refused with.
        are_scripts_stuck: Whether run commands stay in Creating.
        removal_of_extension_refusal: What the removal of each extension is refused with; None removes it.
        removal_refusal: What the removal of each run command is refused with; None removes it.
        service_url: Site Recovery's own, in the registry of each node that is registered.
        endpoints: The URLs that each node was last made to reach for.
    """

    clock: Clock
    on_premises: OnPremises
    by_name: dict[str, Node] = field(default_factory=dict)
    cluster: str = CLUSTER
    install_errors: list[str] = field(default_factory=list)
    sync_restores: bool = True
    locks: list[Lock] = field(default_factory=list)
    activity_log: healing.CauseRead = field(default_factory=healing.CauseRead)
    changes: list[str] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    scripts: dict[str, ScriptRun] = field(default_factory=dict)
    script_refusals: dict[str, Refused] = field(default_factory=dict)
    are_scripts_stuck: bool = False
    removal_refusal: Refused | None = None
    removal_of_extension_refusal: Refused | None = None
    service_url: str = "https://pod.weu.hypervrecoverymanager.windowsazure.com/"
    endpoints: dict[str, list[str]] = field(default_factory=dict)
    due: list[tuple[datetime, Callable[[], None]]] = field(default_factory=list)

    def add_nodes(self, names: Iterable[str]) -> None:
        self.by_name |= {name: Node(name, heartbeat=self.clock.now) for name in names}

    def schedule(self, minutes: float, change: Callable[[], None]) -> None:
        """Have something happen in so many minutes."""
        self.due.append((self.clock.now + timedelta(minutes=minutes), change))

    def make_due_changes(self) -> None:
        for when, change in sorted(self.due, key=lambda entry: entry[0]):
            if when <= self.clock.now:
                self.due.remove((when, change))
                change()
        for node in self.by_name.values():
            if node.registered:
                node.heartbeat = self.clock.now

    def find_node(self, arm_id: str) -> Node:
        """The node with this id, or with something below it."""
        return self.by_name[arm_id.partition("/machines/")[2].partition("/")[0]]

    def read_nodes(self, ask: healing.ReadNodes) -> healing.NodesRead:
        self.reads.append(f"{'node' if ask.machine_id else 'cluster'}, {len(self.changes)} changes")
        wanted = [node for node in self.by_name.values() if not ask.machine_id or node.id == ask.machine_id]
        return healing.NodesRead(nodes=tuple(node.view(self.cluster) for node in wanted), at=self.clock.now)

    def read_providers(self, _ask: ReadProviders) -> ProvidersRead:
        self.reads.append(f"providers, {len(self.changes)} changes")
        views = [node.view_provider() for node in self.by_name.values() if node.heartbeat]
        return ProvidersRead(providers=tuple(views), at=self.clock.now)

    def read_cause(self, _ask: healing.ReadCause) -> healing.CauseRead:
        return self.activity_log

    # --- the extension ---

    def remove_extension(self, ask: healing.RemoveExtension) -> Nothing:
        node = self.find_node(ask.extension_id)
        if self.locks:
            raise Refused("ScopeLocked", "locked")
        if self.removal_of_extension_refusal:
            raise self.removal_of_extension_refusal
        if node.state not in {None, "Deleting"}:
            self.changes.append(f"uninstall {node.name}")
            node.state, node.registered = "Deleting", False
            self.schedule(2, lambda: setattr(node, "state", None))
        return Nothing()

    def create_extension(self, ask: healing.CreateExtension) -> Nothing:
        node = self.find_node(ask.machine_id)
        if node.state is None:
            assert ask.saved.settings == SETTINGS
            self.changes.append(f"install {node.name}")
            self._begin_install(node)
        return Nothing()

    def _begin_install(self, node: Node) -> None:
        node.state = "Creating"
        self.schedule(3, lambda: self._end_install(node))

    def _end_install(self, node: Node) -> None:
        node.message = self.install_errors.pop(0) if self.install_errors else ""
        node.state, node.registered = ("Failed", False) if node.message else ("Succeeded", True)
        node.heartbeat = self.clock.now if node.registered else node.heartbeat

    def _restore_extension(self, node: Node) -> None:
        if node.state is None:
            self._begin_install(node)

    # --- scripts ---

    def run_script(self, ask: healing.RunScript) -> Nothing:
        """Sources are listed at once and as they are when the list is read; other scripts take half a minute."""
        if refusal := self.script_refusals.get(ask.script):
            raise refusal
        key, node = f"{ask.machine_id}:{ask.name}", self.find_node(ask.machine_id)
        if ask.script == "read-source":
            self.on_premises.reads.append(f"{node.name}: {ask.parameters['Names']}")
            self.scripts[key] = ScriptRun(ask)
        elif key not in self.scripts:
            script = self.scripts[key] = ScriptRun(ask)
            self.changes.append(f"run {ask.script} on {node.name}")
            if not self.are_scripts_stuck:
                self.schedule(0.5, lambda: self._end_script(script))
        return Nothing()

    def _end_script(self, script: ScriptRun) -> None:
        result: dict[str, Any] = {"synchronised": True}
        if script.ask.script != "sync-cluster":
            result = self._read_registration(self.find_node(script.ask.machine_id), script.ask.parameters)
        elif self.sync_restores:
            for node in (node for node in self.by_name.values() if node.state is None):
                self.schedule(3, lambda node=node: self._restore_extension(node))  # type: ignore[misc]
        script.view = healing.ScriptView(state="Succeeded", exit_code=0, result=result)

    def _read_registration(self, node: Node, parameters: dict[str, str]) -> dict[str, Any]:
        registration = {"ResourceName": "vault-dr", "SiteName": HYPER_V_SITE, "KeyVaultName": "kv"}
        if self.service_url:
            registration["SRSUri"] = self.service_url
        reached = dict.fromkeys((url for url in parameters.get("Endpoints", "").split(",") if url), True)
        if reached:
            self.endpoints[node.name] = list(reached)
        plain: dict[str, Any] = {"endpoints": reached, "clockOffset": 0 if reached else None}
        plain |= {"registration": registration if node.registered else None, "hyperV": True}
        boot = (self.clock.now - timedelta(days=9)).isoformat()
        return {**plain, "dra": "Running" if node.registered else "Stopped", "lastBoot": boot, **node.facts}

    def read_script(self, ask: healing.ReadScript) -> healing.ScriptView:
        script = self.scripts[f"{ask.machine_id}:{ask.name}"]
        if script.ask.script != "read-source":
            return script.view
        result = self.on_premises.list_sources(self.find_node(ask.machine_id).name, script.ask.parameters)
        return healing.ScriptView(state="Succeeded", exit_code=0, result=result)

    def remove_script(self, ask: healing.RemoveScript) -> Nothing:
        if self.removal_refusal:
            raise self.removal_refusal
        self.scripts.pop(f"{ask.machine_id}:{ask.name}", None)
        return Nothing()

    # --- locks ---

    def read_locks(self, _ask: healing.ReadLocks) -> healing.LocksRead:
        return healing.LocksRead(locks=tuple(self.locks))

    def remove_locks(self, ask: healing.RemoveLocks) -> Nothing:
        self.changes.append("unlock")
        self.locks = [lock for lock in self.locks if lock not in ask.locks]
        return Nothing()

    def restore_locks(self, ask: healing.RestoreLocks) -> Nothing:
        self.locks += [lock for lock in ask.locks if lock not in self.locks]
        return Nothing()
