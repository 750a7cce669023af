"""Health is a round trip through an orchestrator and an entity, made seldom, and says what is silent."""

import asyncio
import inspect
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped] # grpcio ships no types
import pytest
from durabletask.client import OrchestrationState, OrchestrationStatus

import triggers.health
import triggers.waiting
from shared.obstacle import Obstacle
from shared.operations.timer_looks import KnownFailure, TimerLooks
from tests.people import let_people_sign_in, signed_in
from tests.triggers.doors import ALL_ROLES, BrokenEngine, SilentEngine, call_error, door, spend_no_time
from tests.triggers.engine_states import state_of
from tests.triggers.hub import Hub
from triggers.gathered_acts import ActGatherer
from triggers.health import EngineProbe, StoreProbe
from triggers.pacing import HEALTH_KEPT, HEALTH_READ_WITHIN, HEALTH_WITHIN

HEALTH = door("get_health")
MOST_PATIENT_PROBE = timedelta(seconds=5)
T0 = datetime(2026, 1, 5, 8, tzinfo=UTC)
COMPLETED, RUNNING = OrchestrationStatus.COMPLETED, OrchestrationStatus.RUNNING


class Clock:
    """Seconds, which pass when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, span: timedelta) -> None:
        self.now += span.total_seconds()


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Clock:
    monkeypatch.setenv("KEY_ROLES", ALL_ROLES)
    monkeypatch.setattr(triggers.waiting, "sleep", spend_no_time)
    clock = Clock()
    monkeypatch.setenv("EVIDENCE_STORE", f"folder:{tmp_path}")
    monkeypatch.setattr(triggers.health, "PROBE", EngineProbe(clock))
    monkeypatch.setattr(triggers.health, "STORE_PROBE", StoreProbe(clock))
    return clock


def runs_get(status: OrchestrationStatus) -> Callable[[str, str], list[OrchestrationState]]:
    return lambda name, run: [state_of(run, name, status)]


async def test_a_store_that_takes_nothing_is_shown_and_looked_at_once_in_a_while(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []

    async def take_nothing(within: float) -> Obstacle:
        looks.append(within)
        return Obstacle(code="evidence-store-unavailable", detail="No space left on device", passing=True)

    monkeypatch.setattr(triggers.health, "find_store_obstacle", take_nothing)
    for _ in range(3):
        answer = await HEALTH.answer(Hub(runs_get(COMPLETED)))
        assert (answer.status, answer.body["status"], answer.body["engine"]) == (200, "degraded", "ok")
        shown = {"code": "evidence-store-unavailable", "detail": "No space left on device"}
        assert answer.body["evidenceStore"] == shown
    clock.pass_by(HEALTH_KEPT)
    await HEALTH.answer(Hub(runs_get(COMPLETED)))
    assert len(looks) == 2
    assert max(looks) <= HEALTH_WITHIN.total_seconds()


async def test_an_app_without_a_store_is_well_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVIDENCE_STORE")
    body = (await HEALTH.answer(Hub(runs_get(COMPLETED)))).body
    assert (body["status"], body["evidenceStore"]["code"]) == ("ok", "evidence-store-missing")


async def test_an_engine_that_answers_is_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_ROLES", "Dr.Read")
    monkeypatch.setattr(triggers.health, "GATHERER", ActGatherer())
    records = {"late": 5, "caughtUp": 2, "unwritten": 1}
    entities = {"@event_counts@events": {"duplicate": 2}, "@event_counts@administration": records}
    answer = await HEALTH.answer(Hub(runs_get(COMPLETED), entities=entities))
    checks = dict.fromkeys(("status", "engine", "orchestrators", "entities", "timer"), "ok")
    looks: dict[str, Any] = {"lastLook": None, "undone": [], "undoneBesides": 0}
    counts: dict[str, Any] = {"events": {"duplicate": 2}, "holds": [], "evidenceStore": None, "release": ""}
    counts |= {"door": "keys", "allowedScopes": None, "notifications": {"sent": 0, "givenUp": 0, "leftOut": 0}}
    counts["administration"] = {"late": 2, "unwritten": 1, "gathered": 0, "leftOut": 0}
    assert (answer.status, answer.body) == (200, {**checks, **counts, **looks})


def reports(looks: TimerLooks, at: datetime) -> Callable[[str, str], list[OrchestrationState]]:
    """A round trip that comes back at that time with what is kept of the timer."""
    output = json.dumps({"at": at.isoformat(), "timer": looks.model_dump(mode="json"), "release": "1.2.3"})
    return lambda name, run: [replace(state_of(run, name, COMPLETED), serialized_output=output)]


async def test_a_timer_may_be_late() -> None:
    looks = TimerLooks(last_ended_at=T0)
    body = (await HEALTH.answer(Hub(reports(looks, T0 + timedelta(minutes=14))))).body
    assert (body["lastLook"], body["release"]) == (T0.isoformat(), "1.2.3")


@pytest.mark.parametrize("looks", [TimerLooks(last_ended_at=T0), TimerLooks(expected_since=T0)])
async def test_a_timer_that_has_not_looked_for_three_intervals_is_not_healthy(looks: TimerLooks) -> None:
    body = (await HEALTH.answer(Hub(reports(looks, T0 + timedelta(minutes=16))))).require_problem(503)
    assert body["code"] == "timer-silent"
    assert [body[part] for part in ("engine", "orchestrators", "entities", "timer")] == ["ok", "ok", "ok", "silent"]
    assert "reconcile_timer" in body["detail"]


async def test_what_the_timer_could_not_do_is_shown() -> None:
    failure = KnownFailure(duty="heal nodes", about="site hci-01", detail="gone", since=T0, looks=3)
    body = (await HEALTH.answer(Hub(reports(TimerLooks(last_ended_at=T0, failures=(failure,)), T0)))).body
    assert (body["status"], body["timer"], body["engine"]) == ("degraded", "degraded", "ok")
    (shown,) = body["undone"]
    assert (shown["duty"], shown["about"], shown["detail"], shown["looks"]) == ("heal nodes", "site hci-01", "gone", 3)


async def test_probing_often_costs_one_run_in_a_while(clock: Clock) -> None:
    hub = Hub(runs_get(COMPLETED))
    for _ in range(5):
        await asyncio.gather(*(HEALTH.answer(hub) for _ in range(5)))
    assert hub.count("schedule_new_orchestration") == 1
    clock.pass_by(HEALTH_KEPT)
    await HEALTH.answer(hub)
    assert hub.count("schedule_new_orchestration") == 2


@pytest.mark.parametrize(
    ("status", "code", "checks", "hint"),
    [
        (OrchestrationStatus.PENDING, "orchestrators-silent", ("ok", "silent", "unknown"), "not loaded"),
        (RUNNING, "entities-silent", ("ok", "ok", "silent"), "entityMessageReorderWindowInMinutes"),
        (OrchestrationStatus.FAILED, "round-trip-failed", ("ok", "silent", "unknown"), "log"),
    ],
)
async def test_how_far_the_round_trip_got_says_what_is_silent(
    status: OrchestrationStatus, code: str, checks: tuple[str, ...], hint: str
) -> None:
    answer = await HEALTH.answer(Hub(runs_get(status)))
    body = answer.require_problem(503)
    assert (body["code"], body["engine"], body["orchestrators"], body["entities"]) == (code, *checks)
    assert hint in body["detail"]
    assert "Retry-After" in answer.headers


@pytest.mark.parametrize(
    ("details", "code"), [("No such host: hub.table.core.windows.net", "storage-away"), ("", "engine-failing")]
)
async def test_storage_that_is_away_is_named(details: str, code: str) -> None:
    body = (await HEALTH.answer(BrokenEngine(call_error(grpc.StatusCode.INTERNAL, details)))).require_problem(503)
    assert (body["code"], body["engine"]) == (code, "silent")


async def test_a_silent_engine_is_not_waited_for_longer_than_a_probe_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    assert HEALTH_WITHIN + 2 * HEALTH_READ_WITHIN < MOST_PATIENT_PROBE
    monkeypatch.setattr(triggers.health, "HEALTH_WITHIN", timedelta(0))
    monkeypatch.setattr(triggers.health, "HEALTH_READ_WITHIN", timedelta(0))
    assert (await HEALTH.answer(SilentEngine())).require_problem(503)["code"] == "storage-silent"


async def test_an_engine_that_went_away_after_the_round_trip_is_not_healthy() -> None:
    class GoesAway(Hub):
        async def get_entity(self, entity: Any) -> Any:
            del entity
            raise call_error(grpc.StatusCode.UNKNOWN, "Exception was thrown by handler.")

    body = (await HEALTH.answer(GoesAway(runs_get(COMPLETED)))).require_problem(503)
    assert (body["code"], body["engine"]) == ("engine-failing", "silent")


async def test_an_engine_that_is_only_slow_is_healthy_when_its_answer_comes(clock: Clock) -> None:
    hub = Hub(runs_get(RUNNING))
    (await HEALTH.answer(hub)).require_problem(503)
    run = next(iter(hub.runs))
    hub.runs[run] = runs_get(COMPLETED)("check_health", run)
    clock.pass_by(HEALTH_KEPT)
    assert (await HEALTH.answer(hub)).status == 200
    assert (hub.count("schedule_new_orchestration"), hub.count("terminate_orchestration")) == (1, 0)


async def test_a_run_that_never_comes_back_is_ended_and_another_one_is_sent(clock: Clock) -> None:
    hub = Hub(runs_get(RUNNING))
    for _ in range(3):
        (await HEALTH.answer(hub)).require_problem(503)
        clock.pass_by(HEALTH_KEPT)
    first, second = hub.runs
    assert [call for call in hub.calls if call[0] == "terminate_orchestration"] == [("terminate_orchestration", first)]
    assert second != first


async def test_a_run_that_failed_is_not_followed(clock: Clock) -> None:
    hub = Hub(runs_get(OrchestrationStatus.FAILED))
    (await HEALTH.answer(hub)).require_problem(503)
    hub.begin = runs_get(COMPLETED)
    clock.pass_by(HEALTH_KEPT)
    assert (await HEALTH.answer(hub)).status == 200
    assert hub.count("terminate_orchestration") == 0


async def test_a_run_that_is_followed_is_not_lost_while_the_engine_restarts(clock: Clock) -> None:
    hub = Hub(runs_get(RUNNING))
    await HEALTH.answer(hub)
    clock.pass_by(HEALTH_KEPT)
    hub.errors = {"get_orchestration_state": [call_error(grpc.StatusCode.UNAVAILABLE)]}
    assert (await HEALTH.answer(hub)).require_problem(503)["code"] == "engine-unreachable"
    clock.pass_by(HEALTH_KEPT)
    await HEALTH.answer(hub)
    assert hub.count("schedule_new_orchestration") == hub.count("terminate_orchestration") == 1


def test_the_clock_of_the_probe_only_measures() -> None:
    """It is no wall clock: a correction of the machine's time changes nothing."""
    default: Any = inspect.signature(EngineProbe).parameters["clock"].default
    assert default.__name__ == "monotonic"


async def test_which_door_the_app_has_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    let_people_sign_in(monkeypatch)
    answer = await HEALTH.answer_to(Hub(runs_get(COMPLETED)), signed_in("cai", "Dr.Read"))
    assert answer.body["door"] == "entra"


async def test_with_half_a_door_the_app_says_why_it_lets_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    let_people_sign_in(monkeypatch)
    monkeypatch.setenv("WEBSITE_AUTH_ENABLED", "False")
    answer = await HEALTH.answer_to(Hub(runs_get(COMPLETED)), signed_in("cai", "Dr.Read"))
    problem = answer.require_problem(500)
    assert problem["code"] == "wrong-settings"
    assert "WEBSITE_AUTH_ENABLED" in problem["detail"]
