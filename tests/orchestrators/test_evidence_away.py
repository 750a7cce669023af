"""The store of evidence is away, full, closed to the app, or back again: no verb waits for it, and nothing is lost."""

from datetime import timedelta
from functools import lru_cache
from typing import Any, Literal

import pytest

from orchestrators.verbs.drill import cleanup, drill
from orchestrators.verbs.failback import failback, reprotect
from orchestrators.verbs.failover import commit, failover
from orchestrators.verbs.roundtrip import roundtrip
from shared.errors import Refused
from shared.evidence.chain import EvidenceEntry
from shared.evidence.contract import RecordsWritten
from shared.operations.kinds import Kind
from shared.recovery.pacing import STORE_AWAITED_AT_BEGIN, STORE_AWAITED_FOR
from shared.recovery.status import custom_status_of
from tests.deep import cases
from tests.driver import Orchestrator
from tests.orchestrators.test_runbooks import ORDER, Bench, plan
from tests.shared.test_scheduler import T0, item, run_of

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
type Fault = Literal["full", "read-only", "closed", "slow", "gone"]
FAULTS: dict[Fault, str] = {
    "full": "No space left on device",
    "read-only": "Read-only file system",
    "closed": "not authorized",
    "slow": "the evidence store said nothing for 30 s",
    "gone": "no evidence store",
}
"""What is said of each."""
each_kind = pytest.mark.parametrize("kind", RUNBOOKS)
each_fault = pytest.mark.parametrize("fault", FAULTS)
CASES = {(kind, "full") for kind in RUNBOOKS} | {("failover", fault) for fault in FAULTS}
each_kind_and_fault = pytest.mark.parametrize(("kind", "fault"), sorted(CASES))


class Store:
    """The evidence store of a bench, which does not take anything for a while.

    Attributes:
        after: How many attempts succeed before.
        away: How many do not then.
    """

    def __init__(self, bench: Bench, fault: Fault, *, away: int, after: int = 0) -> None:
        self.bench, self.fault, self.after, self.away = bench, fault, after, away
        self.take = bench.azure.evidence.write_records
        self.attempts: list[Any] = []

    def write(self, ask: Any) -> Any:
        self.attempts.append(self.bench.azure.clock.now)
        if not self.after < len(self.attempts) <= self.after + self.away:
            return self.take(ask)
        match self.fault:
            case "closed":
                raise Refused("AuthorizationPermissionMismatch", "not authorized")
            case "gone":
                return RecordsWritten(count=ask.count, head=ask.head, kept=False)
        raise ConnectionError(FAULTS[self.fault])


def bench_for(kind: Kind) -> Bench:
    bench = Bench()
    if reached := RUNBOOKS[kind][1]:
        for vm in ORDER:
            bench.azure.items.machines[vm].reach(reached)
    if kind == "roundtrip":
        bench.driver.say(timedelta(hours=5), "decide", {"verdict": "resume", "by": "ann", "vms": []})
    return bench


def run(
    kind: Kind, away: int = 0, fault: Fault = "full", after: int = 0, evidence: str = "wanted"
) -> tuple[Bench, dict[str, Any], Store]:
    bench = bench_for(kind)
    store = Store(bench, fault, away=away, after=after)
    bench.azure.evidence.write_records = store.write  # type: ignore[method-assign] # a store that fails
    bench.driver.activities = bench.azure.activities()
    bench.driver.warm = True
    return bench, bench.run(RUNBOOKS[kind][0], kind, document=plan(evidence=evidence)).output, store


@lru_cache
def run_well(kind: Kind) -> tuple[Bench, dict[str, Any]]:
    """The same with a store that takes everything; nobody changes what it gives."""
    bench, output, _ = run(kind)
    return bench, output


