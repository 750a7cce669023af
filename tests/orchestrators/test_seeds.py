"""Random stories: lost answers, activities that run twice, failing jobs, decisions and kills, all from one seed each.

SEEDS says how many (a hundred before a release); a seed that fails tells its story again when it is run alone.
"""

import os
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from orchestrators.drill import cleanup, drill
from orchestrators.failover import failover
from orchestrators.homecoming import failback, reprotect
from orchestrators.roundtrip import roundtrip
from shared.operations import Kind
from shared.outcomes import JobEnd
from shared.plans import PlanDocument
from tests.driver import Orchestrator, Result
from tests.orchestrators.test_runbooks import ISOLATED, Bench, plan
from tests.orchestrators.world import Machine

SEEDS = int(os.environ.get("SEEDS", "8"))
ENDS = {"succeeded", "failed", "refused", "aborted"}
GROUP = "/subscriptions/s/resourceGroups/rg/providers"
TROUBLES = ("532", "539", "28031")


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


class Killed(BaseException):
    """The run is terminated in the middle of an activity."""


class Story(Bench):
    """A bench on which anything may go wrong, as the seed says."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.chance = random.Random(seed)
        self.names = [f"vm-{number}" for number in range(self.chance.randint(2, 7))]
        self.world.machines = {vm: Machine(vm) for vm in self.names}
        self.trouble = self.chance.choice((0.0, 0.05, 0.2))
        self.kill_at, self.calls = 0, 0
        self.again: list[str] = []
        self.driver.activities = {name: self._shaken(f) for name, f in self.driver.activities.items()}
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
        return set(self.world.work) - set(self.world.ended_work)

    def _shaken(
        self, function: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> Callable[[dict[str, Any]], dict[str, Any]]:
        """An activity may not begin, run twice, or do its work and have its answer lost."""

        def serve(payload: dict[str, Any]) -> dict[str, Any]:
            self.calls += 1
            if self.chance.random() < self.trouble:
                raise ConnectionError("not begun")
            answer = function(payload)
            if self.calls == self.kill_at:
                raise Killed
            if self.chance.random() < self.trouble:
                answer = function(payload)
            if self.chance.random() < self.trouble:
                raise ConnectionError("done, and the answer is lost")
            return answer

        return serve

    def fail_some(self, *verbs: str) -> None:
        """Some jobs fail for some hours."""
        for vm in self.names:
            if self.chance.random() < self.trouble:
                bad = JobEnd(job="", outcome="failed", state="Failed", code=self.chance.choice(TROUBLES), detail="bad")
                self.world.fail[vm, self.chance.choice(verbs)] = bad
        ends = self.driver.clock.now + timedelta(hours=self.chance.randint(1, 5))
        self.driver.clock.watchers.append(lambda now: self.world.fail.clear() if now >= ends else None)

    def decide_some(self) -> None:
        """A person says something every few hours, whether or not the run waits for it."""
        for hours in range(1, 40, 3):
            verdict = self.chance.choice(
                ("retry", "retry", "skip", "skip", "abort") if hours > 12 else ("retry", "skip")
            )
            word = {"verdict": verdict, "by": "ann", "vms": []}
            self.driver.say(timedelta(hours=hours), "decide", word)

    def resume_often(self) -> None:
        """A person lets the run go on every few hours, whether or not it waits for that."""
        for hours in range(2, 60, 4):
            self.driver.say(timedelta(hours=hours), "decide", {"verdict": "resume", "by": "ann", "vms": []})

    def go(self, runbook: Orchestrator, kind: Kind, run: str, *, killed: bool = False) -> Result | None:
        """Run it to its end, or until it is killed; None then."""
        self.kill_at = self.calls + self.chance.randint(1, 60) if killed else 0
        self.decide_some()
        try:
            return self.run(runbook, kind, run, self.document)
        except Killed:
            return None
        finally:
            self.driver.events.clear()
            self.world.ended_runs.add(run)

    def sent_twice(self) -> list[tuple[str, str]]:
        """Verbs that were sent although the job of an earlier sending had not failed."""
        jobs: dict[tuple[str, str], list[bool]] = {}
        for job in self.world.jobs.values():
            jobs.setdefault((job["vm"], job["step"]), []).append(bool(job.get("failed")))
        return [what for what, failed in jobs.items() if not all(failed[:-1])]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_drill_leaves_nothing_behind_or_says_that_it_has_to_be_cleaned_up(seed: int) -> None:
    story = Story(seed)
    story.fail_some("TestFailover", "TestFailoverCleanup")
    result = story.go(drill, "drill", "drill-1", killed=seed % 2 == 0)
    assert result is None or result.output["state"] in ENDS
    if result:
        assert (story.held(), story.left_over()) == ({}, set())
    in_test = [
        machine.vm for machine in story.world.machines.values() if machine.test not in {"None", "MarkedForDeletion"}
    ]
    under_way = [job for job in story.world.jobs.values() if not job["over"]]
    assert not (in_test or under_way) or "cleanup" in story.owed()
    story.driver.clock.advance_to(story.driver.clock.now + timedelta(hours=6))
    assert story.go(cleanup, "cleanup", "cleanup-1")
    assert {machine.test for machine in story.world.machines.values()} <= {"None", "MarkedForDeletion"}
    assert (story.held(), story.sent_twice()) == ({}, [])


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_failover_is_taken_up_by_the_next_and_ends_at_home_again(seed: int) -> None:
    story = Story(1000 + seed)
    story.fail_some("PlannedFailover", "Commit")
    for number in range(3):
        result = story.go(failover, "failover", f"failover-{number}", killed=number == 0 and seed % 2 == 0)
        assert result is None or result.output["state"] in ENDS
        if result:
            assert story.held() == {}
            assert result.output["state"] in {"succeeded", "refused"} or {"commit", "reprotect"} <= story.owed()
        story.driver.clock.advance_to(story.driver.clock.now + timedelta(hours=12))
    assert story.sent_twice() == []
    assert story.world.fail == {}


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_way_home_ends_protected_whatever_is_lost_on_it(seed: int) -> None:
    story = Story(2000 + seed)
    story.document = plan(items=[item.model_dump(mode="json", by_alias=True) for item in story.document.items])
    steps: list[tuple[Orchestrator, Kind]] = [(failover, "failover"), (failback, "failback"), (reprotect, "reprotect")]
    for runbook, kind in steps:
        for number in range(8):
            result = story.go(runbook, kind, f"{kind}-{number}", killed=number == 0 and seed % 2 == 0)
            story.driver.clock.advance_to(story.driver.clock.now + timedelta(hours=1))
            if result and result.output["state"] == "succeeded":
                break
    assert {machine.protection for machine in story.world.machines.values()} == {"Protected"}
    assert (story.held(), story.owed(), story.sent_twice()) == ({}, set(), [])


WAY = ("PlannedFailover", "Commit", "Failback", "FinalizeFailback", "ReverseReplicate")


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_round_trip_goes_as_far_as_it_may_and_owes_the_rest(seed: int) -> None:
    """It is Protected with nothing owed, or says what is; each machine went its way, and no verb of it twice."""
    story = Story(3000 + seed)
    story.fail_some("PlannedFailover", "Commit", "Failback", "FinalizeFailback", "ReverseReplicate")
    story.resume_often()
    result = story.go(roundtrip, "roundtrip", "trip-1", killed=seed % 3 == 0)
    assert result is None or result.output["state"] in ENDS
    for vm in story.names:
        sent = list(dict.fromkeys(verb for name, verb in story.world.sent if name == vm))
        assert sent == list(WAY[: len(sent)])
    if result and result.output["state"] == "succeeded":
        assert story.owed() == set()
    elif story.world.sent:
        assert "reprotect" in story.owed()
    assert story.sent_twice() == []
    if result:
        assert (story.held(), story.left_over()) == ({}, set())
