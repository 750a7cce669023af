"""Everything that crosses a durable boundary, as plain JSON, and is kept in history."""

from datetime import datetime, timedelta
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from shared.azure.wire import segments

Verb = Literal[
    "TestFailover",
    "TestFailoverCleanup",
    "PlannedFailover",
    "UnplannedFailover",
    "Commit",
    "Failback",
    "ReverseReplicate",
    "CancelFailover",
    "ChangePit",
    "UpdateVmProperties",
]
"""What Site Recovery can be asked to do with a protected item, spelt as in its allowedOperations."""


class Message(BaseModel, frozen=True):
    """An immutable value that travels as plain JSON and is kept in history."""


class Document(Message):
    """What people declare and read: camelCase on the wire, and nothing that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class VaultRef(Message):
    """A Recovery Services vault."""

    subscription_id: str
    resource_group: str
    vault: str

    @classmethod
    def from_id(cls, arm_id: str) -> Self:
        """Read the vault out of its own ARM id, or out of that of anything below it, in any casing.

        Raises:
            ValueError: the id names no vault.
        """
        parts = arm_id.strip("/").split("/")
        named = {key.lower(): value for key, value in zip(parts[::2], parts[1::2], strict=False)}
        try:
            return cls(
                subscription_id=named["subscriptions"], resource_group=named["resourcegroups"], vault=named["vaults"]
            )
        except KeyError as missing:
            raise ValueError(f"not the ARM id of a Recovery Services vault: {arm_id}") from missing

    @property
    def arm_id(self) -> str:
        """The vault's ARM id, in the casing of this reference."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.RecoveryServices/vaults/{self.vault}"
        )

    @property
    def key(self) -> str:
        """Equal for equal vaults, however their ids were spelt."""
        return f"{self.subscription_id}|{self.resource_group}|{self.vault}".lower()


class ItemView(Message):
    """A protected item as the vault lists it, with only what a decision needs.

    Attributes:
        id: ARM id as the vault spells it; compare without regard to case.
        vm: The virtual machine's name (friendlyName).
        scenario: What the item is busy with, "None" when idle.
        rpo: How far the replica was behind when that was last measured; None when the vault does not say.
        azure_vm: Name that a failover gives, or gave, to the Azure VM.
        target_group: ARM id of the resource group that a failover creates the VM in.
        host_provider: ARM id of the provider (host) that owns the VM now.
        machine: GUID of the virtual machine on its host.
        hyper_v_site: Friendly name of the Hyper-V site that it replicates from, empty where the vault does not say.
        last_failover: When the newest failover that succeeded began.
        disk_mb: Size of its disks together; 0 when the vault does not say.
        percent: Of an initial replication or a resynchronisation; None when the vault does not say.
    """

    id: str
    vm: str
    protection_state: str
    active_location: str = "Primary"
    test_failover_state: str = "None"
    allowed_operations: tuple[str, ...] = ()
    scenario: str = "None"
    replication_health: str = "None"
    rpo: timedelta | None = None
    last_recovery_point: datetime | None = None
    azure_vm: str = ""
    target_group: str = ""
    host_provider: str = ""
    last_test_failover: datetime | None = None
    last_failover: datetime | None = None
    disk_mb: int = 0
    percent: int | None = None
    machine: str = ""
    hyper_v_site: str = ""

    @property
    def hyper_v_sites(self) -> tuple[str, ...]:
        """The names of its Hyper-V site: of the fabric in its id, and the friendly one; none where neither is told."""
        names = (segments(self.id).get("replicationfabrics", ""), self.hyper_v_site)
        return tuple(sorted({name for name in names if name}))


class ItemDetail(ItemView):
    """The same with what a preview is judged by besides.

    Attributes:
        rpo_at: When that figure was measured.
        policy: Name of its replication policy.
        network: ARM id of the network that a failover connects it to, empty without one.
        failover_point: Name of the recovery point that the last failover, tests too, started from.
    """

    rpo_at: datetime | None = None
    policy: str = ""
    network: str = ""
    failover_point: str = ""


class ProviderView(Message):
    """A host as the vault knows it.

    Attributes:
        sites: The names of the Hyper-V site that it is registered with, none where the vault does not say.
    """

    id: str
    host: str
    connected: bool
    heartbeat: datetime | None = None
    sites: tuple[str, ...] = ()


