"""A notification as mail of Azure Communication Services. Pure.

Source: Azure Communication Services, Email - Send, 2023-03-31: {senderAddress, content: {subject, plainText, html},
recipients: {to: [{address}]}, userEngagementTrackingDisabled}.
"""

from html import escape
from typing import Any

from shared.notifications.rule import Channel
from shared.notifications.text import NotificationText

API_VERSION = "2023-03-31"
AUDIENCE = "https://communication.azure.com"


def mail_body(channel: Channel, text: NotificationText) -> dict[str, Any]:
    """What is posted to send it."""
    return {
        "senderAddress": channel.sender,
        "content": {"subject": text.subject, "plainText": plain_mail(text), "html": html_mail(text)},
        "recipients": {"to": [{"address": address} for address in channel.to]},
        "userEngagementTrackingDisabled": True,
    }


def plain_mail(text: NotificationText) -> str:
    """The mail for readers of plain text."""
    facts = [f"{fact.name}: {fact.value}" for fact in text.facts]
    return "\n".join([text.subject, "", *facts, "", text.next_step, *filter(None, [text.link])])


def html_mail(text: NotificationText) -> str:
    """The mail for readers of HTML: whatever is text stays text."""
    rows = "".join(
        f"<tr><th align=left>{escape(fact.name)}</th><td>{escape(fact.value)}</td></tr>" for fact in text.facts
    )
    link = f'<p><a href="{escape(text.link)}">Open</a></p>' if text.link else ""
    return f"<h2>{escape(text.subject)}</h2><table>{rows}</table><p>{escape(text.next_step)}</p>{link}"
