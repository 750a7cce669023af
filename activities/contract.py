"""All that orchestrators see of the activities: their names, what they take and what they answer."""

from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from pydantic import Field

from shared.budget import Calls
from shared.evidence.records import Entry
from shared.inventory import Inventory
from shared.messages import ExtensionView, ItemView, Message, NodeView, Probe, ProviderView, VaultRef, Verb
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


# --- nodes -------------------------------------------------------------------------------------------------------


class ReadNodes(Message):
    """Read the Arc machines of a cluster with their ASR extension.

    Attributes:
        machine_id: Only this machine; its cluster is then in the answer.
    """

    cluster_id: str = ""
    machine_id: str = ""


class NodesRead(Message):
    """Nodes by name.

    Attributes:
        at: When Azure answered, by its own clock.
    """

    nodes: tuple[NodeView, ...]
    at: datetime


class RemoveExtension(Message):
    """Uninstall an extension from a node; one that is gone, or is being removed, is left alone."""

    extension_id: str
    operation: str


class CreateExtension(Message):
    """Install the ASR extension with the settings that were saved; one that is there is left alone."""

    machine_id: str
    operation: str
    saved: ExtensionView


ScriptName = Literal["sync-cluster", "read-registration", "read-node", "read-source"]


class RunScript(Message):
    """Run one of the repository's scripts on a node through Arc Run Command, under a name used once.

    Attributes:
        name: Run command name, unique for the run and the attempt: every PUT runs the script again.
        parameters: Of the script, by name. They are kept in Azure in clear: never a secret.
    """

    machine_id: str
    name: str
    script: ScriptName
    operation: str
    parameters: dict[str, str] = Field(default_factory=dict)
    timeout: timedelta = timedelta(minutes=10)


class ReadScript(Message):
    """Read how a run command stands."""

    machine_id: str
    name: str


class ScriptView(Message):
    """A run command's state.

    Attributes:
        state: executionState: Unknown, Pending, Running, Failed, Succeeded, TimedOut, Canceled; "Missing" when gone.
        result: The JSON object on the script's last line of output, None when there is none yet.
    """

    state: str
    exit_code: int | None = None
    output: str = ""
    error: str = ""
    result: dict[str, Any] | None = None

    @property
    def ended(self) -> bool:
        """Whether it will not change any more."""
        return self.state in {"Failed", "Succeeded", "TimedOut", "Canceled", "Missing"}


class RemoveScript(Message):
    """Delete a run command once its output was read; one that is gone is left alone."""

    machine_id: str
    name: str
    operation: str


# --- the app itself ----------------------------------------------------------------------------------------------


class Publish(Message):
    """Tell the world of a turning point, as one CloudEvent; its id makes a second sending recognisable."""

    id: str
    type: str
    subject: str
    at: datetime
    data: dict[str, Any]


class Published(Message):
    """Whether there was anyone to tell."""

    sent: bool
    detail: str = ""


class WriteRecords(Message):
    """Append entries to a run's evidence.

    Attributes:
        pack: Id of the run.
        count: Records that the pack has already.
        head: Digest of the newest of them.
    """

    pack: str
    count: int
    head: str
    entries: tuple[Entry, ...]


class RecordsWritten(Message):
    """How far the pack has come; not kept: there is no store."""

    count: int
    head: str
    kept: bool = True


class SealPack(Message):
    """Close a run's evidence with a manifest.

    Attributes:
        facts: What the manifest says besides: when and how the run ended, the plan's digest.
    """

    pack: str
    head: str
    facts: dict[str, Any]


class PackSealed(Message):
    """Digests to hold the pack against: of its newest record and of its manifest."""

    head: str = ""
    records: int = 0
    manifest: str = ""
    kept: bool = True


class ReadRuns(Message):
    """Ask the engine which of these runs have ended, or never were."""

    ids: tuple[str, ...]


class RunsRead(Message):
    """The runs that hold nothing any more."""

    ended: tuple[str, ...]


class RunHook(Message):
    """Ask somebody over HTTP, at a moment of a drill.

    Attributes:
        moment: "before", "after" or "after-cleanup".
        id: The same for each try: whoever is asked can tell a second time by it.
    """

    id: str
    url: str
    moment: str
    operation: str
    plan: str
    state: str


