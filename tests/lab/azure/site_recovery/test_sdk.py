"""Every operation of Site Recovery that the simulator has is driven by the SDK's methods, with asyncio and without."""

import asyncio
from collections.abc import AsyncIterable, Callable, Iterable
from datetime import timedelta
from typing import Any
from urllib.parse import unquote, urlparse

from azure.core.pipeline.policies import SansIOHTTPPolicy

from lab.azure.site_recovery.api.common import PROVIDERS, SITE_RECOVERY
from lab.azure.site_recovery.items.recovery_points import points_of
from tests.lab.azure.site_recovery.contract import operation_of
from tests.lab.azure.site_recovery.test_plans import LISTED, LISTED_BACK, LISTED_TEST, _group, _plan
from tests.lab.azure.site_recovery.test_protection import _enable
from tests.lab.azure.site_recovery.test_vault_contents import POLICY
from tests.lab.azure.site_recovery.world import (
    GROUP,
    SITE,
    TEST,
    TEST_GROUP,
    TO_AZURE,
    UNPLANNED,
    VAULT,
    Json,
    World,
    failback,
)

MACHINES: list[Json] = [
    {"name": "sql-01", "node": "hci-01-n1"},
    {"name": "web-01", "node": "hci-01-n1"},
    {"name": "dc-01", "node": "hci-01-n3"},
    {"name": "new-01", "node": "hci-01-n3", "protected": False},
]
ITEMS, PLANS, JOBS = "replication_protected_items", "replication_recovery_plans", "replication_jobs"
FABRICS, CONTAINERS = "replication_fabrics", "replication_protection_containers"
POLICIES, MAPPINGS = "replication_policies", "replication_protection_container_mappings"
NODES, MACHINES_OF = "replication_recovery_services_providers", "replication_protectable_items"
HOUR = timedelta(hours=1)
type Step = tuple[str, str, Callable[[World], tuple[Any, ...]]]


def _wrapped(properties: Json | None = None) -> Json:
    return {"properties": properties or {}}


def _new(world: World) -> tuple[str, ...]:
    machine = world.source("new-01")
    return GROUP, VAULT, SITE, machine["container"].rpartition("/")[2], machine["name"]


def _mapping(world: World) -> Json:
    target = {"targetProtectionContainerId": "Microsoft Azure", "policyId": f"{world.vault}/replicationPolicies/p2"}
    return _wrapped(target | {"providerSpecificInput": {"instanceType": "HyperVReplicaAzure"}})


def _newest_job(world: World) -> str:
    return str(world.lab.store.all("asr-job")[-1]["name"])


def _suspended(world: World) -> tuple[str, str, str]:
    jobs = world.lab.store.all("asr-job")
    return GROUP, VAULT, next(job["name"] for job in jobs if job["state"] == "Suspended")


def _node(world: World, name: str) -> tuple[str, str, str, str]:
    found = next(each["name"] for each in world.lab.store.all(PROVIDERS) if each["node"] == name)
    return GROUP, VAULT, SITE, found


def _point(world: World) -> str:
    return str(points_of(world.lab, world.record())[-1]["name"])


def here(*more: Any) -> Callable[[World], tuple[Any, ...]]:
    """Arguments that name the vault, and then what is said."""
    return lambda _: (GROUP, VAULT, *more)


def item(*more: Any) -> Callable[[World], tuple[Any, ...]]:
    """Arguments that name the item of sql-01, and then what is said."""
    return lambda world: (*world.names(), *more)


