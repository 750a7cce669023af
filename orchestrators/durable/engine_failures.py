"""What the engine says of an entity whose worker died in the middle, made readable before the SDK reads it.

The engine answers the caller of such an entity with `{"result": "Invocation of function 'leases' failed ...",
"exceptionType": ..., "failureDetails": ...}`; the SDK (azure-functions-durable 2.0.0rc3, durabletask 1.12.0) takes any
`result` for JSON and raises, which ends the orchestration for good. With a result that is JSON the call fails instead,
and a call that failed can be made again.
"""

import base64
import functools
import json
from collections.abc import Awaitable, Callable
from typing import Any

import azure.functions as func
from durabletask.internal.orchestrator_service_pb2 import HistoryEvent, OrchestratorRequest

type Handle = Callable[..., Awaitable[str]]


def with_readable_failures(handle: Handle) -> Handle:
    """The handle of an orchestrator, which reads failures of entities in whatever words they come."""

    @functools.wraps(handle)
    async def handle_readable(*args: Any, **kwargs: Any) -> str:
        return await handle(*map(_readable, args), **{name: _readable(value) for name, value in kwargs.items()})

    return handle_readable


def _readable(argument: Any) -> Any:
    is_request = isinstance(argument, func.OrchestrationContext)
    return func.OrchestrationContext(make_failures_readable(argument.body)) if is_request else argument


def make_failures_readable(body: str) -> str:
    """The same request, base64 of protobuf, with the failures of entities as JSON."""
    request = OrchestratorRequest.FromString(base64.b64decode(body))
    changed = [_make_readable(event) for events in (request.pastEvents, request.newEvents) for event in events]
    return base64.b64encode(request.SerializeToString()).decode() if any(changed) else body


def _make_readable(event: HistoryEvent) -> bool:
    if not event.HasField("eventRaised") or '"failureDetails"' not in event.eventRaised.input.value:
        return False
    response = json.loads(event.eventRaised.input.value)
    if not isinstance(response, dict) or _is_json(response.get("result")):
        return False
    event.eventRaised.input.value = json.dumps({**response, "result": json.dumps(response["result"])})
    return True


def _is_json(text: object) -> bool:
    if not isinstance(text, str):
        return True
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
