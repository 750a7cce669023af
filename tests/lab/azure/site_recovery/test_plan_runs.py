"""What the job of a recovery plan walks through, and what its machines' own jobs are."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from lab.azure import automation
from lab.azure.arm.ids import resource_id
from lab.azure.simulator.lab import SUBSCRIPTION
from lab.azure.site_recovery.items import host_connection
from lab.azure.site_recovery.jobs.durations import RECORDED
from tests.lab.azure.site_recovery.test_plans import LISTED, LISTED_TEST, _begun, _group, _run, _saved
from tests.lab.azure.site_recovery.world import TO_AZURE, Json, World, codes

MANUAL = {
    "actionName": "call the office",
    "failoverTypes": ["PlannedFailover", "UnplannedFailover", "TestFailover"],
    "failoverDirections": ["PrimaryToRecovery"],
    "customDetails": {"instanceType": "ManualActionDetails", "description": "call 123"},
}
SCRIPT = {"instanceType": "ScriptActionDetails", "path": "x.ps1", "timeout": "00:10:00", "fabricLocation": "Primary"}
ACCOUNT = resource_id(SUBSCRIPTION, "rg-dr", "Microsoft.Automation/automationAccounts", "aa-dr")
RUNBOOK = {
    "instanceType": "AutomationRunbookActionDetails",
    "runbookId": f"{ACCOUNT}/runbooks/dns",
    "fabricLocation": "Recovery",
}


def _groups(job: Json) -> list[Json]:
    """The group tasks of a plan's job."""
    return [task for task in job["tasks"] if task["taskType"] == "GroupTaskDetails"]


def _children(group: Json) -> list[Json]:
    return list(group["groupTaskCustomDetails"]["childTasks"])


async def _own_jobs(world: World, job: Json) -> list[list[Json]]:
    """The machines' own jobs by group, as they are found by the names that the group's tasks tell."""
    entities = [[child["customDetails"]["jobTask"] for child in _children(group)] for group in _groups(job)]
    return [[await world.job(each["jobId"].rpartition("/")[2]) for each in group] for group in entities if group]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_groups_go_one_after_the_other_and_their_machines_at_once(world: World) -> None:
    """Each machine has a job of its own, as long as a single machine's; the last group's end is the plan's."""
    await _saved(world, _group(world, "dc-01", "sql-01"), _group(world, "web-01"))
    job = await _run(world, "plannedFailover", LISTED)
    titles = ["All groups shutdown", "All groups failover", "Group 1", "Group 2"]
    assert [group["name"] for group in _groups(job)] == titles
    assert all(before["endTime"] <= after["startTime"] for before, after in pairwise(_groups(job)))
    (dc, sql), (web,) = await _own_jobs(world, job)
    for own in (dc, sql, web):
        assert (own["scenarioName"], own["targetInstanceType"]) == ("PlannedFailover", "ProtectionEntity")
        least, _, most = RECORDED["PlannedFailover"]
        lasted = (_time(own["endTime"]) - _time(own["startTime"])).total_seconds()
        assert least - 1 <= lasted <= most + 1
    assert max(dc["startTime"], sql["startTime"]) < min(dc["endTime"], sql["endTime"])
    assert web["startTime"] > max(dc["endTime"], sql["endTime"])
    assert _time(job["endTime"]) - _time(web["endTime"]) < timedelta(seconds=5)
    assert {each["friendlyName"] for each in job["customDetails"]["protectedItemDetails"]} == {
        "dc-01",
        "sql-01",
        "web-01",
    }


async def test_machines_are_shut_down_before_the_first_group_moves(world: World) -> None:
    """Also those of later groups; a test failover leaves all of them running."""
    await _saved(world)
    await _begun(world, "testFailover", LISTED_TEST)
    world.pass_time(minutes=2)
    assert [world.source(name)["power"] for name in ("dc-01", "sql-01")] == ["On", "On"]
    world.pass_time(minutes=40)
    await _run(world, "testFailoverCleanup", {"comments": ""})
    name = await _begun(world, "plannedFailover", LISTED)
    world.pass_time(minutes=2)
    assert [world.source(name)["power"] for name in ("dc-01", "sql-01")] == ["Off", "Off"]
    assert [group["state"] for group in _groups(await world.job(name))] == [
        "Succeeded",
        "Succeeded",
        "InProgress",
        "NotStarted",
    ]


