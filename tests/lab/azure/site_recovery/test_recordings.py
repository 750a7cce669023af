"""Recorded exchanges with the real service, replayed: the simulator answers in the same shape and with the same words.

What differs on purpose is said in ALLOWED: api-version 2016-08-10 named some properties otherwise, and answered a
job's status beside it; 2025-08-01 has properties that 2022-08-01 had not.
"""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from lab.azure.compute import virtual_machines
from tests.lab.azure.site_recovery.shapes import differences
from tests.lab.azure.site_recovery.test_plans import PATH, _group, _plan
from tests.lab.azure.site_recovery.test_protection import _enable
from tests.lab.azure.site_recovery.test_vault_contents import POLICY
from tests.lab.azure.site_recovery.world import (
    SITE,
    TEST,
    TEST_GROUP,
    TO_AZURE,
    UNPLANNED,
    Json,
    World,
    failback,
    job_of,
)

FIXTURE = Path(__file__).parents[3] / "fixtures" / "recorded-exchanges.json"
RECORDED: dict[str, Json] = {each["key"]: each for each in json.loads(FIXTURE.read_text())}
MACHINES: list[Json] = [
    {"name": "sql-01", "node": "hci-01-n1"},
    {"name": "new-01", "node": "hci-01-n3", "protected": False},
]
type Replay = Callable[[World], Awaitable[tuple[int, Any, Any]]]

JOB_2016 = ["missing .endTime", "missing .startTime", "missing .status", "added .type"]
JOB_2016 += ["missing .error", "missing .error.code", "missing .error.details", "missing .error.message"]
ITEM_2025 = {
    ".properties.providerSpecificDetails.allAvailableOSUpgradeConfigurations",
    ".properties.providerSpecificDetails.linuxLicenseType",
    ".properties.providerSpecificDetails.targetCapacityReservationGroupId",
    ".properties.providerSpecificDetails.targetVmSecurityProfile",
}
TESTED = ".properties.lastSuccessfulTestFailoverTime"


def _item(world: World, machine: str = "sql-01") -> str:
    return str(world.record(machine)["id"].partition("/vaults/vault-dr")[2])


def _container(world: World) -> str:
    return (
        f"/replicationFabrics/{SITE}/replicationProtectionContainers/{world.source()['container'].rpartition('/')[2]}"
    )


def _mappings(world: World) -> str:
    return f"{_container(world)}/replicationProtectionContainerMappings"


def _new(world: World) -> str:
    return f"{_container(world)}/replicationProtectedItems/{world.source('new-01')['name']}"


def get(path: Callable[[World], str]) -> Replay:
    """A GET of what is there."""
    return lambda world: world.call("GET", path(world))


def send(method: str, path: Callable[[World], str], body: Callable[[World], Any] | Any = None) -> Replay:
    """A call that begins a job."""
    return lambda world: world.call(method, path(world), body(world) if callable(body) else body)


def job_after(begin: Replay, **passing: float) -> Replay:
    """The job of a call, so much later."""

    async def replay(world: World) -> tuple[int, Any, Any]:
        _, _, headers = await begin(world)
        world.pass_time(**passing)
        return await world.call("GET", f"/replicationJobs/{job_of(headers)}")

    return replay


def job_during(begin: Replay, task: str) -> Replay:
    """The job of a call while a task of it runs."""

    async def replay(world: World) -> tuple[int, Any, Any]:
        _, _, headers = await begin(world)
        for _ in range(1000):
            world.pass_time(seconds=1)
            answer = await world.call("GET", f"/replicationJobs/{job_of(headers)}")
            if any(
                each["taskId"] == task and each["state"] == "InProgress" for each in answer[1]["properties"]["tasks"]
            ):
                return answer
        raise AssertionError(f"{task} never runs")

    return replay


def status_after(begin: Replay, **passing: float) -> Replay:
    """The operation status of a call, so much later."""

    async def replay(world: World) -> tuple[int, Any, Any]:
        _, _, headers = await begin(world)
        world.pass_time(**passing)
        return await world.call("GET", headers["Azure-AsyncOperation"])

    return replay


def item_after(*verbs: tuple[str, Json | None]) -> Replay:
    """The item after verbs that have run to their end."""

    async def replay(world: World) -> tuple[int, Any, Any]:
        for verb, properties in verbs:
            await world.done(verb, properties)
        return await world.call("GET", _item(world))

    return replay


def after(verb: tuple[str, Json | None], then: Replay, **passing: float) -> Replay:
    """A replay that comes after a verb: half an hour, if not said."""

    async def replay(world: World) -> tuple[int, Any, Any]:
        await world.start(*verb)
        world.pass_time(**(passing or {"minutes": 30}))
        return await then(world)

    return replay


