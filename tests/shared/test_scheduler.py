"""The scheduler, run against random graphs and an unreliable vault, in virtual time."""

import heapq
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.messages import VaultRef
from shared.obstacle import Obstacle
from shared.plans.plan import Probe
from shared.recovery import budgeting as rations
from shared.recovery import pacing, run_answers, scheduler
from shared.recovery.people import Decision
from shared.recovery.run import Limits, Run
from shared.recovery.run_item import RunItem
from shared.recovery.scheduler import typical_duration
from shared.recovery.stage import Stage, StageProgress
from shared.recovery.stages import enter_stage, leave_stage
from shared.site_recovery.contract import JobEnd, ProbeAnswer, StartAnswer
from shared.site_recovery.request_budget import AZURE_READS, AZURE_WRITES, WRITES, Buckets, Calls, grant_calls
from shared.site_recovery.views import ItemView

T0 = datetime(2026, 1, 5, 8, tzinfo=UTC)
VAULT = VaultRef(subscription_id="s", resource_group="rg", vault="v")
MOVE = Stage(verb="PlannedFailover", probed=True, settles=True)
COMMIT = Stage(verb="Commit", ordered=False, settles=True, after="well", unless_failed=True)


def run_of(*items: RunItem, stages: tuple[Stage, ...] = (MOVE,), limits: Limits | None = None) -> Run:
    limits = limits or Limits()
    progress = StageProgress(stages=stages, began=T0)
    run = Run(operation="op-1", vaults=(VAULT,), items=items, limits=limits, began=T0, progress=progress)
    return enter_stage(run, T0)


def watched_at(run: Run, at: datetime) -> Run:
    return run.with_clock(run.clock.model_copy(update={"jobs_watched_at": at}))


def item(vm: str, *after: str, probes: tuple[Probe, ...] = ()) -> RunItem:
    return RunItem(vm=vm, id=f"/items/{vm}", after=after, probes=probes)


def started(vm: str) -> StartAnswer:
    return StartAnswer(vm=vm, outcome="started", job=f"job-{vm}")


def succeeded(vm: str) -> JobEnd:
    return JobEnd(job=f"job-{vm}", outcome="succeeded", state="Succeeded")


def state_of(run: Run, vm: str) -> str:
    return next(i.state for i in run.items if i.vm == vm)


def test_what_depends_on_nothing_starts_at_once() -> None:
    tick = scheduler.plan_tick(run_of(item("sql"), item("app", "sql"), item("dc")), T0)
    assert tick.starts == {0: ("sql", "dc")}


def test_a_machine_waits_until_what_it_depends_on_passes_its_probes() -> None:
    run = run_of(
        item("sql", probes=(Probe(port=1433),)), item("app", "sql"), stages=(Stage(verb="TestFailover", probed=True),)
    )
    run = run_answers.with_jobs_ended(run_answers.with_start_answers(run, [started("sql")], T0), [succeeded("sql")], T0)
    assert state_of(run, "sql") == "probing"
    assert not scheduler.plan_tick(run, T0).starts
    run = run_answers.with_probe_answers(run, [ProbeAnswer(vm="sql", passed=True, address="10.0.0.4")], T0)
    assert scheduler.plan_tick(run, T0).starts == {0: ("app",)}
    assert run.items[0].steps[-1].probed == T0


def test_a_job_alone_proves_nothing_where_the_item_must_settle() -> None:
    run = run_of(item("sql"))
    run = run_answers.with_jobs_ended(run_answers.with_start_answers(run, [started("sql")], T0), [succeeded("sql")], T0)
    assert scheduler.plan_tick(run, T0).settle == {0: ("sql",)}
    view = ItemView(id="/ITEMS/sql", vm="sql", protection_state="PlannedFailoverCommitRequired")
    late = T0 + MOVE.settles_within + timedelta(seconds=1)
    assert state_of(run_answers.with_items_read(run, [view], lambda _: False, lambda _: True, T0), "sql") == "settling"
    assert state_of(run_answers.with_items_read(run, [view], lambda _: False, lambda _: True, late), "sql") == "failed"
    assert state_of(run_answers.with_items_read(run, [view], lambda _: True, lambda _: True, late), "sql") == "done"


