"""Whether the app works: a round trip through an orchestrator and an entity, as every request needs one.

1. `EngineProbe` sends a run on the round trip and waits a little; its answer holds for some seconds.
2. A run that does not come back says by how far it got which part is silent.
3. It is waited for once more by the next probe, as an engine may only be slow, and then given up.
"""

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import azure.durable_functions as df
import azure.functions as func
from durabletask.client import OrchestrationState, OrchestrationStatus

from activities.durable_runs import schedule_own
from activities.durable_state import list_entities, read_entity
from activities.evidence import find_store_obstacle
from shared.evidence.administration import CAUGHT_UP, COUNTS_KEY, LATE, UNWRITTEN
from shared.notifications.budget import total_deliveries
from shared.obstacle import Obstacle
from shared.operations.durable_names import CHECK_HEALTH, EVENT_COUNTS, HOLDS, NOTIFICATIONS
from shared.operations.holds import HOLDS_KEY, read_kept_holds
from shared.operations.pacing import BEGINS_WITHIN
from shared.operations.timer_looks import TimerLooks
from triggers.failures import ENGINE_FAILURES, SLOW, Outage, require_outage
from triggers.gathered_acts import GATHERER
from triggers.http_endpoint import HttpProblem, handle_for_role, json_response, read_settings
from triggers.pacing import HEALTH_KEPT, HEALTH_READ_WITHIN, HEALTH_WITHIN
from triggers.timer_schedule import find_silent_since
from triggers.waiting import has_ended, look_until

bp = df.Blueprint()

STORAGE_SILENT = Outage(
    code="storage-silent",
    detail="The engine can be reached and answers nothing: most probably its storage account does not answer, or the "
    "app is very busy.",
)
ORCHESTRATORS_SILENT = Outage(
    code="orchestrators-silent",
    detail="The engine takes runs and starts none: the app's durable functions are starting, busy or not loaded, or a "
    "host that died still holds their queues, which lasts a minute.",
)
ENTITIES_SILENT = Outage(
    code="entities-silent",
    detail="Orchestrators run, and entities do not answer them. Probably the engine drops their messages: set "
    "`entityMessageReorderWindowInMinutes` to 0 in host.json. Else the app is busy.",
)
ROUND_TRIP_FAILED = Outage(
    code="round-trip-failed",
    detail="A run that only asks an entity has failed. The app's log says why.",
)
OUTAGE_BY_STATUS = {
    OrchestrationStatus.PENDING: ORCHESTRATORS_SILENT,
    OrchestrationStatus.RUNNING: ENTITIES_SILENT,
    OrchestrationStatus.COMPLETED: None,
}
TIMER_SILENT = Outage(
    code="timer-silent",
    detail="The timer has not come to the end of a look for three intervals: no drill is begun, no node healed, and no "
    "cleanup done that is owed. See whether the function `reconcile_timer` is enabled, and what the app's log says.",
)
CHECKS = ("engine", "orchestrators", "entities", "timer")
LAST_CHECK_PASSED = {
    "orchestrators-silent": "engine",
    "entities-silent": "orchestrators",
    "round-trip-failed": "engine",
    "timer-silent": "entities",
}


class EngineProbe:
    """Makes the round trip; requests that come meanwhile, or soon after, share its answer."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._turn = asyncio.Lock()
        self._outage: Outage | None = None
        self._holds_until: float | None = None
        self._unanswered = ""
        self.looks = TimerLooks()
        self.release = ""
        self.at: datetime | None = None

    async def find_trouble(self, client: df.DurableFunctionsClient) -> Outage | None:
        """What does not answer, None when all of the engine does."""
        async with self._turn:
            if self._holds_until is None or self._clock() >= self._holds_until:
                self._outage = await self._make_round_trip(client)
                self._holds_until = self._clock() + HEALTH_KEPT.total_seconds()
            return self._outage

    async def _make_round_trip(self, client: df.DurableFunctionsClient) -> Outage | None:
        followed, self._unanswered = self._unanswered, ""
        run = followed or f"health-{uuid.uuid4().hex}"
        try:
            state = await _follow_run(client, run, is_new=not followed)
        except ENGINE_FAILURES as error:
            self._unanswered = followed
            return _likely_cause(error)
        if state and not has_ended(state):
            await self._keep_or_give_up(client, run, is_followed=bool(followed))
        return diagnose(state) or self._look_at_timer(state)

    def _look_at_timer(self, state: OrchestrationState | None) -> Outage | None:
        """Whether the timer still looks, by the clock of the engine; kept with the release that is at work."""
        report: dict[str, Any] = (state.get_output() if state else None) or {}
        self.looks = TimerLooks.model_validate(report.get("timer") or {})
        self.release = str(report.get("release", ""))
        self.at = datetime.fromisoformat(report["at"]) if "at" in report else None
        return TIMER_SILENT if self.at and find_silent_since(self.looks, self.at) else None

    async def _keep_or_give_up(self, client: df.DurableFunctionsClient, run: str, *, is_followed: bool) -> None:
        """Wait for a run once more, and then no longer; it would wait for ever if its message was dropped."""
        if not is_followed:
            self._unanswered = run
            return
        with suppress(*ENGINE_FAILURES):
            await client.terminate_orchestration(run)


async def _follow_run(client: df.DurableFunctionsClient, run: str, *, is_new: bool) -> OrchestrationState | None:
    """How far the run has got once it has ended, or time is over."""
    async with asyncio.timeout((HEALTH_WITHIN + HEALTH_READ_WITHIN).total_seconds()):
        if is_new:
            await schedule_own(client, CHECK_HEALTH, run, {}, BEGINS_WITHIN)
        return await look_until(client, run, has_ended, HEALTH_WITHIN)


def diagnose(state: OrchestrationState | None) -> Outage | None:
    """What is silent, by how far the round trip got; None when it came back."""
    return OUTAGE_BY_STATUS.get(state.runtime_status, ROUND_TRIP_FAILED) if state else STORAGE_SILENT


def _likely_cause(error: Exception) -> Outage:
    """What is away; an engine that only does not answer has been reached, so that it waits for something itself."""
    outage = require_outage(error)
    return STORAGE_SILENT if outage is SLOW else outage


class StoreProbe:
    """Looks whether the evidence store takes anything; its answer holds as long as that of the engine."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._turn = asyncio.Lock()
        self._obstacle: Obstacle | None = None
        self._holds_until: float | None = None

    async def find_obstacle(self) -> Obstacle | None:
        """Why evidence could not be kept now, None when it could."""
        async with self._turn:
            if self._holds_until is None or self._clock() >= self._holds_until:
                self._obstacle = await find_store_obstacle(HEALTH_WITHIN.total_seconds())
                self._holds_until = self._clock() + HEALTH_KEPT.total_seconds()
            return self._obstacle


