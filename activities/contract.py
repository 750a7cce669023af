"""What orchestrators see of the activities, with its parts in the modules beside it: names, asks and answers.

Here what is asked of vaults, and of machines in Azure.
"""

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from pydantic import Field

from shared.budget import Calls
from shared.inventory import Inventory
from shared.messages import ItemView, Message, Probe, ProviderView, VaultRef, Verb
from shared.outcomes import JobEnd, JobResumed, ProbeAnswer, StartAnswer
from shared.recovery_points import LATEST


class Activity[Ask: Message, Answer: Message](NamedTuple):
    """An activity by name, with the messages it takes and answers."""

    name: str
    ask: type[Ask]
    answer: type[Answer]


class Nothing(Message):
    """There is nothing to say."""


class RefusedCode(Message):
    """A refusal as an answer: a code that programs know and a sentence for people."""

    code: str
    detail: str


# --- the vault ---------------------------------------------------------------------------------------------------


class ReadItems(Message):
    """Read the protected items of a vault with one (paged) list.

    Attributes:
        vms: Only these, by VM name, in any casing; empty for all.
    """

    vault: VaultRef
    vms: tuple[str, ...] = ()


class ItemsRead(Message):
    """The items that were asked for and are there, in the vault's order; and the requests that it took."""

    items: tuple[ItemView, ...]
    calls: Calls | None = None


class StartOne(Message):
    """One item of a batch.

    Attributes:
        adopts_from: The first attempt whose job is adopted, unless it failed; 0 for that of this attempt alone.
        seen: The run has just read the item and found it ready: it is not read again before the verb is sent.
        point: The recovery point to start from: a rule, a name or an ARM id.
        provider: For a Failback that may make the VM: ARM id of the host's provider.
    """

    vm: str
    item_id: str
    attempt: int = 1
    adopts_from: int = 0
    seen: bool = False
    point: str = LATEST
    provider: str = ""


class StartVerbs(Message):
    """Start one verb on up to 50 items of one vault.

    Attributes:
        operation: Id of the run: request ids are made of it, so it is never that of a child or of a plan.
        network_id: For TestFailover: the isolated network's ARM id.
        shut_down_source: For UnplannedFailover: try to shut the source VM down first.
        data_sync: For Failback: delta while the Azure VM runs, or a full download.
        create_vm: For Failback: make a VM that is gone on premises.
        since: When these starts were first asked for: no job to adopt is older.
        max_age: Of the recovery points to start from.
        only_adopt: Send nothing, but find what an earlier ask has started: the run was aborted meanwhile.
    """

    vault: VaultRef
    operation: str
    verb: Verb
    starts: tuple[StartOne, ...] = Field(max_length=50)
    since: datetime
    network_id: str = ""
    shut_down_source: bool = True
    data_sync: Literal["ForSynchronization", "ForDownTime"] = "ForSynchronization"
    create_vm: bool = False
    max_age: timedelta | None = None
    only_adopt: bool = False


class StartsMade(Message):
    """One answer for each start asked for.

    Attributes:
        retry_after: Longest wait that the vault asked for while it throttled; zero when it did not.
        calls: The requests that it took.
    """

    answers: tuple[StartAnswer, ...]
    retry_after: timedelta = timedelta(0)
    calls: Calls | None = None


class WatchJobs(Message):
    """See which of these jobs have ended: one job list, and one GET for each that has.

    Attributes:
        jobs: Job names.
        since: Start of the oldest, to narrow the list.
        paused: Those of them that were suspended when last seen: they are read only once they are not any more.
        pack: The run whose evidence the jobs that have ended are kept in; empty not to keep them.
        most: How many of those that have ended are read at the most; 0 for all of them.
    """

    vault: VaultRef
    jobs: tuple[str, ...]
    since: datetime
    paused: tuple[str, ...] = ()
    pack: str = ""
    most: int = 0


class JobsSeen(Message):
    """The jobs that have ended since; the others still run, but for those that are yet to be read.

    Attributes:
        running: Those of the paused ones that run again.
        unread: How many have ended, and were too many to read at once.
        calls: The requests that it took.
    """

    ended: tuple[JobEnd, ...]
    running: tuple[str, ...] = ()
    unread: int = 0
    calls: Calls | None = None


class ResumeOne(Message):
    """A suspended job that is to go on."""

    vm: str
    job: str


class ResumeJobs(Message):
    """Let suspended jobs of one vault go on.

    Attributes:
        comments: Kept with each job.
    """

    vault: VaultRef
    operation: str
    jobs: tuple[ResumeOne, ...] = Field(max_length=50)
    comments: str = ""


class JobsResumed(Message):
    """One answer for each job."""

    answers: tuple[JobResumed, ...]


class ReadProviders(Message):
    """Read the hosts that are registered with a Hyper-V site.

    Attributes:
        fabric: Name of the Hyper-V site; empty for every fabric of the vault.
    """

    vault: VaultRef
    fabric: str = ""


class ProvidersRead(Message):
    """Hosts of a Hyper-V site.

    Attributes:
        at: When Azure answered, by its own clock: how fresh a heartbeat is can only be judged against this.
    """

    providers: tuple[ProviderView, ...]
    at: datetime


# --- machines in Azure -------------------------------------------------------------------------------------------


class ProbeTarget(Message):
    """A machine that a failover made.

    Attributes:
        address: Its private address when it is known already: saves two reads.
        operation: The run, for probes that leave something behind or tell somebody.
    """

    vm: str
    azure_vm: str
    target_group: str
    probes: tuple[Probe, ...]
    address: str = ""
    operation: str = ""


class ProbeBatch(Message):
    """Try the probes of these machines once, at the same time."""

    targets: tuple[ProbeTarget, ...] = Field(max_length=50)


class ProbesTried(Message):
    """One answer for each machine."""

    answers: tuple[ProbeAnswer, ...]


class TakeInventory(Message):
    """See what is in these resource groups and virtual networks, however Site Recovery puts it.

    Attributes:
        groups: ARM ids of resource groups.
        networks: ARM ids of virtual networks: cards in them count, wherever those are kept.
        known: Marks of what was there before; None for a first inventory.
        keep: Name under which the whole of it is kept in the run's evidence, such as
            "drill-payroll-1/attachments/inventory-before.json"; empty not to keep it.
    """

    groups: tuple[str, ...]
    networks: tuple[str, ...] = ()
    known: tuple[str, ...] | None = None
    keep: str = ""


class ReadNetwork(Message):
    """See how isolated a virtual network is."""

    network: str


class NetworkSeen(Message):
    """A virtual network's neighbours.

    Attributes:
        peered: ARM ids of networks that it is peered to.
        cards: ARM ids of the network cards in it.
    """

    found: bool
    peered: tuple[str, ...] = ()
    cards: tuple[str, ...] = ()


READ_ITEMS = Activity("read_items", ReadItems, ItemsRead)
START_VERBS = Activity("start_verbs", StartVerbs, StartsMade)
WATCH_JOBS = Activity("watch_jobs", WatchJobs, JobsSeen)
RESUME_JOBS = Activity("resume_jobs", ResumeJobs, JobsResumed)
READ_PROVIDERS = Activity("read_providers", ReadProviders, ProvidersRead)
PROBE_VMS = Activity("probe_vms", ProbeBatch, ProbesTried)
TAKE_INVENTORY = Activity("take_inventory", TakeInventory, Inventory)
READ_NETWORK = Activity("read_network", ReadNetwork, NetworkSeen)
