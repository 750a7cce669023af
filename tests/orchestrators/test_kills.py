"""A host dies between every two steps of a run, one after the other, and the run goes on from what was written down.

Not at random: each runbook is told once undisturbed, and then once more for each step at which its host can die. The
verbs that were sent, and the end, are those of the undisturbed run.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

import pytest

from orchestrators.verbs.drill import drill
from orchestrators.verbs.failback import failback, reprotect
from orchestrators.verbs.failover import failover
from orchestrators.verbs.roundtrip import roundtrip
from shared.operations.kinds import Kind
from tests.deep import cases
from tests.driver import Orchestrator, Result, Step
from tests.orchestrators.test_runbooks import ISOLATED, Bench, plan

VMS = ("sql-01", "web-01")
AWAY = timedelta(minutes=2)
BEFORE: dict[str, str] = {"failback": "Commit", "reprotect": "FinalizeFailback"}
"""By runbook: what its machines have behind them."""


@dataclass
class Host:
    """Dies once, at the step with this number; 0 is never."""

    dies_at: int = 0
    steps: list[Step] = field(default_factory=list)

    def dies(self, step: Step) -> timedelta | None:
        if not step.what:
            return None  # nothing was asked of anybody
        self.steps.append(step)
        return AWAY if len(self.steps) == self.dies_at else None


class Told(NamedTuple):
    """What became of a run."""

    sent: list[tuple[str, str]]
    end: dict[str, Any]
    owed: set[str]
    held: dict[str, Any]
    work: list[str]
    early: list[str]


def tell(runbook: Orchestrator, kind: Kind, host: Host) -> Told:
    """A run of two machines, one after the other, with a hook that begins work and ends it."""
    bench = Bench()
    bench.azure.items.protect(VMS)
    bench.azure.jobs.pace = 0.05
    if kind in BEFORE:
        for machine in bench.azure.items.machines.values():
            machine.reach(BEFORE[kind])
    bench.driver.warm, bench.driver.dies = True, host.dies
    if kind == "roundtrip":
        bench.driver.say(timedelta(hours=1), "decide", {"verdict": "resume", "by": "ann", "vms": []})
    result = bench.run(runbook, kind, "run-1", document())
    assert not result.failure
    return Told(
        bench.azure.jobs.sent, _end(result), bench.owed(), bench.held(), sorted(bench.azure.hooks.work), _early(result)
    )


def document() -> Any:
    items = [{"vm": vm, "after": VMS[:at], "probes": [{"port": 443}]} for at, vm in enumerate(VMS)]
    group = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Automation/automationAccounts/aa/runbooks"
    hooks = {"after": [{"name": "dns", "kind": "runbook", "runbook": f"{group}/dns"}]}
    return plan(items=items, drill={"network": ISOLATED, "hooks": hooks}, hooks={"failover": hooks})


def _end(result: Result) -> dict[str, Any]:
    """How it ended, without the times, which a host that was away has put off."""
    told = {name: result.output[name] for name in ("state", "failures", "findings", "problems")}
    return {**told, "items": [(item["vm"], item["state"], _steps(item)) for item in result.output["items"]]}


def _steps(item: dict[str, Any]) -> list[tuple[str, str]]:
    return [(step["verb"], step["outcome"]) for step in item["steps"]]


def _early(result: Result) -> list[str]:
    """What began, by the record, before that on which it depends had passed its probes."""
    moves = [step for item in result.output["items"] for step in item["steps"] if step["probed"]]
    by_verb = {verb: [step for step in moves if step["verb"] == verb] for verb in {step["verb"] for step in moves}}
    return [
        f"{verb} began at {second['began']}, and what it waits for was up at {first['probed']}"
        for verb, steps in by_verb.items()
        for first, second in pairwise(sorted(steps, key=lambda step: datetime.fromisoformat(step["began"])))
        if datetime.fromisoformat(second["began"]) < datetime.fromisoformat(first["probed"])
    ]


RUNBOOKS: dict[Kind, Orchestrator] = {
    "drill": drill,
    "failover": failover,
    "failback": failback,
    "reprotect": reprotect,
    "roundtrip": roundtrip,
}


PARTS = 5
"""Tests to a runbook: each has every fifth of its steps."""


@pytest.mark.parametrize("part", cases(range(PARTS), {0, 3}))
@pytest.mark.parametrize("kind", RUNBOOKS)
def test_a_run_ends_as_if_its_host_had_not_died_wherever_that_was(kind: Kind, part: int) -> None:
    living = Host()
    undisturbed = tell(RUNBOOKS[kind], kind, living)
    assert (undisturbed.end["state"], undisturbed.held) == ("succeeded", {})
    assert not undisturbed.early
    assert len(undisturbed.sent) == len(set(undisturbed.sent)) >= len(VMS)
    assert len(living.steps) >= PARTS
    for number, step in list(enumerate(living.steps, 1))[part::PARTS]:
        host = Host(number)
        assert tell(RUNBOOKS[kind], kind, host) == undisturbed, (number, step)
        assert host.steps[number - 1] == step
