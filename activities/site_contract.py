"""The contract's part for onboarding: what prepares a site, and what starts and follows the replication of its VMs."""

from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import Field

from activities.contract import Activity, StartsMade
from shared.messages import Message, VaultRef
from shared.replication import Action, Copied, Machine, VmSettings

ResourceKind = Literal["group", "storage", "vault", "cluster", "network"]
EnsureOutcome = Literal["absent", "created", "started", "kept", "differs"]

# --- resources of any kind ---------------------------------------------------------------------------------------


class EnsureResource(Message):
    """See to it that a resource is there; one that is there is compared and never changed.

    Attributes:
        body: What to ask for when it is missing; None only to look.
        expect: What it should say, by the dotted path of the field ("properties.addressSpace"), compared as text
            without regard to case; {} to take it as it is.
        show: What to tell of it, by the same paths.
    """

    operation: str
    resource_id: str
    kind: ResourceKind
    body: dict[str, Any] | None = None
    expect: dict[str, str] = Field(default_factory=dict)
    show: tuple[str, ...] = ()


class Ensured(Message):
    """How it was found.

    Attributes:
        differences: Each as a sentence: "location is northeurope, not westeurope".
        facts: What was asked to be told, by path; empty texts for what it does not say.
        state: Its provisioningState, empty when it has none.
        job: The job that makes it, when "started".
    """

    outcome: EnsureOutcome
    differences: tuple[str, ...] = ()
    facts: dict[str, str] = Field(default_factory=dict)
    state: str = ""
    job: str = ""


class EnsureRole(Message):
    """See to it that a principal has a role on a scope, or above it.

    Attributes:
        role: GUID of the built-in role.
        sufficient: Other roles that do as well.
    """

    operation: str
    scope: str
    role: str
    principal: str
    sufficient: tuple[str, ...] = ()


# --- the vault's own things --------------------------------------------------------------------------------------


class EnsureInVault(Message):
    """See to it that a vault has a Hyper-V site, a policy or their association; "started" names the job that makes it.

    Attributes:
        name: Of the site or the policy; of the association: any, should it have to be made.
        settings: For a policy: as the API's input names them. Compared only as far as `compare` says.
        site: For an association: the Hyper-V site.
        policy: For an association: the policy's name.
        create: Whether to ask for one that is missing.
        since: No job of this run is older.
    """

    vault: VaultRef
    operation: str
    what: Literal["site", "policy", "association"]
    name: str
    settings: dict[str, int] = Field(default_factory=dict)
    compare: bool = True
    site: str = ""
    policy: str = ""
    create: bool = True
    attempt: int = 1
    since: datetime


class ReadRegistrations(Message):
    """Read the jobs by which hosts registered with a vault since then."""

    vault: VaultRef
    since: datetime


class Registration(Message):
    """One such job; `outcome` is empty while it runs."""

    host: str
    outcome: str = ""
    detail: str = ""
    at: datetime | None = None


class RegistrationsRead(Message):
    """The newest job of each host."""

    registrations: tuple[Registration, ...]


# --- replication -------------------------------------------------------------------------------------------------


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


ENSURE_RESOURCE = Activity("ensure_resource", EnsureResource, Ensured)
ENSURE_ROLE = Activity("ensure_role", EnsureRole, Ensured)
ENSURE_IN_VAULT = Activity("ensure_in_vault", EnsureInVault, Ensured)
READ_REGISTRATIONS = Activity("read_registrations", ReadRegistrations, RegistrationsRead)
READ_MACHINES = Activity("read_machines", ReadMachines, MachinesRead)
READ_COPIES = Activity("read_copies", ReadCopies, CopiesRead)
READ_POINTS = Activity("read_points", ReadPoints, PointsRead)
START_PROTECTION = Activity("start_protection", StartProtection, StartsMade)