class ExtensionView(Message):
    """The ASR extension of one node.

    Attributes:
        message: What the handler said last, error text and all; never settings that are protected.
        settings: Its public settings, as strings.
    """

    id: str
    name: str
    provisioning_state: str
    code: str = ""
    message: str = ""
    version: str = ""
    location: str = ""
    enable_automatic_upgrade: bool = True
    settings: dict[str, Any] = Field(default_factory=dict)


class NodeView(Message):
    """An Arc machine that is a node of a cluster.

    Attributes:
        blocked: Why its agent will not take the ASR extension or run commands, empty when it will.
    """

    id: str
    name: str
    cluster_id: str
    status: str
    agent_version: str = ""
    location: str = ""
    blocked: str = ""
    extension: ExtensionView | None = None


class Probe(Document):
    """How to see from outside that a machine does its work.

    Attributes:
        port: For "tcp" and "http": the port that must accept a connection, or that serves `path`.
        path: For "http": the path that must answer with a status below 400.
        script: For "run-command": what is run inside the Azure VM, as its system account; it passes with exit code 0.
        url: For "callback": who is asked with {operation, vm, azureVm, address}, and answers {passed, detail}.
        deadline: How long after its start the machine may take to pass.
    """

    kind: Literal["tcp", "http", "run-command", "callback"] = "tcp"
    port: int = 0
    script: str = ""
    url: str = ""
    path: str = "/"
    deadline: timedelta = timedelta(minutes=10)


ItemState = Literal[
    "waiting",
    "starting",
    "running",
    "paused",
    "resuming",
    "probing",
    "settling",
    "done",
    "failed",
    "blocked",
    "skipped",
]
"""waiting for its turn; starting: asked, not yet answered; paused: its job is suspended and waits for a person;
resuming: a person said to go on; settling: job done, the item's state not there yet; blocked: something it depends on
failed; skipped: a person said to go on without it."""


class RunItem(Message):
    """One VM of a run, and where it stands in the stage that is under way.

    Attributes:
        vault: Index into the run's vaults.
        attempt: Counts the verbs sent on purpose in this stage; a new one gets a new request id.
        job: Name of the ASR job that is watched, empty before there is one.
        detail: Why it failed or is blocked, or what Azure warned of; one line for a person.
        adopts_from: The first attempt whose job may be the one that does the work: attempts follow each other by
            themselves only after 532, and what the item was busy with may be our own request, sent by two workers.
        asked: The verb that was asked for last, answered or not; empty before the first.
        asked_from: No job that this attempt started is older.
        seen: Its state was read in this stage, since what it waits for was done, and it is ready for the verb.
        point: Name of the recovery point that a failover was started from; empty for the latest.
        resumed: When its job was resumed last.
        cleared: A person said that its job may go on: "now", or "in turn", once those that it comes after are done;
            "held": one of those did not get there.
        skip: Verbs whose end the item showed already when the run was admitted.
        location: Where it was active then, "Primary" or "Recovery".
        host_provider: ARM id of the provider that had it last, for a way home; and `disk_mb` the size of its disks, for
            that and for what a drill proves.
        provider: ARM id of the provider that a failback makes it with, where it may be made again.
        failed_in: What it was at when it failed, though no job of its verb failed: trying again goes on there.
        steps: What this run did to it, oldest first.
    """

    vm: str
    id: str
    vault: int = 0
    after: tuple[str, ...] = ()
    probes: tuple[Probe, ...] = ()
    state: ItemState = "waiting"
    attempt: int = 1
    adopts_from: int = 1
    job: str = ""
    since: datetime | None = None
    not_before: datetime | None = None
    azure_vm: str = ""
    target_group: str = ""
    address: str = ""
    detail: str = ""
    asked: Verb | Literal[""] = ""
    asked_from: datetime | None = None
    seen: bool = False
    resumed: datetime | None = None
    cleared: Literal["", "in turn", "now", "held"] = ""
    point: str = ""
    skip: tuple[Verb, ...] = ()
    location: str = ""
    host_provider: str = ""
    disk_mb: int = 0
    provider: str = ""
    failed_in: Literal["", "starting", "running", "probing", "settling"] = ""
    steps: tuple["ItemStep", ...] = ()


class ItemStep(Message):
    """One verb on one VM, as it went; `point` is the time of the recovery point, where the job names one."""

    verb: Verb
    job: str
    outcome: Literal["succeeded", "failed"]
    began: datetime | None = None
    ended: datetime | None = None
    probed: datetime | None = None
    point: datetime | None = None
    note: str = ""