class HookRan(Message):
    """What was answered.

    Attributes:
        status: Of HTTP; for a script its exit code.
        detail: One line for people.
        again: The answer may be another one later.
        output: What a script or a runbook wrote, its end, without secrets.
    """

    passed: bool
    status: int = 0
    detail: str = ""
    again: bool = False
    output: str = ""


class StartCleanup(Message):
    """Start the cleanup that is owed for a plan, as its obligation says, unless a run of this id exists."""

    id: str
    plan: str


class ReadOutcomes(Message):
    """Ask the engine how runs ended."""

    ids: tuple[str, ...]


class RunEnded(Message):
    """How a run stands.

    Attributes:
        state: living, succeeded, failed, refused or aborted; "gone" when the engine does not know it.
        codes: Of the problems, when it was refused.
    """

    id: str
    state: str
    codes: tuple[str, ...] = ()


class OutcomesRead(Message):
    """One for each run, in order."""

    runs: tuple[RunEnded, ...]


class ReadHolders(Message):
    """Ask which living runs hold any of these VMs.

    Attributes:
        vms: By key of the vault: names of VMs.
    """

    vms: dict[str, tuple[str, ...]]


class HoldersRead(Message):
    """Ids of the runs that do."""

    runs: tuple[str, ...]


class ReadBook(Message):
    """Read all that is declared: the timers' only view of it."""


class Declared(Message):
    """A declared document as its entity keeps it."""

    name: str
    document: dict[str, Any]
    declared: datetime


class Tracked(Message):
    """What is remembered of a plan, as its entity keeps it, with no more of the past than its newest good drill."""

    name: str
    track: dict[str, Any]


class BookRead(Message):
    """Sites and plans by name, what is owed, and what is remembered of the plans' drills."""

    sites: tuple[Declared, ...]
    plans: tuple[Declared, ...]
    obligations: tuple[dict[str, Any], ...]
    tracks: tuple[Tracked, ...] = ()


class StartRun(Message):
    """Start an operation unless a run of this id exists."""

    id: str
    orchestrator: str
    payload: dict[str, Any]


READ_ITEMS = Activity("read_items", ReadItems, ItemsRead)
START_VERBS = Activity("start_verbs", StartVerbs, StartsMade)
WATCH_JOBS = Activity("watch_jobs", WatchJobs, JobsSeen)
RESUME_JOBS = Activity("resume_jobs", ResumeJobs, JobsResumed)
READ_PROVIDERS = Activity("read_providers", ReadProviders, ProvidersRead)
PROBE_VMS = Activity("probe_vms", ProbeBatch, ProbesTried)
TAKE_INVENTORY = Activity("take_inventory", TakeInventory, Inventory)
READ_NETWORK = Activity("read_network", ReadNetwork, NetworkSeen)
READ_NODES = Activity("read_nodes", ReadNodes, NodesRead)
REMOVE_EXTENSION = Activity("remove_extension", RemoveExtension, Nothing)
CREATE_EXTENSION = Activity("create_extension", CreateExtension, Nothing)
RUN_SCRIPT = Activity("run_script", RunScript, Nothing)
READ_SCRIPT = Activity("read_script", ReadScript, ScriptView)
REMOVE_SCRIPT = Activity("remove_script", RemoveScript, Nothing)
PUBLISH = Activity("publish", Publish, Published)
WRITE_RECORDS = Activity("write_records", WriteRecords, RecordsWritten)
SEAL_PACK = Activity("seal_pack", SealPack, PackSealed)
RUN_HOOK = Activity("run_hook", RunHook, HookRan)
START_CLEANUP = Activity("start_cleanup", StartCleanup, Nothing)
READ_OUTCOMES = Activity("read_outcomes", ReadOutcomes, OutcomesRead)
READ_HOLDERS = Activity("read_holders", ReadHolders, HoldersRead)
READ_RUNS = Activity("read_runs", ReadRuns, RunsRead)
READ_BOOK = Activity("read_book", ReadBook, BookRead)
START_RUN = Activity("start_run", StartRun, Nothing)