def settled_as(run: Run, name: str, at: datetime = T0, *others: str) -> Run:
    """The run once the items show that their verb is done, and sql's machine is called so in Azure."""
    views = [ItemView(id="/items/sql", vm="sql", protection_state="X", azure_vm=name)]
    views += [ItemView(id=f"/items/{vm}", vm=vm, protection_state="Protected") for vm in others]
    return run_answers.with_items_read(run, views, lambda view: view.vm == "sql", lambda _: True, at)


def moved(**changes: object) -> Run:
    """A failover of sql, which is probed and which app waits for, whose job is over."""
    sql = item("sql", probes=(Probe(port=1433),)).model_copy(update={"azure_vm": "sql"})
    run = run_answers.with_start_answers(run_of(sql, item("app", "sql")), [started("sql")], T0)
    return run_answers.with_jobs_ended(run, [succeeded("sql").model_copy(update=changes)], T0)


def looked_at(sql: RunItem) -> Run:
    """A run whose failover of sql has ended, and needs no more than that."""
    run = run_of(sql, stages=(Stage(verb="PlannedFailover", probed=True),))
    run = run_answers.with_start_answers(run, [started("sql")], T0)
    return run_answers.with_jobs_ended(run, [succeeded("sql")], T0)


@pytest.mark.parametrize("probes", [(), (Probe(port=1433),)], ids=["no probes", "probed"])
@pytest.mark.parametrize(("got", "other"), [("10.0.0.4", ""), ("10.0.0.5", "10.0.0.5")])
def test_a_machine_that_asks_for_an_address_is_looked_at_for_the_one_it_got(
    probes: tuple[Probe, ...], got: str, other: str
) -> None:
    sql = item("sql", probes=probes).model_copy(update={"asked_address": "10.0.0.4", "azure_vm": "sql"})
    run = looked_at(sql)
    assert (state_of(run, "sql"), scheduler.plan_tick(run, T0).probe) == ("probing", ("sql",))
    run = run_answers.with_probe_answers(run, [ProbeAnswer(vm="sql", passed=True, address=got)], T0)
    step = run.items[0].steps[-1]
    assert (state_of(run, "sql"), step.other_address, got in run.items[0].detail) == ("done", other, bool(other))
    assert (step.probed is not None) == bool(probes)


def test_an_address_that_cannot_be_read_fails_no_machine_that_has_no_probes() -> None:
    sql = item("sql").model_copy(update={"asked_address": "10.0.0.4", "azure_vm": "sql"})
    run = looked_at(sql)
    away = [ProbeAnswer(vm="sql", passed=False, detail="the address cannot be read: 403")]
    assert state_of(run_answers.with_probe_answers(run, away, T0), "sql") == "probing"
    late = run_answers.with_probe_answers(run, away, T0 + timedelta(hours=1))
    assert (state_of(late, "sql"), "403" in late.items[0].detail) == ("done", True)


def test_the_item_names_the_machine_in_azure_before_that_is_probed() -> None:
    """Azure called it otherwise, and another machine has the old name."""
    run = moved(warnings=("28175: renamed",), renamed=True)
    assert (state_of(run, "sql"), scheduler.plan_tick(run, T0).probe) == ("settling", ())
    run = settled_as(run, "sql-7c1e")
    assert (state_of(run, "sql"), run.items[0].azure_vm) == ("probing", "sql-7c1e")
    run = run_answers.with_probe_answers(run, [ProbeAnswer(vm="sql", passed=True)], T0)
    assert (state_of(run, "sql"), run.items[0].detail) == ("done", "28175: renamed")


@pytest.mark.parametrize(("warnings", "name"), [(("28175: renamed",), "sql"), ((), "")])
def test_a_machine_whose_name_in_azure_is_not_told_is_waited_for_and_never_probed(
    warnings: tuple[str, ...], name: str
) -> None:
    run = moved(warnings=warnings, renamed=bool(warnings))
    assert state_of(settled_as(run, name), "sql") == "settling"
    late = settled_as(run, name, T0 + MOVE.settles_within + timedelta(seconds=1))
    assert state_of(late, "sql") == "failed"
    assert "Azure does not tell the name of its machine" in late.items[0].detail


