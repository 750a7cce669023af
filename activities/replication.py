"""Replication of VMs: what there is, how far it is, and the four things that can be done; each is sent once."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial

from shared.arm_ids import name_of
from shared.azure import vault_setup
from shared.azure.exactly_once import Attempt, ExactlyOnce, JobSignature, Send, Sent
from shared.azure.jobs import HOST_REGISTRATION, scenario_of, start_time_of
from shared.azure.json_fields import Json, object_at, parse_utc, text_of
from shared.azure.protected_items import (
    current_job,
    enable_body,
    is_hyper_v_to_azure,
    item_view,
    machine_guid,
    protectable_item,
    replicated_item,
    update_body,
)
from shared.azure.vault import Vault
from shared.azure.vault_setup import (
    find_container,
    find_policy,
    find_site,
    list_associations,
    list_protectable_items,
    policy_id_of,
)
from shared.concurrency import map_concurrently
from shared.errors import Refused
from shared.messages import VaultRef
from shared.obstacle import Obstacle
from shared.replication.contract import (
    ProtectableItemsRead,
    ProtectionStart,
    ReadProtectableItems,
    ReadRecoveryPoints,
    ReadReplicatedItems,
    RecoveryPointsRead,
    RecoveryPointView,
    ReplicatedItemsRead,
    StartProtection,
)
from shared.replication.disks import list_unreplicated
from shared.replication.settings import ENABLING_FAILED_CODE, ProtectableItem, ReplicatedItem
from shared.request_ids import client_request_id
from shared.site_recovery.contract import ITEM_BUSY_CODE, NOTHING_TO_DO_CODE, StartsMade
from shared.site_recovery.item_words import describe_busy, describe_stand
from shared.site_recovery.views import ItemDetail, ItemView
from shared.sites.site import SiteDocument

_SCENARIOS: Mapping[str, tuple[str, ...]] = {
    "enable": ("EnableDr",),
    "update": ("UpdateVmProperties", "VMNicUpdate"),
    "disable": ("DisableDr",),
    "resynchronise": ("RepairVMReplication",),
    "restart": ("RestartJob",),
}


async def require_container(vault: Vault, site_name: str) -> Json:
    """The protection container of a Hyper-V site.

    Raises:
        Refused: the vault has no such site.
    """
    site = await find_site(vault, site_name)
    if site and (container := await find_container(vault, site)):
        return container
    detail = f"the vault {vault.ref.vault} has no Hyper-V site {site_name}: prepare the site first"
    raise Refused("no-site", detail)


async def read_protectable_items(request: ReadProtectableItems) -> ProtectableItemsRead:
    """Read the machines of a site, and the policy under which they are protected.

    Raises:
        Refused: the vault has no such site, or not that policy.
    """
    vault = Vault(request.vault)
    container = await require_container(vault, request.site)
    policy = await _find_policy(vault, container, request.policy)
    details = object_at(policy, "properties", "providerSpecificDetails")
    return ProtectableItemsRead(
        machines=tuple(protectable_item(machine) for machine in await list_protectable_items(vault, container)),
        container=container["id"],
        policy_id=policy["id"],
        interval=timedelta(seconds=int(details.get("replicationInterval") or 300)),
        registered=await _newest_registration(vault, request.registered_since) if request.registered_since else None,
    )


async def _newest_registration(vault: Vault, since: datetime) -> datetime | None:
    """When the newest job began by which a host registered."""
    jobs = await vault.list_jobs(since)
    began = (parse_utc(start_time_of(job)) for job in jobs if scenario_of(job) == HOST_REGISTRATION)
    return max((one for one in began if one), default=None)


async def list_site_machines(site: SiteDocument) -> tuple[ProtectableItem, ...]:
    """The machines that the hosts of a site have reported to its vault, protected or not; none before it is prepared.

    Raises:
        SiteRecoveryError: they could not be read.
    """
    vault = Vault(VaultRef.from_id(site.vault))
    fabric = await find_site(vault, site.hyper_v_site)
    container = await find_container(vault, fabric) if fabric else None
    return tuple(map(protectable_item, await list_protectable_items(vault, container))) if container else ()


async def list_unreplicated_disks(site: SiteDocument, items: Iterable[ItemDetail]) -> dict[str, tuple[str, ...]]:
    """Names of the disks that a site's protected VMs have at home and that are not replicated, by ARM id in lower case.

    Args:
        items: The protected items of its vault.

    Raises:
        SiteRecoveryError: what the hosts have could not be read.
    """
    machines = await list_site_machines(site)
    copied_disks = {item.id.lower(): item.disk_sizes for item in items if item.protection_state == "Protected"}
    return {machine.item_id.lower(): disks for machine, disks in list_unreplicated(machines, copied_disks, site)}


async def _find_policy(vault: Vault, container: Json, name: str) -> Json:
    """The policy that the container is associated with; by its name where that is declared."""
    names = [name_of(policy_id_of(one)) for one in await list_associations(vault, container)]
    policy_name = next((one for one in names if name.lower() in {"", one.lower()}), None)
    policy = await find_policy(vault, policy_name) if policy_name else None
    if policy is None:
        raise Refused("not-associated", f"the Hyper-V site is not associated with the policy {name or '(any)'}")
    return policy


async def read_replicated_items(request: ReadReplicatedItems) -> ReplicatedItemsRead:
    """Read the replication of the vault's machines, all of them or those that are named."""
    vault = Vault(request.vault)
    items, at = await vault.list_items_with_time()
    newest = await _newest_jobs(vault, request, request.since) if request.newest_jobs_of and request.since else {}
    wanted = {vm.lower() for vm in request.vms}
    replicated_items = [replicated_item(item) for item in items if is_hyper_v_to_azure(item)]
    selected = tuple(one for one in replicated_items if not wanted or one.vm.lower() in wanted)
    return ReplicatedItemsRead(items=selected, newest_jobs=newest, at=at)


