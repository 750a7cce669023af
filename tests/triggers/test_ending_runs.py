"""What is taken to a run that has just ended, or was forgotten, is a 404 or a 409 and never an error of the app."""

from typing import Any, cast

import azure.durable_functions as df
import grpc  # type: ignore[import-untyped] # grpcio ships no types
import pytest
from durabletask.client import OrchestrationState, OrchestrationStatus

import triggers.drill_preemption
from shared.recovery.status import AwaitedDecision
from tests.triggers.doors import ALL_ROLES, Answer, call_error, door
from tests.triggers.hub import Hub, look, operation
from triggers.drill_preemption import preempt_drills

RUN = "drill-payroll-1"
STATUSES = [status for status in grpc.StatusCode if status != grpc.StatusCode.OK]
UNAWARE = {
    grpc.StatusCode.FAILED_PRECONDITION: 409,
    grpc.StatusCode.INVALID_ARGUMENT: 409,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.UNKNOWN: 503,
    grpc.StatusCode.INTERNAL: 503,
    grpc.StatusCode.UNAVAILABLE: 503,
}
"""What is answered while the engine still shows the run as running."""


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_ROLES", ALL_ROLES)


def waiting() -> OrchestrationState:
    awaited = AwaitedDecision(kind="decision", choices=("retry", "skip", "abort"))
    waits = awaited.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return look(RUN, custom_status={"phase": "TestFailover", "waits": waits})


async def decide(status: grpc.StatusCode, then: OrchestrationState | None) -> Answer:
    """Abort a run that is as `then` once the engine has refused the event with this status."""
    hub = Hub(runs={RUN: [waiting()]}, errors={"raise_orchestration_event": [call_error(status, "ended")]})

    async def state_then(run: str, *, fetch_payloads: bool = True) -> OrchestrationState | None:
        return then if hub.count("raise_orchestration_event") else waiting()

    hub.get_orchestration_state = state_then  # type: ignore[method-assign]
    return await door("decide_operation").answer(hub, decision="abort")


@pytest.mark.parametrize("status", STATUSES)
async def test_a_decision_on_a_run_that_has_just_ended_is_a_409(status: grpc.StatusCode) -> None:
    answer = await decide(status, look(RUN, OrchestrationStatus.COMPLETED, output={"state": "succeeded"}))
    assert answer.require_problem(409)["title"] == "Run has ended"


@pytest.mark.parametrize("status", STATUSES)
async def test_a_decision_on_a_run_that_was_just_forgotten_is_a_404(status: grpc.StatusCode) -> None:
    assert (await decide(status, None)).require_problem(404)["title"] == "Unknown operation"


@pytest.mark.parametrize(("status", "answered"), UNAWARE.items())
async def test_a_run_that_is_just_ending_is_told_from_an_engine_that_is_away(
    status: grpc.StatusCode, answered: int
) -> None:
    (await decide(status, waiting())).require_problem(answered)


@pytest.mark.parametrize("state", [None, look(RUN, OrchestrationStatus.TERMINATED)], ids=["forgotten", "ended"])
@pytest.mark.parametrize("handling", ["leave", "clean-up-first"])
@pytest.mark.parametrize("status", [grpc.StatusCode.UNKNOWN, grpc.StatusCode.FAILED_PRECONDITION])
async def test_a_drill_that_ends_by_itself_has_made_way(
    state: OrchestrationState | None, handling: Any, status: grpc.StatusCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read_nothing(*_args: Any) -> dict[str, Any]:
        return {}

    monkeypatch.setattr(triggers.drill_preemption, "read_items_by_vm", read_nothing)
    methods = ("raise_orchestration_event", "terminate_orchestration")
    hub = Hub(runs={RUN: [state]} if state else {}, errors={name: [call_error(status)] for name in methods})
    client = cast("df.DurableFunctionsClient", hub)
    failover = operation("failover", "failover-payroll-1")
    assert (await preempt_drills(client, failover, [look(RUN)], handling)).lease_wait > failover.lease_wait
    assert [name for name, _ in hub.calls if name in methods] == [methods[handling == "leave"]]