def test_a_test_machine_is_probed_under_the_name_that_its_job_tells_and_no_other() -> None:
    for told in ("sql-test", ""):
        run = run_of(item("sql", probes=(Probe(port=1433),)), stages=(Stage(verb="TestFailover", probed=True),))
        run = run.model_copy(update={"items": (run.items[0].model_copy(update={"azure_vm": "sql"}),)})
        end = succeeded("sql").model_copy(update={"azure_vm": told})
        run = run_answers.with_jobs_ended(run_answers.with_start_answers(run, [started("sql")], T0), [end], T0)
        assert (state_of(run, "sql"), run.items[0].azure_vm) == ("probing", told)


def test_what_was_read_of_an_item_counts_no_more_when_the_machine_before_it_takes_long_to_pass() -> None:
    run = settled_as(moved(), "sql", T0, "app")
    silent, soon = [ProbeAnswer(vm="sql", passed=False)], T0 + pacing.VIEW_STAYS_FRESH
    assert run_answers.with_probe_answers(run, silent, soon).items[1].found_ready
    assert not run_answers.with_probe_answers(run, silent, soon + timedelta(seconds=1)).items[1].found_ready


def test_a_re_protect_tells_how_far_its_replication_is_and_how_long_it_takes_yet() -> None:
    run = run_of(item("sql"), stages=(Stage(verb="ReverseReplicate", ordered=False, settles=True),))
    warned = succeeded("sql").model_copy(update={"warnings": ("161011: no test failover",)})
    run = run_answers.with_jobs_ended(run_answers.with_start_answers(run, [started("sql")], T0), [warned], T0)

    def seen(run: Run, minutes: int, state: str, percent: int | None) -> Run:
        view = ItemView(id="/items/sql", vm="sql", protection_state=state, percent=percent)
        at = T0 + timedelta(minutes=minutes)
        return run_answers.with_items_read(
            run, [view], lambda one: one.protection_state == "Protected", lambda _: True, at
        )

    assert seen(run, 30, "InitialReplicationInProgress", None).items[0].detail == "first copy under way"
    half = seen(run, 30, "InitialReplicationInProgress", 25)
    assert half.items[0].detail == "first copy under way: 25 %, about 90 min left"
    over = seen(half, 120, "Protected", 100).items[0]
    assert (over.state, over.detail) == ("done", "161011: no test failover")


def test_what_waits_only_for_settling_items_is_read_with_them_and_started_without_another_look() -> None:
    run = run_of(item("sql"), item("app", "sql"), item("web", "app"))
    run = run_answers.with_jobs_ended(run_answers.with_start_answers(run, [started("sql")], T0), [succeeded("sql")], T0)
    assert scheduler.items_to_read(run) == {0: ("sql", "app")}
    views = [ItemView(id=f"/items/{vm}", vm=vm, protection_state="Protected") for vm in ("sql", "app")]
    run = run_answers.with_items_read(run, views, lambda _: True, lambda view: view.vm == "app", T0)
    assert {i.vm: i.found_ready for i in run.items} == {"sql": False, "app": True, "web": False}
    assert scheduler.plan_tick(run, T0).starts == {0: ("app",)}


def test_many_items_that_nobody_saw_are_read_with_one_list_before_they_start() -> None:
    run = run_of(*(item(f"vm{n}") for n in range(scheduler.READ_ONE_BY_ONE + 1)))
    assert len(scheduler.starts_to_read(run, scheduler.plan_tick(run, T0))[0]) == scheduler.READ_ONE_BY_ONE + 1
    few = run_of(*(item(f"vm{n}") for n in range(scheduler.READ_ONE_BY_ONE)))
    assert scheduler.starts_to_read(few, scheduler.plan_tick(few, T0)) == {}


def test_a_lost_answer_is_looked_for_with_the_same_attempt() -> None:
    run = run_answers.mark_requested(run_of(item("sql")), ["sql"], T0, T0)
    run = run_answers.with_starts_unanswered(run, ["sql"], "503", T0)
    assert not scheduler.plan_tick(run, T0).starts
    later = T0 + pacing.LATER
    assert scheduler.plan_tick(run, later).starts == {0: ("sql",)}
    assert run.items[0].attempt == 1


def test_a_busy_item_gets_a_new_attempt_only_after_its_job_failed_with_532() -> None:
    run = run_answers.with_start_answers(run_of(item("sql")), [started("sql")], T0)
    busy = JobEnd(job="job-sql", outcome="failed", state="Failed", code="532", detail="another operation")
    run = run_answers.with_jobs_ended(run, [busy], T0)
    assert (state_of(run, "sql"), run.items[0].attempt) == ("waiting", 2)
    for _ in range(Limits().max_attempts):
        run = run_answers.with_jobs_ended(run_answers.with_start_answers(run, [started("sql")], T0), [busy], T0)
    assert state_of(run, "sql") == "failed"


