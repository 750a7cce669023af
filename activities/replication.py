"""Replication of VMs: what there is, how far it is, and the four things that can be done; each is sent once."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from shared.azure.json_fields import Json, part, text, utc
from shared.azure.protected_items import (
    copied_view,
    current_job,
    enable_body,
    is_ours,
    item_view,
    machine_view,
    update_body,
)
from shared.azure.vault import CLOCKS_APART
from shared.azure.vault_setup import OnboardingVault, Sign
from shared.concurrency import each
from shared.errors import Refused, Transient
from shared.replication.contract import (
    CopiesRead,
    MachinesRead,
    Point,
    PointsRead,
    ProtectOne,
    ReadCopies,
    ReadMachines,
    ReadPoints,
    StartProtection,
)
from shared.replication.schedule import NOTHING
from shared.replication.settings import Copied
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


async def read_machines(ask: ReadMachines) -> MachinesRead:
    """Read the machines of a site, and the policy under which they are protected.

    Raises:
        Refused: the vault has no such site, or not that policy.
    """
    vault = OnboardingVault(ask.vault)
    site = await vault.find_site(ask.site)
    container = await vault.find_container(site) if site else None
    if container is None:
        raise Refused("no-site", f"the vault {ask.vault.vault} has no Hyper-V site {ask.site}: prepare the site first")
    policy = await _policy(vault, container, ask.policy)
    details = part(policy, "properties", "providerSpecificDetails")
    return MachinesRead(
        machines=tuple(machine_view(machine) for machine in await vault.list_machines(container)),
        container=container["id"],
        policy_id=policy["id"],
        interval=timedelta(seconds=int(details.get("replicationInterval") or 300)),
    )


async def _policy(vault: OnboardingVault, container: Json, name: str) -> Json:
    """The policy that the container is associated with; by its name where that is declared."""
    ids = [text(part(one, "properties").get("policyId")) for one in await vault.list_associations(container)]
    names = [arm_id.rpartition("/")[2] for arm_id in ids]
    chosen = next((one for one in names if name.lower() in {"", one.lower()}), None)
    policy = await vault.find_policy(chosen) if chosen else None
    if policy is None:
        raise Refused("not-associated", f"the Hyper-V site is not associated with the policy {name or '(any)'}")
    return policy


async def read_copies(ask: ReadCopies) -> CopiesRead:
    """Read the replication of the vault's machines, all of them or those that are named."""
    vault = OnboardingVault(ask.vault)
    items, at = await vault.list_items_at()
    newest = await _newest(vault, ask, ask.since) if ask.seek and ask.since else {}
    wanted = {vm.lower() for vm in ask.vms}
    copies = [copied_view(item) for item in items if is_ours(item)]
    shown = tuple(one for one in copies if not wanted or one.vm.lower() in wanted)
    return CopiesRead(copies=shown, newest=newest, at=at)


async def _newest(vault: OnboardingVault, ask: ReadCopies, since: datetime) -> dict[str, str]:
    """The newest job of the action for each machine that is sought: a restarted job is followed by one of its own."""
    jobs = await vault.list_jobs(since - CLOCKS_APART)
    told = [(part(job, "properties"), job["name"]) for job in jobs]
    ours = [(p, name) for p, name in told if p.get("scenarioName") in _SCENARIOS[ask.action]]
    ours.sort(key=lambda one: text(one[0].get("startTime")))
    sought = {guid.lower(): guid for guid in ask.seek}
    found = ((sought.get(text(p.get("targetObjectId")).lower()), name) for p, name in ours)
    return {guid: name for guid, name in found if guid}


async def read_points(ask: ReadPoints) -> PointsRead:
    """Read an item's recovery points; the vault lists them in no order that is promised."""
    listed, _ = await OnboardingVault(ask.vault).list_points(ask.item_id)
    found = [part(point, "properties") for point in listed]
    timed = [(utc(point.get("recoveryPointTime")), text(point.get("recoveryPointType"))) for point in found]
    points = [Point(at=at, kind=kind) for at, kind in timed if at]
    return PointsRead(points=tuple(sorted(points, key=lambda point: point.at, reverse=True)))


async def start_protection(ask: StartProtection) -> StartsMade:
    """Start an action on each machine, or adopt the job that an earlier run of this same call started.

    Once the vault throttles, nothing more is sent. An action that would change nothing is refused as "nothing-to-do".

    Raises:
        Transient: the items or the jobs could not be read; nothing was sent.
    """
    batch = _Batch(ask)
    await batch.look()
    answers = await each(ask.starts, batch.answer)
    return StartsMade(answers=tuple(answers), retry_after=batch.retry_after, calls=batch.calls)


