"""Protected items and hosts as the vault shows them, with only what decisions need."""

from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from shared.arm_ids import names_by_type
from shared.messages import Message

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


class ItemView(Message):
    """A protected item as the vault lists it, with only what a decision needs.

    Attributes:
        id: ARM id as the vault spells it; compare without regard to case.
        vm: The virtual machine's name (friendlyName).
        scenario: What the item is busy with, "None" when idle.
        rpo: How far the replica was behind when that was last measured; None when the vault does not say.
        rpo_at: When that figure was measured.
        azure_vm: Name that a failover gives, or gave, to the Azure VM.
        target_group: ARM id of the resource group that a failover creates the VM in.
        host_provider: ARM id of the provider (host) that owns the VM now.
        machine: GUID of the virtual machine on its host.
        hyper_v_site: Friendly name of the Hyper-V site that it replicates from, empty where the vault does not say.
        address: The private address that a failover asks for, empty for one that Azure gives; `test_address` is that of
            a test failover.
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
    rpo_at: datetime | None = None
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
    address: str = ""
    test_address: str = ""

    @property
    def is_busy(self) -> bool:
        """Whether something is under way with it."""
        return self.scenario not in {"", "None"}

    @property
    def is_in_azure(self) -> bool:
        """Whether a failover has brought its machine there."""
        return self.active_location == "Recovery"

    @property
    def has_failed_enabling(self) -> bool:
        """Whether enabling has left it behind, and nothing of it was ever copied."""
        return self.protection_state == "EnablingFailed" and not self.is_busy

    @property
    def hyper_v_sites(self) -> tuple[str, ...]:
        """The names of its Hyper-V site: of the fabric in its id, and the friendly one; none where it has neither."""
        names = (names_by_type(self.id).get("replicationfabrics", ""), self.hyper_v_site)
        return tuple(sorted({name for name in names if name}))


class ItemDetail(ItemView):
    """The same with what a preview is judged by besides.

    Attributes:
        policy: Name of its replication policy.
        network: ARM id of the network that a failover connects it to, empty without one.
        failover_point: Name of the recovery point that the last failover, tests too, started from.
        disk_sizes: MB of each disk that is replicated, by its id.
        size: Of the Azure VM that a failover makes.
    """

    policy: str = ""
    network: str = ""
    failover_point: str = ""
    disk_sizes: dict[str, int] = Field(default_factory=dict)
    size: str = ""


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
