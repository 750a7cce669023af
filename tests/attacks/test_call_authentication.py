"""Whoever is called by the app can know that it is the app, and gets nothing by which he could be the app."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from activities.hooks import run_hook
from activities.probes import probe_vms
from shared.plans.hook_authentication import HookAuthentication, signature_headers
from shared.plans.hooks import Hook
from shared.plans.plan import PlanDocument, Probe
from shared.recovery.contract import ProbeBatch, ProbeTarget, RunHook
from tests.listening import listening
from tests.shared.azure.fake import FakeArm, Reply, standing

AT = datetime(2026, 1, 5, 8, tzinfo=UTC)
TOKEN = HookAuthentication(type="managedIdentity", audience="api://orders-hooks")
SIGNED = HookAuthentication(type="hmac", secret="@kv:kv-dr/hook-key")


class Listener:
    def __init__(self, arm: FakeArm) -> None:
        self.arm, self.url = arm, ""
        self.calls: list[tuple[dict[str, str], bytes]] = []

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.calls.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        said = json.dumps({"passed": False, "message": request.headers.get("Authorization", "-")})
        return web.Response(status=200, text=said)


@pytest.fixture
async def listener(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Listener]:
    async with standing(monkeypatch) as arm:
        arm.says("GET", "/keyvault/kv-dr/secrets/hook-key", Reply(200, {"value": "a-key"}))
        found = Listener(arm)
        async with listening(found.answer) as url:
            found.url = f"{url}/x"
            yield found


def call(listener: Listener, authentication: HookAuthentication | None) -> RunHook:
    named = {"moment": "before", "operation": "d", "plan": "bücher", "state": "well", "keep_output": True}
    return RunHook(
        id="d:b:0", url=listener.url, authentication=authentication, at=AT, message_member="message", **named
    )


def verify(key: bytes, headers: dict[str, str], body: bytes, now: float, tolerance: float = 300) -> bool:
    """As docs/api.md shows it to those who are called."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    fresh = abs(now - int(headers["webhook-timestamp"])) <= tolerance
    return fresh and hmac.compare_digest(expected, headers["webhook-signature"])


async def test_a_token_is_for_the_audience_and_for_nobody_else(listener: Listener) -> None:
    answer = await run_hook(call(listener, TOKEN))
    assert answer.passed
    assert listener.calls[0][0]["authorization"] == "Bearer t0ken"
    asked = [one.query["resource"] for one in listener.arm.asked if one.path == "/msi/token"]
    assert asked == ["api://orders-hooks"]
    assert "t0ken" not in answer.model_dump_json()


async def test_without_authentication_no_token_is_sent(listener: Listener) -> None:
    await run_hook(call(listener, None))
    assert not {"authorization", "webhook-signature"} & set(listener.calls[0][0])


async def test_a_signed_call_is_verified_over_time_id_and_body(listener: Listener) -> None:
    answer = await run_hook(call(listener, SIGNED))
    headers, body = listener.calls[0]
    assert answer.passed
    assert json.loads(body)["plan"] == "bücher"
    assert verify(b"a-key", headers, body, AT.timestamp() + 60)
    assert not verify(b"a-key", headers, body, AT.timestamp() + 3600)
    assert not verify(b"other", headers, body, AT.timestamp())
    assert not verify(b"a-key", headers, body + b" ", AT.timestamp())
    assert not verify(b"a-key", headers | {"webhook-id": "e:b:0"}, body, AT.timestamp())
    assert "a-key" not in answer.model_dump_json()


@pytest.mark.parametrize("authentication", [TOKEN, SIGNED])
async def test_callbacks_of_probes_are_authenticated_too(
    listener: Listener, authentication: HookAuthentication
) -> None:
    probe = Probe(kind="callback", url=listener.url, authentication=authentication)
    target = ProbeTarget(
        vm="sql-01", azure_vm="s", target_group="/g", probes=(probe,), address="10.0.0.4", operation="d", at=AT
    )
    for _ in range(2):
        await probe_vms(ProbeBatch(targets=(target,)))
    headers, body = listener.calls[0]
    if authentication is TOKEN:
        assert headers["authorization"] == "Bearer t0ken"
    else:
        assert verify(b"a-key", headers, body, AT.timestamp())
        assert listener.calls[1][0]["webhook-id"] == headers["webhook-id"]