def on_item(verb: str, properties: Json | None) -> Replay:
    """A verb of the item."""
    return send(
        "POST", lambda world: f"{_item(world)}/{verb}", None if properties is None else {"properties": properties}
    )


def _mapping_body(world: World) -> Json:
    input_ = {"instanceType": "HyperVReplicaAzure"}
    policy = f"{world.vault}/replicationPolicies/policy-24h"
    target = {"targetProtectionContainerId": "Microsoft Azure", "policyId": policy, "providerSpecificInput": input_}
    return {"properties": target}


def _plan_body(world: World) -> Json:
    return _plan(world, _group(world, "sql-01"))


async def _plan_saved(world: World) -> None:
    await world.call("PUT", PATH, _plan_body(world))
    world.pass_time(minutes=1)


def with_plan(then: Replay) -> Replay:
    """A replay with a plan saved before."""

    async def replay(world: World) -> tuple[int, Any, Any]:
        await _plan_saved(world)
        return await then(world)

    return replay


async def _ir_completion(world: World) -> tuple[int, Any, Any]:
    await world.call("PUT", _new(world), _enable(world))
    world.pass_time(hours=2)
    _, body, _ = await world.call("GET", "/replicationJobs")
    return await world.call("GET", f"/replicationJobs/{body['value'][0]['name']}")


def new_item_in(state: str) -> Replay:
    """An item that is being enabled, caught in a state (and, if Protected, before anything is allowed)."""

    async def replay(world: World) -> tuple[int, Any, Any]:
        await world.call("PUT", _new(world), _enable(world))
        for _ in range(1000):
            world.pass_time(seconds=5)
            answer = await world.call("GET", _new(world))
            if answer[1]["properties"]["protectionState"] == state:
                return answer
        raise AssertionError(f"never {state}")

    return replay


async def _renamed(world: World) -> tuple[int, Any, Any]:
    virtual_machines.create_vm(world.lab, TEST_GROUP, "sql-01", virtual_machines.VmSettings())
    return await status_after(on_item("unplannedFailover", UNPLANNED), minutes=30)(world)


async def _policy_deleted(world: World) -> tuple[int, Any, Any]:
    await POLICY_PUT(world)
    world.pass_time(minutes=1)
    return await world.call("DELETE", "/replicationPolicies/p2")


async def _warned(world: World) -> tuple[int, Any, Any]:
    world.lab.faults.replace_rules([{"match": {}, "effect": {"job": {"warn": "28061"}}}])
    return await status_after(TEST_POST, minutes=2)(world)


async def _jobs_listed(world: World) -> tuple[int, Any, Any]:
    await REFRESH(world)
    world.pass_time(minutes=1)
    return await world.call("GET", "/replicationJobs")


UPDATE = {
    "recoveryAzureVMName": "sql-az",
    "providerSpecificDetails": {"instanceType": "HyperVReplicaAzure", "recoveryAzureV2ResourceGroupId": TEST_GROUP},
}
TEST_POST, CLEANUP_POST = on_item("testFailover", TEST), on_item("testFailoverCleanup", {"comments": ""})
PLANNED_POST, REPROTECT_POST = on_item("plannedFailover", TO_AZURE), on_item("reProtect", TO_AZURE)
FABRIC_PUT = send("PUT", lambda _: "/replicationFabrics/hci-02-site", {"properties": {}})
POLICY_PUT = send("PUT", lambda _: "/replicationPolicies/p2", {"properties": {"providerSpecificInput": POLICY}})
MAPPING_PUT = send("PUT", lambda world: f"{_mappings(world)}/m2", _mapping_body)
ENABLE_PUT = send("PUT", _new, _enable)
AGAIN_PUT = send(
    "PUT",
    _item,
    lambda world: {"properties": _enable(world)["properties"] | {"protectableItemId": world.source()["id"]}},
)
REFRESH = send("POST", lambda _: "/replicationVaultHealth/default/refresh")
EXPORT = send("POST", lambda _: "/replicationJobs/export", {"startTime": "2026-01-05T00:00:00Z"})
ALERT = {"properties": {"sendToOwners": "Send", "customEmailAddresses": ["a@contoso.com"], "locale": "en_US"}}