def test_a_refused_verb_fails_with_azures_own_words() -> None:
    refused = StartAnswer(vm="sql", outcome="refused", code="not-allowed", detail="sql is not Protected")
    run = run_answers.with_start_answers(run_of(item("sql")), [refused], T0)
    assert run.items[0].detail == "planned failover: sql is not Protected"


def test_a_job_that_outlasts_all_patience_fails_its_item() -> None:
    run = run_answers.with_start_answers(run_of(item("sql")), [started("sql")], T0)
    late = T0 + Limits().patience + timedelta(seconds=1)
    assert state_of(run_answers.with_jobs_ended(run, [], late), "sql") == "failed"


def retried(run: Run) -> RunItem:
    """Its first item once a person wants to try again, an hour after it failed."""
    assert run.items[0].state == "failed"
    return scheduler.apply_decision(run, Decision(verdict="retry", by="ann", at=HOUR)).items[0]


HOUR = T0 + timedelta(hours=12)
ASKS = Limits(on_failure="ask")


def test_a_machine_that_failed_its_probes_is_probed_again_and_not_failed_over_again() -> None:
    run = settled_as(moved(), "sql").model_copy(update={"limits": ASKS})
    late = T0 + Probe(port=1433).deadline + timedelta(seconds=1)
    run = run_answers.with_probe_answers(run, [ProbeAnswer(vm="sql", passed=False, address="10.0.0.4")], late)
    sql = retried(run)
    assert (sql.state, sql.attempt, sql.since, sql.address) == ("probing", 1, HOUR, "")


def test_an_item_that_did_not_settle_is_read_again() -> None:
    run = moved().model_copy(update={"limits": ASKS})
    run = run_answers.with_items_read(run, [], lambda _: False, lambda _: True, T0 + timedelta(hours=1))
    assert (retried(run).state, retried(run).attempt) == ("settling", 1)


def test_a_job_that_outlasted_patience_is_watched_on_with_new_patience() -> None:
    run = run_answers.with_start_answers(run_of(item("sql"), limits=ASKS), [started("sql")], T0)
    late = T0 + Limits().patience + timedelta(seconds=1)
    sql = retried(run_answers.with_jobs_ended(run, [], late))
    assert (sql.state, sql.job, sql.attempt, sql.since) == ("running", "job-sql", 1, HOUR)


def test_a_verb_that_got_no_answer_is_looked_for_under_the_request_that_may_have_started_it() -> None:
    run = run_answers.mark_requested(run_of(item("sql"), limits=ASKS), ["sql"], T0, T0)
    run = run_answers.with_starts_unanswered(run, ["sql"], "503", T0 + Limits().patience + timedelta(seconds=1))
    sql = retried(run)
    assert (sql.state, sql.attempt, sql.jobs_since) == ("starting", 1, T0)


@pytest.mark.parametrize("refused", [True, False])
def test_only_what_was_refused_or_whose_job_failed_is_sent_its_verb_again(refused: bool) -> None:
    run = run_of(item("sql"), limits=ASKS)
    if refused:
        run = run_answers.with_start_answers(run, [StartAnswer(vm="sql", outcome="refused", code="x", detail="y")], T0)
    else:
        run = run_answers.with_start_answers(run, [started("sql")], T0)
        run = run_answers.with_jobs_ended(
            run, [JobEnd(job="job-sql", outcome="failed", state="Failed", code="539")], T0
        )
    assert (retried(run).state, retried(run).attempt) == ("waiting", 2)


def test_a_throttled_vault_holds_back_all_further_starts() -> None:
    run = run_answers.with_start_answers(run_of(item("sql"), item("dc")), [started("sql")], T0, timedelta(seconds=17))
    assert not scheduler.plan_tick(run, T0 + timedelta(seconds=16)).starts
    assert scheduler.plan_tick(run, T0 + timedelta(seconds=17)).starts == {0: ("dc",)}