async def test_a_key_that_cannot_be_read_sends_no_call(listener: Listener) -> None:
    error = {"error": {"code": "SecretNotFound", "message": "no such secret"}}
    listener.arm.says("GET", "/keyvault/kv-dr/secrets/hook-key", Reply(404, error))
    answer = await run_hook(call(listener, SIGNED))
    assert (answer.passed, answer.may_change, listener.calls) == (False, False, [])
    assert "secret-unread" in answer.detail


def test_the_example_of_the_specification_is_signed_alike() -> None:
    """Standard Webhooks: a key with the prefix whsec_ is base64."""
    key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    at = datetime.fromtimestamp(1614265330, UTC)
    signed = signature_headers(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}')
    assert signed["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(st.text(min_size=1), st.text(alphabet="abc:-", min_size=1), st.binary())
def test_each_signature_belongs_to_its_call(key: str, call_id: str, body: bytes) -> None:
    headers = dict(signature_headers("k" + key, call_id, AT, body))
    assert verify(("k" + key).encode("utf-8", "surrogatepass"), headers, body, AT.timestamp())


@pytest.mark.parametrize(
    "audience",
    [
        "",
        "https://management.azure.com",
        "https://management.azure.com/",
        "https://management.core.windows.net/",
        "https://vault.azure.net",
        "https://graph.microsoft.com",
        "https://storage.azure.com",
        "https://contoso.example/hooks",
        "api://management.azure.com",
        "api://vault.azure.net/x",
        "API://797F4846-BA00-4FD7-BA43-DAC1F8F63013",
        "api://797F4846-BA00-4FD7-BA43-DAC1F8F63013",
        "api://cfa8b339-82a2-471a-a3c9-0fc0be7a4093",
        "797f4846-ba00-4fd7-ba43-dac1f8f63013",
        "api://",
        "api://a b",
        "api://x/.default https://management.azure.com",
        "api://x\nhttps://vault.azure.net",
    ],
)
def test_no_token_for_azure_can_be_asked_for(audience: str) -> None:
    assert faults({"type": "managedIdentity", "audience": audience}) == ["authentication.audience"]


def faults(authentication: Any, **fields: Any) -> list[str]:
    given = {"name": "h", "url": "https://x.example/h", "authentication": authentication, **fields}
    try:
        Hook.model_validate(given)
    except ValidationError as error:
        return [".".join(map(str, one["loc"])) for one in error.errors()]
    return []


@pytest.mark.parametrize(
    ("authentication", "fields"),
    [
        ({"type": "managedIdentity", "audience": "api://my-azure-hooks"}, []),
        ({"type": "managedIdentity", "audience": "api://0f0f0f0f-1111-2222-3333-444444444444/hooks"}, []),
        ({"type": "hmac", "secret": "@kv:kv-dr/hook-key"}, []),
        ({"type": "hmac", "secret": "hunter2"}, ["authentication.secret"]),
        ({"type": "hmac"}, ["authentication.secret"]),
        ({"type": "hmac", "secret": "@kv:kv-dr/k", "audience": "api://x"}, ["authentication.audience"]),
        ({"type": "managedIdentity", "audience": "api://x", "secret": "@kv:kv-dr/k"}, ["authentication.secret"]),
        ({"type": "basic"}, ["authentication.type"]),
        ({"type": "hmac", "secret": "@kv:kv-dr/k", "user": "u"}, ["authentication.user"]),
    ],
)
def test_what_is_wrong_is_named(authentication: Any, fields: list[str]) -> None:
    assert faults(authentication) == fields


def test_who_calls_nobody_has_no_authentication() -> None:
    given = {"type": "hmac", "secret": "@kv:kv-dr/k"}
    assert faults(given, kind="manual", url="", instructions="Call 117.") == ["authentication"]
    items = [{"vm": "a", "probes": [{"port": 1, "authentication": given}]}]
    with pytest.raises(ValidationError, match="calls nobody"):
        PlanDocument.model_validate({"site": "s", "items": items})
