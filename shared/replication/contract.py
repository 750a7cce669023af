"""The activities on replication as orchestrators see them: what there is to protect, how far it is, and what to do."""

from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from shared.activity import Activity
from shared.messages import Message, VaultRef
from shared.replication.settings import ProtectableItem, ReplicatedItem, ReplicationAction, VmSettings
from shared.site_recovery.contract import StartsMade


class ReadProtectableItems(Message):
    """Read the machines of a Hyper-V site that can be protected, or are.

    Attributes:
        registered_since: Tell of the newest registration of a host since then; None does not ask.
    """

    vault: VaultRef
    site: str
    policy: str = ""
    registered_since: datetime | None = None


class ProtectableItemsRead(Message):
    """Machines in the vault's order.

    Attributes:
        container: ARM id of the site's container.
        policy_id: ARM id of the policy that was named, or of the one that is associated; empty without one.
        interval: How often that policy sends changes.
        registered: When the newest registration of a host began that was asked for; None where there is none.
    """

    machines: tuple[ProtectableItem, ...]
    container: str = ""
    policy_id: str = ""
    interval: timedelta = timedelta(minutes=5)
    registered: datetime | None = None


class ReadReplicatedItems(Message):
    """Read how far the machines of a vault are replicated, with one (paged) list.

    Attributes:
        vms: Only these, by name in any casing; empty for all.
        newest_jobs_of: Ids of machines whose newest job of the action is wanted as well; none older than `since`.
    """

    vault: VaultRef
    vms: tuple[str, ...] = ()
    newest_jobs_of: tuple[str, ...] = ()
    action: ReplicationAction = "enable"
    since: datetime | None = None


class ReplicatedItemsRead(Message):
    """Each that has replication enabled.

    Attributes:
        newest_jobs: Names of the jobs that were sought, by machine.
        at: When Azure answered, by its own clock.
    """

    items: tuple[ReplicatedItem, ...]
    newest_jobs: dict[str, str] = Field(default_factory=dict)
    at: datetime


class ReadRecoveryPoints(Message):
    """Read the recovery points of one protected item."""

    vault: VaultRef
    item_id: str


class RecoveryPointView(Message):
    """A recovery point; `kind` as Azure calls it: CrashConsistent, AppConsistent, and so on."""

    at: datetime
    kind: str = ""


class RecoveryPointsRead(Message):
    """Newest first."""

    points: tuple[RecoveryPointView, ...]


class ProtectionStart(Message):
    """One machine of a batch.

    Attributes:
        item_id: ARM id of its protected item, or the one that it shall have.
        machine: For enabling: what is protected, with the disks that were picked.
        job: For a restart: the job to do again.
    """

    vm: str
    item_id: str
    attempt: int = 1
    machine: ProtectableItem | None = None
    settings: VmSettings = VmSettings()
    job: str = ""


class StartProtection(Message):
    """Start one action on up to 50 machines of one vault, or restart its failed jobs.

    Attributes:
        operation: Id of the run: request ids are made of it.
        since: When these were first asked for: no job to adopt is older.
    """

    vault: VaultRef
    operation: str
    action: ReplicationAction | Literal["restart"]
    starts: tuple[ProtectionStart, ...] = Field(max_length=50)
    since: datetime
    policy_id: str = ""
    target_group: str = ""
    cache_storage: str = ""


READ_PROTECTABLE_ITEMS = Activity("read_protectable_items", ReadProtectableItems, ProtectableItemsRead)
READ_REPLICATED_ITEMS = Activity("read_replications", ReadReplicatedItems, ReplicatedItemsRead)
READ_RECOVERY_POINTS = Activity("read_recovery_points", ReadRecoveryPoints, RecoveryPointsRead)
START_PROTECTION = Activity("change_replication", StartProtection, StartsMade)