@pytest.mark.parametrize(("stops", "expected"), [(True, "blocked"), (False, "waiting")])
def test_the_plan_decides_what_a_failure_stops(stops: bool, expected: str) -> None:
    run = run_of(item("sql"), item("app", "sql"), item("dc"), limits=Limits(on_failure="stop" if stops else "continue"))
    refused = StartAnswer(vm="sql", outcome="refused", code="x", detail="y")
    run = scheduler.block_items(run_answers.with_start_answers(run, [refused], T0))
    assert state_of(run, "app") == "blocked"
    assert state_of(run, "dc") == expected


def test_a_suspended_test_failover_is_up_and_any_other_suspended_job_waits_for_a_person() -> None:
    suspended = JobEnd(job="job-sql", outcome="suspended", state="Suspended")
    rehearsal = run_of(item("sql"), stages=(Stage(verb="TestFailover"),))
    rehearsal = run_answers.with_jobs_ended(
        run_answers.with_start_answers(rehearsal, [started("sql")], T0), [suspended], T0
    )
    assert state_of(rehearsal, "sql") == "done"
    move = run_answers.with_jobs_ended(
        run_answers.with_start_answers(run_of(item("sql")), [started("sql")], T0), [suspended], T0
    )
    assert state_of(move, "sql") == "paused"
    assert "waits for a person" in move.items[0].detail


def test_nothing_is_committed_once_anything_failed() -> None:
    run = run_of(item("sql"), item("dc"), stages=(MOVE, COMMIT))
    refused = StartAnswer(vm="sql", outcome="refused", code="x", detail="y")
    run = leave_stage(run_answers.with_start_answers(run, [refused], T0), T0)
    assert run.current is None
    assert run.results.failures == (Obstacle(vm="sql", code="x", detail="planned failover: y"),)


def test_cleanup_takes_in_all_that_the_rehearsal_touched_and_nothing_else() -> None:
    cleanup = Stage(verb="TestFailoverCleanup", ordered=False, settles=True, after="touched")
    run = run_of(item("sql"), item("app", "sql"), stages=(Stage(verb="TestFailover"), cleanup))
    run = run_answers.mark_requested(run, ["sql"], T0, T0)
    failed = JobEnd(job="job-sql", outcome="failed", state="Failed", code="539", detail="provider")
    run = run_answers.with_jobs_ended(run_answers.with_start_answers(run, [started("sql")], T0), [failed], T0)
    run = leave_stage(scheduler.block_items(run), T0)
    assert (state_of(run, "sql"), state_of(run, "app")) == ("waiting", "blocked")


def test_a_cleanup_with_nothing_to_clean_up_is_judged_by_the_items_state() -> None:
    run = run_of(item("sql"), stages=(Stage(verb="TestFailoverCleanup", ordered=False, settles=True),))
    refused = StartAnswer(vm="sql", outcome="refused", code="not-allowed", detail="no test failover is pending")
    assert state_of(run_answers.with_start_answers(run, [refused], T0), "sql") == "settling"


# --- properties --------------------------------------------------------------------------------------------------


@dataclass
class Vault:
    """An unreliable vault: loses answers, is busy, fails jobs; remembers what it was asked."""

    chance: random.Random
    trouble: float
    sent: list[tuple[str, int]] = field(default_factory=list)
    jobs: dict[str, tuple[str, datetime, bool]] = field(default_factory=dict)
    up: set[str] = field(default_factory=set)

    def start(self, vm: str, attempt: int, at: datetime) -> StartAnswer:
        job = f"{vm}#{attempt}"
        if job not in self.jobs:
            if self.chance.random() < self.trouble:
                return StartAnswer(vm=vm, outcome=self.chance.choice(("busy", "unanswered")))
            self.sent.append((vm, attempt))
            fails = self.chance.random() < self.trouble
            self.jobs[job] = (vm, at + timedelta(minutes=self.chance.randint(1, 20)), fails)
            if self.chance.random() < self.trouble:
                return StartAnswer(vm=vm, outcome="unanswered")
        return StartAnswer(vm=vm, outcome="started", job=job)

    def ended(self, jobs: tuple[str, ...], at: datetime) -> list[JobEnd]:
        return [self._end(job) for job in jobs if self.jobs[job][1] <= at]

    def _end(self, job: str) -> JobEnd:
        vm, _, fails = self.jobs[job]
        code = self.chance.choice(("532", "539"))
        if fails:
            return JobEnd(job=job, outcome="failed", state="Failed", code=code, detail="failed")
        self.up.add(vm)
        return JobEnd(job=job, outcome="succeeded", state="Succeeded")


