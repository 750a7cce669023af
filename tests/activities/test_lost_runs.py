"""Which runs did not come to their own end: as the engine, leases, debts, histories and evidence show them."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from durabletask.client import OrchestrationState, OrchestrationStatus

from activities.evidence import seal_pack, write_records
from activities.lost_runs import MOST_AT_A_TIME, read_lost_runs
from shared.evidence.chain import FIRST_PREVIOUS, EvidenceEntry
from shared.evidence.contract import SealPack, WriteRecords
from shared.operations.contract import LostRunsRead, ReadLostRuns
from tests.triggers.hub import Hub, look

AT = datetime(2026, 1, 5, 9, tzinfo=UTC)
FAILED, TERMINATED = OrchestrationStatus.FAILED, OrchestrationStatus.TERMINATED
GONE = "failover-payroll-0a1b2c3d4e5f"


@pytest.fixture(autouse=True)
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("EVIDENCE_STORE", f"folder:{tmp_path}")
    return tmp_path


async def read(*states: OrchestrationState, **entities: Any) -> LostRunsRead:
    """Entities by name, each under one key: the plan, or the vault, or the timer."""
    keys = {"leases": "vault-1", "lost_runs": "timer"}
    kept = {f"@{name}@{keys.get(name, 'payroll')}": state for name, state in entities.items()}
    hub = Hub(runs={state.instance_id: [state] for state in states}, entities=kept)
    return await read_lost_runs(cast("Any", hub), ReadLostRuns())


def leased(run: str) -> dict[str, Any]:
    return {"vm:sql": {"owner": run, "until": AT.isoformat()}}


def owed(run: str) -> dict[str, Any]:
    return {"reprotect": {"kind": "reprotect", "plan": "payroll", "owner": run}}


async def record(run: str) -> str:
    """Begin the evidence of a run."""
    entry = EvidenceEntry.of("request", AT, {"id": run, "kind": "failover", "plan": "payroll"})
    return (await write_records(WriteRecords(pack=run, count=0, head=FIRST_PREVIOUS, entries=(entry,)))).head


@pytest.mark.parametrize(("status", "ending"), [(FAILED, "failed"), (TERMINATED, "terminated")])
async def test_a_run_that_the_engine_ended_is_lost_with_what_it_held(status: OrchestrationStatus, ending: str) -> None:
    state = replace(look("drill-1", status), serialized_output="enough")
    (lost,) = (await read(state, leases=leased("drill-1"))).runs
    assert (lost.id, lost.kind, lost.ending, lost.words) == ("drill-1", "drill", ending, "enough")
    assert (lost.subject, lost.plan, lost.lease_tables) == ("plans/payroll", "payroll", ("vault-1",))
    assert (lost.state, lost.preview_kind, lost.published_at) == ("failed", "drill", None)
    assert lost.digest


async def test_runs_that_live_or_ended_by_themselves_are_not_lost() -> None:
    done = look("drill-2", OrchestrationStatus.COMPLETED, output={"state": "failed"})
    errand = replace(look("declare-1", FAILED), name="declare_document")
    found = await read(look("drill-1"), done, errand, leases=leased("drill-1"), obligations=owed("drill-2"))
    assert found == LostRunsRead(runs=())


@pytest.mark.parametrize("trace", ["leases", "obligations"])
async def test_a_run_that_the_engine_does_not_know_is_lost_where_something_shows_it(trace: str) -> None:
    await record(GONE)
    (lost,) = (await read(**{trace: {"leases": leased, "obligations": owed}[trace](GONE)})).runs
    assert (lost.id, lost.kind, lost.ending, lost.subject) == (GONE, "failover", "gone", "plans/payroll")


async def test_nothing_is_known_of_a_gone_run_without_evidence_but_its_id() -> None:
    (lost,) = (await read(leases=leased(GONE))).runs
    assert (lost.kind, lost.subject, lost.plan) == ("failover", f"operations/{GONE}", "")
    (lost,) = (await read(leases=leased("change-point-payroll-1"))).runs
    assert lost.kind == "change-point"
    assert (await read(leases=leased("somebody"))).runs == ()


async def test_a_repair_that_is_gone_is_lost_as_long_as_its_node_takes_it_for_alive() -> None:
    (lost,) = (await read(nodes={"node": "n1", "run": "repair-n1-1"})).runs
    assert (lost.kind, lost.ending, lost.subject) == ("repair", "gone", "nodes/n1")
    assert await read(nodes={"node": "n1", "run": ""}) == LostRunsRead(runs=())


async def test_a_run_that_was_purged_after_its_own_end_is_not_lost() -> None:
    """As its plan remembers it, or as its evidence is sealed."""
    past = {"run": GONE, "kind": "failover", "state": "succeeded", "began": AT.isoformat(), "ended": AT.isoformat()}
    assert (await read(obligations=owed(GONE), plan_history={"past_runs": [past]})).runs == ()
    outcome = EvidenceEntry.of("outcome", AT, {})
    written = await write_records(WriteRecords(pack=GONE, count=1, head=await record(GONE), entries=(outcome,)))
    await seal_pack(SealPack(pack=GONE, head=written.head, facts={}))
    assert (await read(obligations=owed(GONE))).runs == ()


async def test_a_lost_run_is_handed_on_until_it_is_closed() -> None:
    """Also when it is purged in between: what was done for it says that it was lost."""
    note: dict[str, Any] = {"run": GONE, "published_at": AT.isoformat()}
    past = {"run": GONE, "kind": "failover", "state": "failed", "began": AT.isoformat(), "ended": AT.isoformat()}
    shown = {"obligations": owed(GONE), "plan_history": {"past_runs": [past]}}
    (lost,) = (await read(lost_runs={GONE: note}, **shown)).runs
    assert lost.published_at == AT
    closed = {GONE: {**note, "sealed": True}}
    assert await read(lost_runs=closed, **shown) == LostRunsRead(runs=())
    assert [one.id for one in (await read(lost_runs=closed, leases=leased(GONE))).runs] == [GONE]
    assert await read(lost_runs=closed) == LostRunsRead(runs=(), forgotten=(GONE,))


async def test_a_run_whose_input_cannot_be_read_is_lost_all_the_same() -> None:
    """Perhaps that is why it could not go on."""
    state = replace(look("drill-1", FAILED), serialized_input='{"plan": 7, "document": "none"}')
    (lost,) = (await read(state)).runs
    assert (lost.subject, lost.plan, lost.digest) == ("operations/drill-1", "", "")


@pytest.mark.parametrize("broken", [{"vm:sql": 7}, {"vm:sql": {}}, {"vm:sql": None}], ids=str)
async def test_what_cannot_be_read_hides_no_lost_run(broken: dict[str, Any]) -> None:
    found = await read(look("drill-1", FAILED), leases=broken, obligations=broken, plan_history={"past_runs": 7})
    assert [one.id for one in found.runs] == ["drill-1"]


async def test_not_too_many_at_a_time() -> None:
    states = [look(f"drill-{number:03d}", TERMINATED) for number in range(MOST_AT_A_TIME + 3)]
    assert [one.id for one in (await read(*states)).runs] == [state.instance_id for state in states[:MOST_AT_A_TIME]]