PROBE, STORE_PROBE = EngineProbe(), StoreProbe()


@bp.function_name("get_health")
@bp.route("health", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read")
async def get_health(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Whether the app and its engine answer, and what became of the events that were sent to it, by count.

    503 with the likely cause when the engine does not.
    """
    outage, obstacle = await asyncio.gather(PROBE.find_trouble(client), STORE_PROBE.find_obstacle())
    counts, records, holds, notified = {}, {}, list[dict[str, Any]](), dict[str, int]()
    if outage is None:
        try:
            async with asyncio.timeout(HEALTH_READ_WITHIN.total_seconds()):
                counts = await read_entity(client, EVENT_COUNTS, "events")
                records = await read_entity(client, EVENT_COUNTS, COUNTS_KEY)
                holds = await _read_holds(client, PROBE.at)
                notified = total_deliveries(await list_entities(client, NOTIFICATIONS))
        except ENGINE_FAILURES as error:
            outage = _likely_cause(error)
    if outage:
        raise HttpProblem(503, "Not healthy", outage.detail, (), code=outage.code, **_checks_with(outage))
    checks = {**dict.fromkeys(CHECKS, "ok"), "timer": "degraded" if PROBE.looks.failures else "ok"}
    store = obstacle.model_dump(mode="json", include={"code", "detail"}) if obstacle else None
    is_degraded = checks["timer"] == "degraded" or (obstacle is not None and obstacle.passing)
    seen: dict[str, Any] = {"events": counts, "holds": holds, "notifications": notified}
    seen |= {"evidenceStore": store, "door": read_settings().door}
    seen["allowedScopes"] = read_settings().allowed_scopes or None
    seen["administration"] = _records_view(records) | GATHERER.waiting
    seen |= _last_look_of(PROBE.looks)
    status = "degraded" if is_degraded else "ok"
    return json_response({"status": status, "release": PROBE.release, **checks, **seen})


async def _read_holds(client: df.DurableFunctionsClient, at: datetime | None) -> list[dict[str, Any]]:
    """What is on hold, without what was over when the engine answered last: a probe must not change anything."""
    kept_holds = read_kept_holds(await read_entity(client, HOLDS, HOLDS_KEY))
    return [hold.to_view() for hold in kept_holds if at is None or not hold.is_over(at)]


def _records_view(counts: Mapping[str, int]) -> dict[str, int]:
    """How many records of acts of administration wait for the evidence store, and how many were given up."""
    given_up = counts.get(UNWRITTEN, 0)
    return {"late": counts.get(LATE, 0) - counts.get(CAUGHT_UP, 0) - given_up, "unwritten": given_up}


def _last_look_of(looks: TimerLooks) -> dict[str, Any]:
    """When the timer's last look ended, and what it could not do."""
    shown = {"duty", "about", "detail", "since", "looks"}
    return {
        "lastLook": looks.last_ended_at.isoformat() if looks.last_ended_at else None,
        "undone": [failure.model_dump(mode="json", include=shown) for failure in looks.failures],
        "undoneBesides": looks.more_failures,
    }


def _checks_with(outage: Outage) -> dict[str, str]:
    """Each part with "ok", "silent" for the one that does not answer, or "unknown" beyond it."""
    passed = CHECKS.index(LAST_CHECK_PASSED[outage.code]) + 1 if outage.code in LAST_CHECK_PASSED else 0
    states = ["ok"] * passed + ["silent"] + ["unknown"] * len(CHECKS)
    return dict(zip(CHECKS, states, strict=False))