@dataclass
class Subscription:
    """Azure's own token buckets beside what we keep of them: a request for which Azure has no token fails the test."""

    known: Buckets = field(default_factory=Buckets)
    levels: dict[str, float] = field(default_factory=lambda: {"reads": AZURE_READS.size, "writes": AZURE_WRITES.size})
    at: datetime = T0

    def send(self, kind: str, count: int, at: datetime) -> None:
        limit = {"reads": AZURE_READS, "writes": AZURE_WRITES}
        passed = (at - self.at).total_seconds()
        self.levels = {
            name: min(limit[name].size, level + passed * limit[name].rate) for name, level in self.levels.items()
        }
        self.at = at
        self.levels[kind] -= count
        assert self.levels[kind] > -1e-6, f"429: too many {kind}"


@dataclass
class Player:
    """Executes what the scheduler says, one tick at a time, within what the subscription grants."""

    run: Run
    vault: Vault
    subscription: Subscription
    seen: list[tuple[str, set[str]]] = field(default_factory=list)

    def tick(self, at: datetime) -> timedelta | None:
        """One tick: how long until the next; None when the run is over."""
        run = scheduler.block_items(self.run)
        tick = scheduler.plan_tick(run, at)
        if tick.over:
            self.run = run
            return None
        for name, wish in rations.build_call_requests(run, tick, at).items():
            self.subscription.known, grant = grant_calls(self.subscription.known, wish)
            run = rations.with_grant(run, name, wish, grant)
        run, tick = rations.limit_starts(run, tick, at)
        run = self._start(run, tick, at)
        if tick.observes:
            self.subscription.send("reads", bool(tick.watch), at)
            ended = self.vault.ended(tick.watch.get(0, ()), at)
            self.subscription.send("reads", len(ended), at)
            run = rations.with_calls_charged(run, 0, Calls(reads=bool(tick.watch) + len(ended)))
            run = watched_at(run_answers.with_jobs_ended(run, ended, at), at)
        self.run = run
        return scheduler.time_to_next_tick(run, at)

    def _start(self, run: Run, tick: scheduler.Tick, at: datetime) -> Run:
        known = {i.vm: i for i in run.items}
        names = [vm for part in tick.starts.values() for vm in part]
        assert len(names) <= run.limits.max_starts
        self.seen += [(vm, set(self.vault.up)) for vm in names if known[vm].state == "waiting"]
        run = run_answers.mark_requested(run, names, at, T0)
        before = len(self.vault.sent)
        run = run_answers.with_start_answers(run, [self.vault.start(vm, known[vm].attempt, at) for vm in names], at)
        sent = len(self.vault.sent) - before
        self.subscription.send("writes", sent, at)
        return rations.with_calls_charged(run, 0, Calls(writes=sent))


def play(*runs: tuple[Run, Vault]) -> list[Player]:
    """Play several runs of one subscription against each other until all are over."""
    subscription = Subscription()
    players = [Player(run, vault, subscription) for run, vault in runs]
    agenda = [(T0, number) for number in range(len(players))]
    for _ in range(20_000):
        if not agenda:
            return players
        at, number = heapq.heappop(agenda)
        pause = players[number].tick(at)
        if pause is not None:
            heapq.heappush(agenda, (at + max(pause, timedelta(milliseconds=1)), number))
    raise AssertionError("the runs do not end")


@st.composite
def graphs(draw: st.DrawFn) -> list[RunItem]:
    size = draw(st.integers(1, 14))
    edges = [draw(st.sets(st.integers(0, n - 1), max_size=3)) if n else set() for n in range(size)]
    return [item(f"vm{n}", *(f"vm{m}" for m in sorted(after))) for n, after in enumerate(edges)]


