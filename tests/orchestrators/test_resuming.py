"""Jobs that are suspended wait for a person, who lets them go on; the others do not wait with them."""

from datetime import timedelta
from typing import Any

import pytest

from orchestrators.verbs.failback import failback
from shared.recovery.operation import Operation, options_for
from shared.site_recovery.verb_options import VerbOptions
from tests.driver import Result
from tests.orchestrators.test_runbooks import BROKEN, ORDER, SITE, Bench, plan


@pytest.fixture
def away() -> Bench:
    """All machines run in Azure, committed."""
    bench = Bench()
    for vm in ORDER:
        bench.azure.items.machines[vm].reach("Commit")
    return bench


def home(bench: Bench, **more: Any) -> Result:
    document = plan(failbackOrder="same", **more.pop("plan", {}))
    requested = VerbOptions.model_validate({"data_sync": "minimise-downtime", **more})
    options = options_for("failback", requested, document)
    operation = Operation.model_validate(
        {"id": "failback-1", "kind": "failback", "plan": "payroll", "requested_by": "ann", "digest": document.digest}
        | {"document": document, "sites": {"hci-01": SITE}, "options": options}
    )
    return bench.driver.run(failback, operation.model_dump(mode="json"), "failback-1")


def said(verdict: str, *vms: str, **more: str) -> dict[str, Any]:
    return {"verdict": verdict, "by": "ann", "vms": list(vms), **more}


def test_a_failback_waits_after_its_data_is_synchronised_and_goes_on_when_a_person_says_so(away: Bench) -> None:
    away.driver.say(timedelta(hours=2), "decide", said("resume", comment="business is closed"))
    result = home(away)
    assert result.output["state"] == "succeeded", result.output
    assert sorted(away.azure.jobs.resumed) == sorted(ORDER)
    assert [one["comment"] for one in result.output["decisions"]] == ["business is closed"]


def test_all_synchronise_at_once_and_come_home_in_their_order(away: Bench) -> None:
    """Bringing data home stops nothing; only what comes after it keeps the order."""
    away.driver.say(timedelta(hours=2), "decide", said("resume"))
    result = home(away)
    assert result.output["state"] == "succeeded", result.output
    assert len({job.started for job in away.azure.jobs.by_id.values() if job.step == "Failback"}) == 1
    assert away.azure.jobs.resumed == list(ORDER)


def test_one_that_waits_for_a_machine_that_did_not_come_home_goes_on_by_its_name_alone(away: Bench) -> None:
    away.azure.jobs.failures["sql", "Failback"] = BROKEN
    away.driver.say(timedelta(hours=2), "decide", said("resume"))
    away.driver.say(timedelta(hours=4), "decide", said("resume"))
    away.driver.say(timedelta(hours=6), "decide", said("resume", "app"))
    away.driver.say(timedelta(hours=8), "decide", said("abort"))
    result = home(away)
    states = {item["vm"]: item["state"] for item in result.output["items"]}
    assert away.azure.jobs.resumed == ["dc", "sql", "app", "web"]
    assert states == {"dc": "done", "sql": "failed", "app": "done", "web": "done"}
    assert result.output["state"] == "failed"


def test_a_failback_goes_on_by_itself_at_the_time_that_was_set(away: Bench) -> None:
    at = away.driver.clock.now + timedelta(hours=5)
    result = home(away, resume_at=at)
    assert result.output["state"] == "succeeded", result.output
    first = next(iter(away.azure.jobs.by_id.values()))
    assert at <= first.due <= at + timedelta(minutes=5)


def test_a_machine_is_resumed_while_the_others_still_synchronise(away: Bench) -> None:
    """Nobody depends on anybody here: each waits for itself alone."""
    items = [{"vm": vm} for vm in ORDER]
    away.driver.say(timedelta(hours=1), "decide", said("resume", "sql"))
    away.driver.say(timedelta(hours=9), "decide", said("resume"))
    result = home(away, plan={"items": items})
    assert result.output["state"] == "succeeded", result.output
    assert away.azure.jobs.resumed[0] == "sql"
    assert sorted(away.azure.jobs.resumed) == sorted(ORDER)


def test_a_job_that_was_resumed_elsewhere_is_followed_to_its_end(away: Bench) -> None:
    items = [{"vm": "sql"}]

    def resume_in_the_portal(now: Any) -> None:
        for name, job in away.azure.jobs.by_id.items():
            if job.is_over and now - job.due > timedelta(hours=1):
                away.azure.jobs.resume_job(name)

    away.driver.clock.watchers.append(resume_in_the_portal)
    result = home(away, plan={"items": items})
    assert result.output["state"] == "succeeded", result.output
    assert result.output["decisions"] == []


def test_an_aborted_run_leaves_a_suspended_job_as_it_is_and_says_so(away: Bench) -> None:
    away.driver.say(timedelta(hours=1), "decide", said("abort"))
    result = home(away)
    assert result.output["state"] == "aborted"
    assert away.azure.jobs.resumed == []
    assert all("is still suspended" in item["detail"] for item in result.output["items"])
    assert "commit" in away.owed()
    assert not away.held()
