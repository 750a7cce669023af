"""What hooks run in Azure is begun once, told without secrets, and leaves nothing behind."""

from datetime import timedelta
from typing import Any, Literal

import pytest

from activities.hooks import begin_hook_work, end_hook_work, hook_work_name, read_hook_work
from shared.errors import Refused, Transient
from shared.recovery.contract import BeginHookWork
from tests.activities.lab import Lab
from tests.shared.azure.fake import FakeArm, Reply

SUB = "/subscriptions/11111111-1111-1111-1111-111111111111"
ACCOUNT = f"{SUB}/resourceGroups/rg-dr/providers/Microsoft.Automation/automationAccounts/aa-dr"
JUMP = f"{SUB}/resourceGroups/rg-hci-arc/providers/Microsoft.HybridCompute/machines/jump-01"


def work(kind: Literal["run-command", "runbook"], hook: str = "op-1:failover:before:0", **more: Any) -> BeginHookWork:
    target = JUMP if kind == "run-command" else f"{ACCOUNT}/runbooks/{more.pop('runbook', 'Switch-Dns')}"
    return BeginHookWork(id=hook, operation="op-1", kind=kind, target=target, **more)


def job(**more: Any) -> BeginHookWork:
    return work("runbook", **{"parameters": {"Zone": "contoso.com"}, **more})


def script(text: str, **more: Any) -> BeginHookWork:
    return work("run-command", script=text, **more)


async def test_a_runbook_is_run_once_however_often_it_is_begun(lab: Lab) -> None:
    for _ in range(3):
        await begin_hook_work(job(run_on="workers-hci-01"))
    ran = await lab.work_ended(job())
    assert (ran.passed, ran.detail) == (True, "the job is Completed")
    assert ran.output == ""
    kept = await read_hook_work(job(keep_output=True))
    assert kept.output == "Zone contoso.com now answers with the addresses in Azure."
    await begin_hook_work(job())
    await end_hook_work(job())
    assert lab.ledger("jobs/write") == ["Switch-Dns"]
    assert (await read_hook_work(job())).passed


async def test_a_job_whose_start_went_unanswered_is_found_again(lab: Lab) -> None:
    lab.faults({"match": {"verb": "jobs/write", "times": 1}, "effect": {"lose": 503}})
    with pytest.raises(Transient):
        await begin_hook_work(job())
    await begin_hook_work(job())
    assert (await lab.work_ended(job())).passed
    assert lab.ledger("jobs/write") == ["Switch-Dns"]


async def test_two_hooks_of_one_run_have_jobs_of_their_own(lab: Lab) -> None:
    other = job(hook="op-1:failover:after:0")
    await begin_hook_work(job())
    await begin_hook_work(other)
    assert hook_work_name(job()) != hook_work_name(other)
    assert lab.ledger("jobs/write") == ["Switch-Dns", "Switch-Dns"]


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (
            {"fail": "Server=x;AccountKey=abc123 is locked."},
            f"the job is Failed; see job {hook_work_name(job())} of aa-dr",
        ),
        ({"suspend": True}, "the job is Suspended"),
        ({"end": "Blocked"}, "the job is Blocked"),
    ],
)
async def test_a_job_that_needs_somebody_has_not_succeeded(lab: Lab, wish: dict[str, Any], said: str) -> None:
    lab.faults({"match": {"verb": "jobs/write"}, "effect": {"job": wish}})
    await begin_hook_work(job())
    ran = await lab.work_ended(job())
    assert not ran.passed
    assert ran.detail.startswith(said)


async def test_a_job_that_goes_on_is_stopped_in_the_end(lab: Lab) -> None:
    lab.faults({"match": {"verb": "jobs/write"}, "effect": {"job": {"never": True}}})
    await begin_hook_work(job())
    lab.advance(timedelta(hours=1))
    assert (await read_hook_work(job())).may_change
    await end_hook_work(job())
    await end_hook_work(job())
    assert (await lab.work_ended(job())).detail.startswith("the job is Stopped; see job ")


@pytest.mark.parametrize("runbook", ["Nobody", "Draft-Only"])
async def test_a_runbook_that_cannot_be_started_is_refused_in_azures_words(lab: Lab, runbook: str) -> None:
    with pytest.raises(Refused, match=runbook):
        await begin_hook_work(job(runbook=runbook))
    await end_hook_work(job(runbook=runbook))


