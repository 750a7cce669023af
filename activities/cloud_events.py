"""Publishing turning points as CloudEvents, and as lines of the log, which are there without a topic too."""

import asyncio
import logging
from typing import Any

from activities.run_spans import note_end_of_run
from shared.azure.clients import azure
from shared.azure.errors import translate_errors
from shared.log_lines import TURNING_POINT, Fact, log_line
from shared.operations.contract import EventPublished, PublishEvent

SOURCE = "/hci-site-recovery"
LOGGED = (
    *("operation", "kind", "plan", "site", "state", "vms", "failures"),
    *("phase", "waitsFor", "code", "complete", "cause"),
)
"""What the log has of an event's data: names, numbers and how it stands."""
_LOG = logging.getLogger(__name__)


async def publish_event(request: PublishEvent) -> EventPublished:
    """Send one CloudEvent; without a topic nothing is sent.

    Raises:
        Transient: the topic did not take it this time; the same id may be sent again.
    """
    _LOG.info(log_line(TURNING_POINT, turning_point_facts(request)))
    await asyncio.to_thread(note_end_of_run, request)  # of a large run that is a thousand spans
    client = azure().event_publisher()
    if client is None:
        return EventPublished(sent=False, detail="no topic is set")
    from azure.core.messaging import CloudEvent  # noqa: PLC0415 - only when used

    event = CloudEvent(
        source=SOURCE, type=request.type, subject=request.subject, id=request.id, time=request.at, data=request.data
    )
    with translate_errors():
        await client.send(event)
    return EventPublished(sent=True)


def turning_point_facts(event: PublishEvent) -> dict[str, Fact]:
    """What the log says of an event: of lists the length; of a run's pack `evidenceComplete` and `evidenceCode`."""
    facts: dict[str, Fact] = {"type": event.type, "id": event.id, "subject": event.subject, "at": event.at.isoformat()}
    facts |= _plain_facts({name: event.data.get(name) for name in LOGGED})
    evidence = event.data.get("evidence")
    if isinstance(evidence, dict):
        facts |= _plain_facts({f"evidence{name.title()}": evidence.get(name) for name in ("complete", "code")})
    return facts


def _plain_facts(values: dict[str, Any]) -> dict[str, Fact]:
    counted = {name: len(value) if isinstance(value, list | tuple) else value for name, value in values.items()}
    return {name: value for name, value in counted.items() if isinstance(value, str | int | float)}
