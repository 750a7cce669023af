"""The app's durable functions for the engine: called with the SDK's own messages, as the Functions host sends them."""

import base64
from typing import Any

from durabletask.internal import orchestrator_service_pb2 as pb

from lab.host.app import App, Function, decode_trigger, encode_answer
from lab.host.engine.runner import UnknownFunction


class DurableFunctions:
    """Orchestrators and entities take and give base64 protobuf, activities JSON."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def run_orchestrator(self, name: str, request: pb.OrchestratorRequest) -> pb.OrchestratorResponse:
        """Run one turn of an orchestrator."""
        function = self._find_function("orchestrationTrigger", name)
        response = pb.OrchestratorResponse()
        response.MergeFromString(await self._exchange_messages(function, request))
        return response

    async def run_activity(self, name: str, argument: str | None, traceparent: str) -> str | None:
        """Run an activity in the trace of its orchestration; no input is the JSON null."""
        function = self._find_function("activityTrigger", name)
        value = decode_trigger(function.kind, "null" if argument is None else argument, "json")
        answer = encode_answer(function.kind, await self._app.invoke(function, value, traceparent))
        return None if answer is None else str(answer)

    async def run_entity(self, name: str, request: pb.EntityBatchRequest) -> pb.EntityBatchResult:
        """Run a batch of operations of an entity."""
        function = self._find_function("entityTrigger", name)
        result = pb.EntityBatchResult()
        result.MergeFromString(await self._exchange_messages(function, request))
        return result

    async def _exchange_messages(self, function: Function, request: Any) -> bytes:
        wire = base64.b64encode(request.SerializeToString()).decode()
        answer = await self._app.invoke(function, decode_trigger(function.kind, wire, "string"))
        return base64.b64decode(answer)

    def _find_function(self, kind: str, name: str) -> Function:
        function = self._app.by_key(kind, name)
        if function is None:
            what = kind.removesuffix("Trigger")
            raise UnknownFunction(f"The function '{name}' doesn't exist, is disabled, or is not an {what} function.")
        return function
