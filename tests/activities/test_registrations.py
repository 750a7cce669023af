"""What is read of the jobs by which hosts registered: a list tells that one failed, only the job itself tells why."""

from datetime import UTC, datetime

import pytest

from activities.prepare import read_registrations
from shared.azure.json_fields import Json
from shared.errors import Transient
from shared.messages import VaultRef
from shared.onboarding.contract import ReadRegistrations
from tests.shared.azure.fake import VAULT, FakeArm, Reply, job, listed

REQUEST = ReadRegistrations(vault=VaultRef.from_id(VAULT), since=datetime(2026, 11, 22, 10, 0, tzinfo=UTC))
ERROR = {"errorLevel": "Error", "serviceErrorDetails": {"code": "31315", "message": "The host has another vault."}}


def registration(name: str, host: str, state: str, **properties: object) -> Json:
    """A job of a host, as a list shows it: without its errors."""
    shown = {"scenarioName": "RegisterDra", "targetObjectName": host, "state": state, "errors": []}
    return job(name, **(shown | properties))


async def test_the_reason_of_a_failure_is_read_from_the_job_itself(arm: FakeArm) -> None:
    arm.says(
        "GET", "/replicationJobs", listed(registration("j1", "n1", "Failed"), registration("j2", "n2", "Succeeded"))
    )
    arm.says("GET", "/replicationJobs/j1", Reply(200, registration("j1", "n1", "Failed", errors=[ERROR])))
    first, second = (await read_registrations(REQUEST)).registrations
    assert (first.host, first.outcome, first.detail) == ("n1", "failed", "31315: The host has another vault.")
    assert (second.host, second.outcome, second.detail) == ("n2", "succeeded", "")
    assert not [asked for asked in arm.asked if asked.path.endswith("/j2")]


async def test_a_failed_job_that_a_newer_one_follows_is_not_read(arm: FakeArm) -> None:
    earlier = registration("j1", "n1", "Failed", startTime="2026-11-22T10:01:00Z")
    later = registration("j2", "n1", "Succeeded", startTime="2026-11-22T10:05:00Z")
    arm.says("GET", "/replicationJobs", listed(later, earlier))
    (only,) = (await read_registrations(REQUEST)).registrations
    assert only.outcome == "succeeded"


async def test_a_failed_job_that_is_gone_has_failed_all_the_same(arm: FakeArm) -> None:
    arm.says("GET", "/replicationJobs", listed(registration("j1", "n1", "Failed")))
    arm.says("GET", "/replicationJobs/j1", Reply(404, {"error": {"code": "NotFound", "message": "It is not there."}}))
    (only,) = (await read_registrations(REQUEST)).registrations
    assert (only.outcome, only.detail) == ("failed", "")


async def test_a_job_that_does_not_answer_is_asked_again(arm: FakeArm) -> None:
    arm.says("GET", "/replicationJobs", listed(registration("j1", "n1", "Failed")))
    arm.says("GET", "/replicationJobs/j1", Reply(503, {"error": {"code": "ServiceUnavailable", "message": "Later."}}))
    with pytest.raises(Transient):
        await read_registrations(REQUEST)
