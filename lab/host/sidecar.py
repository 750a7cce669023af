"""The gRPC service that durable clients talk to, in the app as in Azure; on 127.0.0.1 only."""

from collections.abc import AsyncIterator, Callable
from typing import Any, override

import grpc  # type: ignore[import-untyped] # grpcio ships no types
from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.internal import orchestrator_service_pb2_grpc as rpc

from lab.host.engine.control import BadId
from lab.host.engine.engine import Engine
from lab.host.engine.entities import entity_id
from lab.host.engine.instances import PENDING, Exists, Instance, Missing, Unfit
from lab.host.engine.moments import moment_of, text_of, to_string_value, to_timestamp
from lab.host.engine.orders import Order
from lab.host.engine.queries import PAGE, BadToken, Entity, Filter, PageTooLarge

CHUNK = 500
"""Events a message of a streamed history."""

CODES = {
    Exists: grpc.StatusCode.ALREADY_EXISTS,
    Missing: grpc.StatusCode.NOT_FOUND,
    Unfit: grpc.StatusCode.FAILED_PRECONDITION,
    BadToken: grpc.StatusCode.INVALID_ARGUMENT,
    PageTooLarge: grpc.StatusCode.UNKNOWN,
    BadId: grpc.StatusCode.INVALID_ARGUMENT,
}


