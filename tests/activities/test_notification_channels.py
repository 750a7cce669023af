"""Sending to each channel: over real HTTP to the simulated services, and against channels that misbehave."""

import asyncio
import base64
import hashlib
import hmac
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from activities import http_calls
from activities.notification_channels import send_notification
from shared.errors import Refused, Transient
from shared.notifications.contract import Awaited, SendNotification
from tests.activities.lab import Lab
from tests.listening import listening
from tests.shared.notifications.samples import AT, EMAIL, TEAMS, WEBHOOK, request_of, waiting_event

KEY = "a-key-that-two-sides-know"


@pytest.fixture
def app(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("APP_URL", "https://func-dr.azurewebsites.net")
    monkeypatch.setattr(http_calls, "TIMEOUT", aiohttp.ClientTimeout(total=1))
    return lab


def webhook_of(lab: Lab, **changes: Any) -> SendNotification:
    channel = WEBHOOK | {"url": f"{lab.base}/inbox/webhooks/kv-dr/hook-key"}
    return request_of(channel, at=lab.now(), **changes)


@pytest.mark.parametrize("channel", [TEAMS, EMAIL], ids=lambda channel: channel["kind"])
async def test_a_notification_arrives_with_its_link(app: Lab, channel: dict[str, Any]) -> None:
    assert (await send_notification(request_of(channel))).status == 202
    (message,) = app.inbox()
    assert message["subject"].startswith("payroll failover waits for 2 approvals, asked for by ann: until")
    assert message["links"] == ["https://func-dr.azurewebsites.net/api/ui#/approve/failover-payroll-1"]
    assert (message["channel"], "Asked for by: ann" in message["text"]) == (channel["kind"], True)


async def test_a_webhook_is_signed_over_time_and_body_and_counts_once(app: Lab) -> None:
    for _ in range(2):
        assert (await send_notification(webhook_of(app))).status == 204
    assert [message["id"] for message in app.inbox()] == ["notify-all-1-0"]
    await send_notification(webhook_of(app, id="notify-all-1-1", reminder=1))
    assert app.inbox()[-1]["subject"].startswith("Reminder 1: ")


async def test_mail_that_was_taken_is_not_sent_again(app: Lab) -> None:
    assert (await send_notification(request_of(EMAIL))).status == 202
    assert (await send_notification(request_of(EMAIL))).status == 200
    assert len(app.inbox()) == 1


async def test_the_lab_refuses_what_is_not_signed_with_the_key(app: Lab) -> None:
    app.world(keyVaults={"kv-dr": {"secrets": {"another-key": "x"}}})
    stranger = webhook_of(app)
    channel = stranger.channel.model_copy(update={"secret": "@kv:kv-dr/another-key"})
    with pytest.raises(Refused, match="401"):
        await send_notification(stranger.model_copy(update={"channel": channel}))
    with pytest.raises(Refused, match="401"):  # too old to be no replay
        await send_notification(webhook_of(app).model_copy(update={"at": AT}))
    assert app.inbox() == []


@pytest.mark.parametrize(
    ("channel", "code"),
    [
        (TEAMS | {"url": "@kv:kv-dr/nothing"}, "secret-unread"),
        (TEAMS | {"url": "@kv:kv-dr/hook-key"}, "notification-refused"),
        (EMAIL | {"from": "dr@elsewhere.example"}, "notification-refused"),
    ],
)
async def test_what_a_channel_does_not_take_is_told_without_its_secret(
    app: Lab, channel: dict[str, Any], code: str
) -> None:
    with pytest.raises(Refused) as caught:
        await send_notification(request_of(channel))
    assert caught.value.code == code
    assert KEY not in str(caught.value)
    assert app.inbox() == []


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.4/x",
        "https://169.254.169.254/metadata/identity?sig=s3cret",
        "https://u:s3cret@hooks.example/x",
        "ftp://hooks.example/s3cret",
        "https://[s3cret",
        "s3cret",
        "https:///s3cret",
    ],
)
async def test_the_address_in_a_secret_is_looked_at_before_it_is_asked(app: Lab, url: str) -> None:
    app.world(keyVaults={"kv-dr": {"secrets": {"teams-url": url}}})
    with pytest.raises((Refused, Transient)) as caught:
        await send_notification(request_of(TEAMS))
    assert "s3cret" not in str(caught.value)


async def test_what_is_deployed_does_not_ask_its_own_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_RESOURCE_MANAGER_URL", "https://management.azure.com")
    asked: list[str] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.path)
        return web.Response()

    monkeypatch.setattr("activities.notification_channels.signed_headers", _no_headers)
    async with listening(answer) as url:
        with pytest.raises(Transient):
            await send_notification(request_of(WEBHOOK | {"url": url}))
    assert asked == []


async def _no_headers(*_given: Any) -> dict[str, str]:
    return {}


def answers(status: int, headers: dict[str, str] | None = None) -> Any:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        return web.Response(status=status, headers=headers or {})

    return answer


async def hangs(_request: web.BaseRequest) -> web.StreamResponse:
    await asyncio.sleep(3)
    return web.Response()


async def gigabytes(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    try:
        while True:
            await response.write(b"x" * 1_000_000)
    except ConnectionError:
        return response


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (answers(302, {"Location": "http://169.254.169.254/"}), Refused),
        (answers(400), Refused),
        (answers(410), Refused),
        (answers(429), Transient),
        (answers(503), Transient),
        (hangs, Transient),
        (gigabytes, None),
    ],
    ids=["redirect", "400", "410", "429", "503", "hangs", "gigabytes"],
)
async def test_a_channel_that_misbehaves_costs_neither_time_nor_memory(
    answer: Any, error: type[Exception] | None, app: Lab
) -> None:
    async with listening(answer) as url:
        request = request_of(WEBHOOK | {"url": f"{url}/secret-path"})
        if error is None:
            assert (await send_notification(request)).status == 200
            return
        with pytest.raises(error) as caught:
            await send_notification(request)
    assert "secret-path" not in str(caught.value)
    assert app.inbox() == []


async def test_the_signature_is_that_of_the_specification(app: Lab) -> None:
    heard: list[tuple[dict[str, str], bytes]] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        heard.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        return web.Response()

    async with listening(answer) as url:
        event = waiting_event(plan="<at>all</at>")
        await send_notification(request_of(WEBHOOK | {"url": url}, event=event, awaited=Awaited(reason="fire")))
    ((headers, body),) = heard
    signed = b".".join((headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body))
    expected = base64.b64encode(hmac.digest(KEY.encode(), signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["webhook-timestamp"] == str(int(AT.timestamp()))
    assert app.base.encode() not in body