HYPER_V = {"providerSpecificDetails": {"instanceType": "HyperVReplicaAzure"}}
UPDATE = _wrapped(
    {
        "recoveryAzureVMName": "sql-01",
        "providerSpecificDetails": {
            "instanceType": "HyperVReplicaAzure",
            "recoveryAzureV2ResourceGroupId": TEST_GROUP,
        },
    }
)
STEPS: list[Step] = [
    (FABRICS, "begin_create", here("other", _wrapped())),
    (FABRICS, "list", here()),
    (FABRICS, "get", here(SITE)),
    (FABRICS, "begin_check_consistency", here(SITE)),
    (FABRICS, "begin_delete", here("other")),
    (FABRICS, "begin_create", here("other", _wrapped())),
    (FABRICS, "begin_purge", here("other")),
    (CONTAINERS, "list", here()),
    (CONTAINERS, "list_by_replication_fabrics", here(SITE)),
    (CONTAINERS, "get", lambda world: world.names()[:4]),
    (POLICIES, "begin_create", here("p2", _wrapped({"providerSpecificInput": POLICY}))),
    (POLICIES, "begin_update", here("p2", _wrapped({"replicationProviderSettings": POLICY}))),
    (POLICIES, "list", here()),
    (POLICIES, "get", here("p2")),
    (MAPPINGS, "begin_create", lambda world: (*world.names()[:4], "m2", _mapping(world))),
    (MAPPINGS, "list", here()),
    (MAPPINGS, "list_by_replication_protection_containers", lambda world: world.names()[:4]),
    (MAPPINGS, "get", lambda world: (*world.names()[:4], "m2")),
    (MAPPINGS, "begin_update", lambda world: (*world.names()[:4], "m2", _wrapped())),
    (NODES, "list", here()),
    (NODES, "list_by_replication_fabrics", here(SITE)),
    (NODES, "get", lambda world: _node(world, "hci-01-n1")),
    (NODES, "begin_refresh_provider", lambda world: _node(world, "hci-01-n1")),
    (MACHINES_OF, "list_by_replication_protection_containers", lambda world: world.names()[:4]),
    (MACHINES_OF, "get", _new),
    (ITEMS, "begin_create", lambda world: (*_new(world), _enable(world))),
    (ITEMS, "begin_delete", lambda world: (*_new(world), _wrapped())),
    (ITEMS, "list", here()),
    (ITEMS, "list_by_replication_protection_containers", lambda world: world.names()[:4]),
    (ITEMS, "get", item()),
    (ITEMS, "begin_update", item(UPDATE)),
    (ITEMS, "begin_repair_replication", item()),
    (ITEMS, "begin_test_failover", item(_wrapped(TEST))),
    (ITEMS, "begin_test_failover_cleanup", item(_wrapped({"comments": ""}))),
    ("target_compute_sizes", "list_by_replication_protected_items", item()),
    ("recovery_points", "list_by_replication_protected_items", item()),
    ("recovery_points", "get", lambda world: (*world.names(), _point(world))),
    (ITEMS, "begin_unplanned_failover", item(_wrapped(UNPLANNED | {"sourceSiteOperations": "Required"}))),
    (
        ITEMS,
        "begin_apply_recovery_point",
        lambda world: (*world.names(), _wrapped(HYPER_V | {"recoveryPointId": world.record()["point"]})),
    ),
    (ITEMS, "begin_failover_commit", item()),
    (ITEMS, "begin_planned_failover", item(_wrapped(failback()))),
    (ITEMS, "begin_failover_commit", item()),
    (ITEMS, "begin_reprotect", item(_wrapped(TO_AZURE))),
    (PLANS, "begin_create", lambda world: (GROUP, VAULT, "plan", _plan(world, _group(world, "web-01")))),
    (PLANS, "begin_update", lambda world: (GROUP, VAULT, "plan", _wrapped({"groups": [_group(world, "web-01")]}))),
    (PLANS, "list", here()),
    (PLANS, "get", here("plan")),
    (PLANS, "begin_test_failover", here("plan", _wrapped(LISTED_TEST))),
    (PLANS, "begin_test_failover_cleanup", here("plan", _wrapped({"comments": ""}))),
    (PLANS, "begin_planned_failover", here("plan", _wrapped(LISTED))),
    (PLANS, "begin_failover_commit", here("plan")),
    (PLANS, "begin_planned_failover", here("plan", _wrapped(LISTED_BACK))),
    (PLANS, "begin_failover_commit", here("plan")),
    (PLANS, "begin_reprotect", here("plan")),
    (PLANS, "begin_unplanned_failover", here("plan", _wrapped(LISTED | {"sourceSiteOperations": "NotRequired"}))),
    (PLANS, "begin_failover_cancel", here("plan")),
    (PLANS, "begin_delete", here("plan")),
    (JOBS, "list", here()),
    (JOBS, "get", lambda world: (GROUP, VAULT, _newest_job(world))),
    (JOBS, "begin_export", here({"startTime": "2026-01-05T00:00:00Z"})),
    ("replication_events", "list", here()),
    ("replication_vault_health", "begin_refresh", here()),
    ("replication_vault_health", "get", here()),
    ("replication_alert_settings", "create", here("defaultAlertSetting", _wrapped({"sendToOwners": "Send"}))),
    ("replication_alert_settings", "list", here()),
    ("replication_alert_settings", "get", here("defaultAlertSetting")),
    ("replication_vault_setting", "begin_create", here("default", _wrapped({"migrationSolutionId": "none"}))),
    ("replication_vault_setting", "list", here()),
    ("replication_vault_setting", "get", here("default")),
    ("supported_operating_systems", "get", here()),
    ("replication_networks", "list", here()),
    ("replication_network_mappings", "list", here()),
    (ITEMS, "begin_planned_failover", item(_wrapped(TO_AZURE))),
    (ITEMS, "begin_failover_cancel", item()),
    (ITEMS, "begin_purge", item()),
    (ITEMS, "begin_purge", lambda world: world.names("web-01")),
    (ITEMS, "begin_purge", lambda world: world.names("dc-01")),
    (MAPPINGS, "begin_purge", lambda world: (*_new(world)[:4], "m2")),
    (NODES, "begin_delete", lambda world: _node(world, "hci-01-n1")),
    (NODES, "begin_purge", lambda world: _node(world, "hci-01-n3")),
    (POLICIES, "begin_delete", here("p2")),
]  # fmt: skip
"""Group, method and arguments, in an order in which each of them can be done; pollers are waited for."""

