"""Why an operation failed, from the Activity Log: events carry no error text."""

import json
from datetime import UTC

import azure.durable_functions as df

from activities.durable_runs import read_ended_runs
from activities.durable_state import read_entity
from shared.arm_ids import key_of, subscription_path_of
from shared.azure import arm
from shared.azure.api_versions import ACTIVITY_LOG_API
from shared.azure.json_fields import message_of, object_at, text_of
from shared.concurrency import map_concurrently
from shared.errors import Refused
from shared.healing.contract import CORRELATION_ID, CauseRead, NodeRecordsRead, ReadCause, ReadNodeRecords
from shared.healing.node_record import NodeRecord
from shared.operations.contract import ReadEndedRuns
from shared.operations.durable_names import NODES

ACTIVITY_LOG_PATH = "providers/Microsoft.Insights/eventtypes/management/values"


async def read_cause(request: ReadCause) -> CauseRead:
    """Read the newest failure that has this correlation id.

    Raises:
        Refused: the correlation id is none; it becomes part of a filter.

    Source: Activity Log, filter by eventTimestamp and correlationId; statusMessage holds the error as JSON text.
    """
    if not CORRELATION_ID.fullmatch(request.correlation_id):
        raise Refused("not-a-correlation", "a correlation id has letters a to f, digits and -")
    since = request.since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    log_filter = f"eventTimestamp ge '{since}' and correlationId eq '{request.correlation_id}'"
    entries = await arm.list_all(
        f"{subscription_path_of(request.resource_id)}/{ACTIVITY_LOG_PATH}", ACTIVITY_LOG_API, {"$filter": log_filter}
    )
    newest = next((entry for entry in entries if object_at(entry, "status").get("value") == "Failed"), None)
    if newest is None:
        return CauseRead()
    return parse_status_message(text_of(object_at(newest, "properties").get("statusMessage")))


def parse_status_message(status_message: str) -> CauseRead:
    """The error that a failed entry of the Activity Log tells, in whatever form."""
    try:
        error = json.loads(status_message).get("error") or {}
    except (ValueError, AttributeError):
        return CauseRead(message=message_of(status_message))
    return CauseRead(code=text_of(error.get("code")), message=message_of(error.get("message")))


async def read_node_records(client: df.DurableFunctionsClient, request: ReadNodeRecords) -> NodeRecordsRead:
    """Read each node's record, and see which of their runs have ended without noting it there: terminated, or lost."""
    records_or_none = await map_concurrently(request.machines, lambda machine: read_node_record(client, machine))
    records = tuple(record for record in records_or_none if record)
    runs = tuple(record.run for record in records if record.run)
    return NodeRecordsRead(records=records, ended_runs=(await read_ended_runs(client, ReadEndedRuns(ids=runs))).ended)


async def read_node_record(client: df.DurableFunctionsClient, machine_id: str) -> NodeRecord | None:
    """What is remembered of one node, None when that is nothing."""
    state = await read_entity(client, NODES, key_of(machine_id))
    return NodeRecord.model_validate(state) if state else None