@pytest.mark.parametrize("fault", ["full", "closed"])
@each_kind
def test_a_store_that_takes_nothing_stops_no_verb_and_delays_none(kind: Kind, fault: Fault) -> None:
    usual, usual_output = run_well(kind)
    bench, output, store = run(kind, FOR_EVER, fault)
    assert (output["state"], bench.azure.jobs.sent) == ("succeeded", usual.azure.jobs.sent)
    last = max(item["steps"][-1]["ended"] for item in output["items"])
    assert last == max(item["steps"][-1]["ended"] for item in usual_output["items"])
    evidence = output["facts"]["evidence"]
    assert evidence["complete"] is False
    assert FAULTS[fault] in evidence["detail"]
    pauses = [later - earlier for earlier, later in zip(store.attempts, store.attempts[1:], strict=False)]
    assert min(pauses) >= timedelta(seconds=30)
    assert bench.azure.clock.now - usual.azure.clock.now <= STORE_AWAITED_FOR + timedelta(minutes=11)


@pytest.mark.parametrize("away", cases([1, 3, 5], {3}))
@pytest.mark.parametrize("kind", RUNBOOKS)
def test_what_could_not_be_written_is_written_later_once_each_and_in_order(kind: Kind, away: int) -> None:
    usual, _ = run_well(kind)
    bench, output, _ = run(kind, away)
    assert output["facts"]["evidence"]["complete"] is True
    ours, theirs = bench.azure.evidence, usual.azure.evidence
    assert ours.list_kinds() == theirs.list_kinds()
    assert [entry.body for _, entry in ours.records if entry.kind in {"verb", "job"}] == [
        entry.body for _, entry in theirs.records if entry.kind in {"verb", "job"}
    ]


@each_fault
@each_kind
def test_a_verb_that_requires_evidence_does_not_begin_without_a_store(kind: Kind, fault: Fault) -> None:
    bench, output, store = run(kind, FOR_EVER, fault, evidence="required")
    (obstacle,) = output["problems"]
    code = "evidence-store-missing" if fault == "gone" else "evidence-store-unavailable"
    assert (output["state"], obstacle["code"]) == ("refused", code)
    assert FAULTS[fault] in obstacle["detail"]
    assert (bench.azure.jobs.sent, bench.held(), bench.owed()) == ([], {}, set())
    assert bench.azure.runs.list_event_types() == []
    assert (store.attempts[-1] - store.attempts[0] >= STORE_AWAITED_AT_BEGIN) == (fault != "gone")


@each_kind
def test_a_verb_that_requires_evidence_waits_a_little_for_a_store_that_is_back_soon(kind: Kind) -> None:
    usual, _ = run_well(kind)
    bench, output, _ = run(kind, away=2, evidence="required")
    assert (output["state"], output["facts"]["evidence"]["complete"]) == ("succeeded", True)
    assert bench.azure.evidence.list_kinds() == usual.azure.evidence.list_kinds()


@each_fault
@each_kind
def test_a_run_that_loses_the_store_says_so_and_goes_on(kind: Kind, fault: Fault) -> None:
    usual, _ = run_well(kind)
    bench, output, _ = run(kind, FOR_EVER, fault, after=1, evidence="required")
    assert (output["state"], bench.azure.jobs.sent) == ("succeeded", usual.azure.jobs.sent)
    assert (output["facts"]["evidence"]["complete"], FAULTS[fault] in output["facts"]["evidence"]["detail"]) == (
        False,
        True,
    )
    assert [one for one in output["findings"] if "takes nothing since" in one and FAULTS[fault] in one]
    (event,) = [one for one in bench.azure.runs.published if one.type.endswith("Operation.Evidence")]
    assert (event.data["complete"], FAULTS[fault] in event.data["detail"]) == (False, True)
    assert event.data["unwritten"] >= 1


@each_kind_and_fault
def test_a_store_that_is_back_is_told_once_and_the_run_knows_when_it_was_away(kind: Kind, fault: Fault) -> None:
    usual, _ = run_well(kind)
    bench, output, _ = run(kind, 2, fault, after=1)
    assert output["facts"]["evidence"]["complete"] is True
    assert bench.azure.evidence.list_kinds() == usual.azure.evidence.list_kinds()
    told = [one for one in output["findings"] if "everything was written afterwards" in one]
    assert len(told) == 1
    assert FAULTS[fault] in told[0]
    events = [one for one in bench.azure.runs.published if one.type.endswith("Operation.Evidence")]
    assert [one.data["complete"] for one in events] == [False, True]


