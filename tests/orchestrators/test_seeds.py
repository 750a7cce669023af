"""Random stories, all from one seed each: what Azure, hosts and persons may do to a run at any moment.

Answers are lost, activities run twice, jobs fail. A host dies and is back a while later, and its runs go on; a person
terminates a run, and the timer sees to what it owes. Somebody asks for a second verb while the plan is busy, and what
is said to a run arrives twice. SEEDS says how many stories of each kind; one that fails tells itself again when it is
run alone.
"""

import os
import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from orchestrators.verbs.drill import cleanup, drill
from orchestrators.verbs.failback import failback, reprotect
from orchestrators.verbs.failover import commit, failover
from orchestrators.verbs.roundtrip import roundtrip
from shared.operations.kinds import Kind
from shared.plans.plan import PlanDocument
from shared.site_recovery.contract import JobEnd
from tests.deep import cases
from tests.driver import Orchestrator, Result, Step
from tests.orchestrators.azure.faults import Terminated
from tests.orchestrators.owed import owed_by_kind
from tests.orchestrators.test_drills import Timer
from tests.orchestrators.test_runbooks import ISOLATED, plan

SEEDS = int(os.environ.get("SEEDS", "25"))
each_seed = pytest.mark.parametrize("seed", cases(range(SEEDS), range(10)))
ENDS = {"succeeded", "failed", "refused", "aborted"}
GROUP = "/subscriptions/s/resourceGroups/rg/providers"
WAY = ("PlannedFailover", "Commit", "Failback", "FinalizeFailback", "ReverseReplicate")
TROUBLES = ("532", "539", "28031")
OTHERS: dict[Kind, Orchestrator] = {"drill": drill, "failover": failover, "commit": commit, "failback": failback}


HOOKS: tuple[dict[str, Any], ...] = (
    {"name": "ask", "url": "https://example.org/hook"},
    {
        "name": "stop",
        "kind": "run-command",
        "machine": f"{GROUP}/Microsoft.HybridCompute/machines/n1",
        "script": "exit 0",
    },
    {"name": "dns", "kind": "runbook", "runbook": f"{GROUP}/Microsoft.Automation/automationAccounts/aa/runbooks/dns"},
    {"name": "look", "kind": "manual", "instructions": "Look.", "deadline": "PT1H", "required": False},
)


