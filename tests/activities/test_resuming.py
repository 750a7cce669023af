"""Resuming suspended jobs: once, and only those that are."""

from activities.vault import resume_jobs
from shared.messages import VaultRef
from shared.site_recovery.contract import JobToResume, ResumeJobs
from tests.shared.azure.fake import VAULT, FakeArm, Reply, accepted, job

ASK = ResumeJobs(
    vault=VaultRef.from_id(VAULT), operation="op-1", jobs=(JobToResume(vm="sql-01", job="j1"),), comments="now"
)


async def outcome() -> tuple[str, str]:
    (answer,) = (await resume_jobs(ASK)).answers
    return answer.outcome, answer.detail


async def test_a_suspended_job_is_resumed_with_the_persons_comment(arm: FakeArm) -> None:
    arm.says("GET", "/replicationJobs/j1", Reply(200, job("j1", state="Suspended")))
    arm.says("POST", "/replicationJobs/j1/resume", accepted("j1"))
    assert await outcome() == ("resumed", "")
    (sent,) = arm.sent("POST", "/resume")
    assert sent.body == {"properties": {"comments": "now"}}


async def test_a_job_that_runs_again_is_left_alone(arm: FakeArm) -> None:
    arm.says("GET", "/replicationJobs/j1", Reply(200, job("j1", state="InProgress")))
    assert await outcome() == ("resumed", "")
    assert arm.sent("POST", "/resume") == []


async def test_a_lost_answer_is_told_and_not_repeated_in_the_same_call(arm: FakeArm) -> None:
    arm.says("GET", "/replicationJobs/j1", Reply(200, job("j1", state="Suspended")))
    arm.says("POST", "/replicationJobs/j1/resume", Reply(503, {}))
    assert (await outcome())[0] == "unanswered"
    assert len(arm.sent("POST", "/resume")) == 1


async def test_a_job_that_may_not_be_resumed_is_refused_with_the_reason(arm: FakeArm) -> None:
    arm.says("GET", "/replicationJobs/j1", Reply(200, job("j1", state="WaitingForManualAction")))
    arm.says("POST", "/replicationJobs/j1/resume", Reply(400, {"error": {"code": "BadRequest", "message": "no"}}))
    assert await outcome() == ("refused", "BadRequest: no")
