"""Why an operation failed, as the Activity Log tells it: events carry no error text."""

import json
import re
from datetime import UTC

from activities.node_contract import CauseRead, ReadCause
from shared.azure import arm
from shared.azure.wire import Json, part, segments, text
from shared.errors import Refused

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
