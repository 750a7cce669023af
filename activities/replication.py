"""Replication of VMs: what there is, how far it is, and the four things that can be done; each is sent once."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from shared.arm_ids import name_of
from shared.azure.json_fields import Json, object_at, parse_utc, text_of
from shared.azure.protected_items import (
    current_job,
    enable_body,
    is_hyper_v_to_azure,
    item_view,
    protectable_item,
    replicated_item,
    update_body,
)
from shared.azure.vault import CLOCKS_APART
from shared.azure.vault_setup import JobSignature, OnboardingVault
from shared.concurrency import map_concurrently
from shared.errors import Refused, Transient
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
from shared.replication.schedule import NOTHING_TO_DO
from shared.replication.settings import ReplicatedItem
from shared.request_ids import client_request_id
from shared.site_recovery.contract import StartAnswer, StartsMade
from shared.site_recovery.request_budget import Calls

_SCENARIOS: Mapping[str, tuple[str, ...]] = {
    "enable": ("EnableDr",),
    "update": ("UpdateVmProperties", "VMNicUpdate"),
    "disable": ("DisableDr",),
    "resynchronise": ("RepairVMReplication",),
    "restart": ("RestartJob",),
}


async def read_protectable_items(request: ReadProtectableItems) -> ProtectableItemsRead:
    """Read the machines of a site, and the policy under which they are protected.

    Raises:
        Refused: the vault has no such site, or not that policy.
    """
    vault = OnboardingVault(request.vault)
    site = await vault.find_site(request.site)
    container = await vault.find_container(site) if site else None
    if container is None:
        raise Refused(
            "no-site", f"the vault {request.vault.vault} has no Hyper-V site {request.site}: prepare the site first"
        )
    policy = await _find_policy(vault, container, request.policy)
    details = object_at(policy, "properties", "providerSpecificDetails")
    return ProtectableItemsRead(
        machines=tuple(protectable_item(machine) for machine in await vault.list_protectable_items(container)),
        container=container["id"],
        policy_id=policy["id"],
        interval=timedelta(seconds=int(details.get("replicationInterval") or 300)),
    )


async def _find_policy(vault: OnboardingVault, container: Json, name: str) -> Json:
    """The policy that the container is associated with; by its name where that is declared."""
    ids = [text_of(object_at(one, "properties").get("policyId")) for one in await vault.list_associations(container)]
    names = [name_of(arm_id) for arm_id in ids]
    policy_name = next((one for one in names if name.lower() in {"", one.lower()}), None)
    policy = await vault.find_policy(policy_name) if policy_name else None
    if policy is None:
        raise Refused("not-associated", f"the Hyper-V site is not associated with the policy {name or '(any)'}")
    return policy


async def read_replicated_items(request: ReadReplicatedItems) -> ReplicatedItemsRead:
    """Read the replication of the vault's machines, all of them or those that are named."""
    vault = OnboardingVault(request.vault)
    items, at = await vault.list_items_with_time()
    newest = await _newest_jobs(vault, request, request.since) if request.newest_jobs_of and request.since else {}
    wanted = {vm.lower() for vm in request.vms}
    replicated_items = [replicated_item(item) for item in items if is_hyper_v_to_azure(item)]
    selected = tuple(one for one in replicated_items if not wanted or one.vm.lower() in wanted)
    return ReplicatedItemsRead(items=selected, newest_jobs=newest, at=at)


async def _newest_jobs(vault: OnboardingVault, request: ReadReplicatedItems, since: datetime) -> dict[str, str]:
    """The newest job of the action for each machine that is sought: a restarted job is followed by one of its own."""
    jobs = await vault.list_jobs(since - CLOCKS_APART)
    job_properties = [(object_at(job, "properties"), job["name"]) for job in jobs]
    action_jobs = [(p, name) for p, name in job_properties if p.get("scenarioName") in _SCENARIOS[request.action]]
    action_jobs.sort(key=lambda one: text_of(one[0].get("startTime")))
    sought = {guid.lower(): guid for guid in request.newest_jobs_of}
    matched = ((sought.get(text_of(p.get("targetObjectId")).lower()), name) for p, name in action_jobs)
    return {guid: name for guid, name in matched if guid}


async def read_recovery_points(request: ReadRecoveryPoints) -> RecoveryPointsRead:
    """Read an item's recovery points; the vault lists them in no order that is promised."""
    listed, _ = await OnboardingVault(request.vault).list_recovery_points(request.item_id)
    point_properties = [object_at(point, "properties") for point in listed]
    timed = [
        (parse_utc(point.get("recoveryPointTime")), text_of(point.get("recoveryPointType")))
        for point in point_properties
    ]
    points = [RecoveryPointView(at=at, kind=kind) for at, kind in timed if at]
    return RecoveryPointsRead(points=tuple(sorted(points, key=lambda point: point.at, reverse=True)))


async def start_protection(request: StartProtection) -> StartsMade:
    """Start an action on each machine, or adopt the job that an earlier run of this same call started.

    Once the vault throttles, nothing more is sent. An action that would change nothing is refused as "nothing-to-do".

    Raises:
        Transient: the items or the jobs could not be read; nothing was sent.
    """
    batch = _ProtectionBatch(request)
    await batch.read_items_and_jobs()
    answers = await map_concurrently(request.starts, batch.start_one)
    return StartsMade(answers=tuple(answers), retry_after=batch.retry_after, calls=batch.calls)


