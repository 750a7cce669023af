"""The scheduler against random graphs of up to sixty machines, with probes, items that settle late, and persons."""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.plans.plan import Probe
from shared.recovery import run_answers, scheduler
from shared.recovery.people import Decision
from shared.recovery.run import Limits, Run
from shared.recovery.run_item import RunItem
from shared.recovery.stage import Stage
from shared.site_recovery.contract import JobEnd, ProbeAnswer, StartAnswer
from shared.site_recovery.views import ItemView
from tests.shared.test_scheduler import T0, item, run_of, watched_at

PROBE = Probe(port=443, deadline=timedelta(minutes=3))
MOVE = Stage(verb="PlannedFailover", probed=True, settles=True, settles_within=timedelta(minutes=5))
PATIENCE = timedelta(minutes=20)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


@dataclass
class Cloud:
    """An unreliable vault, and machines that come up in it late or never in time.

    Attributes:
        moved: When each machine's item shows that its failover is done, and under which name.
        up: Machines that passed their probes, or have none and settled.
    """

    chance: random.Random
    trouble: float
    probed: frozenset[str]
    sent: list[tuple[str, int]] = field(default_factory=list)
    jobs: dict[str, tuple[str, datetime, str]] = field(default_factory=dict)
    moved: dict[str, datetime] = field(default_factory=dict)
    boots: dict[str, datetime] = field(default_factory=dict)
    up: set[str] = field(default_factory=set)

    def _goes_wrong(self) -> bool:
        return self.chance.random() < self.trouble

    def start(self, vm: str, attempt: int, at: datetime) -> StartAnswer:
        job = f"{vm}#{attempt}"
        if job not in self.jobs:
            if self._goes_wrong():
                return StartAnswer(vm=vm, outcome=self.chance.choice(("busy", "unanswered")))
            assert vm not in self.moved, f"{vm} is in Azure already, and is sent its failover again"
            self.sent.append((vm, attempt))
            lasts = minutes(self.chance.uniform(1, 10) * (5 if self._goes_wrong() else 1))
            self.jobs[job] = (vm, at + lasts, self.chance.choice(("532", "539")) if self._goes_wrong() else "")
            if self._goes_wrong():
                return StartAnswer(vm=vm, outcome="unanswered")
        return StartAnswer(vm=vm, outcome="started", job=job)

    def end(self, job: str, at: datetime) -> JobEnd | None:
        vm, due, code = self.jobs[job]
        if at < due:
            return None
        if code:
            return JobEnd(job=job, outcome="failed", state="Failed", code=code, detail="failed")
        self.moved.setdefault(vm, due + minutes(8 if self._goes_wrong() else 0))
        return JobEnd(job=job, outcome="succeeded", state="Succeeded")

    def view(self, vm: str, at: datetime) -> ItemView:
        is_moved = vm in self.moved and at >= self.moved[vm]
        if is_moved and vm not in self.probed:
            self.up.add(vm)
        state, name = ("PlannedFailoverCommitRequired", f"{vm}-7c1e") if is_moved else ("Protected", vm)
        return ItemView(id=f"/items/{vm}", vm=vm, protection_state=state, azure_vm=name)

    def probe(self, one: RunItem, at: datetime) -> ProbeAnswer:
        assert one.azure_vm == f"{one.vm}-7c1e", "a machine is probed under a name that is not its own"
        boots = self.boots.setdefault(one.vm, at + minutes(5 if self._goes_wrong() else 0))
        if at >= boots:
            self.up.add(one.vm)
        return ProbeAnswer(vm=one.vm, passed=at >= boots, address="10.0.0.4")


