"""A notification as JSON for a webhook. Pure."""

from typing import Any

from shared.notifications.contract import SendNotification
from shared.notifications.text import NotificationText

TYPE = "HciSiteRecovery.Notification"


def webhook_body(request: SendNotification, text: NotificationText) -> dict[str, Any]:
    """What is posted: the text, and by which rule and event."""
    event = request.event
    return {
        "id": request.id,
        "type": TYPE,
        "rule": request.rule,
        "occasion": request.occasion,
        "reminder": request.reminder,
        "subject": text.subject,
        "facts": [{"name": fact.name, "value": fact.value} for fact in text.facts],
        "nextStep": text.next_step,
        "link": text.link,
        "event": {"id": event.id, "type": event.type, "subject": event.subject, "at": event.at.isoformat()},
    }
