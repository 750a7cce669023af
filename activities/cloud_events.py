"""Publishing the turning points of a run as CloudEvents."""

import asyncio

from activities.run_spans import note_end_of_run
from shared.azure.clients import azure
from shared.azure.errors import translate_errors
from shared.operations.contract import EventPublished, PublishEvent

SOURCE = "/hci-site-recovery"


async def publish_event(request: PublishEvent) -> EventPublished:
    """Send one CloudEvent; without a topic nothing is sent.

    Raises:
        Transient: the topic did not take it this time; the same id may be sent again.
    """
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