BESIDE = {  # done in tests of their own: they need a job in a certain state, or an event by its name
    "ReplicationEvents_get",
    "ReplicationJobs_begin_cancel",
    "ReplicationJobs_begin_restart",
    "ReplicationJobs_begin_resume",
    "ReplicationProtectionContainerMappings_begin_delete",
}


class Overheard(SansIOHTTPPolicy[Any, Any]):
    """Keeps which operations of the contract are asked for."""

    def __init__(self) -> None:
        self.operations: set[str] = set()

    def on_request(self, request: Any) -> None:
        path = unquote(urlparse(request.http_request.url).path)
        if found := operation_of(request.http_request.method, path):
            self.operations.add(found["operationId"])


async def _settled(answer: Any) -> None:
    """Wait for a poller, or go through a list."""
    if hasattr(answer, "result"):
        await answer.result()
    elif isinstance(answer, AsyncIterable):
        async for _ in answer:
            pass
    elif asyncio.iscoroutine(answer):
        await _settled(await answer)


def _settled_without_asyncio(answer: Any) -> None:
    if hasattr(answer, "result"):
        answer.result()
    elif isinstance(answer, Iterable) and not isinstance(answer, dict):
        list(answer)


def _served() -> set[str]:
    found = set()
    for route in SITE_RECOVERY.routes:
        if operation := operation_of(route.method, route.template):
            found.add(operation["operationId"])
    return found


async def test_the_sdk_with_asyncio_drives_every_operation() -> None:
    """And each of them is one that the simulator serves."""
    async with World(MACHINES) as world:
        overheard = Overheard()
        sdk = world.client(overheard)
        for group, method, arguments in STEPS:
            await _settled(getattr(getattr(sdk, group), method)(*arguments(world)))
            world.pass_time(hours=1)
        assert _served() - overheard.operations == BESIDE


