"""Recovery plans: how they are kept, and what their verbs do."""

import pytest

from tests.lab.azure.site_recovery.world import GROUP, SITE, TEST, TO_AZURE, VAULT, Json, World, codes, failback, job_of

LISTED = TO_AZURE | {"providerSpecificDetails": [{"instanceType": "HyperVReplicaAzure"}]}
LISTED_TEST = TEST | {"providerSpecificDetails": [{"instanceType": "HyperVReplicaAzure"}]}
LISTED_BACK = failback() | {"providerSpecificDetails": [failback()["providerSpecificDetails"]]}
PATH = "/replicationRecoveryPlans/payroll"


def _group(world: World, *machines: str, **actions: list[Json]) -> Json:
    members = [{"id": world.record(each)["id"], "virtualMachineId": world.source(each)["id"]} for each in machines]
    return {"groupType": "Boot", "replicationProtectedItems": members, **actions}


def _plan(world: World, *groups: Json) -> Json:
    return {
        "properties": {
            "primaryFabricId": world.fabric["id"],
            "recoveryFabricId": "Microsoft Azure",
            "failoverDeploymentModel": "ResourceManager",
            "groups": list(groups),
        }
    }


async def _saved(world: World, *groups: Json) -> Json:
    body = _plan(world, *(groups or (_group(world, "dc-01"), _group(world, "sql-01"))))
    poller = await world.sdk.replication_recovery_plans.begin_create(GROUP, VAULT, "payroll", body)
    return dict((await poller.result()).as_dict()["properties"])


async def _run(world: World, verb: str, properties: Json | None = None) -> Json:
    name = await _begun(world, verb, properties)
    world.pass_time(minutes=40)
    return await world.job(name)


async def _begun(world: World, verb: str, properties: Json | None = None) -> str:
    body = None if properties is None else {"properties": properties}
    status, answer, headers = await world.call("POST", f"{PATH}/{verb}", body)
    assert status == 202, answer
    return job_of(headers)


async def _shown(world: World) -> Json:
    return dict((await world.sdk.replication_recovery_plans.get(GROUP, VAULT, "payroll")).as_dict()["properties"])


async def test_a_plan_is_kept_with_the_groups_that_the_service_adds(world: World) -> None:
    """Shutdown and Failover in front, machines by their GUID; a list shows no groups."""
    plan = await _saved(world)
    assert [group["groupType"] for group in plan["groups"]] == ["Shutdown", "Failover", "Boot", "Boot"]
    assert plan["groups"][2]["replicationProtectedItems"][0]["virtualMachineId"] == world.source("dc-01")["name"]
    assert plan["allowedOperations"] == ["PlannedFailover", "UnplannedFailover", "TestFailover"]
    listed = world.sdk.replication_recovery_plans.list(GROUP, VAULT)
    assert [each.as_dict()["properties"]["groups"] async for each in listed] == [[]]
    by_plan = world.sdk.replication_protected_items.list(GROUP, VAULT, filter="RecoveryPlanName eq 'payroll'")
    assert [item.as_dict()["properties"]["friendlyName"] async for item in by_plan] == ["dc-01", "sql-01"]


async def test_an_update_replaces_the_groups(world: World) -> None:
    """All of them."""
    await _saved(world)
    await world.call("PATCH", PATH, {"properties": {"groups": [_group(world, "web-01")]}})
    world.pass_time(minutes=1)
    groups = (await _shown(world))["groups"]
    assert [len(group["replicationProtectedItems"]) for group in groups] == [0, 0, 1]


async def test_a_deleted_plan_leaves_its_machines(world: World) -> None:
    """404 for the one, Protected for the others."""
    await _saved(world)
    assert (await world.call("DELETE", PATH))[0] == 202
    world.pass_time(minutes=1)
    assert (await world.call("GET", PATH))[0] == 404
    assert (await world.item())["protectionState"] == "Protected"


def _action(kind: str = "ManualActionDetails", **changes: object) -> Json:
    named = {"actionName": "a", "failoverTypes": ["TestFailover"], "failoverDirections": ["PrimaryToRecovery"]}
    return named | {"customDetails": {"instanceType": kind}} | changes


