"""The activities of a run on a plan as orchestrators see them: probes, inventories, points, hooks, recovery plans."""

from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from shared.activity import Activity, Nothing
from shared.messages import Message, VaultRef
from shared.obstacle import Obstacle
from shared.operations.hook_work import HookWork
from shared.plans.hook_authentication import HookAuthentication
from shared.plans.plan import Probe
from shared.plans.preview import Preview
from shared.recovery.drill import Inventory
from shared.recovery.operation import Operation
from shared.site_recovery.contract import ProbeAnswer, RecoveryPlanJobView, RecoveryPlanStarted
from shared.site_recovery.recovery_points import LATEST
from shared.site_recovery.request_budget import Calls
from shared.site_recovery.verb_options import VerbOptions
from shared.site_recovery.views import Verb


class ProbeTarget(Message):
    """A machine that a failover made.

    Attributes:
        address: Its private address when it is known already: saves two reads.
        operation: The run, for probes that leave something behind or tell somebody.
        at: When they are tried; signed calls say so.
    """

    vm: str
    azure_vm: str
    target_group: str
    probes: tuple[Probe, ...]
    address: str = ""
    operation: str = ""
    at: datetime | None = None


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
        known_marks: Marks of what was there before; None for a first inventory.
        evidence_file: Name under which the whole of it is kept in the run's evidence, such as
            "drill-payroll-1/attachments/inventory-before.json"; empty not to keep it.
    """

    groups: tuple[str, ...]
    networks: tuple[str, ...] = ()
    known_marks: tuple[str, ...] | None = None
    evidence_file: str = ""


class ReadNetwork(Message):
    """See how isolated a virtual network is."""

    network: str


class NetworkNeighbours(Message):
    """A virtual network's neighbours.

    Attributes:
        peered: ARM ids of networks that it is peered to.
        cards: ARM ids of the network cards in it.
    """

    found: bool
    peered: tuple[str, ...] = ()
    cards: tuple[str, ...] = ()


PROBE_VMS = Activity("probe_vms", ProbeBatch, ProbesTried)
TAKE_INVENTORY = Activity("list_drill_resources", TakeInventory, Inventory)
READ_NETWORK = Activity("read_drill_network", ReadNetwork, NetworkNeighbours)


class PointCheck(Message):
    """A protected item, and the point that it is to start from: a rule, a name or an ARM id."""

    vm: str
    item_id: str
    rule: str = LATEST


class CheckPoints(Message):
    """See whether each of these items has the point that it is to start from; one list an item."""

    vault: VaultRef
    items: tuple[PointCheck, ...] = Field(max_length=50)
    max_age: timedelta | None = None


class PointsChecked(Message):
    """What is wrong, a problem for each item that has no such point; and the requests that it took."""

    obstacles: tuple[Obstacle, ...] = ()
    calls: Calls = Calls()


class KeepPoints(Message):
    """Keep the lists of these items' recovery points as evidence, before a commit deletes them.

    Attributes:
        evidence_file: Where in the store: one file for all of them.
    """

    vault: VaultRef
    items: tuple[PointCheck, ...] = Field(max_length=50)
    evidence_file: str


class PointsKept(Message):
    """How many points each item had, by VM; empty where nothing is kept. And the requests that it took.

    Attributes:
        unkept: Why the lists could not be kept as evidence.
    """

    counts: dict[str, int] = Field(default_factory=dict)
    calls: Calls = Calls()
    unkept: str = ""


CHECK_POINTS = Activity("check_recovery_points", CheckPoints, PointsChecked)
KEEP_POINTS = Activity("keep_recovery_points", KeepPoints, PointsKept)


class TakePreview(Message):
    """See what an operation would do now; without what it carries of its own run and of an earlier preview."""

    operation: Operation


class PreviewTaken(Message):
    """What it would do.

    Attributes:
        declared_digest: Digest of the plan as it is declared now; empty when it was withdrawn.
    """

    preview: Preview
    declared_digest: str = ""


TAKE_PREVIEW = Activity("compute_preview", TakePreview, PreviewTaken)


class BeginHookWork(HookWork):
    """Begin it, unless that was done before.

    Attributes:
        script: As the plan has it.
        parameters: Texts, and references to secrets: those are read where the work is begun.
        run_on: Group of hybrid workers; empty for Azure itself.
        timeout: How long the script may run.
    """

    script: str = ""
    parameters: dict[str, str] = Field(default_factory=dict)
    run_on: str = ""
    timeout: timedelta = timedelta(minutes=10)


BEGIN_HOOK_WORK = Activity("start_hook_work", BeginHookWork, Nothing)


class HookAnswer(Message):
    """What one try of a hook shows.

    Attributes:
        state: "passed" and "failed" are final; "running": its work, or a person's, goes on; "unanswered": nobody said,
            so that it is to be tried again.
        status: Of HTTP; for a script its exit code.
        detail: One line for people: how it ended, where to look, and what its author declared to be public.
        output: The end of what it answered, without secrets; empty unless the plan wants it kept.
    """

    state: Literal["passed", "failed", "running", "unanswered"]
    status: int = 0
    detail: str = ""
    output: str = ""

    @property
    def passed(self) -> bool:
        """Whether the hook has done what it was there for."""
        return self.state == "passed"

    @property
    def may_change(self) -> bool:
        """Whether the next try may show something else."""
        return self.state in {"running", "unanswered"}


READ_HOOK_WORK = Activity("read_hook_work", HookWork, HookAnswer)
END_HOOK_WORK = Activity("end_hook_work", HookWork, Nothing)


class StartRecoveryPlan(Message):
    """Start a verb on a recovery plan, or adopt the job that an earlier run of this same call started.

    Attributes:
        operation: What request ids are made of, unique for the run and the stage.
        shape: The recovery plan has to be as it was when the run began.
        since: When this was first asked for: no job to adopt is older.
        options: How; of recovery points a recovery plan knows sorts only.
        point_type: For failovers: Latest, LatestProcessed or LatestApplicationConsistent.
        only_adopt: Send nothing, but find what an earlier ask has started: the run was aborted meanwhile.
    """

    vault: VaultRef
    operation: str
    verb: Verb
    name: str
    shape: str
    vms: tuple[str, ...]
    attempt: int = 1
    since: datetime
    network_id: str = ""
    options: VerbOptions = VerbOptions()
    point_type: str = "Latest"
    only_adopt: bool = False


class ReadRecoveryPlanJob(Message):
    """Read the job of a recovery plan.

    Attributes:
        pack: The run whose evidence the job is kept in once it has ended; empty not to keep it.
    """

    vault: VaultRef
    job: str
    pack: str = ""


START_RECOVERY_PLAN = Activity("start_recovery_plan", StartRecoveryPlan, RecoveryPlanStarted)
READ_RECOVERY_PLAN_JOB = Activity("read_recovery_plan_job", ReadRecoveryPlanJob, RecoveryPlanJobView)


class RunHook(Message):
    """Ask somebody over HTTP, at a moment of a drill.

    Attributes:
        moment: "before", "after" or "after-cleanup".
        id: The same for each try: whoever is asked can tell a second time by it.
        message_member: Which member of its answer everybody may read; empty for none.
        keep_output: Whether its answer is kept.
        authentication: How the call shows whose it is; None for not at all.
        at: When it is asked; a signed call says so.
    """

    id: str
    url: str
    moment: str
    operation: str
    plan: str
    state: str
    message_member: str = ""
    keep_output: bool = False
    authentication: HookAuthentication | None = None
    at: datetime | None = None


RUN_HOOK = Activity("run_hook", RunHook, HookAnswer)