class Sidecar(rpc.TaskHubSidecarServiceServicer):
    """One method a call of the service, named as the service names it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @override
    async def Hello(self, request: Any, context: Any) -> Any:
        """Answer that somebody is here."""
        return request

    @override
    async def StartInstance(self, request: pb.CreateInstanceRequest, context: Any) -> pb.CreateInstanceResponse:
        """Start an orchestration."""
        order = Order(
            id=request.instanceId,
            name=request.name,
            input=text_of(request, "input"),
            version=text_of(request, "version"),
            tags=dict(request.tags),
            at=moment_of(request, "scheduledStartTimestamp"),
            traceparent=request.parentTraceContext.traceParent,
        )
        replaceable = tuple(request.orchestrationIdReusePolicy.replaceableStatus)
        started = await _run_engine(context, lambda: self._engine.control.start(order, replaceable))
        return pb.CreateInstanceResponse(instanceId=started)

    @override
    async def GetInstance(self, request: pb.GetInstanceRequest, context: Any) -> pb.GetInstanceResponse:
        """Read an instance."""
        return _require_instance(self._engine.instances.find(request.instanceId), payloads=request.getInputsAndOutputs)

    @override
    async def WaitForInstanceStart(self, request: pb.GetInstanceRequest, context: Any) -> pb.GetInstanceResponse:
        """Wait until an instance runs, as long as the client does."""
        found = await self._engine.instances.wait_until(request.instanceId, lambda instance: instance.status != PENDING)
        return _require_instance(found, payloads=request.getInputsAndOutputs)

    @override
    async def WaitForInstanceCompletion(self, request: pb.GetInstanceRequest, context: Any) -> pb.GetInstanceResponse:
        """Wait until an instance has ended, as long as the client does."""
        found = await self._engine.instances.wait_until(request.instanceId, lambda instance: instance.finished)
        return _require_instance(found, payloads=request.getInputsAndOutputs)

    @override
    async def RaiseEvent(self, request: pb.RaiseEventRequest, context: Any) -> pb.RaiseEventResponse:
        """Send an event."""
        control, data = self._engine.control, text_of(request, "input")
        await _run_engine(context, lambda: control.raise_event(request.instanceId, request.name, data))
        return pb.RaiseEventResponse()

    @override
    async def TerminateInstance(self, request: pb.TerminateRequest, context: Any) -> pb.TerminateResponse:
        """End an instance."""
        control, output = self._engine.control, text_of(request, "output")
        await _run_engine(context, lambda: control.terminate(request.instanceId, output, recursive=request.recursive))
        return pb.TerminateResponse()

    @override
    async def SuspendInstance(self, request: pb.SuspendRequest, context: Any) -> pb.SuspendResponse:
        """Suspend an instance."""
        await _run_engine(context, lambda: self._engine.control.suspend(request.instanceId, text_of(request, "reason")))
        return pb.SuspendResponse()

    @override
    async def ResumeInstance(self, request: pb.ResumeRequest, context: Any) -> pb.ResumeResponse:
        """Resume an instance."""
        await _run_engine(context, lambda: self._engine.control.resume(request.instanceId, text_of(request, "reason")))
        return pb.ResumeResponse()

    @override
    async def RewindInstance(self, request: pb.RewindInstanceRequest, context: Any) -> pb.RewindInstanceResponse:
        """Let a failed instance try again."""
        await _run_engine(context, lambda: self._engine.control.rewind(request.instanceId, text_of(request, "reason")))
        return pb.RewindInstanceResponse()

    @override
    async def RestartInstance(self, request: pb.RestartInstanceRequest, context: Any) -> pb.RestartInstanceResponse:
        """Start an instance once more."""
        control, new_id = self._engine.control, request.restartWithNewInstanceId
        restarted = await _run_engine(context, lambda: control.restart(request.instanceId, new_id=new_id))
        return pb.RestartInstanceResponse(instanceId=restarted)

    @override
    async def PurgeInstances(self, request: pb.PurgeInstancesRequest, context: Any) -> pb.PurgeInstancesResponse:
        """Delete finished instances, or an entity."""
        count = await _run_engine(context, lambda: self._purge_instances(request))
        return pb.PurgeInstancesResponse(deletedInstanceCount=count, isComplete={"value": True})

    @override
    async def QueryInstances(self, request: pb.QueryInstancesRequest, context: Any) -> pb.QueryInstancesResponse:
        """A page of instances."""
        query = request.query
        wanted = Filter(
            statuses=tuple(query.runtimeStatus),
            created_from=moment_of(query, "createdTimeFrom"),
            created_to=moment_of(query, "createdTimeTo"),
            prefix=text_of(query, "instanceIdPrefix") or "",
        )
        token, top = text_of(query, "continuationToken") or "", query.maxInstanceCount or PAGE
        page, following = await _run_engine(context, lambda: self._engine.queries.list_instances(wanted, top, token))
        return pb.QueryInstancesResponse(
            orchestrationState=[state_of(each, payloads=query.fetchInputsAndOutputs) for each in page],
            continuationToken=to_string_value(following or None),
        )

    @override
    async def ListInstanceIds(self, request: pb.ListInstanceIdsRequest, context: Any) -> pb.ListInstanceIdsResponse:
        """A page of ids of finished instances, by the time of their end."""
        wanted = Filter(
            statuses=tuple(request.runtimeStatus),
            completed_from=moment_of(request, "completedTimeFrom"),
            completed_to=moment_of(request, "completedTimeTo"),
        )
        token, top = text_of(request, "lastInstanceKey") or "", request.pageSize or PAGE
        page, following = await _run_engine(context, lambda: self._engine.queries.finished_ids(wanted, top, token))
        return pb.ListInstanceIdsResponse(instanceIds=page, lastInstanceKey=to_string_value(following or None))

    @override
    async def StreamInstanceHistory(
        self, request: pb.StreamInstanceHistoryRequest, context: Any
    ) -> AsyncIterator[pb.HistoryChunk]:
        """The history, in chunks."""
        await _run_engine(context, lambda: self._engine.instances.get(request.instanceId))
        events = self._engine.instances.read_history(request.instanceId)
        for offset in range(0, len(events), CHUNK):
            chunk = events[offset : offset + CHUNK]
            yield pb.HistoryChunk(events=[pb.HistoryEvent.FromString(event) for event in chunk])

    @override
    async def SignalEntity(self, request: pb.SignalEntityRequest, context: Any) -> pb.SignalEntityResponse:
        """Send an entity an operation."""
        signal = pb.EntityOperationSignaledEvent(
            requestId=request.requestId,
            operation=request.name,
            input=to_string_value(text_of(request, "input")),
            scheduledTime=to_timestamp(moment_of(request, "scheduledTime")),
            targetInstanceId=to_string_value(request.instanceId),
        )
        self._engine.entities.queue_signal(signal)
        return pb.SignalEntityResponse()

    @override
    async def GetEntity(self, request: pb.GetEntityRequest, context: Any) -> pb.GetEntityResponse:
        """Read an entity."""
        found = self._engine.queries.find_entity(entity_id(request.instanceId))
        if found is None or found.state is None:
            return pb.GetEntityResponse(exists=False)
        return pb.GetEntityResponse(exists=True, entity=_entity_metadata(found, state=request.includeState))

    @override
    async def QueryEntities(self, request: pb.QueryEntitiesRequest, context: Any) -> pb.QueryEntitiesResponse:
        """A page of entities."""
        query = request.query
        modified = (moment_of(query, "lastModifiedFrom"), moment_of(query, "lastModifiedTo"))
        top = query.pageSize.value if query.HasField("pageSize") and query.pageSize.value else PAGE
        prefix = entity_id(text_of(query, "instanceIdStartsWith") or "")
        after = text_of(query, "continuationToken") or ""
        page, following = self._engine.queries.list_entities(prefix, modified, top, after)
        return pb.QueryEntitiesResponse(
            entities=[_entity_metadata(each, state=query.includeState) for each in page],
            continuationToken=to_string_value(following or None),
        )

    @override
    async def CleanEntityStorage(
        self, request: pb.CleanEntityStorageRequest, context: Any
    ) -> pb.CleanEntityStorageResponse:
        """Nothing to clean: empty entities are not kept, and a lock ends with its holder."""
        return pb.CleanEntityStorageResponse()

    def _purge_instances(self, request: pb.PurgeInstancesRequest) -> int:
        control = self._engine.control
        if request.instanceId.startswith("@"):
            return int(self._engine.entities.delete_entity(entity_id(request.instanceId)))
        if request.HasField("purgeInstanceFilter"):
            asked = request.purgeInstanceFilter
            wanted = Filter(
                statuses=tuple(asked.runtimeStatus),
                created_from=moment_of(asked, "createdTimeFrom"),
                created_to=moment_of(asked, "createdTimeTo"),
            )
            return control.purge(self._engine.queries.matching_ids(wanted), recursive=request.recursive)
        if request.instanceId:
            control.require_finished(request.instanceId)
        ids = list(request.instanceBatch.instanceIds) or [request.instanceId]
        return control.purge(ids, recursive=request.recursive)


async def start_sidecar(engine: Engine) -> tuple[Any, int]:
    """Start the service on a free port; answers the server and the port."""
    server = grpc.aio.server(options=(("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)))
    rpc.add_TaskHubSidecarServiceServicer_to_server(Sidecar(engine), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, port


def state_of(instance: Instance, *, payloads: bool) -> pb.OrchestrationState:
    """An instance as the service shows it; input, output and custom status only if asked for.

    Why it failed is its output, in words. Source: seen on the extension, version 3.19.0.
    """
    return pb.OrchestrationState(
        instanceId=instance.id,
        name=instance.name,
        version=to_string_value(instance.version),
        orchestrationStatus=pb.OrchestrationStatus.Name(instance.status),
        scheduledStartTimestamp=to_timestamp(instance.starts),
        createdTimestamp=to_timestamp(instance.created),
        lastUpdatedTimestamp=to_timestamp(instance.updated),
        completedTimestamp=to_timestamp(instance.completed),
        input=to_string_value(instance.input) if payloads else None,
        output=to_string_value(instance.output) if payloads else None,
        customStatus=to_string_value(instance.custom) if payloads else None,
        executionId=to_string_value(instance.execution),
        parentInstanceId=to_string_value(instance.parent),
        tags=instance.tag_map,
    )


def _require_instance(instance: Instance | None, *, payloads: bool) -> pb.GetInstanceResponse:
    if instance is None:
        return pb.GetInstanceResponse(exists=False)
    return pb.GetInstanceResponse(exists=True, orchestrationState=state_of(instance, payloads=payloads))


def _entity_metadata(entity: Entity, *, state: bool) -> pb.EntityMetadata:
    return pb.EntityMetadata(
        instanceId=entity.id,
        lastModifiedTime=to_timestamp(entity.modified),
        backlogQueueSize=entity.waiting,
        lockedBy=to_string_value(entity.holder),
        serializedState=to_string_value(entity.state) if state else None,
    )


async def _run_engine[T](context: Any, act: Callable[[], T]) -> T:
    """What the engine answers; what it refuses ends the call with the status that says why."""
    try:
        return act()
    except tuple(CODES) as error:
        await context.abort(CODES[type(error)], str(error))
        raise