def test_what_a_run_waits_for_names_the_store() -> None:
    run = run_of(item("sql"))
    run = run.with_items(one.in_state("running", T0) for one in run.items)
    entry = EvidenceEntry.of("phase", T0, {})
    behind = run.with_chain(run.chain.fall_behind((entry, entry), T0, "No space left on device"))
    waiting_for = "job of sql, the evidence store to take 2 records, since 08:00 UTC: No space left on device"
    assert custom_status_of(behind, T0)["waitingFor"] == waiting_for
    written = behind.with_chain(behind.chain.catch_up(2, "head", T0 + timedelta(minutes=9)))
    assert custom_status_of(written, T0)["waitingFor"] == "job of sql"
    assert "from 08:00 to 08:09 UTC" in written.chain.findings[0]


def test_what_is_owed_is_done_without_evidence() -> None:
    bench = Bench()
    for vm in ORDER:
        bench.azure.items.machines[vm].reach("TestFailover")
    bench.azure.faults.crashes = {"write_evidence_records": FOR_EVER}
    output = bench.run(cleanup, "cleanup", document=plan(evidence="required")).output
    assert output["state"] == "succeeded", output
    assert [verb for _, verb in bench.azure.jobs.sent] == ["TestFailoverCleanup"] * len(ORDER)


def test_while_a_required_store_is_waited_for_the_run_can_be_aborted() -> None:
    bench = bench_for("failover")
    bench.azure.faults.crashes = {"write_evidence_records": 2}
    bench.driver.say(timedelta(seconds=20), "decide", {"verdict": "abort", "by": "ann"})
    output = bench.run(failover, "failover", document=plan(evidence="required")).output
    assert (output["state"], bench.azure.jobs.sent, bench.held(), bench.owed()) == ("aborted", [], {}, set())
    assert bench.azure.evidence.list_kinds() == [
        "request",
        "plan",
        "finding",
        "finding",
        "finding",
        "finding",
        "decision",
        "outcome",
    ]


def test_a_run_whose_evidence_is_behind_says_since_when_and_why() -> None:
    bench = bench_for("failover")
    bench.azure.faults.crashes = {"write_evidence_records": FOR_EVER}
    began = bench.azure.clock.now
    unwritten = bench.run(failover, "failover").custom_status["unwritten"]
    assert unwritten["records"] > len(ORDER)
    assert unwritten["since"] == began.isoformat()
    assert "no answer" in unwritten["detail"]


@pytest.mark.parametrize(
    "failure", [Refused("evidence-key-unusable", "the key is disabled"), ConnectionError("the key vault is away")]
)
def test_a_key_that_does_not_sign_leaves_the_pack_sealed_and_says_so(failure: Exception) -> None:
    bench = bench_for("commit")
    bench.azure.evidence.key_failure = failure
    output = bench.run(RUNBOOKS["commit"][0], "commit", document=plan()).output
    evidence = output["facts"]["evidence"]
    assert (output["state"], evidence["complete"], evidence["code"]) == ("succeeded", True, "evidence-unsigned")
    assert str(failure).partition(": ")[2] in evidence["detail"] or str(failure) in evidence["detail"]
    assert [bool(one.unsigned) for one in bench.azure.evidence.asked][-1]
    assert not bench.azure.evidence.asked[0].unsigned


def test_a_pack_that_somebody_wrote_into_is_not_sealed_unsigned_instead() -> None:
    bench = bench_for("commit")
    bench.azure.evidence.key_failure = Refused("evidence-broken", "another manifest stands there")
    output = bench.run(RUNBOOKS["commit"][0], "commit", document=plan()).output
    assert output["facts"]["evidence"]["complete"] is False
    assert len(bench.azure.evidence.asked) == 1


def test_a_pack_that_is_signed_says_its_place_in_the_log() -> None:
    _, output = run_well("commit")
    assert output["facts"]["evidence"]["entry"] == 1
    assert "code" not in output["facts"]["evidence"]