REPLAYS: dict[str, Replay] = {
    "fabric.create.hypervsite": FABRIC_PUT,
    "job.createSite.inProgress": job_during(FABRIC_PUT, "RegisterVMMTask"),
    "job.createSite.succeeded": job_after(FABRIC_PUT, minutes=1),
    "policy.create": POLICY_PUT,
    "policy.get": get(lambda _: "/replicationPolicies/policy-24h"),
    "mapping.create": MAPPING_PUT,
    "mapping.job.succeeded": job_after(MAPPING_PUT, minutes=10),
    "mapping.get": get(lambda world: f"{_mappings(world)}/hci-01-site-policy-24h"),
    "containers.list": get(lambda _: f"/replicationFabrics/{SITE}/replicationProtectionContainers"),
    "protectable.get": get(lambda world: world.source("new-01")["id"].partition("/vaults/vault-dr")[2]),
    "enable.put": ENABLE_PUT,
    "enable.job": job_during(ENABLE_PUT, "EnableProtectionPreflightChecksTask"),
    "enable.job.succeeded": job_after(ENABLE_PUT, minutes=5),
    "irCompletion.job.succeeded": _ir_completion,
    "tfo.post": TEST_POST,
    "tfo.job.inProgress": job_during(TEST_POST, "BeginTestFailoverTask"),
    "tfo.job.succeeded": job_after(TEST_POST, minutes=20),
    "job.justQueued": after(("testFailover", TEST), job_after(CLEANUP_POST, seconds=0)),
    "tfoCleanup.post": after(("testFailover", TEST), CLEANUP_POST),
    "tfoCleanup.job.succeeded": after(("testFailover", TEST), job_after(CLEANUP_POST, minutes=10)),
    "pfo.post": PLANNED_POST,
    "pfo.job.inProgress": job_during(PLANNED_POST, "FailoverTask"),
    "pfo.job.succeeded": job_after(PLANNED_POST, minutes=20),
    "update.patch": send("PATCH", _item, {"properties": UPDATE}),
    "reprotect.badDirection.400": on_item("reProtect", TO_AZURE | {"failoverDirection": "RecoveryToPrimary"}),
    "reprotect.post": after(("plannedFailover", TO_AZURE), REPROTECT_POST),
    "reprotect.job.failed": after(("plannedFailover", TO_AZURE), job_after(REPROTECT_POST, minutes=1)),
    "job.failed.532.concurrentOperation": after(
        ("plannedFailover", TO_AZURE), job_after(PLANNED_POST, minutes=5), seconds=20
    ),
    "rp.get.404": get(lambda _: "/replicationRecoveryPlans/nothing"),
    "rp.update.patch": with_plan(
        send("PATCH", lambda _: PATH, lambda world: {"properties": {"groups": [_group(world, "sql-01")]}})
    ),
    "v22.policy.put": POLICY_PUT,
    "v22.opstatus.inProgress": status_after(TEST_POST, minutes=2),
    "v22.opstatus.succeeded": status_after(TEST_POST, minutes=20),
    "v22.opstatus.notStarted": status_after(TEST_POST, seconds=0),
    "v22.opstatus.succeededWithError.45031": status_after(AGAIN_PUT, minutes=1),
    "v22.ufo.opstatus.succeededWithWarning.28175": _renamed,
    "v22.mapping.put": MAPPING_PUT,
    "v22.protectable.list.nextLink": get(lambda world: f"{_container(world)}/replicationProtectableItems"),
    "v22.enable.put": ENABLE_PUT,
    "v22.rpi.protected": get(_item),
    "v22.rpi.initialReplicationInProgress": new_item_in("InitialReplicationInProgress"),
    "v22.rpi.recoveryCompletionPending": new_item_in("InitialReplicationRecoveryCompletionPending"),
    "v22.rpi.protectedButFinalizing": new_item_in("Protected"),
    "v22.fabric.get": get(lambda _: f"/replicationFabrics/{SITE}"),
    "v22.rp.put": send("PUT", lambda _: PATH, _plan_body),
    "v22.rp.get": with_plan(get(lambda _: PATH)),
    "v22.rp.list": with_plan(get(lambda _: "/replicationRecoveryPlans")),
    "v22.ufo.post": on_item("unplannedFailover", UNPLANNED),
    "v22.commit.post": after(("plannedFailover", TO_AZURE), on_item("failoverCommit", None)),
    "v22.failback.post": after(
        ("plannedFailover", TO_AZURE), after(("failoverCommit", None), on_item("plannedFailover", failback()))
    ),
    "v22.remove.post": on_item("remove", {}),
    "v22.mapping.delete": after(
        ("remove", {}), send("DELETE", lambda world: f"{_mappings(world)}/hci-01-site-policy-24h")
    ),
    "v22.policy.delete": _policy_deleted,
    "v22.opstatus.inProgressWithWarning.28061": _warned,
    "v22.jobs.list": _jobs_listed,
    "v22.fabric.delete": send("DELETE", lambda _: f"/replicationFabrics/{SITE}"),
    "v22.alert.put": send("PUT", lambda _: "/replicationAlertSettings/defaultAlertSetting", ALERT),
    "v22.events.empty": get(lambda _: "/replicationEvents"),
    "v22.vaultHealth.refresh": REFRESH,
    "v22.vaultHealth.get": get(lambda _: "/replicationVaultHealth"),
    "v22.job.get": job_after(REFRESH, minutes=1),
    "v22.jobs.export": EXPORT,
}  # fmt: skip