async def test_a_plan_that_cannot_be_is_refused(world: World) -> None:
    """No groups, an unknown type, a machine that is not there or twice, too much of it, actions that are none."""
    wrong: list[tuple[Json, int]] = [
        (_plan(world), 400),
        (_plan(world, _group(world, "dc-01") | {"groupType": "Later"}), 400),
        (_plan(world, {"groupType": "Boot", "replicationProtectedItems": [{"id": world.fabric["id"] + "/x"}]}), 404),
        (_plan(world, *[_group(world, "dc-01")] * 8), 400),
        (_plan(world, _group(world, *["dc-01"] * 101)), 400),
        (_plan(world, _group(world, "dc-01", startGroupActions=[{"actionName": "a"}])), 400),
        (_plan(world, _group(world, "dc-01"), _group(world, "sql-01", "dc-01")), 400),
        (_plan(world, _group(world, "dc-01", endGroupActions=[_action(failoverTypes=["Sell"])])), 400),
        (_plan(world, _group(world, "dc-01", endGroupActions=[_action(failoverDirections=None)])), 400),
        (_plan(world, _group(world, "dc-01", endGroupActions=[_action("AutomationRunbookActionDetails")])), 400),
    ]
    for body, expected in wrong:
        assert (await world.call("PUT", PATH, body))[0] == expected
    assert world.lab.ledger.list_entries() == []


async def test_a_plan_goes_the_whole_way(world: World) -> None:
    """One job a verb, with the plan's scenario names; the machines' own jobs have those of single machines."""
    await _saved(world)
    steps = []
    for verb, properties in (
        ("testFailover", LISTED_TEST),
        ("testFailoverCleanup", {"comments": ""}),
        ("plannedFailover", LISTED),
        ("failoverCommit", None),
        ("plannedFailover", LISTED_BACK),
        ("failoverCommit", None),
        ("reProtect", None),
        ("unplannedFailover", LISTED | {"sourceSiteOperations": "NotRequired"}),
    ):
        job = await _run(world, verb, properties)
        plan = await _shown(world)
        assert (job["state"], plan["currentScenarioStatus"]) == ("Succeeded", "Succeeded")
        assert plan["currentScenario"]["scenarioName"] == job["scenarioName"]
        steps.append((job["scenarioName"], plan["allowedOperations"][-1], (await world.item())["activeLocation"]))
    assert steps == [
        ("TestFailover", "TestFailoverCleanup", "Primary"),
        ("TestFailoverCleanup", "TestFailover", "Primary"),
        ("PlannedFailover", "Commit", "Recovery"),
        ("CommitFailover", "TestFailover", "Recovery"),
        ("Failback", "Commit", "Primary"),
        ("CommitFailover", "ReverseReplicate", "Primary"),
        ("ReverseReplication", "TestFailover", "Primary"),
        ("UnplannedFailover", "Commit", "Recovery"),
    ]
    _, body, _ = await world.call("GET", "/replicationJobs")
    about = {(job["properties"]["scenarioName"], job["properties"]["targetInstanceType"]) for job in body["value"]}
    assert {name for name, kind in about if kind == "ProtectionEntity"} == {
        "TestFailover",
        "TestFailoverCleanup",
        "PlannedFailover",
        "CommitFailover",
        "RestoreCompletion",
        "FinalizeFailback",
        "ReprotectReplicationGroup",
        "IrCompletion",
        "UnplannedFailover",
    }


async def test_a_machine_of_a_later_group_is_busy_with_the_plans_job(world: World) -> None:
    """Its current scenario names that job, it allows nothing, and its own verbs conflict."""
    await _saved(world)
    _, _, headers = await world.call("POST", f"{PATH}/plannedFailover", {"properties": LISTED})
    world.pass_time(minutes=1)
    item = await world.item()
    assert item["currentScenario"]["jobId"].endswith(job_of(headers))
    assert (item["protectionState"], item["allowedOperations"]) == ("Protected", [])
    name = await world.start("testFailover", TEST)
    world.pass_time(minutes=20)
    assert codes(await world.job(name)) == ["532"]
    assert (await world.job(job_of(headers)))["state"] == "Succeeded"


async def test_a_plan_of_which_one_machine_fails_succeeds_partially(world: World) -> None:
    """With the machine's error; the others are failed over."""
    await _saved(world)
    await world.done("plannedFailover", TO_AZURE, "dc-01")
    job = await _run(world, "plannedFailover", LISTED)
    assert (job["state"], codes(job), job["allowedActions"]) == ("PartiallySucceeded", ["539"], [])
    assert (await world.item("sql-01"))["activeLocation"] == "Recovery"


