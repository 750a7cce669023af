"""The store of evidence is away, full, closed to the app, or back again: no verb waits for it, and nothing is lost."""

from datetime import timedelta
from typing import Any

import pytest

from orchestrators.verbs.drill import drill
from orchestrators.verbs.failback import failback, reprotect
from orchestrators.verbs.failover import commit, failover
from orchestrators.verbs.roundtrip import roundtrip
from shared.errors import Refused
from shared.operations.kinds import Kind
from shared.recovery.pacing import STORE_AWAITED_FOR
from tests.driver import Orchestrator
from tests.orchestrators.test_runbooks import ORDER, Bench

RUNBOOKS: dict[Kind, tuple[Orchestrator, str]] = {
    "drill": (drill, ""),
    "failover": (failover, ""),
    "commit": (commit, "PlannedFailover"),
    "failback": (failback, "Commit"),
    "reprotect": (reprotect, "FinalizeFailback"),
    "roundtrip": (roundtrip, ""),
}
"""By kind: the runbook, and what its machines have behind them."""
FOR_EVER = 10**9


class Store:
    """The evidence store of a bench, which does not take anything for a while."""

    def __init__(self, bench: Bench, *, away: int, refuses: bool) -> None:
        self.bench, self.left, self.refuses = bench, away, refuses
        self.take = bench.azure.evidence.write_records
        self.attempts: list[Any] = []

    def write(self, ask: Any) -> Any:
        self.attempts.append(self.bench.azure.clock.now)
        self.left -= 1
        if self.left < 0:
            return self.take(ask)
        if self.refuses:
            raise Refused("AuthorizationPermissionMismatch", "not authorized")
        raise ConnectionError("No space left on device")


def bench_for(kind: Kind) -> Bench:
    bench = Bench()
    if reached := RUNBOOKS[kind][1]:
        for vm in ORDER:
            bench.azure.items.machines[vm].reach(reached)
    if kind == "roundtrip":
        bench.driver.say(timedelta(hours=5), "decide", {"verdict": "resume", "by": "ann", "vms": []})
    return bench


def run(kind: Kind, away: int = 0, *, refuses: bool = False) -> tuple[Bench, dict[str, Any], Store]:
    bench = bench_for(kind)
    store = Store(bench, away=away, refuses=refuses)
    bench.azure.evidence.write_records = store.write  # type: ignore[method-assign] # a store that fails
    bench.driver.activities = bench.azure.activities()
    bench.driver.warm = True
    return bench, bench.run(RUNBOOKS[kind][0], kind).output, store


@pytest.mark.parametrize("refuses", [False, True], ids=["full", "closed"])
@pytest.mark.parametrize("kind", RUNBOOKS)
def test_a_store_that_takes_nothing_stops_no_verb_and_delays_none(kind: Kind, *, refuses: bool) -> None:
    usual, usual_output, _ = run(kind)
    bench, output, store = run(kind, FOR_EVER, refuses=refuses)
    assert (output["state"], bench.azure.jobs.sent) == ("succeeded", usual.azure.jobs.sent)
    last = max(item["steps"][-1]["ended"] for item in output["items"])
    assert last == max(item["steps"][-1]["ended"] for item in usual_output["items"])
    evidence = output["facts"]["evidence"]
    assert evidence["complete"] is False
    assert ("not authorized" if refuses else "No space left") in evidence["detail"]
    pauses = [later - earlier for earlier, later in zip(store.attempts, store.attempts[1:], strict=False)]
    assert min(pauses) >= timedelta(seconds=30)
    assert bench.azure.clock.now - usual.azure.clock.now <= STORE_AWAITED_FOR + timedelta(minutes=11)


@pytest.mark.parametrize("away", [1, 3, 5])
@pytest.mark.parametrize("kind", RUNBOOKS)
def test_what_could_not_be_written_is_written_later_once_each_and_in_order(kind: Kind, away: int) -> None:
    usual, _, _ = run(kind)
    bench, output, _ = run(kind, away)
    assert output["facts"]["evidence"]["complete"] is True
    ours, theirs = bench.azure.evidence, usual.azure.evidence
    assert ours.list_kinds() == theirs.list_kinds()
    assert [entry.body for _, entry in ours.records if entry.kind in {"verb", "job"}] == [
        entry.body for _, entry in theirs.records if entry.kind in {"verb", "job"}
    ]


def test_a_run_whose_evidence_is_behind_says_since_when_and_why() -> None:
    bench = bench_for("failover")
    bench.azure.faults.crashes = {"write_evidence_records": FOR_EVER}
    began = bench.azure.clock.now
    unwritten = bench.run(failover, "failover").custom_status["unwritten"]
    assert unwritten["records"] > len(ORDER)
    assert unwritten["since"] == began.isoformat()
    assert "no answer" in unwritten["detail"]
