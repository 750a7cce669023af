"""A plan says when it is rehearsed next, and how it came to be as it is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from shared.operations.holds import Hold
from shared.plans.drill_schedule import find_due_drill, find_next_drill
from shared.plans.history import PastRun, PlanHistory
from shared.plans.versions import Declaration, VersionedDocument, declare_document
from shared.problem_details import field_errors
from tests.shared.samples import PAYROLL, plan
from tests.shared.test_drill_decisions import NOON, settings
from tests.triggers.doors import ALL_ROLES, door
from tests.triggers.hub import Hub

NIGHTLY: dict[str, Any] = {"schedule": "0 0 2 * * *", "timeZone": "Europe/Berlin"}
NOTHING = PlanHistory()
HOUR = timedelta(hours=1)
HOLD = {"id": "1", "site": "hci-01", "reason": "change freeze", "by": "ann", "since": NOON}


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_ROLES", ALL_ROLES)


def next_drill(now: datetime = NOON, holds: tuple[Any, ...] = (), history: PlanHistory = NOTHING, **more: Any) -> Any:
    return find_next_drill(settings(**more), NOON - 60 * HOUR, now, history, None, holds)


def served(now: datetime, **more: Any) -> PlanHistory:
    """The drill that was due has begun."""
    due = find_due_drill(settings(**more), NOON - 60 * HOUR, now, None)
    assert due is not None
    return PlanHistory(due_key=due.key, begun_at=due.at, drill_run="drill-1")


def test_the_next_drill_is_shown_in_utc_and_by_the_plans_own_clock() -> None:
    found = next_drill(history=served(NOON, **NIGHTLY), **NIGHTLY)
    assert found.at == datetime(2027, 3, 4, 1, tzinfo=UTC)
    assert (found.local_time, found.time_zone) == ("2027-03-04T02:00:00+01:00", "Europe/Berlin")
    assert (found.follows, found.reason) == (None, "")


def test_a_drill_that_is_due_and_has_not_begun_comes_first_and_one_that_is_too_late_does_not() -> None:
    waiting = next_drill(**NIGHTLY)
    assert (waiting.at, waiting.reason) == (datetime(2027, 3, 3, 1, tzinfo=UTC), "it is due, and begins shortly")
    blackout: dict[str, Any] = {"blackouts": [{"days": ["WED"], "reason": "backup"}]}
    assert next_drill(**NIGHTLY, **blackout).reason == "it is due, and waits: blackout backup"
    assert next_drill(NOON + 2 * HOUR, **NIGHTLY).at == datetime(2027, 3, 4, 1, tzinfo=UTC)


def test_a_blackout_at_the_moment_is_named_with_the_latest_begin() -> None:
    blackout: dict[str, Any] = {"blackouts": [{"days": ["THU"], "reason": "backup"}]}
    found = next_drill(NOON + 2 * HOUR, **NIGHTLY, **blackout)
    assert found.reason.startswith("a blackout (backup) covers this moment")
    assert "2027-03-04 13:00 UTC" in found.reason


def test_without_a_moment_the_reason_is_said() -> None:
    assert find_next_drill(None, NOON, NOON, NOTHING, None, ()).reason == "the plan has no drill settings"
    assert (next_drill().at, next_drill().reason) == (None, "the plan has no schedule")
    chained = next_drill(follows="core")
    assert (chained.at, chained.follows) == (None, "core")
    assert "core" in chained.reason


@pytest.mark.parametrize(("until", "is_shown"), [(None, False), (20, False), (1, True)])
def test_a_drill_that_is_held_has_no_moment_unless_the_hold_ends_before(until: int | None, is_shown: bool) -> None:
    hold = Hold.model_validate({**HOLD, "until": NOON + until * HOUR if until else None})
    found = next_drill(holds=(hold,), history=served(NOON, **NIGHTLY), **NIGHTLY)
    assert (found.at is not None, "change freeze" in found.reason) == (is_shown, not is_shown)


def history_of(*documents: dict[str, Any]) -> VersionedDocument:
    current: VersionedDocument | None = None
    for day, document in enumerate(documents):
        declaration = Declaration.model_validate(
            {"document_kind": "plan", "name": "payroll", "action": "put", "document": document, "by": "ann"}
            | {"digest": plan(**document).digest, "at": NOON + day * 24 * HOUR}
        )
        current, _ = declare_document(current, declaration)
    assert current is not None
    return current


async def test_a_plan_shows_its_versions_newest_first_and_each_plan_of_the_list_its_next_drill() -> None:
    hub = Hub()
    versioned = history_of(PAYROLL, {**PAYROLL, "onFailure": "ask", "targets": {"rto": "PT1H"}})
    hub.entities["@documents@plan:payroll"] = versioned.model_dump(mode="json")
    digest = versioned.history[0].digest
    begun = PastRun(run="drill-1", kind="drill", state="succeeded", began=NOON, ended=NOON, digest=digest)
    hub.entities["@plan_history@payroll"] = PlanHistory(past_runs=(begun,)).model_dump(mode="json")
    shown = (await door("get_plan").answer(hub)).body
    assert [(one["version"], one["declaredBy"], one["changedFields"]) for one in shown["history"]] == [
        (2, "ann", ["onFailure", "targets"]),
        (1, "ann", []),
    ]
    assert shown["nextDrill"]["timeZone"] == "Europe/Berlin"
    assert shown["nextDrill"]["localTime"].endswith(("+01:00", "+02:00"))
    [listed] = (await door("list_plans").answer(hub)).body["value"]
    assert listed["nextDrill"] == shown["nextDrill"]
    assert (listed["lastDrill"]["status"], listed["lastDrill"]["changedSince"]) == (
        "needs-verification",
        ["onFailure, targets of the plan changed in version 2 (ann, 2027-03-04 12:00 UTC)"],
    )


@pytest.mark.parametrize("days", [35, 92, 366])
def test_a_good_drill_may_count_for_a_year(days: int) -> None:
    assert settings(validFor=f"P{days}D").valid_for == timedelta(days=days)


@pytest.mark.parametrize(
    ("field", "value", "detail"),
    [
        ("validFor", "P367D", "must be at most 366 days"),
        ("timeToLive", "P31D", "must be at most 30 days"),
        ("soak", "PT0S", "must be more than 0 seconds"),
    ],
)
def test_a_duration_beyond_its_limit_is_refused_with_the_limit(field: str, value: str, detail: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(**{field: value})
    assert [(one.field, one.detail) for one in field_errors(caught.value)] == [(field, detail)]