class _Batch:
    """What the starts of one call share."""

    def __init__(self, ask: StartProtection) -> None:
        self._ask = ask
        self._vault = OnboardingVault(ask.vault)
        self._items: Mapping[str, Json] = {}
        self._jobs: list[Json] = []
        self.retry_after = timedelta(0)

    @property
    def calls(self) -> Calls:
        """The requests that it took so far."""
        return self._vault.calls

    async def look(self) -> None:
        """Read the items, then the jobs: no job slips in between."""
        items, _ = await self._vault.list_items_at()
        self._items = {item["id"].lower(): item for item in items}
        self._jobs = await self._vault.list_jobs(self._ask.since - CLOCKS_APART)

    async def answer(self, start: ProtectOne) -> StartAnswer:
        """Start one, or say why not."""
        try:
            return await self._start(start)
        except Refused as no:
            return StartAnswer(vm=start.vm, outcome="refused", code=no.code, detail=no.detail)
        except Transient as silence:
            self.retry_after = max(self.retry_after, timedelta(seconds=silence.retry_after or 0))
            return StartAnswer(vm=start.vm, outcome="unanswered", detail=str(silence))

    async def _start(self, start: ProtectOne) -> StartAnswer:
        item = self._items.get(start.item_id.lower())
        request_id = client_request_id(self._ask.operation, start.item_id, self._ask.action, start.attempt)
        guid = start.machine.guid if start.machine else copied_view(item).guid if item else start.vm
        sign = Sign(_SCENARIOS[self._ask.action], (start.vm, guid), self._ask.since)
        if ours := await self._vault.find_ours(self._jobs, request_id, sign, current_job(item) if item else ""):
            return StartAnswer(vm=start.vm, outcome="started", job=ours)
        body = self._body(start, item)
        if self._ask.action != "restart" and item and (busy := copied_view(item)).scenario != "None":
            detail = f"{start.vm} is busy with {busy.scenario}"
            return StartAnswer(vm=start.vm, outcome="busy", code="busy", detail=detail)
        if self.retry_after:
            detail = "not sent: the vault throttles"
            return StartAnswer(vm=start.vm, outcome="unanswered", code="throttled", detail=detail)
        return StartAnswer(vm=start.vm, outcome="started", job=await self._send(start, body, request_id))

    def _body(self, start: ProtectOne, item: Json | None) -> dict[str, Any]:
        """What will be sent; empty where the request has no body.

        Raises:
            Refused: the machine is not one that the action can be done with, or is so already.
        """
        match self._ask.action:
            case "enable":
                return self._enable_body(start, item)
            case "restart":
                return {}
            case "disable" if item is None:
                raise Refused(NOTHING, f"{start.vm} does not replicate")
            case _ if item is None:
                raise Refused("not-protected", f"{start.vm} does not replicate: enable it first")
            case "update":
                return _changed_body(start, item)
        _require_fit(self._ask.action, copied_view(item), item_view(item).allowed_operations)
        return {}

    def _enable_body(self, start: ProtectOne, item: Json | None) -> dict[str, Any]:
        if item is not None:
            raise Refused(NOTHING, f"{start.vm} replicates already")
        if start.machine is None:
            raise Refused("no-machine", f"what shall be protected of {start.vm} was not said")
        return enable_body(
            start.machine,
            start.settings,
            policy_id=self._ask.policy_id,
            target_group=self._ask.target_group,
            cache_storage=self._ask.cache_storage,
        )

    async def _send(self, start: ProtectOne, body: Json, request_id: str) -> str:
        match self._ask.action:
            case "enable":
                return await self._vault.enable(start.item_id, body, request_id)
            case "update":
                return await self._vault.update(start.item_id, body, request_id)
            case "disable":
                return await self._vault.disable(start.item_id, request_id)
            case "resynchronise":
                return await self._vault.resynchronise(start.item_id, request_id)
            case "restart":
                return await self._vault.restart(start.job, request_id)


def _require_fit(action: str, copied: Copied, allowed: Collection[str]) -> None:
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


def _changed_body(start: ProtectOne, item: Json) -> dict[str, Any]:
    now, wanted = update_body(item), update_body(item, start.settings)
    if now == wanted:
        raise Refused(NOTHING, f"{start.vm} has these settings already")
    return wanted
