"""What a run tells a person to do: while it waits, and once it has ended with something owed or undone."""

from datetime import timedelta
from typing import Any

import pytest

from orchestrators.verbs.failover import failover
from shared.operations.obligations import Obligation
from shared.site_recovery.contract import JobEnd
from tests.orchestrators.album import Album
from tests.orchestrators.owed import list_owed
from tests.orchestrators.test_runbooks import Bench, plan
from tests.people import object_id_of
from triggers.operation_views import brief_view, full_view

LONG = "the quota of the region is used up; " * 20
QUOTA = JobEnd(job="", outcome="failed", state="Failed", code="28031", detail=LONG)


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.driver.warm = True
    return bench


def decide(bench: Bench, after: timedelta, verdict: str, **more: Any) -> None:
    bench.driver.say(after, "decide", {"verdict": verdict, "by": "ann", "comment": "ticket 4711", **more})


def test_a_run_that_waits_for_a_decision_shows_why_what_can_be_done_and_what_was_decided(bench: Bench) -> None:
    bench.azure.jobs.failures[("sql", "PlannedFailover")] = QUOTA
    decide(bench, timedelta(hours=3), "retry")
    decide(bench, timedelta(hours=6), "skip", vms=["sql"])
    album = Album(bench.driver)
    album.close(bench.run(failover, "failover", document=plan(onFailure="ask")))
    waiting = [view for view in album.views() if view["state"] == "waiting"]
    settled = waiting[len(waiting) // 4]
    (sql,) = [item for item in settled["items"] if item["vm"] == "sql"]
    assert (sql["state"], sql["code"], sql["detail"]) == ("failed", "28031", f"planned failover: {LONG}")
    assert [(one["verb"], one["vms"]) for one in settled["nextSteps"]] == [
        ("retry", ["sql"]),
        ("skip", ["sql"]),
        ("abort", []),
    ]
    assert settled["nextSteps"][0]["route"] == "POST /api/operations/run-1/retry"
    assert "28031" in settled["nextSteps"][0]["why"]
    assert settled["waitingFor"]["since"] < settled["updatedAt"] or settled["waitingFor"]["since"]
    heard = [[one["verdict"] for one in view["decisions"]] for view in waiting]
    assert (heard[0], heard[-1]) == ([], ["retry"])
    assert {one["comment"] for one in waiting[-1]["decisions"]} == {"ticket 4711"}


def test_the_reason_is_shown_for_hours_and_not_only_once_a_generation_is_over(bench: Bench) -> None:
    bench.azure.jobs.failures = {(vm, "PlannedFailover"): QUOTA for vm in ("dc",)}
    decide(bench, timedelta(hours=2), "abort")
    album = Album(bench.driver)
    bench.run(failover, "failover", document=plan(onFailure="ask"))
    waiting = [view for view in album.views() if view["state"] == "waiting"]
    assert {item["detail"] for view in waiting[1:] for item in view["items"] if item["vm"] == "dc"} == {
        f"planned failover: {LONG}"
    }


def test_a_list_shows_who_asked_and_what_the_run_waits_for(bench: Bench) -> None:
    album = Album(bench.driver)
    bench.run(
        failover,
        "failover",
        document=plan(approvals={"count": 2, "approvers": [object_id_of("bob"), object_id_of("eve")]}),
    )
    waiting = next(look for look in album.looks if brief_view(look)["state"] == "waiting")
    row = brief_view(waiting)
    assert (row["requestedBy"], row["phase"], row["plan"]) == ("ann", "Approval", "payroll")
    assert (row["waitingFor"]["kind"], row["waitingFor"]["approvalsNeeded"]) == ("approval", 2)
    assert row["waitingForText"].startswith(
        f"Waiting for 2 approvals for the plan payroll ({object_id_of('bob')}, {object_id_of('eve')}), until 2026-01-0"
    )
    assert row["waitingFor"]["since"] < row["waitingFor"]["until"]
    assert [(one["verb"], one["route"].rpartition("/")[2]) for one in row["nextSteps"]] == [
        ("approve", "approve"),
        ("reject", "reject"),
    ]


def test_a_run_that_ended_names_what_it_owes_and_how_to_ask_again(bench: Bench) -> None:
    bench.azure.jobs.failures[("web", "PlannedFailover")] = QUOTA
    album = Album(bench.driver)
    ended = album.close(bench.run(failover, "failover"))
    owed = [Obligation.model_validate(one) for one in list_owed(bench.driver.states)]
    steps = full_view(ended, owed)["nextSteps"]
    assert [one["verb"] for one in steps] == ["commit", "failback", "failover"]
    assert {one["route"] for one in steps} == {
        "POST /api/plans/payroll/commit",
        "POST /api/plans/payroll/failback",
        "POST /api/plans/payroll/failover",
    }
    assert steps[-1]["vms"] == ["web"]
    assert [one["verb"] for one in full_view(ended)["nextSteps"]] == ["failover"]


def test_a_run_that_went_well_and_owes_nothing_leaves_nothing_to_do(bench: Bench) -> None:
    album = Album(bench.driver)
    bench.azure.jobs.failures = {}
    ended = album.close(bench.run(failover, "failover"))
    assert full_view(ended)["nextSteps"] == []
    assert {view["progress"]["total"] for view in album.views() if view["state"] == "succeeded"} == {4}
