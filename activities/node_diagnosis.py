"""Why an operation failed, as the Activity Log tells it: events carry no error text."""

import json
import re
from datetime import UTC

import azure.durable_functions as df

from activities.durable_runs import read_runs
from activities.durable_state import read_entity
from shared.arm_ids import key_of, segments
from shared.azure import arm
from shared.azure.json_fields import Json, part, text
from shared.concurrency import each
from shared.errors import Refused
from shared.healing.contract import CauseRead, ReadCause, ReadRecords, RecordsRead
from shared.healing.node_record import NodeRecord
from shared.operations.contract import ReadRuns
from shared.operations.durable_names import NODES

ACTIVITY_API = "2015-04-01"
LOG = "providers/Microsoft.Insights/eventtypes/management/values"
CORRELATION = re.compile(r"[0-9A-Fa-f-]{8,64}")


async def read_cause(ask: ReadCause) -> CauseRead:
    """Read the newest failure that has this correlation id.

    Raises:
        Refused: the correlation id is none; it becomes part of a filter.

    Source: Activity Log, filter by eventTimestamp and correlationId; statusMessage holds the error as JSON text.
    """
    if not CORRELATION.fullmatch(ask.correlation):
        raise Refused("not-a-correlation", "a correlation id has letters a to f, digits and -")
    since = ask.since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    wanted = f"eventTimestamp ge '{since}' and correlationId eq '{ask.correlation}'"
    subscription = segments(ask.resource_id).get("subscriptions", "")
    entries = await arm.list_all(f"/subscriptions/{subscription}/{LOG}", ACTIVITY_API, {"$filter": wanted})
    failed = (entry for entry in entries if part(entry, "status").get("value") == "Failed")
    return next((_cause(entry) for entry in failed), CauseRead())


def _cause(entry: Json) -> CauseRead:
    said = text(part(entry, "properties").get("statusMessage"))
    try:
        error = json.loads(said).get("error") or {}
    except (ValueError, AttributeError):
        return CauseRead(message=said)
    return CauseRead(code=text(error.get("code")), message=text(error.get("message")))


async def read_records(client: df.DurableFunctionsClient, ask: ReadRecords) -> RecordsRead:
    """Read each node's record, and see which of their runs ended without a word: terminated, or lost."""
    found = await each(ask.machines, lambda machine: read_record(client, machine))
    records = tuple(record for record in found if record)
    runs = tuple(record.run for record in records if record.run)
    return RecordsRead(records=records, ended=(await read_runs(client, ReadRuns(ids=runs))).ended)


async def read_record(client: df.DurableFunctionsClient, machine_id: str) -> NodeRecord | None:
    """What is remembered of one node, None when that is nothing."""
    state = await read_entity(client, NODES, key_of(machine_id))
    return NodeRecord.model_validate(state) if state else None