class _ProtectionBatch:
    """What the starts of one call share."""

    def __init__(self, request: StartProtection) -> None:
        self._request = request
        self._vault = OnboardingVault(request.vault)
        self._items: Mapping[str, Json] = {}
        self._jobs: list[Json] = []
        self.retry_after = timedelta(0)

    @property
    def calls(self) -> Calls:
        """The requests that it took so far."""
        return self._vault.calls_made

    async def read_items_and_jobs(self) -> None:
        """Read the items, then the jobs: no job slips in between."""
        items, _ = await self._vault.list_items_with_time()
        self._items = {item["id"].lower(): item for item in items}
        self._jobs = await self._vault.list_jobs(self._request.since - CLOCKS_APART)

    async def start_one(self, start: ProtectionStart) -> StartAnswer:
        """Start one, or say why not."""
        try:
            return await self._adopt_or_start(start)
        except Refused as refusal:
            return StartAnswer(vm=start.vm, outcome="refused", code=refusal.code, detail=refusal.detail)
        except Transient as no_answer:
            self.retry_after = max(self.retry_after, timedelta(seconds=no_answer.retry_after or 0))
            return StartAnswer(vm=start.vm, outcome="unanswered", detail=str(no_answer))

    async def _adopt_or_start(self, start: ProtectionStart) -> StartAnswer:
        item = self._items.get(start.item_id.lower())
        request_id = client_request_id(self._request.operation, start.item_id, self._request.action, start.attempt)
        guid = start.machine.guid if start.machine else replicated_item(item).guid if item else start.vm
        sign = JobSignature(_SCENARIOS[self._request.action], (start.vm, guid), self._request.since)
        if own_job := await self._vault.find_our_job(self._jobs, request_id, sign, current_job(item) if item else ""):
            return StartAnswer(vm=start.vm, outcome="started", job=own_job)
        body = self._action_body(start, item)
        if self._request.action != "restart" and item and (copied := replicated_item(item)).scenario != "None":
            detail = f"{start.vm} is busy with {copied.scenario}"
            return StartAnswer(vm=start.vm, outcome="busy", code="busy", detail=detail)
        if self.retry_after:
            detail = "not sent: the vault throttles"
            return StartAnswer(vm=start.vm, outcome="unanswered", code="throttled", detail=detail)
        return StartAnswer(vm=start.vm, outcome="started", job=await self._send_action(start, body, request_id))

    def _action_body(self, start: ProtectionStart, item: Json | None) -> dict[str, Any]:
        """What will be sent; empty where the request has no body.

        Raises:
            Refused: the machine is not one that the action can be done with, or is so already.
        """
        match self._request.action:
            case "enable":
                return self._enable_body(start, item)
            case "restart":
                return {}
            case "disable" if item is None:
                raise Refused(NOTHING_TO_DO, f"{start.vm} does not replicate")
            case _ if item is None:
                raise Refused("not-protected", f"{start.vm} does not replicate: enable it first")
            case "update":
                return _changed_body(start, item)
        _require_allowed(self._request.action, replicated_item(item), item_view(item).allowed_operations)
        return {}

    def _enable_body(self, start: ProtectionStart, item: Json | None) -> dict[str, Any]:
        if item is not None:
            raise Refused(NOTHING_TO_DO, f"{start.vm} replicates already")
        if start.machine is None:
            raise Refused("no-machine", f"what shall be protected of {start.vm} was not said")
        return enable_body(
            start.machine,
            start.settings,
            policy_id=self._request.policy_id,
            target_group=self._request.target_group,
            cache_storage=self._request.cache_storage,
        )

    async def _send_action(self, start: ProtectionStart, body: Json, request_id: str) -> str:
        match self._request.action:
            case "enable":
                return await self._vault.enable_replication(start.item_id, body, request_id)
            case "update":
                return await self._vault.update_item(start.item_id, body, request_id)
            case "disable":
                return await self._vault.disable_replication(start.item_id, request_id)
            case "resynchronise":
                return await self._vault.resynchronise_item(start.item_id, request_id)
            case "restart":
                return await self._vault.restart_job(start.job, request_id)


def _require_allowed(action: str, copied: ReplicatedItem, allowed: Collection[str]) -> None:
    """Let pass what is busy, which is asked again later, and what takes the action.

    Raises:
        Refused: it is idle, and in a state that the action leads nowhere from.
    """
    if copied.scenario != "None":
        return
    if action == "disable" and "DisableProtection" not in allowed:
        raise Refused("not-allowed", f"{copied.vm} allows {', '.join(allowed) or 'nothing'}, not DisableProtection")
    if action == "resynchronise" and not copied.is_protected:
        raise Refused("not-protected", f"{copied.vm} is {copied.state}: only a Protected one can be compared")


def _changed_body(start: ProtectionStart, item: Json) -> dict[str, Any]:
    current, wanted = update_body(item), update_body(item, start.settings)
    if current == wanted:
        raise Refused(NOTHING_TO_DO, f"{start.vm} has these settings already")
    return wanted
