"""Telling the world of a run's turning points."""

from shared.azure.clients import azure
from shared.azure.errors import translated
from shared.operations.contract import Publish, Published

SOURCE = "/hci-site-recovery"


async def publish(ask: Publish) -> Published:
    """Send one CloudEvent; without a topic there is nobody to tell.

    Raises:
        Transient: the topic did not take it this time; the same id may be sent again.
    """
    client = azure().publisher()
    if client is None:
        return Published(sent=False, detail="no topic is set")
    from azure.core.messaging import CloudEvent  # noqa: PLC0415 - only when used

    event = CloudEvent(source=SOURCE, type=ask.type, subject=ask.subject, id=ask.id, time=ask.at, data=ask.data)
    with translated():
        await client.send(event)
    return Published(sent=True)