@settings(max_examples=150, deadline=None)
@given(graphs(), st.integers(0, 10_000), st.sampled_from((0.0, 0.1, 0.4)), st.booleans(), st.integers(1, 5))
def test_whatever_happens_the_order_holds_and_the_run_ends(
    items: list[RunItem], seed: int, trouble: float, stops: bool, most: int
) -> None:
    vault = Vault(random.Random(seed), trouble)
    limits = Limits(max_starts=most, on_failure="stop" if stops else "continue")
    (player,) = play((run_of(*items, stages=(Stage(verb="PlannedFailover"),), limits=limits), vault))
    run, after = player.run, {i.vm: set(i.after) for i in items}
    assert all(after[vm] <= up for vm, up in player.seen)
    assert len(set(vault.sent)) == len(vault.sent)
    assert {i.state for i in run.items} <= {"done", "failed", "blocked"}
    if not stops:
        lost = {i.vm for i in run.items if i.state != "done"}
        assert all(i.state != "blocked" or after[i.vm] & lost for i in run.items)
    if trouble == 0.0:
        assert vault.up == {i.vm for i in items}


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 150), st.sampled_from((1, 7, 50))), min_size=2, max_size=5),
    st.integers(0, 10_000),
    st.sampled_from((0.0, 0.1)),
)
def test_runs_that_share_a_subscription_never_exceed_its_budget_and_none_of_them_starves(
    sizes: list[tuple[int, int]], seed: int, trouble: float
) -> None:
    runs = []
    for number, (size, most) in enumerate(sizes):
        items = [item(f"vm{n}", *([f"vm{n % (size // 2 + 1)}"] if n > size // 2 else [])) for n in range(size)]
        limits = Limits(max_starts=most, on_failure="continue")
        run = run_of(*items, stages=(Stage(verb="PlannedFailover"),), limits=limits)
        runs.append((run, Vault(random.Random(seed + number), trouble)))
    for player in play(*runs):
        assert {i.state for i in player.run.items} <= {"done", "failed", "blocked"}
        if trouble == 0.0:
            assert player.vault.up == {i.vm for i in player.run.items}


def test_a_small_run_beside_a_large_one_waits_for_one_batch_and_not_for_all() -> None:
    large, small = (run_of(*(item(f"vm{n}") for n in range(size)), stages=(Stage(verb="Commit"),)) for size in (900, 5))
    vaults = Vault(random.Random(1), 0.0), Vault(random.Random(2), 0.0)
    subscription = Subscription()
    first, second = (Player(run, vault, subscription) for run, vault in zip((large, small), vaults, strict=True))
    at = T0
    while len(first.vault.sent) < 400:
        at += first.tick(at) or timedelta(0)
    began = sent = at
    while not second.vault.sent:
        sent = at
        at += second.tick(at) or timedelta(0)
    assert sent - began <= timedelta(seconds=(50 + 5) / WRITES.rate + 1)


@pytest.mark.parametrize(("vms", "most", "sent"), [(1000, 50, 50), (3000, 50, 100), (5000, 50, 150), (5000, 20, 20)])
def test_a_large_run_sends_several_batches_in_one_tick_unless_the_plan_wants_fewer(
    vms: int, most: int, sent: int
) -> None:
    run = run_of(*(item(f"vm{n}") for n in range(vms)), limits=Limits(max_starts=most))
    assert len(scheduler.plan_tick(run, T0).starts[0]) == sent


def test_looks_come_closer_when_a_job_that_others_wait_for_may_end() -> None:
    run = run_answers.with_start_answers(run_of(item("sql"), item("app", "sql")), [started("sql")], T0)
    usual = typical_duration(run, "PlannedFailover")
    waits = [scheduler.time_to_next_tick(run, T0 + usual * share) for share in (0.01, 0.5, 0.9, 1.3, 2)]
    assert waits == [
        pacing.SOON,
        pacing.LATER,
        pacing.STEADY_PACE,
        pacing.STEADY_PACE,
        pacing.LATER,
    ]
    alone = run_answers.with_start_answers(run_of(item("sql")), [started("sql")], T0)
    assert scheduler.time_to_next_tick(alone, T0 + usual) == pacing.LATER


def test_between_two_looks_at_many_items_a_tick_only_starts_some() -> None:
    run = run_of(*(item(f"vm{n}") for n in range(200)), item("app", "vm0"))
    run = watched_at(run_answers.with_start_answers(run, [started(f"vm{n}") for n in range(100)], T0), T0)
    tick = scheduler.plan_tick(run, T0 + timedelta(seconds=5))
    assert (tick.observes, tick.watch, len(tick.starts[0])) == (False, {}, 50)
    assert scheduler.plan_tick(run, T0 + pacing.LATER).observes
