"""No look that fails is silent: it is counted, it is shown with its reason, and named once some fail in a row."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from orchestrators.verbs.failover import failover
from shared.recovery.observations import SHOWN_FROM, Observations
from shared.recovery.status import custom_status_of
from tests.orchestrators.benches import PlanBench
from tests.orchestrators.test_runbooks import Bench
from tests.shared.test_scheduler import item, run_of

AT = datetime.fromisoformat("2026-01-05T08:00:00+00:00")
LOOKS = {"watch_jobs": "jobs of vault-dr", "read_items": "items of vault-dr", "probe_vms": "probes"}
"""By activity, what cannot be seen while it fails."""


def lose_calls(bench: Bench, activity: str, last: int) -> None:
    """Of an activity the first calls after the first verb never arrive."""
    done, calls = bench.driver.activities[activity], [0]

    def serve(payload: dict[str, Any]) -> dict[str, Any]:
        calls[0] += bool(bench.azure.jobs.sent)
        if 1 <= calls[0] <= last:
            raise ConnectionError("the gateway said 502")
        return done(payload)

    bench.driver.activities = {**bench.driver.activities, activity: serve}


def counted(output: dict[str, Any]) -> dict[str, Any]:
    looks: dict[str, Any] = output["failed_observations"]
    return looks


@pytest.mark.parametrize("activity", LOOKS)
def test_a_look_that_fails_is_counted_and_shown_with_its_reason(activity: str) -> None:
    bench = Bench()
    lose_calls(bench, activity, 12)
    output = bench.run(failover, "failover").output
    assert output["state"] == "succeeded", output
    looks = counted(output)
    assert (looks["total"] >= 1, looks["inARow"]) == (True, 0)
    assert looks["lastReason"].startswith(f"{LOOKS[activity]}: ")
    assert "the gateway said 502" in looks["lastReason"]


def test_what_a_run_waits_for_names_what_it_cannot_see() -> None:
    run = run_of(item("sql"))
    run = run.with_items(one.in_state("running", AT) for one in run.items)
    for _ in range(SHOWN_FROM - 1):
        run = run.with_look("jobs of vault-dr", ["the gateway said 502"], AT)
    shown = custom_status_of(run, AT)
    assert (shown["waitingFor"], shown["failedObservations"]["inARow"]) == ("job of sql", SHOWN_FROM - 1)
    run = run.with_look("jobs of vault-dr", ["the gateway said 502"], AT)
    waiting_for = "job of sql, jobs of vault-dr to be seen, since 08:00 UTC, 3 times: the gateway said 502"
    assert custom_status_of(run, AT)["waitingFor"] == waiting_for
    assert custom_status_of(run.with_look("jobs of vault-dr", [], AT), AT)["waitingFor"] == "job of sql"


def test_a_run_that_sees_everything_counts_nothing() -> None:
    assert Bench().run(failover, "failover").output["failed_observations"] is None


def test_a_recovery_plan_whose_job_cannot_be_seen_is_counted() -> None:
    bench = PlanBench()
    lose_calls(bench, "read_recovery_plan_job", 8)
    output = bench.run(failover, "failover", document=bench.document).output
    assert output["state"] == "succeeded", output
    assert counted(output)["lastReason"].startswith("job of the recovery plan payroll: ")


def test_looks_are_counted_apart_and_in_a_row_since_the_last_that_saw() -> None:
    looks = Observations()
    for minute, (subject, failures) in enumerate(
        [("jobs", ["502"]), ("items", []), ("jobs", ["503", "504"]), ("items", ["429"]), ("jobs", ["502"])]
    ):
        looks = looks.after_look(subject, failures, AT + timedelta(minutes=minute))
    assert looks.summary
    assert (looks.summary.total, looks.summary.in_a_row, looks.summary.last_reason) == (4, 3, "jobs: 502")
    assert looks.waits == ("jobs to be seen, since 08:00 UTC, 3 times: 502",)
    seen = looks.after_look("jobs", [], AT)
    assert seen.summary
    assert (seen.summary.total, seen.summary.in_a_row, seen.waits) == (4, 1, ())
    assert looks.after_stage().waits == ()