async def test_the_sdk_without_asyncio_drives_every_operation() -> None:
    """The same, from a thread."""
    async with World(MACHINES) as world:
        overheard = Overheard()

        def drive() -> None:
            with world.sync_client(overheard) as sdk:
                for group, method, arguments in STEPS:
                    _settled_without_asyncio(getattr(getattr(sdk, group), method)(*arguments(world)))
                    world.clock.advance(HOUR)
                    sdk.replication_fabrics.list(GROUP, VAULT).next()

        await asyncio.to_thread(drive)
        assert _served() - overheard.operations == BESIDE


async def test_the_sdk_resumes_cancels_and_restarts_jobs() -> None:
    """Those that need a job in a certain state."""
    async with World(MACHINES) as world:
        overheard = Overheard()
        sdk = world.client(overheard)
        await world.fail_over()
        jobs = sdk.replication_jobs
        await world.start("plannedFailover", failback("ForDownTime"))
        world.pass_time(hours=1)
        await (await jobs.begin_cancel(*_suspended(world))).result()
        world.pass_time(minutes=1)
        await world.start("plannedFailover", failback("ForDownTime"))
        world.pass_time(hours=1)
        await (await jobs.begin_resume(*_suspended(world), _wrapped({"comments": ""}))).result()
        world.pass_time(hours=1)
        failed = await world.start("testFailoverCleanup", {"comments": ""})
        world.pass_time(hours=1)
        await (await sdk.replication_jobs.begin_restart(GROUP, VAULT, failed)).result()
        (event, *_) = [each async for each in sdk.replication_events.list(GROUP, VAULT)]
        await sdk.replication_events.get(GROUP, VAULT, event.name or "")
        for machine in ("sql-01", "web-01", "dc-01"):
            await (await sdk.replication_protected_items.begin_purge(*world.names(machine))).result()
        mapping = sdk.replication_protection_container_mappings
        container = world.source()["container"].rpartition("/")[2]
        body = _wrapped()
        await (await mapping.begin_delete(GROUP, VAULT, SITE, container, "hci-01-site-policy-24h", body)).result()
        assert overheard.operations >= BESIDE


async def test_the_sdk_without_asyncio_resumes_cancels_and_restarts_jobs() -> None:
    """The same from a thread, while the world goes on in this one."""
    async with World(MACHINES) as world:
        overheard = Overheard()
        with world.sync_client(overheard) as sdk:
            await world.fail_over()
            await world.start("plannedFailover", failback("ForDownTime"))
            world.pass_time(hours=1)
            await _in_thread(sdk.replication_jobs.begin_cancel, *_suspended(world))
            world.pass_time(minutes=1)
            await world.start("plannedFailover", failback("ForDownTime"))
            world.pass_time(hours=1)
            await _in_thread(sdk.replication_jobs.begin_resume, *_suspended(world), _wrapped({"comments": ""}))
            world.pass_time(hours=1)
            failed = await world.start("testFailoverCleanup", {"comments": ""})
            world.pass_time(hours=1)
            await _in_thread(sdk.replication_jobs.begin_restart, GROUP, VAULT, failed)
            event = await asyncio.to_thread(lambda: next(iter(sdk.replication_events.list(GROUP, VAULT))))
            await _in_thread(sdk.replication_events.get, GROUP, VAULT, event.name or "")
            for machine in ("sql-01", "web-01", "dc-01"):
                await _in_thread(sdk.replication_protected_items.begin_purge, *world.names(machine))
            mapping = sdk.replication_protection_container_mappings
            container = world.source()["container"].rpartition("/")[2]
            body = _wrapped()
            await _in_thread(mapping.begin_delete, GROUP, VAULT, SITE, container, "hci-01-site-policy-24h", body)
        assert overheard.operations >= BESIDE


async def _in_thread(method: Callable[..., Any], *arguments: Any, **options: Any) -> None:
    def drive() -> None:
        answer = method(*arguments, **options)
        _settled_without_asyncio(answer)

    await asyncio.to_thread(drive)
