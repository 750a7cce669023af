"""The contract's part for onboarding: what prepares a site, and what starts and follows the replication of its VMs."""

from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from shared.activity import Activity
from shared.messages import Message, VaultRef
from shared.replication.settings import Action, Copied, Machine, VmSettings
from shared.site_recovery.contract import StartsMade


class ReadMachines(Message):
    """Read the machines of a Hyper-V site that can be protected, or are."""

    vault: VaultRef
    site: str
    policy: str = ""


class MachinesRead(Message):
    """Machines in the vault's order.

    Attributes:
        container: ARM id of the site's container.
        policy_id: ARM id of the policy that was named, or of the one that is associated; empty without one.
        interval: How often that policy sends changes.
    """

    machines: tuple[Machine, ...]
    container: str = ""
    policy_id: str = ""
    interval: timedelta = timedelta(minutes=5)


class ReadCopies(Message):
    """Read how far the machines of a vault are replicated, with one (paged) list.

    Attributes:
        vms: Only these, by name in any casing; empty for all.
        seek: Ids of machines whose newest job of the action is wanted as well; none older than `since`.
    """

    vault: VaultRef
    vms: tuple[str, ...] = ()
    seek: tuple[str, ...] = ()
    action: Action = "enable"
    since: datetime | None = None


class CopiesRead(Message):
    """Each that has replication enabled.

    Attributes:
        newest: Names of the jobs that were sought, by machine.
        at: When Azure answered, by its own clock.
    """

    copies: tuple[Copied, ...]
    newest: dict[str, str] = Field(default_factory=dict)
    at: datetime


class ReadPoints(Message):
    """Read the recovery points of one protected item."""

    vault: VaultRef
    item_id: str


class Point(Message):
    """A recovery point; `kind` as Azure calls it: CrashConsistent, AppConsistent, and so on."""

    at: datetime
    kind: str = ""


class PointsRead(Message):
    """Newest first."""

    points: tuple[Point, ...]


class ProtectOne(Message):
    """One machine of a batch.

    Attributes:
        item_id: ARM id of its protected item, or the one that it shall have.
        machine: For enabling: what is protected, with the disks that were picked.
        job: For a restart: the job to do again.
    """

    vm: str
    item_id: str
    attempt: int = 1
    machine: Machine | None = None
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
    action: Action | Literal["restart"]
    starts: tuple[ProtectOne, ...] = Field(max_length=50)
    since: datetime
    policy_id: str = ""
    target_group: str = ""
    cache_storage: str = ""


READ_MACHINES = Activity("read_protectable_items", ReadMachines, MachinesRead)
READ_COPIES = Activity("read_replications", ReadCopies, CopiesRead)
READ_POINTS = Activity("read_recovery_points", ReadPoints, PointsRead)
START_PROTECTION = Activity("start_replication", StartProtection, StartsMade)
