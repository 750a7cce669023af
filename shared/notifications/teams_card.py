"""A notification as an adaptive card for a workflow of Teams. Pure.

Text from outside stands in text runs alone: of all elements only these read no Markdown. A mention needs an entity of
its own, and the card has none.

Source: adaptivecards.io, schema 1.4 (TextRun: "Markdown is not supported"); "Create incoming webhooks with Workflows
for Microsoft Teams": {type: message, attachments: [{contentType, contentUrl, content}]}.
"""

from typing import Any

from shared.notifications.text import NotificationText

CARD = "application/vnd.microsoft.card.adaptive"
VERSION = "1.4"


def teams_message(text: NotificationText) -> dict[str, Any]:
    """What is posted to the workflow."""
    body = [_line([_run(text.subject, size="Large", weight="Bolder")])]
    body += [_line([_run(f"{fact.name}: ", weight="Bolder"), _run(fact.value)]) for fact in text.facts]
    body.append(_line([_run(text.next_step)]))
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": VERSION,
        "fallbackText": "A notification of HCI Site Recovery",
        "body": body,
    }
    if text.link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open", "url": text.link}]
    return {"type": "message", "attachments": [{"contentType": CARD, "contentUrl": None, "content": card}]}


def _line(runs: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": runs}


def _run(text: str, **style: str) -> dict[str, Any]:
    return {"type": "TextRun", "text": text, **style}
