"""A run of a verb on a plan, as it goes from tick to tick and is carried over when it continues as new.

`Run` itself says who and what: the vaults, the items, how the verbs are sent. Each of its parts is one subject:

- `progress`: the stages, their order, and the one under way (stage.py);
- `people`: what persons decided, and what the run waits for them to decide (people.py);
- `budget`: the requests that it may send; `clock`: when it last did what;
- `plan_runs`: Site Recovery's recovery plans that its verbs go through;
- `rehearsal`: what a drill carries along; `returned`: what failbacks leave behind in Azure;
- `results`: what went wrong, what is to be known, and what became of the hooks; `chain`: how far its evidence is.

What is as it is by default is not carried over, so each part has a default that is cheap.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Literal, Self

from pydantic import Field

from shared.evidence.chain import Chain, EvidenceEntry
from shared.graph import reversed_edges
from shared.messages import Message, VaultRef
from shared.obstacle import Obstacle
from shared.plans.hooks import HookResult
from shared.recovery.observations import Observations
from shared.recovery.people import Decision, Pause, People
from shared.recovery.run_item import BAD_STATES, RunItem
from shared.recovery.stage import Stage, StageProgress
from shared.replication.settings import VmSettings
from shared.site_recovery.open_answer import OpenAnswer
from shared.site_recovery.request_budget import Allowance
from shared.site_recovery.verb_options import VerbOptions
from shared.site_recovery.views import Verb

OnFailure = Literal["stop", "continue", "ask"]


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


class LeftOut(Message):
    """A VM that takes no part in a run.

    Attributes:
        place: Its index among the VMs that were asked for.
    """

    place: int
    why: Obstacle


class RunBudget(Message):
    """The requests that a run may send.

    Attributes:
        allowances: What it was granted in each subscription, by id in lower case.
        retry_until: While a vault throttles us: no verb is sent before.
    """

    allowances: dict[str, Allowance] = Field(default_factory=dict)
    retry_until: datetime | None = None

    def allowance_in(self, subscription: str) -> Allowance:
        """What is left of what was granted in a subscription."""
        return self.allowances.get(subscription, Allowance())


class RunClock(Message):
    """When a run last did what has to be done now and then.

    Attributes:
        last_ticks: When the newest ticks began, oldest first.
        jobs_watched_at: When its jobs were looked for last.
        leases_renewed_at: When its leases were taken or prolonged last.
    """

    last_ticks: tuple[datetime, ...] = ()
    jobs_watched_at: datetime | None = None
    leases_renewed_at: datetime | None = None


class Rehearsal(Message):
    """What a drill, the cleanup after one, or a failover that waits with its commit carries along.

    Attributes:
        until: When the cleanup begins at the latest.
        baseline: Marks of what the target groups and the network held before; None when nobody looked.
        soak: How long the machines stay up before they are probed once more; None when that is over, or not wanted.
        soaks_until: Until when that is, once all are up.
    """

    until: datetime | None = None
    baseline: tuple[str, ...] | None = None
    soak: timedelta | None = None
    soaks_until: datetime | None = None


class ReturnedVms(Message):
    """What hung on machines in Azure, before a commit on the way home gave them up.

    Attributes:
        azure_resource_marks: Marks of those resources, by VM.
        azure_resources_since: When the first of the failovers began that made those machines; None if not known of all.
    """

    azure_resource_marks: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    azure_resources_since: datetime | None = None


class RunResults(Message):
    """What has come of a run so far.

    Attributes:
        failures: What went wrong, oldest first, each with its VM and verb.
        findings: What people have to know besides, though nothing went wrong.
        hooks: What became of the hooks whose turn it was, oldest first.
        stopped_by_hook: What had to be done before a verb did not succeed: nothing more is begun.
    """

    failures: tuple[Obstacle, ...] = ()
    findings: tuple[str, ...] = ()
    hooks: tuple[HookResult, ...] = ()
    stopped_by_hook: bool = False


class RecoveryPlanRun(Message):
    """One of Site Recovery's recovery plans that a run's verbs go through, and where it stands in the stage under way.

    Attributes:
        vault: Index into the run's vaults.
        vms: Its machines.
        groups: How many of its groups start machines.
        shape: Names its order and actions: it is started only as long as it is so.
        state: waiting for its turn; starting: requested, not yet answered; paused: its job waits for a person; apart:
            its machines are started one by one, because not all of them take part.
        job: Name of its job.
        jobs_since: No job that this attempt started is older.
        resumed_at: When its job was resumed last.
        detail: What it waits for, or how it ended; one line for a person.
        given_up: What it was at when the run lost its patience: its job may still come to its machines.
        optional_actions: Names of its actions that the run does not depend on.
        answer: Its verb was not taken, or its job cannot be read: it is asked for again.
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
    jobs_since: datetime | None = None
    not_before: datetime | None = None
    resumed_at: datetime | None = None
    detail: str = ""
    given_up: Literal["", "starting", "running"] = ""
    optional_actions: tuple[str, ...] = ()
    answer: OpenAnswer | None = None

    @property
    def is_in_hand(self) -> bool:
        """Whether its job may still come to any of its machines."""
        return self.state in {"starting", "running", "paused", "resuming"}

    def may_go_on(self, now: datetime) -> bool:
        """Whether it is not held back for a while."""
        return self.not_before is None or now >= self.not_before

    def not_begun(self) -> "RecoveryPlanRun":
        """The recovery plan as it is before a stage."""
        kept = {"name", "vault", "vms", "groups", "shape", "optional_actions"}
        return RecoveryPlanRun.model_validate(self.model_dump(include=kept))


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
    """A run under way: all that the next tick needs, and nothing else. The module says what each part is about.

    Attributes:
        operation: Id of the root instance; request ids are made of it.
        began: Start of the run; no job of it is older.
        left_out: The VMs that were asked for, or all of the plan, that take no part, and why.
        network_id: ARM id of a drill's network.
        options: How its verbs are to be done.
        settings: What protected items have to say before a failover, by name of the VM.
        plan_runs: The recovery plans that its verbs go through, in their order; none where this app starts each verb.
        rehearsal: For a drill, its cleanup, and a failover that waits with its commit.
    """

    operation: str
    vaults: tuple[VaultRef, ...]
    items: tuple[RunItem, ...]
    began: datetime
    progress: StageProgress
    limits: Limits = Limits()
    left_out: tuple[LeftOut, ...] = ()
    network_id: str = ""
    options: VerbOptions = VerbOptions()
    settings: dict[str, VmSettings] = Field(default_factory=dict)
    people: People = People()
    budget: RunBudget = RunBudget()
    clock: RunClock = RunClock()
    plan_runs: tuple[RecoveryPlanRun, ...] = ()
    rehearsal: Rehearsal | None = None
    returned: ReturnedVms = ReturnedVms()
    results: RunResults = RunResults()
    chain: Chain = Chain()
    observations: Observations = Observations()

    @property
    def current(self) -> Stage | None:
        """The stage under way, None when all are over."""
        return self.progress.current

    @property
    def stage(self) -> Stage:
        """The stage under way, as long as there is one."""
        return self.progress.stages[self.progress.number]

    def subscription_of(self, vault: int) -> str:
        """Under which a vault's allowance is kept: its subscription in lower case."""
        return self.vaults[vault].subscription_id.lower()

    @property
    def uses_recovery_plans(self) -> bool:
        """Whether the stage under way goes through recovery plans."""
        return bool(self.plan_runs) and self.current is not None and self.current.verb in RECOVERY_PLAN_VERBS

    @property
    def vms_in_hand(self) -> frozenset[str]:
        """VMs that a recovery plan's job may still come to by itself."""
        if not self.uses_recovery_plans:
            return frozenset()
        return frozenset(vm for plan_run in self.plan_runs if plan_run.is_in_hand for vm in plan_run.vms)

    @property
    def sends_nothing(self) -> bool:
        """Whether the run was aborted, and is in no stage that clears up after it."""
        return self.people.aborted and self.current is not None and self.current.after != "touched"

    @property
    def synchronises_data(self) -> bool:
        """Whether the stage under way first brings data home while the machines run in Azure.

        That is done for all of them at once: only what comes after it, which stops a machine, keeps the order.
        """
        is_failback = self.current is not None and self.current.verb == "Failback"
        return is_failback and self.options.data_sync == "minimise-downtime"

    @property
    def request_scope(self) -> str:
        """What request ids are made of: a verb that the run sends a second time is another request."""
        before = self.progress.times_before if self.current else 0
        return f"{self.operation}:{before + 1}" if before else self.operation

    @property
    def has_failed(self) -> bool:
        """Whether anything in the run failed or could not be done."""
        return any(item.state in BAD_STATES for item in self.items) or bool(self.results.failures)

    def with_items(self, items: Iterable[RunItem]) -> Self:
        """With these items instead of its own."""
        return self.model_copy(update={"items": tuple(items)})

    def with_items_changed(self, changed: Mapping[str, RunItem]) -> Self:
        """With some of its items as they are now, by VM."""
        return self.with_items(changed.get(item.vm, item) for item in self.items)

    def with_order_reversed(self) -> Self:
        """With the order of its items turned round: what depends on an item comes before it."""
        names = {item.vm for item in self.items}
        before = reversed_edges({item.vm: [name for name in item.after if name in names] for item in self.items})
        return self.with_items(item.model_copy(update={"after": before[item.vm]}) for item in self.items)

    def with_unread_items(self) -> Self:
        """With items that have to be read once more before their verb is sent: what was read is old by now."""
        return self.with_items(item.as_unread() for item in self.items)

    def with_progress(self, progress: StageProgress) -> Self:
        """With its stages as they are now."""
        return self.model_copy(update={"progress": progress})

    def with_people(self, people: People) -> Self:
        """With what people have said by now."""
        return self.model_copy(update={"people": people})

    def with_decision(self, decision: Decision) -> Self:
        """With one decision more, which changes nothing yet."""
        return self.with_people(self.people.with_decision(decision))

    def with_pause(self, pause: Pause | None) -> Self:
        """Waiting for a person; or for nobody."""
        return self.with_people(self.people.with_pause(pause))

    def with_budget(self, budget: RunBudget) -> Self:
        """With what it may send by now."""
        return self.model_copy(update={"budget": budget})

    def with_clock(self, clock: RunClock) -> Self:
        """With when it last did what."""
        return self.model_copy(update={"clock": clock})

    def with_plan_runs(self, plan_runs: Iterable[RecoveryPlanRun]) -> Self:
        """With these recovery plans."""
        return self.model_copy(update={"plan_runs": tuple(plan_runs)})

    def with_plan_run(self, at: int, plan_run: RecoveryPlanRun) -> Self:
        """With one of its recovery plans as it is now."""
        return self.with_plan_runs((*self.plan_runs[:at], plan_run, *self.plan_runs[at + 1 :]))

    def with_rehearsal(self, rehearsal: Rehearsal) -> Self:
        """With what a drill carries along."""
        return self.model_copy(update={"rehearsal": rehearsal})

    def with_results(self, results: RunResults) -> Self:
        """With what has come of it by now."""
        return self.model_copy(update={"results": results})

    def with_failures(self, failures: Iterable[Obstacle]) -> Self:
        """With more that went wrong."""
        return self.with_results(self.results.model_copy(update={"failures": (*self.results.failures, *failures)}))

    def with_findings(self, findings: Iterable[str]) -> Self:
        """With more that people have to know."""
        return self.with_results(self.results.model_copy(update={"findings": (*self.results.findings, *findings)}))

    def with_look(self, subject: str, failures: Iterable[str], at: datetime) -> Self:
        """With one more look at something, and what failed of it."""
        observations = self.observations.after_look(subject, failures, at)
        return self if observations is self.observations else self.model_copy(update={"observations": observations})

    def with_chain(self, chain: Chain) -> Self:
        """With its evidence as far as it is by now."""
        return self.model_copy(update={"chain": chain})

    def with_pending_entry(self, entry: EvidenceEntry) -> Self:
        """With an entry that is written with the next ones, where evidence is kept."""
        if not self.chain.kept:
            return self
        return self.with_chain(self.chain.model_copy(update={"pending": (*self.chain.pending, entry)}))
