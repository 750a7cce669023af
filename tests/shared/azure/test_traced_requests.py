"""Each request that is sent to ARM is one span with its request id, and one in the figures; nothing secret is in it."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from azure.core.rest import HttpRequest
from opentelemetry.trace import SpanKind, StatusCode

from shared.azure.clients import azure
from shared.azure.looking import ONLY_LOOKS
from shared.azure.traced_requests import operation_of
from shared.azure.vault import Vault
from shared.errors import SiteRecoveryError, Throttled
from shared.messages import VaultRef
from shared.telemetry.spans import start_span
from tests.shared.azure.fake import ITEM, VAULT, FakeArm, Reply, accepted, item, listed
from tests.telemetry import Recorded, parent_of, recording

REF = VaultRef.from_id(VAULT)
REQUEST_ID = "7b0f0d2c-0f6e-5b0e-9b53-3f8f2f2d7c11"
SINCE = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    with recording(monkeypatch) as recorded:
        yield recorded


async def commit() -> str:
    return await Vault(REF).start_verb("Commit", ITEM, None, REQUEST_ID)


async def test_a_verb_is_a_span_with_its_client_request_id(arm: FakeArm, recorded: Recorded) -> None:
    reply = accepted("j1")
    arm.says("POST", "/failoverCommit", reply._replace(headers={**(reply.headers or {}), "x-ms-request-id": "svc-1"}))
    with start_span("start_verbs") as activity:
        await commit()
    (span,) = recorded.named("POST failoverCommit")
    assert (parent_of(span), span.kind) == (activity.get_span_context().span_id, SpanKind.CLIENT)
    assert span.attributes == {
        "http.request.method": "POST",
        "server.address": "127.0.0.1",
        "server.port": int(arm.base.rpartition(":")[2]),
        "url.full": f"{arm.base}{ITEM}/failoverCommit",
        "hci.call": "failoverCommit",
        "az.client_request_id": REQUEST_ID,
        "az.service_request_id": "svc-1",
        "http.response.status_code": 202,
    }


async def test_no_token_header_query_or_signed_url_is_recorded(arm: FakeArm, recorded: Recorded) -> None:
    arm.says("POST", "/failoverCommit", accepted("j1"))
    await commit()
    text = recorded.text()
    assert [secret for secret in ("t0ken", "sEcReT", "Bearer", "api-version", "&s=") if secret in text] == []


async def test_a_refusal_is_a_failed_span_without_its_words(arm: FakeArm, recorded: Recorded) -> None:
    error = {"error": {"code": "Conflict", "message": "password=hunter2 is wrong"}}
    arm.says("POST", "/failoverCommit", Reply(409, error))
    with pytest.raises(SiteRecoveryError):
        await commit()
    (span,) = recorded.named("POST failoverCommit")
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "409")
    assert "hunter2" not in recorded.text()


async def test_calls_and_429s_are_counted(arm: FakeArm, recorded: Recorded) -> None:
    arm.says("GET", "/replicationJobs", Reply(429, headers={"Retry-After": "1"}), listed())
    with pytest.raises(Throttled):
        await Vault(REF).list_jobs(SINCE)
    await Vault(REF).list_jobs(SINCE)
    about = (("method", "GET"), ("operation", "replicationJobs"))
    assert recorded.metric("hci.arm.calls") == {(*about, ("status", 429)): 1, (*about, ("status", 200)): 1}
    assert recorded.metric("hci.arm.throttled") == {(("kind", "reads"),): 1}


async def test_a_call_without_an_answer_counts_with_status_0(arm: FakeArm, recorded: Recorded) -> None:
    arm.says("POST", "/failoverCommit", Reply(lost=True))
    with pytest.raises(SiteRecoveryError):
        await commit()
    about = (("method", "POST"), ("operation", "failoverCommit"), ("status", 0))
    assert recorded.metric("hci.arm.calls") == {about: 1}
    assert recorded.named("POST failoverCommit")[0].status.status_code is StatusCode.ERROR


async def test_a_look_that_is_shared_is_one_call(arm: FakeArm, recorded: Recorded) -> None:
    arm.says("GET", "/replicationProtectedItems", listed(item()))
    looks = ONLY_LOOKS.set(True)
    try:
        await asyncio.gather(*(Vault(REF).list_items() for _ in range(5)))
    finally:
        ONLY_LOOKS.reset(looks)
    assert len(recorded.named("GET replicationProtectedItems")) == 1
    assert sum(recorded.metric("hci.arm.calls").values()) == 1


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        (f"{ITEM}/testFailover", "testFailover"),
        (ITEM, "replicationProtectedItems"),
        (f"{VAULT}/replicationJobs?$filter=x&api-version=1", "replicationJobs"),
        ("/subscriptions/s/resourceGroups/g/resources", "resources"),
        ("/subscriptions/s", "subscriptions"),
        (f"{VAULT}/providers/Microsoft.Authorization/roleAssignments/1", "roleAssignments"),
        ("/subscriptions/s/providers/Microsoft.Compute", "providers"),
        ("/", "root"),
    ],
)
def test_an_operation_names_no_resource(path: str, operation: str) -> None:
    assert operation_of(f"https://management.azure.com{path}") == operation


@pytest.mark.parametrize(("method", "failed"), [("GET", False), ("DELETE", True)])
async def test_what_is_looked_for_and_not_there_is_no_failure(
    method: str, failed: bool, arm: FakeArm, recorded: Recorded
) -> None:
    """Every change looks before it acts: a red line for each of them would hide those that count."""
    arm.says(method, "/locks/x", Reply(404, {"error": {"code": "ResourceNotFound"}}))
    client = azure().resource_client("s1")
    await client._client.send_request(HttpRequest(method, f"{arm.base}/subscriptions/s1/locks/x"))
    (span,) = recorded.named(f"{method} locks")
    assert (span.status.status_code is StatusCode.ERROR) == failed
    assert dict(span.attributes or {})["http.response.status_code"] == 404