@pytest.mark.parametrize("types", [["PlannedFailover"], ["TestFailover"]])
async def test_a_manual_action_of_the_operation_waits_for_a_person(world: World, types: list[str]) -> None:
    """WaitingForManualAction until it is resumed; actions of other operations are passed over."""
    action = {
        "actionName": "call the office",
        "failoverTypes": types,
        "failoverDirections": ["PrimaryToRecovery"],
        "customDetails": {"instanceType": "ManualActionDetails", "description": "call"},
    }
    script = action | {
        "customDetails": {"instanceType": "ScriptActionDetails", "path": "x", "fabricLocation": "Recovery"}
    }
    await _saved(world, _group(world, "dc-01", startGroupActions=[script], endGroupActions=[action]))
    job = await _run(world, "plannedFailover", LISTED)
    if types == ["TestFailover"]:
        assert job["state"] == "Succeeded"
        return
    assert (job["state"], job["stateDescription"]) == ("Suspended", "WaitingForManualAction")
    _, body, _ = await world.call("GET", "/replicationJobs?$filter=JobStatus eq 'Suspended'&api-version=2025-08-01")
    name = body["value"][0]["name"]
    await world.call("POST", f"/replicationJobs/{name}/resume", {"properties": {"comments": "called"}})
    world.pass_time(minutes=5)
    assert (await world.job(name))["state"] == "Succeeded"


async def test_a_plan_that_fails_back_for_down_time_waits_for_a_person(world: World) -> None:
    """Its machines wait after their data synchronization, and go on together; so does each group."""
    await _saved(world)
    await _run(world, "plannedFailover", LISTED)
    await _run(world, "failoverCommit")
    back = failback("ForDownTime")
    body = back | {"providerSpecificDetails": [back["providerSpecificDetails"]]}
    job = await _run(world, "plannedFailover", body)
    assert (job["state"], job["stateDescription"]) == ("Suspended", "WaitingForUserInputAfterDataSync")
    name = (await _shown(world))["currentScenario"]["jobId"].rpartition("/")[2]
    for expected in ("Suspended", "Succeeded"):
        await world.call("POST", f"/replicationJobs/{name}/resume", {"properties": {"comments": ""}})
        world.pass_time(minutes=20)
        assert (await world.job(name))["state"] == expected
    assert (await world.item("dc-01"))["activeLocation"] == (await world.item())["activeLocation"] == "Primary"


async def test_a_cancelled_plan_cancels_its_machines(world: World) -> None:
    """The replication of those that were moving ends, as with one machine; the others are free. All were shut down."""
    await _saved(world)
    _, _, headers = await world.call("POST", f"{PATH}/plannedFailover", {"properties": LISTED})
    world.pass_time(minutes=2)
    await world.call("POST", f"/replicationJobs/{job_of(headers)}/cancel")
    world.pass_time(minutes=2)
    assert (await world.job(job_of(headers)))["state"] == "Cancelled"
    assert (await world.item("dc-01"))["allowedOperations"] == ["DisableProtection"]
    assert "PlannedFailover" in (await world.item())["allowedOperations"]
    assert [world.source(name)["power"] for name in ("dc-01", "sql-01")] == ["Off", "Off"]
    assert [task["state"] for task in (await world.job(job_of(headers)))["tasks"]][1:5] == [
        "Succeeded",
        "Succeeded",
        "Cancelled",
        "Other",
    ]


@pytest.mark.parametrize(
    ("effect", "state"),
    [({"fail": "499"}, "Failed"), ({"never": True}, "InProgress"), ({"end": "CompletedWithInformation"}, None)],
)
async def test_a_fault_decides_how_a_plans_job_ends(world: World, effect: Json, state: str | None) -> None:
    """The rule names the plan; its machines are left alone."""
    await _saved(world)
    world.lab.faults.replace_rules([{"match": {"item": "payroll"}, "effect": {"job": effect}}])
    job = await _run(world, "testFailover", LISTED_TEST)
    assert job["state"] == (state or "CompletedWithInformation")
    assert (await _shown(world))["currentScenarioStatus"] == job["state"]


async def test_a_plan_verb_needs_a_list_of_details(world: World) -> None:
    """At the level of a plan it is a list, at that of an item an object."""
    await _saved(world)
    for body in (TO_AZURE, LISTED | {"providerSpecificDetails": []}):
        assert (await world.call("POST", f"{PATH}/plannedFailover", {"properties": body}))[0] == 400
    assert SITE in world.fabric["id"]