async def _newest_jobs(vault: Vault, request: ReadReplicatedItems, since: datetime) -> dict[str, str]:
    """The newest job of the action for each machine that is sought: a restarted job is followed by one of its own."""
    jobs = await vault.list_jobs(since)
    job_properties = [(object_at(job, "properties"), job["name"]) for job in jobs]
    action_jobs = [(p, name) for p, name in job_properties if p.get("scenarioName") in _SCENARIOS[request.action]]
    action_jobs.sort(key=lambda one: text_of(one[0].get("startTime")))
    sought = {guid.lower(): guid for guid in request.newest_jobs_of}
    matched = ((sought.get(text_of(p.get("targetObjectId")).lower()), name) for p, name in action_jobs)
    return {guid: name for guid, name in matched if guid}


async def read_recovery_points(request: ReadRecoveryPoints) -> RecoveryPointsRead:
    """Read an item's recovery points; the vault lists them in no order that is promised."""
    listed, _ = await Vault(request.vault).list_recovery_points(request.item_id)
    point_properties = [object_at(point, "properties") for point in listed]
    timed = [
        (parse_utc(point.get("recoveryPointTime")), text_of(point.get("recoveryPointType")))
        for point in point_properties
    ]
    points = [RecoveryPointView(at=at, kind=kind) for at, kind in timed if at]
    return RecoveryPointsRead(points=tuple(sorted(points, key=lambda point: point.at, reverse=True)))


async def start_protection(request: StartProtection) -> StartsMade:
    """Start an action on each machine, or adopt the job that an earlier run of this same call started.

    1. Read the items of the vault.
    2. List the jobs.
    3. For each machine: adopt our job, or see whether the action may be sent, and send it once
       (`shared.azure.exactly_once`).

    Once the vault throttles, nothing more is sent. An action that would change nothing is refused as "nothing-to-do".

    Raises:
        Transient: the items or the jobs could not be read; nothing was sent.
    """
    vault = Vault(request.vault)
    items = {item["id"].lower(): item for item in await vault.list_items()}
    once = ExactlyOnce(vault)
    await once.list_jobs(request.since)
    answers = await map_concurrently(
        request.starts,
        lambda start: once.start(start.vm, _attempt_of(vault, request, start, items.get(start.item_id.lower()))),
    )
    return StartsMade(answers=tuple(answers), retry_after=once.retry_after, calls=vault.calls_made)