async def test_what_starts_no_machine_moves_all_at_once(world: World) -> None:
    """A commit keeps to no order."""
    await _saved(world)
    await _run(world, "plannedFailover", LISTED)
    job = await _run(world, "failoverCommit")
    ((dc, sql),) = await _own_jobs(world, job)
    assert (dc["scenarioName"], sql["scenarioName"]) == ("CommitFailover", "CommitFailover")
    assert max(dc["startTime"], sql["startTime"]) < min(dc["endTime"], sql["endTime"])


async def test_a_machine_that_fails_shows_in_its_group_and_holds_nothing_up(world: World) -> None:
    """The next group moves all the same; the plan ends PartiallySucceeded, with the machine's error."""
    await _saved(world)
    await world.done("plannedFailover", TO_AZURE, "dc-01")
    job = await _run(world, "plannedFailover", LISTED)
    assert (job["state"], codes(job)) == ("PartiallySucceeded", ["539"])
    assert [group["state"] for group in _groups(job)] == ["Succeeded", "Succeeded", "Failed", "Succeeded"]
    (failed,) = _children(_groups(job)[2])
    assert (failed["state"], codes(failed)) == ("Failed", ["539"])


async def test_a_plan_whose_machines_all_fail_fails(world: World) -> None:
    """Nothing is left of it."""
    await _saved(world)
    for name in ("dc-01", "sql-01"):
        await world.done("plannedFailover", TO_AZURE, name)
    job = await _run(world, "plannedFailover", LISTED)
    assert (job["state"], codes(job)) == ("Failed", ["539", "539"])


@pytest.mark.parametrize("is_back", [True, False])
async def test_a_machine_that_was_shut_down_and_did_not_move_stays_off(is_back: bool) -> None:
    """Its host was lost when its group's turn came: it is free and Protected, and off, even if the host is back."""
    async with World([{"name": "dc-01", "node": "hci-01-n1"}, {"name": "sql-01", "node": "hci-01-n3"}]) as world:
        await _saved(world)
        name = await _begun(world, "plannedFailover", LISTED)
        world.pass_time(minutes=2)
        host_connection.disconnect_host(world.lab, "hci-01-n3")
        while not any(job.get("within") and job["targetName"] == "sql-01" for job in world.lab.store.all("asr-job")):
            world.pass_time(seconds=1)
        if is_back:
            host_connection.disconnect_host(world.lab, "hci-01-n3", minutes=0)
        world.pass_time(minutes=40)
        job, item = await world.job(name), await world.item("sql-01")
        assert (job["state"], codes(job)) == ("PartiallySucceeded", ["583"])
        assert (item["protectionState"], item["currentScenario"]["scenarioName"]) == ("Protected", "None")
        assert world.source("sql-01")["power"] == "Off"


async def test_a_manual_action_shows_what_the_person_said(world: World) -> None:
    """The plan and its scenario wait until the action is resumed with comments; the next group only then moves."""
    await _saved(world, _group(world, "dc-01", endGroupActions=[MANUAL]), _group(world, "sql-01"))
    name = await _begun(world, "plannedFailover", LISTED)
    world.pass_time(minutes=40)
    assert (await world.job(name))["stateDescription"] == "WaitingForManualAction"
    assert (await world.item("sql-01"))["activeLocation"] == "Primary"
    await world.call("POST", f"/replicationJobs/{name}/resume", {"properties": {"comments": "they answered"}})
    world.pass_time(minutes=20)
    job = await world.job(name)
    _, action = _children(_groups(job)[2])
    assert (job["state"], action["state"]) == ("Succeeded", "Succeeded")
    details = action["customDetails"]
    assert (details["instructions"], details["observation"]) == ("call 123", "they answered")