ALLOWED: dict[str, list[str]] = {
    **{
        key: JOB_2016
        for key, each in RECORDED.items()
        if "job" in key.lower() and each["recordedApiVersion"] == "2016-08-10"
    },
    "policy.get": ["added .properties.providerSpecificDetails.onlineReplicationStartTime"],
    "protectable.get": [
        f"added .properties.customDetails.{name}"
        for name in ("hasPhysicalDisk", "hasFibreChannelAdapter", "hasSharedVhd", "hyperVHostId")
    ],
    **{key: [f"added {path}" for path in ITEM_2025] for key in RECORDED if key.startswith("v22.rpi.")},
}


@pytest.mark.parametrize("key", sorted(REPLAYS))
async def test_a_recorded_exchange_is_answered_in_its_shape(key: str) -> None:
    """Status, the properties of the body with their types, and the polling headers."""
    recorded = RECORDED[key]["response"]
    async with World(MACHINES) as world:
        status, body, headers = await REPLAYS[key](world)
    assert status == recorded["status"]
    found = differences(recorded["body"], body)
    assert [each for each in found if each not in ALLOWED.get(key, [])] == []
    for name in ("azure-asyncoperation", "location"):
        if name in recorded["headers"]:
            assert _kind_of(recorded["headers"][name]) in (_kind_of(headers[name]), "replicationJobs")


def _kind_of(link: str) -> str:
    """The last type in a link: "replicationOperationStatus" or "operationresults"; replicationJobs in 2016."""
    return link.partition("?")[0].split("/")[-2]


def _words(body: Json) -> Any:
    """What a job says of itself, without times and ids."""
    properties = body["properties"]
    tasks = [
        (task["taskId"], task["name"], task["friendlyName"], task["state"], task["stateDescription"])
        for task in properties["tasks"]
    ]
    says = ("scenarioName", "friendlyName", "state", "stateDescription", "allowedActions", "targetInstanceType")
    errors = [
        (error["serviceErrorDetails"]["code"], error["errorLevel"], error["taskId"]) for error in properties["errors"]
    ]
    return [properties[name] for name in says], tasks, errors, properties["customDetails"]["instanceType"]


@pytest.mark.parametrize(
    "key",
    [key for key in sorted(REPLAYS) if "tasks" in ((RECORDED[key]["response"]["body"] or {}).get("properties") or {})],
)
async def test_a_recorded_job_says_the_same_words(key: str) -> None:
    """Scenario, names, states of its tasks, errors and allowed actions."""
    async with World(MACHINES) as world:
        _, body, _ = await REPLAYS[key](world)
    assert _words(body) == _words(RECORDED[key]["response"]["body"])


ITEMS: dict[str, Replay] = {
    "rpi.protected.2016": get(_item),
    "v22.rpi.protected": get(_item),
    "rpi.afterTfoCleanup": item_after(("testFailover", TEST), ("testFailoverCleanup", {"comments": ""})),
    "rpi.pfoCommitRequired": item_after(
        ("testFailover", TEST), ("testFailoverCleanup", {"comments": ""}), ("plannedFailover", TO_AZURE)
    ),
    "v22.rpi.initialReplicationInProgress": new_item_in("InitialReplicationInProgress"),
    "v22.rpi.recoveryCompletionPending": new_item_in("InitialReplicationRecoveryCompletionPending"),
    "v22.rpi.protectedButFinalizing": new_item_in("Protected"),
}


@pytest.mark.parametrize("key", sorted(ITEMS))
async def test_a_recorded_item_is_in_the_same_state(key: str) -> None:
    """State, location, test, and what it allows."""
    async with World(MACHINES) as world:
        _, body, _ = await ITEMS[key](world)
    ours, theirs = body["properties"], RECORDED[key]["response"]["body"]["properties"]
    says = ("protectionState", "protectionStateDescription", "activeLocation", "allowedOperations", "recoveryFabricId")
    for name in says:
        assert ours[name] == theirs[name], name
    assert ours["currentScenario"]["scenarioName"] == theirs["currentScenario"]["scenarioName"]
    details, recorded = ours["providerSpecificDetails"], theirs["providerSpecificDetails"]
    assert details["vmProtectionState"] == recorded["vmProtectionState"]
    assert (TESTED.rpartition(".")[2] in ours) == (TESTED.rpartition(".")[2] in theirs)
