"""A run of a verb on a plan: its stages, its limits and where it stands."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from shared.budget import Ration
from shared.evidence.records import Chain
from shared.graph import reversed_edges
from shared.hooks import HookEnd
from shared.messages import Message, RunItem, VaultRef, Verb
from shared.recovery_points import PointWish
from shared.replication import VmSettings

OnFailure = Literal["stop", "continue", "ask"]
DataSync = Literal["ForSynchronization", "ForDownTime"]
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


class PlanRun(Message):
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


IN_HAND = frozenset({"starting", "running", "paused", "resuming"})
"""States of a recovery plan whose job may still come to any of its machines."""

PLAN_VERBS: frozenset[Verb] = frozenset(
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
        points: The recovery points that failovers start from.
        belongings: By VM: marks of what hung on its machine in Azure before that was given up.
        belongs_since: When the first of the failovers began that made those machines.
        findings: What people have to know besides, though nothing went wrong.
        settings: What protected items have to say before a failover, by name of the VM.
        pause: What the whole run waits for; None while it goes on.
        resume_at: When jobs that are suspended go on by themselves.
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
    shut_down_source: bool = True
    data_sync: DataSync = "ForSynchronization"
    create_vm: bool = False
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
    points: PointWish = PointWish()
    settings: dict[str, VmSettings] = Field(default_factory=dict)
    pause: Pause | None = None
    resume_at: datetime | None = None
    turned: bool = False
    passed: bool = False
    parts: tuple[PlanRun, ...] = ()
    chain: Chain = Chain()
    hooks: tuple[HookEnd, ...] = ()
    stopped: bool = False
    rations: dict[str, Ration] = Field(default_factory=dict)
    watched: datetime | None = None
    held: datetime | None = None
    skipped: tuple[str, ...] = ()

    @property
    def current(self) -> Stage | None:
        """The stage under way, None when all are over."""
        return self.stages[self.stage] if self.stage < len(self.stages) else None

    def subscription(self, vault: int) -> str:
        """Under which a vault's ration is kept: its subscription in lower case."""
        return self.vaults[vault].subscription_id.lower()

    @property
    def through_plans(self) -> bool:
        """Whether the stage under way goes through recovery plans."""
        return bool(self.parts) and self.current is not None and self.current.verb in PLAN_VERBS

    @property
    def in_hand(self) -> frozenset[str]:
        """VMs that a recovery plan's job may still come to by itself."""
        if not self.through_plans:
            return frozenset()
        return frozenset(vm for part in self.parts if part.state in IN_HAND for vm in part.vms)

    @property
    def sends_nothing(self) -> bool:
        """Whether the run was aborted, and is in no stage that clears up after it."""
        return self.aborted and self.current is not None and self.current.after != "touched"

    @property
    def synchronises(self) -> bool:
        """Whether the stage under way first brings data home while the machines run in Azure.

        That is done for all of them at once: only what comes after it, which stops a machine, keeps the order.
        """
        return self.current is not None and self.current.verb == "Failback" and self.data_sync == "ForDownTime"

    @property
    def scope(self) -> str:
        """What request ids are made of: a verb that the run sends a second time is another request."""
        before = sum(1 for stage in self.stages[: self.stage] if self.current and stage.verb == self.current.verb)
        return f"{self.operation}:{before + 1}" if before else self.operation

    @property
    def failed(self) -> bool:
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


def touched(item: RunItem) -> bool:
    """Whether this run has sent a verb to the item, answered or not."""
    return bool(item.steps) or item.job != "" or item.since is not None


def _takes_part(stage: Stage, item: RunItem) -> bool:
    if stage.after == "touched":
        return touched(item)
    return item.state != "skipped" if stage.after == "all" else item.state == "done"


def enter(run: Run, now: datetime) -> Run:
    """Begin the stage under way: those who take part wait for their turn, the others stay as they were."""
    stage = run.current
    if stage is None:
        return run
    skips = frozenset[Verb]() if _is_repeated(run, stage) else frozenset({stage.verb})
    items = tuple(_afresh(item, skips) if _takes_part(stage, item) else item for item in _in_order(run, stage))
    update = {"items": items, "stage_began": now, "turned": stage.turned, "pause": _pause_before(run, items, now)}
    update |= {"passed": False, "parts": tuple(_part_afresh(part) for part in run.parts)}
    return run.model_copy(update=update)


def _part_afresh(part: PlanRun) -> PlanRun:
    return PlanRun(name=part.name, vault=part.vault, vms=part.vms, groups=part.groups, shape=part.shape)


def _pause_before(run: Run, items: Sequence[RunItem], now: datetime) -> Pause | None:
    """What the run waits for before the stage, where the stage says so and has anything to do."""
    stage = run.current
    if stage is None or not stage.pause or run.aborted or not any(item.state == "waiting" for item in items):
        return None
    return Pause(what=stage.pause, since=now, until=stage.pause_until)


def _is_repeated(run: Run, stage: Stage) -> bool:
    """Whether an earlier stage had the same verb: what an item showed at the beginning says nothing of this one."""
    return any(earlier.verb == stage.verb for earlier in run.stages[: run.stage])


def _in_order(run: Run, stage: Stage) -> tuple[RunItem, ...]:
    """The items with their order turned round, where the stage goes the other way."""
    if stage.turned == run.turned:
        return run.items
    names = {item.vm for item in run.items}
    turned = reversed_edges({item.vm: [name for name in item.after if name in names] for item in run.items})
    return tuple(item.model_copy(update={"after": turned[item.vm]}) for item in run.items)


def _afresh(item: RunItem, skips: frozenset[Verb]) -> RunItem:
    state = "done" if skips & set(item.skip) else "waiting"
    fresh = {"state": state, "attempt": 1, "adopts_from": 1, "job": "", "since": None, "not_before": None, "detail": ""}
    fresh |= {"seen": False, "asked_from": None, "resumed": None, "cleared": "", "failed_in": ""}
    return item.model_copy(update=fresh)


def _left_out(run: Run, stage: Stage) -> bool:
    return (stage.unless_failed and run.failed) or ((run.aborted or run.stopped) and stage.after != "touched")


def leave(run: Run, now: datetime) -> Run:
    """Go on to the next stage that has to run, keeping what went wrong in this one."""
    wrong = (f"{item.vm}: {item.detail}" for item in run.items if item.state in {"failed", "blocked"})
    run = run.model_copy(update={"failures": tuple(dict.fromkeys((*run.failures, *wrong))), "stage": run.stage + 1})
    while run.current and _left_out(run, run.current):
        run = run.model_copy(update={"stage": run.stage + 1})
    return enter(run, now)