@pytest.mark.parametrize("details", [SCRIPT, RUNBOOK])
async def test_a_script_and_a_runbook_take_their_time(world: World, details: Json) -> None:
    """Before the machines of their group begin."""
    _add_runbooks(world)
    await _saved(world, _group(world, "dc-01", startGroupActions=[MANUAL | {"customDetails": details}]))
    job = await _run(world, "plannedFailover", LISTED)
    action, machine = _children(_groups(job)[2])
    assert timedelta(seconds=20) <= _time(action["endTime"]) - _time(action["startTime"]) <= timedelta(seconds=300)
    assert machine["startTime"] >= action["endTime"]


@pytest.mark.parametrize("name", ["No-Such", "Draft"])
@pytest.mark.parametrize(("verb", "body", "moved"), [("plannedFailover", 0, False), ("testFailover", 1, True)])
async def test_a_runbook_that_cannot_run_fails_its_action(
    world: World, name: str, verb: str, body: int, *, moved: bool
) -> None:
    """A planned failover stops there, as documented of scripts; the others go on."""
    _add_runbooks(world)
    details = RUNBOOK | {"runbookId": f"{ACCOUNT}/runbooks/{name}"}
    await _saved(world, _group(world, "dc-01", startGroupActions=[MANUAL | {"customDetails": details}]))
    job = await _run(world, verb, (LISTED, LISTED_TEST)[body])
    action, machine = _children(_groups(job)[2])
    assert (action["state"], machine["state"]) == ("Failed", "Succeeded" if moved else "Other")
    assert job["state"] == ("PartiallySucceeded" if moved else "Failed")
    assert name in job["errors"][0]["serviceErrorDetails"]["message"]


@pytest.mark.parametrize(
    ("effect", "why"), [({"fail": "The zone is locked."}, "zone is locked"), ({"never": True}, "timed out")]
)
async def test_a_runbook_that_fails_or_never_ends_fails_its_action(world: World, effect: Json, why: str) -> None:
    _add_runbooks(world)
    world.lab.faults.replace_rules([{"match": {"verb": "jobs/write", "item": "dns"}, "effect": {"job": effect}}])
    given = MANUAL | {"customDetails": RUNBOOK | {"timeout": "00:10:00"}}
    await _saved(world, _group(world, "dc-01", endGroupActions=[given]))
    job = await _run(world, "unplannedFailover", LISTED | {"sourceSiteOperations": "NotRequired"})
    machine, action = _children(_groups(job)[2])
    assert (machine["state"], action["state"], job["state"]) == ("Succeeded", "Failed", "PartiallySucceeded")
    assert why in job["errors"][-1]["serviceErrorDetails"]["message"]


async def test_a_runbook_of_a_plan_is_a_job_of_its_account(world: World) -> None:
    """Told of the plan where it takes that."""
    _add_runbooks(world)
    await _saved(world, _group(world, "dc-01", startGroupActions=[MANUAL | {"customDetails": RUNBOOK}]))
    await _run(world, "testFailover", LISTED_TEST)
    (job,) = world.lab.store.all("microsoft.automation/automationaccounts/jobs")
    assert (job["properties"]["runbook"]["name"], job["properties"]["status"]) == ("dns", "Completed")
    assert '"RecoveryPlanName"' in job["properties"]["parameters"]["RecoveryPlanContext"]


def _add_runbooks(world: World) -> None:
    runbooks = [
        {"name": "dns", "minutes": 2, "parameters": {"RecoveryPlanContext": True}},
        {"name": "Draft", "minutes": 2, "state": "New"},
    ]
    automation.add_account(world.lab, {"group": "rg-dr", "name": "aa-dr", "runbooks": runbooks})


async def test_a_cleaned_up_plan_says_that_its_test_is_over(world: World) -> None:
    """In the details of the test failover's own job."""
    await _saved(world)
    name = await _begun(world, "testFailover", LISTED_TEST)
    world.pass_time(minutes=40)
    details = (await world.job(name))["customDetails"]
    assert (details["testFailoverStatus"], details["networkName"]) == ("Active", "vnet-drill")
    await _run(world, "testFailoverCleanup", {"comments": "fine"})
    assert (await world.job(name))["customDetails"]["testFailoverStatus"] == "Completed"
