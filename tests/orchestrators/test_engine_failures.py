"""A worker that dies while it runs an entity: what Microsoft's engine answers then, as it was seen."""

import base64
import json
from typing import Any

import azure.durable_functions as df
import azure.functions as func
import durabletask.internal.orchestrator_service_pb2 as pb
import pytest
from durabletask import task
from durabletask.internal import helpers

from orchestrators.durable.engine_failures import make_failures_readable, with_readable_failures
from orchestrators.durable.steps import Steps, call_entity
from orchestrators.registry import ORCHESTRATORS, build_blueprint
from orchestrators.verbs.drill import drill
from shared.operations.durable_names import LEASES
from tests.orchestrators.test_runbooks import Bench

SEEN = {
    "result": "Invocation of function 'leases' failed with an exception.",
    "exceptionType": "entity dispatch failed",
    "failureDetails": {
        "ErrorType": "FunctionInvocationFailed",
        "ErrorMessage": "Invocation of function 'leases' failed with an exception.",
    },
}
"""Recorded from extension 3.19.0 when its Python process was killed in the middle of `leases`."""


def request_with(response: Any) -> str:
    raised = helpers.new_event_raised_event("d886a18b", json.dumps(response))
    return base64.b64encode(pb.OrchestratorRequest(instanceId="run-1", newEvents=[raised]).SerializeToString()).decode()


def response_in(body: str) -> Any:
    request = pb.OrchestratorRequest.FromString(base64.b64decode(body))
    return json.loads(request.newEvents[0].eventRaised.input.value)


def test_a_failure_in_words_becomes_one_in_json() -> None:
    readable = response_in(make_failures_readable(request_with(SEEN)))
    assert json.loads(readable["result"]) == SEEN["result"]
    assert {**readable, "result": SEEN["result"]} == SEEN


@pytest.mark.parametrize(
    "response",
    [{"result": '"done"'}, {"result": None}, {**SEEN, "result": '"in json already"'}, {**SEEN, "result": None}, "word"],
)
def test_what_can_be_read_already_stays_as_it_is(response: Any) -> None:
    body = request_with(response)
    assert make_failures_readable(body) == body


def asks_once(ctx: task.OrchestrationContext, _payload: Any) -> Steps[Any]:
    return (yield from call_entity(ctx, LEASES, "vault", "claim", {}))


def as_the_engine_tells_it() -> str:
    """A run whose first call of an entity met a worker that died, in the history that the extension hands over."""
    sent = json.dumps({"op": "claim", "id": "d886a18b", "input": "{}"})
    past = [
        helpers.new_orchestrator_started_event(),
        helpers.new_execution_started_event("asks_once", "run-1", "{}"),
        helpers.new_event_sent_event(1, "@leases@vault", sent, name="op"),
    ]
    new = [helpers.new_orchestrator_started_event(), helpers.new_event_raised_event("d886a18b", json.dumps(SEEN))]
    request = pb.OrchestratorRequest(instanceId="run-1", pastEvents=past, newEvents=new)
    return base64.b64encode(request.SerializeToString()).decode()


async def actions_of(handle: Any) -> list[str | None]:
    answer = await handle(ctx=func.OrchestrationContext(as_the_engine_tells_it()))
    actions = pb.OrchestratorResponse.FromString(base64.b64decode(answer)).actions
    return [action.WhichOneof("orchestratorActionType") for action in actions]


async def test_a_run_outlives_the_worker_that_died_in_an_entity() -> None:
    built = df.Blueprint().orchestration_trigger(context_name="ctx", orchestration="asks_once")(asks_once)
    handle = built._function.get_user_function()
    assert await actions_of(handle) == ["completeOrchestration"]  # the SDK alone fails the run for good
    assert await actions_of(with_readable_failures(handle)) == ["createTimer"]  # and then it asks once more


def test_every_orchestrator_that_is_deployed_reads_it() -> None:
    handles = [built._function.get_user_function() for built in build_blueprint()._function_builders]
    readable = [handle for handle in handles if handle.__code__.co_name == "handle_readable"]
    assert len(readable) == len(ORCHESTRATORS)


def test_a_call_that_failed_is_made_again() -> None:
    bench = Bench()
    bench.driver.entity_failures = {"leases": 2, "obligations": 1}
    result = bench.run(drill, "drill")
    assert result.output["state"] == "succeeded"
    assert bench.driver.entity_failures == {"leases": 0, "obligations": 0}
