"""What the wire sees of a verb: one request, whatever the answer."""

import json
import logging
from datetime import UTC, datetime

import pytest

from shared.azure.vault import Vault
from shared.errors import Refused, SiteRecoveryError, Transient
from shared.log_lines import ARM_THROTTLED
from shared.messages import VaultRef
from shared.site_recovery.views import Verb
from tests.shared.azure.fake import ITEM, VAULT, FakeArm, Reply, accepted

REF = VaultRef.from_id(VAULT)
REQUEST_ID = "7b0f0d2c-0f6e-5b0e-9b53-3f8f2f2d7c11"
UNREGISTERED = {"error": {"code": "MissingSubscriptionRegistration", "message": "not registered 'Microsoft.X'"}}


async def commit() -> str:
    return await Vault(REF).start_verb("Commit", ITEM, None, REQUEST_ID)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(429, {"error": {"code": "TooManyRequests"}}, {"Retry-After": "1"}),
        Reply(408),
        Reply(500),
        Reply(502),
        Reply(503, headers={"Retry-After": "1"}),
        Reply(504),
        Reply(307, headers={"Location": "/elsewhere"}),
        Reply(308, headers={"Location": "/elsewhere"}),
        Reply(409, UNREGISTERED),
        Reply(400, {"error": {"code": "BadRequest"}}, {"Retry-After": "1"}),
        Reply(lost=True),
    ],
    ids=lambda reply: f"{'lost' if reply.lost else reply.status}",
)
async def test_a_verb_is_sent_once_whatever_the_answer(arm: FakeArm, reply: Reply) -> None:
    arm.says("POST", "/failoverCommit", reply)
    with pytest.raises(SiteRecoveryError):
        await commit()
    assert [one.method for one in arm.asked if one.path != "/msi/token"] == ["POST"]


async def test_each_429_is_one_line_of_the_log(arm: FakeArm, caplog: pytest.LogCaptureFixture) -> None:
    arm.says("POST", "/failoverCommit", Reply(429, {"error": {"code": "TooManyRequests"}}, {"Retry-After": "7"}))
    with caplog.at_level(logging.INFO), pytest.raises(Transient):
        await commit()
    (line,) = (record.getMessage() for record in caplog.records if record.getMessage().startswith(ARM_THROTTLED))
    facts = json.loads(line.removeprefix(f"{ARM_THROTTLED} "))
    assert facts == {"subscription": REF.subscription_id, "calls": "writes", "seconds": 7}


async def test_the_request_id_and_the_token_travel_with_the_verb(arm: FakeArm) -> None:
    arm.says("POST", "/failoverCommit", accepted("j1"))
    await commit()
    (sent,) = arm.sent("POST", "/failoverCommit")
    assert sent.headers["x-ms-client-request-id"] == REQUEST_ID
    assert sent.headers["Authorization"] == "Bearer t0ken"
    assert sent.query == {"api-version": "2025-08-01"}


async def test_one_token_serves_many_calls(arm: FakeArm) -> None:
    arm.says("POST", "/failoverCommit", accepted("j1"))
    await commit()
    await commit()
    assert len(arm.sent("GET", "/msi/token")) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Azure-AsyncOperation": f"https://x{VAULT}/replicationOperationStatus/j1?api-version=2025-08-01&s=a%2Fb"},
        {"Azure-AsyncOperation": f"https://x{VAULT}/replicationJobs/j1?api-version=2016-08-10"},
        {"Location": f"https://x{ITEM}/operationresults/j1?api-version=2025-08-01"},
        {"azure-asyncoperation": f"https://x{VAULT.replace('subscriptions', 'Subscriptions')}/replicationjobs/j1"},
    ],
)
async def test_the_job_is_named_by_the_headers_of_every_api_version(arm: FakeArm, headers: dict[str, str]) -> None:
    arm.says("POST", "/failoverCommit", Reply(202, headers=headers))
    assert await commit() == "j1"


async def test_an_acceptance_that_names_no_job_may_have_started_one(arm: FakeArm) -> None:
    arm.says("POST", "/failoverCommit", Reply(202))
    with pytest.raises(Transient, match="named no job"):
        await commit()


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("TestFailover", "testFailover"),
        ("TestFailoverCleanup", "testFailoverCleanup"),
        ("PlannedFailover", "plannedFailover"),
        ("UnplannedFailover", "unplannedFailover"),
        ("Failback", "plannedFailover"),
        ("ReverseReplicate", "reProtect"),
    ],
)
async def test_each_verb_has_its_path(arm: FakeArm, verb: Verb, path: str) -> None:
    arm.says("POST", f"/{path}", accepted("j1"))
    body = {"properties": {"comments": verb}}
    assert await Vault(REF).start_verb(verb, ITEM, body, REQUEST_ID) == "j1"
    (sent,) = arm.sent("POST", f"{ITEM}/{path}")
    assert sent.body == body


async def test_a_commit_has_no_body(arm: FakeArm) -> None:
    arm.says("POST", "/failoverCommit", accepted("j1"))
    await commit()
    assert arm.sent("POST", "/failoverCommit")[0].body is None


async def test_an_id_of_something_else_is_refused_before_anything_is_sent(arm: FakeArm) -> None:
    with pytest.raises(Refused, match="not-an-item"):
        await Vault(REF).start_verb("Commit", VAULT, None, REQUEST_ID)
    assert arm.asked == []


async def test_reads_are_asked_once_too(arm: FakeArm) -> None:
    """The retries of a run are durable and by its own clock; the SDK's would sleep on this machine's."""
    arm.says("GET", "/replicationJobs", Reply(503))
    with pytest.raises(Transient, match="503 to GET"):
        await Vault(REF).list_jobs(datetime(2026, 11, 22, tzinfo=UTC))
    assert len(arm.sent("GET", "/replicationJobs")) == 1