@dataclass
class Story:
    """A run, what the scheduler says, and a person who now and then decides."""

    run: Run
    cloud: Cloud
    at: datetime = T0

    def tell(self) -> Run:
        for _ in range(5_000):
            self.run = scheduler.block_items(self.run)
            tick = scheduler.plan_tick(self.run, self.at)
            if tick.over:
                return self.run
            self._start(tick)
            if tick.observes:
                self._look(tick)
            self._decide(surely=bool(tick.undecided))
            self.at += max(scheduler.time_to_next_tick(self.run, self.at), timedelta(seconds=1))
        raise AssertionError("the run does not end")

    def _start(self, tick: scheduler.Tick) -> None:
        known = {one.vm: one for one in self.run.items}
        names = tick.starts.get(0, ())
        assert names == tuple(self._may_start()[: self.run.limits.max_starts])
        for vm in names:
            assert all(before in self.cloud.up or known[before].state == "skipped" for before in known[vm].after)
        self.run = run_answers.mark_requested(self.run, names, self.at, T0)
        answers = [self.cloud.start(vm, known[vm].attempt, self.at) for vm in names]
        self.run = run_answers.with_start_answers(self.run, answers, self.at)

    def _may_start(self) -> list[str]:
        """All whose turn it is, found in another way than the scheduler does."""
        states = {one.vm: one.state for one in self.run.items}
        return [
            one.vm
            for one in self.run.items
            if (one.not_before is None or self.at >= one.not_before)
            and (
                one.state == "starting"
                or (one.state == "waiting" and {states[name] for name in one.after} <= {"done", "skipped"})
            )
        ]

    def _look(self, tick: scheduler.Tick) -> None:
        ends = [self.cloud.end(job, self.at) for job in tick.watch.get(0, ())]
        run = run_answers.with_jobs_ended(self.run, [end for end in ends if end], self.at)
        views = [self.cloud.view(vm, self.at) for vm in scheduler.items_to_read(run).get(0, ())]
        run = run_answers.with_items_read(
            run, views, lambda view: view.protection_state != "Protected", lambda _: True, self.at
        )
        tried = [self.cloud.probe(one, self.at) for one in run.items if one.state == "probing"]
        self.run = watched_at(run_answers.with_probe_answers(run, tried, self.at), self.at)

    def _decide(self, *, surely: bool) -> None:
        chance = self.cloud.chance
        asked = scheduler.undecided_vms(self.run)
        if not asked or not (surely or chance.random() < 0.1):
            return
        verdict = chance.choices(("retry", "skip", "abort"), (70, 28, 2))[0]
        vms = (chance.choice(asked),) if chance.random() < 0.5 else ()
        self.run = scheduler.apply_decision(
            self.run, Decision.model_validate({"verdict": verdict, "by": "ann", "at": self.at, "vms": vms})
        )


def graph(size: int, chance: random.Random) -> list[RunItem]:
    """Up to three before each, and probes on two of three."""
    names = [f"vm{number}" for number in range(size)]
    after = [chance.sample(names[:number], chance.randint(0, min(number, 3))) for number in range(size)]
    probes = [(PROBE,) if chance.random() < 0.67 else () for _ in names]
    return [
        item(*one, probes=probed)
        for one, probed in zip(([n, *a] for n, a in zip(names, after, strict=True)), probes, strict=True)
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 60),
    st.integers(0, 10_000),
    st.sampled_from((0.0, 0.05, 0.3)),
    st.sampled_from(("stop", "continue", "ask")),
    st.integers(1, 20),
)
def test_whatever_happens_and_whatever_a_person_says_the_order_holds_and_the_run_ends(
    size: int, seed: int, trouble: float, policy: str, most: int
) -> None:
    chance = random.Random(seed)
    items = graph(size, chance)
    cloud = Cloud(chance, trouble, frozenset(one.vm for one in items if one.probes))
    limits = Limits.model_validate({"max_starts": most, "on_failure": policy, "patience": PATIENCE})
    run = Story(run_of(*items, stages=(MOVE,), limits=limits), cloud).tell()
    states = {one.vm: one.state for one in run.items}
    assert len(set(cloud.sent)) == len(cloud.sent)
    assert {vm for vm, state in states.items() if state == "done"} <= cloud.up
    if policy == "ask" and not run.people.aborted:
        assert set(states.values()) <= {"done", "skipped"}
        assert {vm for vm, state in states.items() if state == "skipped"} <= set(run.people.skipped_vms)
    else:
        assert set(states.values()) <= {"done", "failed", "blocked", "skipped"}
    if policy == "continue":
        lost = {vm for vm, state in states.items() if state != "done"}
        assert all(states[one.vm] != "blocked" or lost & set(one.after) for one in items)
    if trouble == 0.0:
        assert cloud.up == set(states)
