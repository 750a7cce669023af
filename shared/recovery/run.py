"""A run of a verb on a plan: its stages, its limits and where it stands."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from shared.evidence.chain import Chain
from shared.messages import Message, VaultRef
from shared.plans.hooks import HookResult
from shared.plans.plan import Probe
from shared.replication.settings import VmSettings
from shared.site_recovery.request_budget import Allowance
from shared.site_recovery.verb_options import VerbOptions
from shared.site_recovery.views import Verb

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


OnFailure = Literal["stop", "continue", "ask"]
"""How a failback brings data home, as Site Recovery spells it."""


class Stage(Message):
    """One verb for all items of a run that take part in it.

    Attributes:
        ordered: An item waits until those that it depends on are done.
        probed: The machine must pass its probes before what depends on it starts.
        settles: The item's own state must prove the verb's end; the job's word alone is not enough.
        settles_within: How long the item's state may take to follow its job.
        after: Who takes part: all; those that the run's earlier stages left well; or those that an earlier stage
            touched, however it went.
        unless_failed: The stage is left out when anything in the run has failed.
        pause: Why the run waits for a person before the stage begins; empty when it does not.
        pause_until: When it goes on by itself.
        turned: The order is that of the way back: what depends on an item comes before it.
        guarded: The runbook looks whether anything stands in the way before the stage begins.
    """

    verb: Verb
    ordered: bool = True
    probed: bool = False
    settles: bool = False
    settles_within: timedelta = timedelta(minutes=30)
    after: Literal["all", "well", "touched"] = "all"
    unless_failed: bool = False
    pause: str = ""
    pause_until: datetime | None = None
    turned: bool = False
    guarded: bool = False


class Limits(Message):
    """How much at once, and how long.

    Attributes:
        patience: For one ASR job, and for a busy item to become free.
        max_starts: Verbs sent in one tick.
        max_attempts: Verbs sent on purpose for one item in one stage: a further one only after 532.
        on_failure: "stop": nothing new starts in an ordered stage once anything failed; "continue": what does not
            depend on it goes on; "ask": as "continue", and the run waits for a person to say retry, skip or abort.
    """

    patience: timedelta = timedelta(hours=2)
    max_starts: int = 50
    max_attempts: int = 5
    on_failure: OnFailure = "stop"


class Rehearsal(Message):
    """What a drill, the cleanup after one, or a failover that waits with its commit carries along.

    Attributes:
        until: When the cleanup begins at the latest.
        baseline: Marks of what the target groups and the network held before; None when nobody looked.
        soak: How long the machines stay up before they are probed once more; None when that is over, or not wanted.
        soaking: Until when that is, once all are up.
    """

    until: datetime | None = None
    baseline: tuple[str, ...] | None = None
    soak: timedelta | None = None
    soaking: datetime | None = None


class Pause(Message):
    """A run that waits for a person before it goes on.

    Attributes:
        what: What is waited for, in words.
        until: When it goes on by itself; None when only a person can say.
    """

    what: str
    since: datetime
    until: datetime | None = None

    @property
    def mark(self) -> str:
        """Tells this pause from every other one of the run."""
        return f"pause:{self.since.isoformat()}"


class RecoveryPlanRun(Message):
    """One of Site Recovery's recovery plans that a run's verbs go through, and where it stands in the stage under way.

    Attributes:
        vault: Index into the run's vaults.
        vms: Its machines.
        groups: How many of its groups start machines.
        shape: Names its order and actions: it is started only as long as it is so.
        state: waiting for its turn; starting: asked, not yet answered; paused: its job waits for a person; apart: its
            machines are started one by one, because not all of them take part.
        job: Name of its job.
        detail: What it waits for, or how it ended; one line for a person.
        given_up: What it was at when the run lost its patience: its job may still come to its machines.
    """

    name: str
    vault: int = 0
    vms: tuple[str, ...] = ()
    groups: int = 1
    shape: str = ""
    state: Literal["waiting", "starting", "running", "paused", "resuming", "ended", "apart"] = "waiting"
    attempt: int = 1
    job: str = ""
    since: datetime | None = None
    asked_from: datetime | None = None
    not_before: datetime | None = None
    resumed: datetime | None = None
    detail: str = ""
    given_up: Literal["", "starting", "running"] = ""


IN_HAND_STATES = frozenset({"starting", "running", "paused", "resuming"})
"""States of a recovery plan whose job may still come to any of its machines."""
RECOVERY_PLAN_VERBS: frozenset[Verb] = frozenset(
    {
        "TestFailover",
        "TestFailoverCleanup",
        "PlannedFailover",
        "UnplannedFailover",
        "Commit",
        "Failback",
        "ReverseReplicate",
        "CancelFailover",
    }
)
"""What a recovery plan can be asked to do; settings and recovery points are changed machine by machine."""


class Run(Message):
    """A run under way: all that the next tick needs, and nothing else.

    Attributes:
        operation: Id of the root instance; request ids are made of it.
        began: Start of the run; no job of it is older.
        stage_began: Start of the stage under way.
        failures: What went wrong, oldest first, each with its VM and verb.
        retry_until: While a vault throttles us: no verb is sent before.
        decisions: What persons decided, oldest first.
        approvals: Who let it begin.
        aborted: A person ended the run: nothing new starts.
        looks: When the newest ticks began, oldest first.
        rehearsal: For a drill and its cleanup only.
        options: How its verbs are to be done.
        belongings: By VM: marks of what hung on its machine in Azure before that was given up.
        belongs_since: When the first of the failovers began that made those machines.
        findings: What people have to know besides, though nothing went wrong.
        settings: What protected items have to say before a failover, by name of the VM.
        pause: What the whole run waits for; None while it goes on.
        turned: The items' `after` is that of the way back.
        passed: What guards the stage under way was found to be well.
        parts: The recovery plans that its verbs go through, in their order; none where this app starts each verb.
        chain: How far the evidence has come.
        hooks: What became of the hooks whose turn it was, oldest first.
        stopped: What had to be done before a verb did not succeed: nothing more is begun.
        rations: What it was granted in each subscription, by id in lower case.
        watched: When its jobs were looked for last.
        held: When its leases were taken or prolonged last.
        skipped: VMs that a person said to go on without, at any stage.
    """

    operation: str
    stages: tuple[Stage, ...]
    vaults: tuple[VaultRef, ...]
    items: tuple[RunItem, ...]
    limits: Limits = Limits()
    network_id: str = ""
    belongings: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    belongs_since: datetime | None = None
    findings: tuple[str, ...] = ()
    began: datetime
    stage: int = 0
    stage_began: datetime
    failures: tuple[str, ...] = ()
    retry_until: datetime | None = None
    decisions: tuple["Decision", ...] = ()
    approvals: tuple["Approval", ...] = ()
    aborted: bool = False
    looks: tuple[datetime, ...] = ()
    rehearsal: Rehearsal | None = None
    options: VerbOptions = VerbOptions()
    settings: dict[str, VmSettings] = Field(default_factory=dict)
    pause: Pause | None = None
    turned: bool = False
    passed: bool = False
    parts: tuple[RecoveryPlanRun, ...] = ()
    chain: Chain = Chain()
    hooks: tuple[HookResult, ...] = ()
    stopped: bool = False
    rations: dict[str, Allowance] = Field(default_factory=dict)
    watched: datetime | None = None
    held: datetime | None = None
    skipped: tuple[str, ...] = ()

    @property
    def current(self) -> Stage | None:
        """The stage under way, None when all are over."""
        return self.stages[self.stage] if self.stage < len(self.stages) else None

    def subscription_of(self, vault: int) -> str:
        """Under which a vault's ration is kept: its subscription in lower case."""
        return self.vaults[vault].subscription_id.lower()

    @property
    def uses_recovery_plans(self) -> bool:
        """Whether the stage under way goes through recovery plans."""
        return bool(self.parts) and self.current is not None and self.current.verb in RECOVERY_PLAN_VERBS

    @property
    def vms_in_hand(self) -> frozenset[str]:
        """VMs that a recovery plan's job may still come to by itself."""
        if not self.uses_recovery_plans:
            return frozenset()
        return frozenset(vm for part in self.parts if part.state in IN_HAND_STATES for vm in part.vms)

    @property
    def sends_nothing(self) -> bool:
        """Whether the run was aborted, and is in no stage that clears up after it."""
        return self.aborted and self.current is not None and self.current.after != "touched"

    @property
    def synchronises_data(self) -> bool:
        """Whether the stage under way first brings data home while the machines run in Azure.

        That is done for all of them at once: only what comes after it, which stops a machine, keeps the order.
        """
        return (
            self.current is not None
            and self.current.verb == "Failback"
            and self.options.data_sync == "minimise-downtime"
        )

    @property
    def request_scope(self) -> str:
        """What request ids are made of: a verb that the run sends a second time is another request."""
        before = sum(1 for stage in self.stages[: self.stage] if self.current and stage.verb == self.current.verb)
        return f"{self.operation}:{before + 1}" if before else self.operation

    @property
    def has_failed(self) -> bool:
        """Whether anything in the run failed or could not be done."""
        return any(item.state in {"failed", "blocked"} for item in self.items) or bool(self.failures)


class Decision(Message):
    """What a person decided about a run that waits.

    Attributes:
        vms: Whom it concerns; empty for all that wait for a decision.
        about: Mark of what the run waited for when it was said: said twice, it is no word on what comes next.
    """

    verdict: Literal["retry", "skip", "abort", "resume"]
    by: str
    at: datetime
    vms: tuple[str, ...] = ()
    comment: str = ""
    about: str = ""


class Approval(Message):
    """A person's word on a run that has not begun.

    Attributes:
        person: Who it was, as Entra knows them: names are not unique.
        digest: Of the plan as that person saw it.
        preview: Digest of the preview that they saw; empty where none is named.
    """

    approved: bool
    person: str
    by: str
    at: datetime
    digest: str
    preview: str = ""
    comment: str = ""


ALL_PERCENT = 100
SOON, LATER = timedelta(seconds=10), timedelta(seconds=30)
VIEW_STAYS_FRESH = timedelta(minutes=2)
"""How long what was read of an item counts while the machine that it waits for is probed."""


def _with_items_changed(run: Run, changed: Mapping[str, RunItem]) -> Run:
    return run.model_copy(update={"items": tuple(changed.get(item.vm, item) for item in run.items)})