async def test_a_script_is_run_once_with_its_parameters_and_removed(lab: Lab) -> None:
    ask = script('Write-Output "stopped $Name"', parameters={"Name": "app'; exit 9"})
    for _ in range(3):
        await begin_hook_work(ask)
    ran = await lab.work_ended(ask)
    assert (ran.passed, ran.status, ran.detail) == (True, 0, "the script ended Succeeded with 0")
    assert (await read_hook_work(ask.model_copy(update={"keep_output": True}))).output == "stopped app'; exit 9"
    await end_hook_work(ask)
    await end_hook_work(ask)
    lab.advance(timedelta(minutes=5))
    assert (await read_hook_work(ask)).detail == "its run command is gone"
    assert [verb for verb, _ in lab.mutations()] == ["runCommands/write", "runCommands/delete"]


async def test_what_a_script_says_is_kept_without_secrets_and_its_exit_code_decides(lab: Lab) -> None:
    ask = script('Write-Output "https://x.example/a?sig=abc"\nWrite-Error "Bearer abcdef"\nexit 3')
    await begin_hook_work(ask)
    ran = await lab.work_ended(ask)
    assert (ran.passed, ran.status) == (False, 3)
    assert (ran.detail, ran.output) == (
        "the script ended Failed with 3; its output is not kept without keepOutput",
        "",
    )
    kept = await read_hook_work(ask.model_copy(update={"keep_output": True}))
    assert kept.output == "https://x.example/a?[redacted]\n\nBearer [redacted]"
    assert kept.detail == "the script ended Failed with 3; its output is in the evidence"


async def test_the_member_that_is_public_stands_on_the_last_line_of_a_script(lab: Lab) -> None:
    ask = script("Write-Output 'sesame'\nWrite-Output '{\"why\": \"the service hangs\"}'\nexit 3", message_member="why")
    await begin_hook_work(ask)
    ran = await lab.work_ended(ask)
    assert ran.detail.endswith("keepOutput: the service hangs")
    assert "sesame" not in ran.model_dump_json()


async def test_a_script_that_takes_too_long_is_ended_by_azure(lab: Lab) -> None:
    ask = script("Start-Sleep -Seconds 900", timeout=timedelta(minutes=5))
    await begin_hook_work(ask)
    ran = await lab.work_ended(ask)
    assert (ran.passed, ran.detail[:33]) == (False, "the script ended TimedOut with -1")


async def test_a_machine_that_is_not_there_is_refused(lab: Lab) -> None:
    ask = script("exit 0").model_copy(update={"target": JUMP.replace("jump-01", "jump-09")})
    with pytest.raises(Refused, match="jump-09"):
        await begin_hook_work(ask)
    await end_hook_work(ask)


async def test_a_script_whose_start_went_unanswered_is_not_run_again(lab: Lab) -> None:
    lab.faults({"match": {"verb": "runCommands/write", "times": 1}, "effect": {"lose": "connection"}})
    with pytest.raises(Transient):
        await begin_hook_work(script("exit 0"))
    await begin_hook_work(script("exit 0"))
    assert (await lab.work_ended(script("exit 0"))).passed
    assert [verb for verb, _ in lab.mutations()] == ["runCommands/write"]


@pytest.mark.parametrize("envelope", [True, False])
async def test_a_job_that_another_call_has_created_meanwhile_is_taken_for_ours(arm: FakeArm, envelope: bool) -> None:
    """Between the look and the PUT of a call that runs twice; whatever the conflict looks like."""
    path, said = f"{ACCOUNT}/jobs/{hook_work_name(job())}", {"code": "Conflict", "message": "already exists"}
    gone = Reply(404, {"code": "NotFound", "message": "gone"})
    arm.says("GET", path, gone, Reply(200, {"properties": {"status": "New"}}))
    arm.says("PUT", path, Reply(409, {"error": said} if envelope else said))
    await begin_hook_work(job())
    (sent,) = arm.sent("PUT", path)
    assert sent.body == {"properties": {"runbook": {"name": "Switch-Dns"}, "parameters": {"Zone": "contoso.com"}}}
    assert sent.query["api-version"] == "2024-10-23"


async def test_no_script_of_a_plan_runs_on_a_node_of_a_cluster(lab: Lab) -> None:
    """Whoever writes plans would else be the system account under all VMs."""
    on_node = script("Get-Date").model_copy(update={"target": JUMP.replace("jump-01", "hci-01-n1")})
    with pytest.raises(Refused, match="hook-machine-is-node"):
        await begin_hook_work(on_node)
    assert lab.ledger("runCommands/write") == []