def _attempt_of(vault: Vault, request: StartProtection, start: ProtectionStart, item: Json | None) -> Attempt:
    guid = start.machine.guid if start.machine else machine_guid(item) if item else start.vm

    def decide() -> Obstacle | Send:
        body = _action_body(request, start, item)
        if request.action != "restart" and item and (copied := replicated_item(item)).scenario != "None":
            detail = describe_busy(start.vm, copied.scenario)
            return Obstacle(code=ITEM_BUSY_CODE, detail=detail, passing=True)
        return partial(_send_action, vault, request, start, body)

    return Attempt(
        request_ids=(client_request_id(request.operation, start.item_id, request.action, start.attempt),),
        signature=JobSignature(_SCENARIOS[request.action], (start.vm, guid), request.since),
        decide=decide,
        busy_with=current_job(item) if item else "",
    )


def _action_body(request: StartProtection, start: ProtectionStart, item: Json | None) -> Json:
    """What will be sent; empty where the request has no body.

    Raises:
        Refused: the machine is not one that the action can be done with, or is so already.
    """
    match request.action:
        case "enable" if item is not None and replicated_item(item).has_failed_enabling:
            raise Refused(ENABLING_FAILED_CODE, f"{start.vm} has an item whose enabling failed: disable it first")
        case "enable" if item is not None:
            raise Refused(NOTHING_TO_DO_CODE, f"{start.vm} replicates already")
        case "enable":
            if start.machine is None:
                raise Refused("no-machine", f"the request does not say which machine {start.vm} is")
            target = {"target_group": request.target_group, "cache_storage": request.cache_storage}
            return enable_body(start.machine, start.settings, policy_id=request.policy_id, **target)
        case "restart":
            return {}
        case "disable" if item is None:
            raise Refused(NOTHING_TO_DO_CODE, f"{start.vm} does not replicate")
        case _ if item is None:
            raise Refused("not-protected", f"{start.vm} does not replicate: enable it first")
        case "update":
            wanted = update_body(item, start.settings)
            if wanted == update_body(item):
                raise Refused(NOTHING_TO_DO_CODE, f"{start.vm} has these settings already")
            return wanted
    _require_allowed(request.action, replicated_item(item), item_view(item))
    return {}


def _require_allowed(action: str, copied: ReplicatedItem, view: ItemView) -> None:
    """Let pass what is busy, which is asked again later, and what takes the action.

    Raises:
        Refused: it is idle, and in a state that the action leads nowhere from.
    """
    if copied.scenario != "None":
        return
    if action == "disable" and "DisableProtection" not in view.allowed_operations:
        later = "its replication can be disabled at home, or in Azure once it is committed"
        raise Refused("not-allowed", f"{describe_stand(view)}: {later}. Commit, or fail back, first")
    if action == "resynchronise" and not copied.is_protected:
        raise Refused(
            "not-protected",
            f"{describe_stand(view)}: only a protected VM can be compared. Wait, or enable its replication",
        )


async def _send_action(
    vault: Vault, request: StartProtection, start: ProtectionStart, body: Json, request_id: str
) -> Sent:
    match request.action:
        case "enable":
            job = await vault_setup.enable_replication(vault, start.item_id, body, request_id)
        case "update":
            job = await vault_setup.update_item(vault, start.item_id, body, request_id)
        case "disable":
            job = await vault_setup.disable_replication(vault, start.item_id, request_id)
        case "resynchronise":
            job = await vault_setup.resynchronise_item(vault, start.item_id, request_id)
        case "restart":
            job = await vault_setup.restart_job(vault, start.job, request_id)
    return Sent(job)
