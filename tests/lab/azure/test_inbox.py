"""The inbox is as strict as the services that it stands for: what they would refuse does not arrive."""

from typing import Any

import pytest

from lab.azure.arm.tokens import issue_token
from lab.azure.inbox import CARD, MAIL_AUDIENCE, MOST_BYTES
from tests.lab.azure.cloud import Cloud

TEAMS = "/inbox/teams/kv-dr/teams-url?api-version=2016-06-01&sig=only-who-has-this-may-post"
WEBHOOK = "/inbox/webhooks/kv-dr/hook-key"
MAIL = "/communication/acs-dr/emails:send?api-version=2023-03-31"
RUN = {"type": "TextRun", "text": "payroll waits"}
MAIL_BODY: dict[str, Any] = {
    "senderAddress": "dr@dr.contoso.example",
    "content": {"subject": "payroll waits", "plainText": "see https://app.example/x"},
    "recipients": {"to": [{"address": "operators@contoso.example"}]},
}


def card(*body: Any, **changes: Any) -> dict[str, Any]:
    content = {"type": "AdaptiveCard", "version": "1.4", "body": list(body), **changes}
    return {"type": "message", "attachments": [{"contentType": CARD, "contentUrl": None, "content": content}]}


LINE = {"type": "RichTextBlock", "inlines": [RUN]}
LINK = {"type": "Action.OpenUrl", "title": "Open", "url": "https://app.example/x"}


async def test_a_card_arrives_with_its_text_and_links(cloud: Cloud) -> None:
    status, _, _ = await cloud.call("POST", TEAMS, card(LINE, actions=[LINK]))
    (message,) = await cloud.control("GET", "inbox")
    assert (status, message["subject"], message["links"]) == (202, "payroll waits", ["https://app.example/x"])


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (TEAMS.replace("only-who", "who"), card(LINE), 401),
        (TEAMS.partition("&sig")[0], card(LINE), 401),
        (TEAMS.replace("teams-url", "nothing"), card(LINE), 401),
        (TEAMS, {"text": "hello"}, 400),
        (TEAMS, card(), 400),
        (TEAMS, card(LINE, version="9.9"), 400),
        (TEAMS, card({"type": "TextBlok", "text": "x"}), 400),
        (TEAMS, card({"type": "RichTextBlock", "inlines": [RUN | {"markdown": "x"}]}), 400),
        (TEAMS, card(LINE, actions=[LINK | {"url": "javascript:alert(1)"}]), 400),
        (TEAMS, card(LINE, msteams={"entities": []}), 501),
        (TEAMS, card({"type": "TextBlock", "text": "x" * MOST_BYTES}), 413),
        (WEBHOOK, {"id": "1", "subject": "x"}, 401),
    ],
)
async def test_what_a_workflow_or_a_webhook_refuses_does_not_arrive(
    cloud: Cloud, path: str, body: Any, status: int
) -> None:
    assert (await cloud.call("POST", path, body))[0] == status
    assert await cloud.control("GET", "inbox") == []


@pytest.mark.parametrize(
    ("changes", "audience", "path", "status"),
    [
        ({}, "https://management.azure.com", MAIL, 401),
        ({}, MAIL_AUDIENCE, MAIL.replace("2023-03-31", "2020-01-01"), 400),
        ({}, MAIL_AUDIENCE, MAIL.replace("acs-dr", "acs-other"), 501),
        ({"senderAddress": "dr@elsewhere.example"}, MAIL_AUDIENCE, MAIL, 404),
        ({"recipients": {"to": []}}, MAIL_AUDIENCE, MAIL, 400),
        ({"recipients": {"to": [{"address": "nobody"}]}}, MAIL_AUDIENCE, MAIL, 400),
        ({"content": {"subject": "x"}}, MAIL_AUDIENCE, MAIL, 400),
        ({"content": {"subject": "x\ny", "plainText": "x"}}, MAIL_AUDIENCE, MAIL, 400),
        ({"importance": "high"}, MAIL_AUDIENCE, MAIL, 400),
    ],
)
async def test_mail_that_the_service_refuses_does_not_arrive(
    cloud: Cloud, changes: dict[str, Any], audience: str, path: str, status: int
) -> None:
    token = f"Bearer {issue_token('hci-site-recovery', audience)['token']}"
    answer = await cloud.call("POST", path, MAIL_BODY | changes, Authorization=token)
    assert answer[0] == status
    assert await cloud.control("GET", "inbox") == []


async def test_the_page_shows_what_arrived_as_text(cloud: Cloud) -> None:
    evil = "<img src=x onerror=alert(1)>"
    await cloud.call("POST", TEAMS, card({"type": "TextBlock", "text": evil}, actions=[LINK]))
    async with cloud.http.get(f"{cloud.base}/lab/inbox.html") as answer:
        page = await answer.text()
        assert answer.headers["Content-Type"].startswith("text/html")
    assert evil not in page
    assert 'href="https://app.example/x"' in page