class Story(Timer):
    """A bench on which anything may go wrong, as the seed says.

    Attributes:
        happened: How often what went wrong.
        calm: Nothing goes wrong now.
        let_in: Second verbs that were not refused as they should; kept, as an activity that fails is only tried again.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.chance = random.Random(seed)
        self.names = [f"vm-{number}" for number in range(self.chance.randint(2, 7))]
        self.azure.items.protect(self.names)
        self.trouble = self.chance.choice((0.0, 0.05, 0.2))
        self.terminated_at, self.calls = 0, 0
        self.happened: Counter[str] = Counter()
        self.calm = False
        self.begun: set[str] = set()
        self.let_in: list[tuple[Kind, Any]] = []
        self.driver.activities = {name: self._shaken(f) for name, f in self.driver.activities.items()}
        self.driver.warm, self.driver.dies = True, self._dies
        self.document = self._plan()

    def _plan(self) -> PlanDocument:
        order = {
            vm: self.chance.sample(self.names[:at], min(at, self.chance.randint(0, 2)))
            for at, vm in enumerate(self.names)
        }
        items = [{"vm": vm, "after": after, "probes": [{"port": 443}]} for vm, after in order.items()]
        policy = self.chance.choice(("stop", "continue", "ask"))
        wishes: dict[str, Any] = {"hooks": {"failover": self._hooks(), "failback": self._hooks()}}
        wishes["drill"] = {"network": ISOLATED, "hooks": self._hooks()}
        return plan(items=items, onFailure=policy, commit=self.chance.choice(("manual", "automatic")), **wishes)

    def _hooks(self) -> dict[str, Any]:
        return {moment: self.chance.sample(HOOKS, self.chance.randint(0, 2)) for moment in ("before", "after")}

    def left_over(self) -> set[str]:
        """Scripts and jobs of hooks that were begun and not ended."""
        return set(self.azure.hooks.work) - set(self.azure.hooks.ended_work)

    def _shaken(
        self, function: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> Callable[[dict[str, Any]], dict[str, Any]]:
        """An activity may not begin, run twice, or do its work and have its answer lost."""

        def serve(payload: dict[str, Any]) -> dict[str, Any]:
            if self.calm:
                return function(payload)
            self.calls += 1
            self._disturb()
            if self._goes_wrong("not begun"):
                raise ConnectionError("not begun")
            answer = function(payload)
            if self.calls == self.terminated_at:
                raise Terminated
            if self._goes_wrong("done twice"):
                answer = function(payload)
            if self._goes_wrong("answer lost"):
                raise ConnectionError("done, and the answer is lost")
            return answer

        return serve

    def _goes_wrong(self, how: str, chance: float | None = None) -> bool:
        wrong = self.chance.random() < (self.trouble if chance is None else chance)
        self.happened[how] += wrong
        return wrong

    def _dies(self, _step: Step) -> timedelta | None:
        """The host dies, and its runs wait until it is back."""
        if self.calm or not self._goes_wrong("host died", self.trouble / 5):
            return None
        return timedelta(seconds=self.chance.choice((5, 40, 300)))

    def _disturb(self) -> None:
        """Somebody asks for another verb while a run holds the plan: it is refused and does nothing."""
        holders = {lease["owner"] for _, lease in self.held().values()}
        if not holders or holders & self.azure.runs.ended or not self._goes_wrong("second verb", 0.03):
            return
        self.calm, sent, held = True, list(self.azure.jobs.sent), self.held()
        kind = self.chance.choice(list(OTHERS))
        refused = self.run(OTHERS[kind], kind, f"second-{self.calls}", self.document).output
        told = {(problem["code"], problem["detail"].rpartition(" by ")[2]) for problem in refused["problems"]}
        if (told, self.azure.jobs.sent, self.held()) != ({("held", run) for run in holders}, sent, held):
            self.let_in.append((kind, refused))
        self.calm = False

    def fail_some(self, *verbs: str) -> None:
        """Some jobs fail for some hours."""
        for vm in self.names:
            if self.chance.random() < self.trouble:
                bad = JobEnd(job="", outcome="failed", state="Failed", code=self.chance.choice(TROUBLES), detail="bad")
                self.azure.jobs.failures[vm, self.chance.choice(verbs)] = bad
        ends = self.driver.clock.now + timedelta(hours=self.chance.randint(1, 5))
        self.driver.clock.watchers.append(lambda now: self.azure.jobs.failures.clear() if now >= ends else None)

    def decide_some(self) -> None:
        """A person says something every few hours, whether or not the run waits for it."""
        for hours in range(1, 40, 3):
            verdict = self.chance.choice(
                ("retry", "retry", "skip", "skip", "abort") if hours > 12 else ("retry", "skip")
            )
            self._say(timedelta(hours=hours), verdict)

    def resume_often(self) -> None:
        """A person lets the run go on every few hours, whether or not it waits for that."""
        for hours in range(2, 60, 4):
            self._say(timedelta(hours=hours), "resume")

    def _say(self, after: timedelta, verdict: str) -> None:
        """Say it, and at times the engine delivers it twice."""
        for _ in range(1 + self._goes_wrong("said twice", 0.2)):
            self.driver.say(after, "decide", {"verdict": verdict, "by": "ann", "vms": []})

    def go(self, runbook: Orchestrator, kind: Kind, run: str, *, terminated: bool = False) -> Result | None:
        """Run it to its end, or until it is terminated; None then."""
        self.terminated_at = self.calls + self.chance.randint(1, 60) if terminated else 0
        self.decide_some()
        try:
            result = self.run(runbook, kind, run, self.document)
            assert result.output["state"] in ENDS
            left_by_run = {work for work in self.left_over() if work.startswith(f"{run}:")}
            assert (self.held(), left_by_run, self.let_in) == ({}, set(), [])
        except Terminated:
            self.happened["terminated"] += 1
            return None
        finally:
            self.terminated_at = 0
            self.driver.events.clear()
            self.azure.runs.ended.add(run)
        return result

    def await_timer(self) -> None:
        """Let the timer look, and what it starts run, until no cleanup is owed any more."""
        cleanups = self.azure.runs.cleanups
        for _ in range(60):
            self.look(timedelta(minutes=10))
            while cleanups:
                ask = cleanups.pop()
                if ask.id in self.begun:
                    continue  # as the engine does: a run that exists is not begun again
                self.begun.add(ask.id)
                order = owed_by_kind(self.driver.states)["cleanup"]["order"]
                self.driver.run(cleanup, {**order, "id": ask.id, "kind": "cleanup", "run": None}, ask.id)
                self.azure.runs.ended.add(ask.id)
            if "cleanup" not in self.owed():
                return

    def in_peace(self, runbook: Orchestrator, kind: Kind, *ends: str) -> None:
        """Whatever was left behind keeps no later run out: it takes over what the dead ones held, and gives it back."""
        self.calm = True
        result = self.run(runbook, kind, f"{kind}-last", self.document)
        assert (result.output["state"] in ends, self.held()) == (True, {}), result.output
        self.calm = False

    def sent_twice(self) -> list[tuple[str, str]]:
        """Verbs that were sent although the job of an earlier sending had not failed."""
        jobs: dict[tuple[str, str], list[bool]] = {}
        for job in self.azure.jobs.by_id.values():
            jobs.setdefault((job.vm, job.step), []).append(bool(job.failure))
        return [what for what, failed in jobs.items() if not all(failed[:-1])]


def drilled(seed: int) -> Story:
    """A drill, at times terminated, and what the timer makes of it."""
    story = Story(seed)
    story.fail_some("TestFailover", "TestFailoverCleanup")
    story.go(drill, "drill", "drill-1", terminated=seed % 2 == 0)
    up = [
        machine.vm
        for machine in story.azure.items.machines.values()
        if machine.test not in {"None", "MarkedForDeletion"}
    ]
    under_way = [job for job in story.azure.jobs.by_id.values() if not job.is_over]
    assert not (up or under_way) or "cleanup" in story.owed()
    story.await_timer()
    return story


@each_seed
def test_a_drill_leaves_nothing_behind_whatever_becomes_of_it(seed: int) -> None:
    story = drilled(seed)
    assert {machine.test for machine in story.azure.items.machines.values()} <= {"None", "MarkedForDeletion"}
    assert (story.owed(), story.sent_twice()) == (set(), [])
    story.azure.jobs.failures.clear()
    story.in_peace(drill, "drill", "succeeded")


def test_the_stories_have_all_in_them_that_may_go_wrong() -> None:
    happened = sum((drilled(seed).happened for seed in range(8)), Counter())
    wrong = {"not begun", "done twice", "answer lost", "host died", "second verb", "said twice", "terminated"}
    assert {how for how, count in happened.items() if count >= 2} == wrong


@each_seed
def test_a_failover_is_taken_up_by_the_next_and_says_what_it_owes(seed: int) -> None:
    story = Story(1000 + seed)
    story.fail_some("PlannedFailover", "Commit")
    for number in range(3):
        result = story.go(failover, "failover", f"failover-{number}", terminated=number == 0 and seed % 2 == 0)
        well = result and result.output["state"] in {"succeeded", "refused"}
        assert well or not story.azure.jobs.sent or {"commit", "reprotect"} <= story.owed()
        story.driver.clock.advance_to(story.driver.clock.now + timedelta(hours=12))
    assert (story.sent_twice(), story.azure.jobs.failures) == ([], {})
    story.in_peace(failover, "failover", "succeeded", "refused")


@each_seed
def test_the_way_home_ends_protected_whatever_is_lost_on_it(seed: int) -> None:
    story = Story(2000 + seed)
    story.document = plan(items=[item.model_dump(mode="json", by_alias=True) for item in story.document.items])
    steps: list[tuple[Orchestrator, Kind]] = [(failover, "failover"), (failback, "failback"), (reprotect, "reprotect")]
    for runbook, kind in steps:
        for number in range(8):
            result = story.go(runbook, kind, f"{kind}-{number}", terminated=number == 0 and seed % 2 == 0)
            story.driver.clock.advance_to(story.driver.clock.now + timedelta(hours=1))
            if result and result.output["state"] == "succeeded":
                break
    assert {machine.protection for machine in story.azure.items.machines.values()} == {"Protected"}
    assert {(vm, verb) for vm in story.names for verb in WAY} == set(story.azure.jobs.sent)
    assert (story.held(), story.owed(), story.sent_twice()) == ({}, set(), [])


@each_seed
def test_a_round_trip_goes_as_far_as_it_may_and_owes_the_rest(seed: int) -> None:
    """It is Protected with nothing owed, or says what is; each machine went its way, and no verb of it twice."""
    story = Story(3000 + seed)
    story.fail_some(*WAY)
    story.resume_often()
    result = story.go(roundtrip, "roundtrip", "trip-1", terminated=seed % 3 == 0)
    for vm in story.names:
        sent = list(dict.fromkeys(verb for name, verb in story.azure.jobs.sent if name == vm))
        assert sent == list(WAY[: len(sent)])
    if result and result.output["state"] == "succeeded":
        assert story.owed() == set()
    elif story.azure.jobs.sent:
        assert "reprotect" in story.owed()
    assert story.sent_twice() == []
    story.in_peace(commit, "commit", "succeeded", "refused", "failed")
