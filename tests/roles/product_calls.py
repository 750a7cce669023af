"""Every request that the product's clients can send, recorded: by story, as method and path.

Each call below runs a function of shared/azure or of an activity against an ARM that says yes to everything.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from activities import drill_inventory, failback_leftovers, locks, node_diagnosis, preflight, prepare, target_checks
from shared.azure import arc_machines, arm, azure_vms, compute_quota, resource_groups, vault_recovery_plans, vault_setup
from shared.azure.automation import RunbookJob
from shared.azure.vault import SDK_OPERATIONS, Vault
from shared.failback.leftovers import FailoverVm, ReadLeftovers, ReadVmResources, RemoveLeftovers
from shared.healing.contract import ReadCause, ReadLocks, RemoveLocks, RestoreLocks
from shared.messages import VaultRef
from shared.onboarding.contract import EnsureResource, EnsureRole, ReadSite
from shared.onboarding.preflight.azure_rights import SITE_RECOVERY_CONTRIBUTOR
from shared.operations.obligations import Lock
from shared.recovery.contract import ReadNetwork
from shared.recovery.drill import mark_of
from shared.recovery_plans.parts import PlanPart
from tests.shared import samples
from tests.shared.azure.fake import ITEM, VAULT, Asked, FakeArm, Reply, accepted

GROUP = "/subscriptions/s1/resourceGroups/rg-1"
VM = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/sql-01"
CARD = f"{GROUP}/providers/Microsoft.Network/networkInterfaces/nic-1"
ADDRESS = f"{GROUP}/providers/Microsoft.Network/publicIPAddresses/pip-1"
RULES = f"{GROUP}/providers/Microsoft.Network/networkSecurityGroups/nsg-1"
DISK = f"{GROUP}/providers/Microsoft.Compute/disks/disk-1"
NETWORK = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/vnet-1"
NODE = f"{GROUP}/providers/Microsoft.HybridCompute/machines/n1"
CLUSTER = f"{GROUP}/providers/Microsoft.AzureStackHCI/clusters/hci-01"
ACCOUNT = f"{GROUP}/providers/Microsoft.Automation/automationAccounts/aa"
LOCK = f"{NODE}/providers/Microsoft.Authorization/locks/keep"
STORAGE = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/cache"
AT = datetime(2026, 11, 22, 10, tzinfo=UTC)
OPERATION, REQUEST_ID = "run-1", "6f1f3f5e-2a10-5f6e-9f53-0d3f2c3f9a01"
LISTED = [
    {"id": each, "type": "/".join(each.split("/")[6:8]), "createdTime": AT.isoformat()}
    for each in (CARD, DISK, ADDRESS, RULES)
]

type Calls = Callable[[], Awaitable[object]]


def answer_yes(arm_fake: FakeArm) -> None:
    """Everything that is looked for is there, but for what is called new; everything that is asked for is taken."""
    made: set[str] = set()

    def answer(asked: Asked) -> Reply:
        if asked.method == "GET":
            is_missing = asked.path.endswith("-new") and asked.path not in made
            return Reply(404, {"error": {"code": "NotFound", "message": "none"}}) if is_missing else _shown(asked.path)
        made.add(asked.path)
        if "/Microsoft.RecoveryServices/vaults/vault-dr/" in asked.path:
            return accepted("job-1")
        return Reply(204) if asked.method == "DELETE" else Reply(200, {})

    for method in ("GET", "PUT", "PATCH", "POST", "DELETE"):
        arm_fake.works(method, "", answer)


def _shown(path: str) -> Reply:
    last = path.rpartition("/")[2]
    if last in LISTS:
        value = LISTED if last == "resources" else [_listed_at(path, last)]
        return Reply(200, {"value": value})
    card = {"id": f"{CARD}/ipConfigurations/one", "properties": {"publicIPAddress": {"id": ADDRESS}}}
    properties = {
        "ipConfiguration": card,
        "ipConfigurations": [card],
        "level": "CanNotDelete",
        "networkProfile": {"networkInterfaces": [{"id": CARD}]},
        "subnets": [{"properties": {"ipConfigurations": [card]}}],
    }
    resource = {"id": path, "name": last, "type": "t", "location": "westeurope", "properties": properties}
    return Reply(200, resource | {"identity": {"principalId": REQUEST_ID}})


def _listed_at(path: str, kind: str) -> dict[str, Any]:
    if kind == "usages":
        return {"name": {"value": "cores"}, "currentValue": 0, "limit": 10}
    return {"id": f"{path}/n", "name": "n", "properties": {}}


LISTS = frozenset(
    {
        "resources",
        "locks",
        "permissions",
        "roleAssignments",
        "machines",
        "extensions",
        "usages",
        "skus",
        "values",
        "replicationFabrics",
        "replicationPolicies",
        "replicationProtectionContainers",
        "replicationProtectionContainerMappings",
        "replicationProtectableItems",
        "replicationProtectedItems",
        "replicationJobs",
        "replicationRecoveryPlans",
        "replicationRecoveryServicesProviders",
        "recoveryPoints",
        "targetComputeSizes",
    }
)
CONTAINER = {"id": ITEM.rpartition("/replicationProtectedItems/")[0], "name": "c1"}


def _vault() -> Vault:
    return Vault(VaultRef.from_id(VAULT))


def _part() -> PlanPart:
    return PlanPart(name="rp-1", vault=VaultRef.from_id(VAULT), fabric_id=f"{VAULT}/replicationFabrics/f1")


def _locks(ending: str = "") -> tuple[Lock, ...]:
    return (Lock(id=f"{LOCK}{ending}", level="CanNotDelete"),)


def _resources_of_failover() -> Any:
    marks = tuple(mark_of(each) for each in (CARD, DISK))
    return RemoveLeftovers(operation=OPERATION, groups=(GROUP,), marks=marks, since=AT - timedelta(days=1))


def _ensure(arm_id: str, kind: Any) -> Awaitable[object]:
    return prepare.ensure_resource(
        EnsureResource(operation=OPERATION, resource_id=arm_id, kind=kind, body={"location": "westeurope"})
    )


async def _read_vault() -> None:
    vault = _vault()
    await vault.list_items()
    await vault.read_item(ITEM)
    await vault.find_item(ITEM)
    await vault.list_recovery_points(ITEM)
    await vault.list_target_sizes(ITEM)
    await vault.list_providers()
    await vault.list_jobs(AT)
    await vault.read_job("job-1")
    await vault.find_job("job-1")
    await vault_recovery_plans.list_plans(vault)
    await vault_recovery_plans.find_plan(vault, "rp-1")
    await vault_setup.find_site(vault, "f1")
    await vault_setup.find_policy(vault, "p1")
    await vault_setup.find_container(vault, {"name": "f1"})
    await vault_setup.list_associations(vault, CONTAINER)
    await vault_setup.list_protectable_items(vault, CONTAINER)


async def _read_others() -> None:
    await arm.read_private_address(GROUP, "sql-01")
    await azure_vms.read_instance_view(VM)
    await compute_quota.read_region_quota("s1", "westeurope", {"Standard_D2s_v5"})
    await failback_leftovers.read_vm_resources(
        ReadVmResources(machines=(FailoverVm(vm="sql-01", azure_vm="sql-01", target_group=GROUP),))
    )
    await failback_leftovers.read_leftovers(ReadLeftovers(groups=(GROUP,), marks=(mark_of(CARD),)))
    await resource_groups.list_failover_resources([GROUP], [NETWORK], ())
    await drill_inventory.read_network(ReadNetwork(network=NETWORK))
    await drill_inventory.read_virtual_network(NETWORK, with_cards=True)
    runbook = f"{ACCOUNT}/runbooks/r1"
    hooks = [
        {"name": "dns", "kind": "runbook", "runbook": runbook},
        {"name": "dhcp", "kind": "run-command", "machine": NODE, "script": "exit 0"},
    ]
    drill = samples.PAYROLL["drill"] | {"hooks": {"before": hooks}}  # type: ignore[operator]
    await target_checks.read_target_facts(samples.plan(drill=drill), {}, {})
    job = RunbookJob(runbook, REQUEST_ID)
    await job.find_job()
    await job.read_output()


async def _read_nodes() -> None:
    await arc_machines.list_machines("s1")
    machine = arc_machines.ArcMachine(NODE)
    await machine.read_machine()
    await machine.list_extensions()
    await machine.find_extension("AzureSiteRecovery")
    await machine.find_run_command("hsr-1")
    await azure_vms.find_run_command(VM, "hsr-1")
    await locks.read_locks(ReadLocks(machine_id=NODE))
    await arm.find_resource(LOCK, "2020-05-01")
    await node_diagnosis.read_cause(ReadCause(resource_id=NODE, correlation_id="aaaaaaaa-bbbb", since=AT))


async def _read_site() -> None:
    await preflight.read_site(ReadSite(site=samples.site(cacheStorage=STORAGE)))
    await arm.find_resource(f"{CLUSTER}/arcSettings/default/extensions/AzureSiteRecovery", "2024-04-01")


async def _run_hooks() -> None:
    """What hooks and probes do in any run: jobs of Automation, scripts in machines."""
    job = RunbookJob(f"{ACCOUNT}/runbooks/r1", REQUEST_ID)
    await job.start_job({}, "", REQUEST_ID)
    await job.stop_job(REQUEST_ID)
    await _run_node_scripts()
    await azure_vms.put_run_command(VM, "hsr-1", "exit 0", REQUEST_ID)
    await azure_vms.delete_run_command(VM, "hsr-1")


async def _run_node_scripts() -> None:
    machine = arc_machines.ArcMachine(NODE)
    await machine.put_run_command("hsr-1", {"location": "westeurope"}, REQUEST_ID)
    await machine.delete_run_command("hsr-1", REQUEST_ID)


def _send_verbs(*verbs: Any) -> Calls:
    async def send() -> None:
        vault = _vault()
        for verb in verbs:
            await vault.start_verb(verb, ITEM, None if verb in {"Commit", "CancelFailover"} else {}, REQUEST_ID)
            if verb != "ChangePit":
                body: dict[str, Any] | None = None if verb in {"Commit", "CancelFailover", "ReverseReplicate"} else {}
                await vault_recovery_plans.start_plan_verb(vault, verb, "rp-1", body, REQUEST_ID)
        await vault.resume_job("job-1", "go on", REQUEST_ID)

    return send


async def _write_mirror() -> None:
    vault = _vault()
    await vault_recovery_plans.create_plan(vault, _part(), REQUEST_ID)
    await vault_recovery_plans.replace_groups(vault, _part(), REQUEST_ID)
    await vault_recovery_plans.delete_plan(vault, "rp-1", REQUEST_ID)


async def _update_item() -> None:
    await vault_setup.update_item(_vault(), ITEM, {}, REQUEST_ID)


async def _remove_leftovers() -> None:
    await failback_leftovers.remove_leftovers(_resources_of_failover())


async def _prepare() -> None:
    vault = _vault()
    await _ensure(f"{GROUP}-new", "group")
    await _ensure(f"{STORAGE}-new", "storage")
    await _ensure(f"{VAULT}-new", "vault")
    await _ensure(f"{NETWORK}-new", "network")
    await _ensure(f"{CLUSTER}/arcSettings/default/extensions/asr-new", "cluster")
    grant = EnsureRole(operation=OPERATION, scope=VAULT, role=SITE_RECOVERY_CONTRIBUTOR, principal=REQUEST_ID)
    await prepare.ensure_role(grant)
    await vault_setup.create_site(vault, "f1", REQUEST_ID)
    await vault_setup.create_policy(vault, "p1", {}, REQUEST_ID)
    await vault_setup.create_association(vault, CONTAINER, "m1", f"{VAULT}/replicationPolicies/p1", REQUEST_ID)
    await vault_setup.enable_replication(vault, ITEM, {}, REQUEST_ID)
    await vault_setup.disable_replication(vault, ITEM, REQUEST_ID)
    await vault_setup.resynchronise_item(vault, ITEM, REQUEST_ID)
    await vault_setup.restart_job(vault, "job-1", REQUEST_ID)
    await vault.resume_job("job-1", "go on", REQUEST_ID)


async def _install_extension() -> None:
    machine = arc_machines.ArcMachine(NODE)
    await machine.create_extension("AzureSiteRecovery", {"location": "westeurope"}, REQUEST_ID)


async def _heal() -> None:
    machine = arc_machines.ArcMachine(NODE)
    await machine.delete_extension("AzureSiteRecovery", REQUEST_ID)
    await locks.remove_locks(RemoveLocks(locks=_locks(), operation=OPERATION))
    await locks.restore_locks(RestoreLocks(locks=_locks("-new"), operation=OPERATION))


CALLS: Mapping[str, tuple[Calls, ...]] = {
    "reader": (_read_vault, _read_others, _read_nodes, _read_site),
    "drill": (_send_verbs("TestFailover", "TestFailoverCleanup"), _run_hooks),
    "failover": (
        _send_verbs(*(verb for verb in SDK_OPERATIONS if not verb.startswith("TestFailover"))),
        _run_hooks,
        _update_item,
        _remove_leftovers,
    ),
    "prepare": (_prepare, _update_item, _write_mirror, _run_node_scripts, _install_extension),
    "heal": (_heal, _run_node_scripts, _install_extension),
}
"""By role: what the product does in the stories that the role is for."""
