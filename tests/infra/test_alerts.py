"""Each alert on lines that the app itself wrote: it fires for what it is about, once, and for nothing else."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activities.cloud_events import publish_event
from shared.log_lines import ARM_THROTTLED, TIMER_LOOK_ENDED, log_line
from shared.operations.contract import PublishEvent
from tests.activities.conftest import arm
from tests.infra.kusto import Row, run_query
from tests.infra.test_queries import QUERIES
from tests.shared.azure.fake import FakeArm

__all__ = ["arm"]
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
HERE = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Insights/components/appi"
OF_EVENTS = ("failed-runs", "waiting-runs", "late-obligations", "undone-duties", "evidence-not-written")
LONG_AGO = NOW - timedelta(hours=3)
"""When the event was: its line may come late."""
FINISHED, WAITING = "HciSiteRecovery.Operation.Finished", "HciSiteRecovery.Operation.Waiting"
CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    (FINISHED, {"state": "failed"}, ["failed-runs"]),
    (FINISHED, {"state": "failed", "code": "run-lost"}, ["failed-runs"]),
    (FINISHED, {"state": "succeeded"}, []),
    (FINISHED, {"state": "aborted"}, []),
    (FINISHED, {"state": "succeeded", "evidence": {"complete": True, "code": ""}}, []),
    (FINISHED, {"state": "succeeded", "evidence": {"complete": False}}, ["evidence-not-written"]),
    (
        FINISHED,
        {"state": "succeeded", "evidence": {"complete": True, "code": "evidence-unsigned"}},
        ["evidence-not-written"],
    ),
    ("HciSiteRecovery.Operation.Evidence", {"complete": False}, ["evidence-not-written"]),
    ("HciSiteRecovery.Operation.Evidence", {"complete": True}, []),
    ("HciSiteRecovery.Operation.Started", {"vms": 6}, []),
    ("HciSiteRecovery.Operation.Failed", {"failures": [{"detail": "x"}]}, []),
    ("HciSiteRecovery.Operation.Waiting", {"waitsFor": "approval"}, ["waiting-runs"]),
    ("HciSiteRecovery.Obligation.Late", {"kind": "commit"}, ["late-obligations"]),
    ("HciSiteRecovery.Obligation.Found", {"kind": "commit"}, ["late-obligations"]),
    ("HciSiteRecovery.Obligation.SettledByPerson", {"kind": "commit"}, []),
    ("HciSiteRecovery.Source.Running", {"plan": "payroll"}, ["late-obligations"]),
    ("HciSiteRecovery.Timer.DutyFailed", {"duty": "heal nodes"}, ["undone-duties"]),
    ("HciSiteRecovery.Drill.Overdue", {"plan": "payroll"}, ["undone-duties"]),
    ("HciSiteRecovery.Node.Quarantined", {"cause": "x"}, ["undone-duties"]),
    ("HciSiteRecovery.Node.Healed", {"cause": "x"}, []),
]
"""An event, its data, and the alerts that it is."""


def traces(caplog: pytest.LogCaptureFixture, at: datetime = NOW, component: str = HERE) -> list[Row]:
    """What was logged, as Application Insights keeps it."""
    return [
        {"TimeGenerated": at, "Message": record.getMessage(), "_ResourceId": component} for record in caplog.records
    ]


def ask(name: str, lines: list[Row], requests: list[Row] | None = None, now: datetime = NOW) -> list[Row]:
    return run_query(
        QUERIES[name].replace("{component}", HERE.upper()), {"AppTraces": lines, "AppRequests": requests or []}, now
    )


async def logged(caplog: pytest.LogCaptureFixture, kind: str, data: dict[str, Any], times: int = 1) -> list[Row]:
    """The lines of an event that the app tries to send so many times."""
    event = PublishEvent(id="run-1:x", type=kind, subject="plans/payroll", at=LONG_AGO, data=data)
    caplog.clear()
    with caplog.at_level(logging.INFO):
        for _ in range(times):
            await publish_event(event)
    return traces(caplog, NOW - timedelta(minutes=2))


@pytest.mark.parametrize(("kind", "data", "alerts"), CASES)
async def test_an_event_is_the_alerts_that_it_should_be(
    arm: FakeArm, caplog: pytest.LogCaptureFixture, kind: str, data: dict[str, Any], alerts: list[str]
) -> None:
    lines = await logged(caplog, kind, {"operation": "run-1", **data})
    assert [name for name in OF_EVENTS if ask(name, lines)] == alerts


def an_event_of(alert: str) -> tuple[str, dict[str, Any]]:
    return next((kind, data) for kind, data, alerts in CASES if alert in alerts)


@pytest.mark.parametrize("name", OF_EVENTS)
async def test_an_event_that_is_sent_again_is_one_row_and_not_new_the_next_day(
    arm: FakeArm, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    first = await logged(caplog, *an_event_of(name), times=3)
    again = [{**line, "TimeGenerated": NOW + timedelta(hours=20)} for line in first]
    (row,) = ask(name, first + again)
    assert (row["id"], row["subject"]) == ("run-1:x", "plans/payroll")
    assert ask(name, first + again, now=NOW + timedelta(hours=20, minutes=1)) == []


@pytest.mark.parametrize("name", OF_EVENTS)
async def test_lines_of_another_app_are_no_alert_of_this_one(
    arm: FakeArm, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    lines = [{**line, "_ResourceId": f"{HERE}-2"} for line in await logged(caplog, *an_event_of(name))]
    assert ask(name, lines) == []


def line(text: str) -> Row:
    return {"TimeGenerated": NOW - timedelta(minutes=1), "Message": text, "_ResourceId": HERE}


def test_each_sentence_on_evidence_is_a_row_of_its_own() -> None:
    texts = ["evidence-broken: a is not what Azure showed", "evidence-unsigned: run-1: no key", "event x: ignored"]
    assert [row["subject"] for row in ask("evidence-not-written", [line(text) for text in texts])] == [
        "evidence-broken",
        "evidence-unsigned",
    ]


def test_the_timer_is_silent_when_no_look_has_ended() -> None:
    look = log_line(TIMER_LOOK_ENDED, {"failures": 0, "owed": 2})
    assert ask("timer-silent", [line(look), line(look), line("timer-duty-failed: x")]) == [{"looks": 2}]
    assert ask("timer-silent", [line("timer-duty-failed: x")]) == [{"looks": 0}]


def test_the_app_fails_with_5xx_with_outages_and_with_wrong_settings_and_not_with_a_409() -> None:
    requests = [
        {"TimeGenerated": NOW, "ResultCode": code, "_ResourceId": HERE}
        for code in ("500", "503", "503", "409", "0", "")
    ]
    texts = [
        "engine-slow: TimeoutError: x",
        "unexpected error abc12: Traceback",
        "wrong settings, this app lets nobody in: x",
    ]
    found = {row["what"]: row["times"] for row in ask("app-failing", [line(text) for text in texts], requests)}
    assert found == {
        "answered 500": 1,
        "answered 503": 2,
        "engine-slow": 1,
        "unexpected error": 1,
        "wrong settings": 1,
    }


def test_throttling_is_counted_by_subscription_and_kind_of_call() -> None:
    lines = [
        line(log_line(ARM_THROTTLED, {"subscription": "s", "calls": kind, "seconds": 5}))
        for kind in ("reads", "reads", "writes")
    ]
    assert [(row["calls"], row["times"]) for row in ask("arm-throttled", lines)] == [("reads", 2), ("writes", 1)]


async def test_the_workbook_shows_what_happened(arm: FakeArm, caplog: pytest.LogCaptureFixture) -> None:
    waiting = {"operation": "run-1", "kind": "failover", "waitsFor": "decision", "vms": ["a", "b"]}
    began = await logged(caplog, "HciSiteRecovery.Operation.Started", {"operation": "run-1", "kind": "failover"})
    waits = await logged(caplog, WAITING, waiting)
    later = [{**row, "Message": row["Message"].replace(LONG_AGO.isoformat(), NOW.isoformat())} for row in waits]
    (shown,) = ask("workbook-waits", began + later)
    assert (shown["operation"], shown["waitsFor"], shown["vms"]) == ("run-1", "decision", 2)
    (operation,) = ask("workbook-operations", began + later)
    assert (operation["kind"], operation["last"], operation["started"]) == ("failover", WAITING, LONG_AGO)
    ended = {"operation": "run-1", "kind": "failover", "state": "failed", "vms": 6, "failures": 2}
    (runs,) = ask("workbook-runs", began + later + await logged(caplog, FINISHED, ended))
    assert runs == {"kind": "failover", "state": "failed", "runs": 1, "vms": 6, "failures": 2}


@pytest.mark.parametrize("name", QUERIES)
def test_every_query_can_be_run(name: str) -> None:
    ask(name, [line("turning-point {}"), line(log_line(TIMER_LOOK_ENDED, {"failures": 1, "owed": 2}))])


@pytest.mark.parametrize(
    "text", ["AppTraces | take 5", "AppTraces | where x ! 3", "Nowhere", "AppTraces | summarize dcount(x)"]
)
def test_what_is_not_known_of_kusto_is_an_error(text: str) -> None:
    with pytest.raises((ValueError, KeyError, AttributeError)):
        run_query(text, {"AppTraces": [line("x")]}, NOW)
