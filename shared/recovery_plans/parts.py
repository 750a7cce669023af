"""A plan as recovery plans of Site Recovery, which the portal's people see and can run. Pure.

A recovery plan is of one vault and one primary fabric, and has at most 7 Boot groups and 100 machines; ours has no such
limits, and so may become several, its parts, that have to run one after the other.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from pydantic import Field

from shared.arm_ids import split_at
from shared.graph import Edges, waves_of
from shared.grouping import group_pairs
from shared.messages import Message, VaultRef
from shared.plans.plan import PlanDocument
from shared.site_recovery.views import ItemView
from shared.sites.site import SiteDocument

MOST_GROUPS = 7
"""Boot groups of a recovery plan. Assumed: the portal offers no more."""
MOST_MACHINES = 100
"""Source: Azure Site Recovery, "About recovery plans": up to 100 protected instances in one recovery plan."""
AZURE = "Microsoft Azure"
TO_AZURE, TO_PRIMARY = "PrimaryToRecovery", "RecoveryToPrimary"
FAILOVERS = ("PlannedFailover", "UnplannedFailover", "TestFailover")
type Items = Mapping[str, ItemView]
"""Protected items by the machine's name in lower case."""


class PlanAction(Message):
    """Something a recovery plan does, or has a person do, at the start or the end of a group.

    Attributes:
        operations: In which operations, spelt as in allowedOperations.
        details: What the API calls customDetails; its instanceType says what sort of action it is.
    """

    name: str
    operations: tuple[str, ...] = FAILOVERS
    directions: tuple[str, ...] = (TO_AZURE,)
    details: dict[str, Any] = Field(default_factory=dict)

    @property
    def kind(self) -> str:
        """manual, runbook or script; how the API calls it when it is none of them."""
        spelt = str(self.details.get("instanceType"))
        return _KINDS.get(spelt, spelt)

    def to_body(self) -> dict[str, Any]:
        """The action as the API takes it."""
        named = {"actionName": self.name, "failoverTypes": list(self.operations)}
        return named | {"failoverDirections": list(self.directions), "customDetails": dict(self.details)}


_KINDS = {
    "ManualActionDetails": "manual",
    "AutomationRunbookActionDetails": "runbook",
    "ScriptActionDetails": "script",
}


class PlacedAction(Message):
    """An action of our plan, and where it belongs: before or after one machine's group, or all of the plan's."""

    action: PlanAction
    moment: Literal["before", "after"]
    vm: str = ""


class PlanMember(Message):
    """A protected item in a group; `machine` is the virtual machine's GUID, `vm` its name where that is known."""

    id: str
    machine: str = ""
    vm: str = ""


class PlanGroup(Message):
    """Machines that are started together, with what is done before and after."""

    kind: Literal["Shutdown", "Failover", "Boot"] = "Boot"
    members: tuple[PlanMember, ...] = ()
    before: tuple[PlanAction, ...] = ()
    after: tuple[PlanAction, ...] = ()

    def to_body(self) -> dict[str, Any]:
        """The group as the API takes it."""
        machines = [{"id": one.id, "virtualMachineId": one.machine or one.id} for one in self.members]
        return {"groupType": self.kind, "replicationProtectedItems": machines} | {
            "startGroupActions": [action.to_body() for action in self.before],
            "endGroupActions": [action.to_body() for action in self.after],
        }


class PlanPart(Message):
    """One recovery plan in one vault.

    Attributes:
        groups: Shutdown, Failover, and the Boot groups in their order.
    """

    name: str
    vault: VaultRef
    fabric_id: str
    groups: tuple[PlanGroup, ...] = ()

    @property
    def id(self) -> str:
        """Its ARM id."""
        return f"{self.vault.arm_id}/replicationRecoveryPlans/{self.name}"

    @property
    def boot_groups(self) -> tuple[PlanGroup, ...]:
        """The groups that start machines."""
        return tuple(group for group in self.groups if group.kind == "Boot")

    @property
    def members(self) -> tuple[PlanMember, ...]:
        """Every machine, in the order of the groups."""
        return tuple(member for group in self.groups for member in group.members)

    def to_create_body(self) -> dict[str, Any]:
        """What a PUT makes of it a new recovery plan with.

        Source: recorded with api-version 2022-08-01; the service adds the Shutdown and the Failover group itself.
        """
        kept = [group for group in self.groups if group != PlanGroup(kind=group.kind) or group.kind == "Boot"]
        groups = [group.to_body() for group in kept]
        named = {"primaryFabricId": self.fabric_id, "recoveryFabricId": AZURE}
        return {"properties": named | {"failoverDeploymentModel": "ResourceManager", "groups": groups}}

    def to_update_body(self) -> dict[str, Any]:
        """What a PATCH replaces all groups of the recovery plan with."""
        return {"properties": {"groups": [group.to_body() for group in self.groups]}}


def read_part(shown: Mapping[str, Any]) -> PlanPart:
    """A recovery plan as GET shows it; a list shows none of its groups.

    Raises:
        ValueError: its id names no vault.
    """
    properties = shown.get("properties") or {}
    return PlanPart(
        name=str(shown["name"]),
        vault=VaultRef.from_id(str(shown["id"])),
        fabric_id=str(properties.get("primaryFabricId") or ""),
        groups=tuple(_read_group(group) for group in properties.get("groups") or ()),
    )


def _read_group(shown: Mapping[str, Any]) -> PlanGroup:
    return PlanGroup(
        kind=shown.get("groupType") or "Boot",
        members=tuple(
            PlanMember(id=str(one.get("id") or ""), machine=str(one.get("virtualMachineId") or ""))
            for one in shown.get("replicationProtectedItems") or ()
        ),
        before=tuple(_read_action(action) for action in shown.get("startGroupActions") or ()),
        after=tuple(_read_action(action) for action in shown.get("endGroupActions") or ()),
    )


def _read_action(shown: Mapping[str, Any]) -> PlanAction:
    return PlanAction(
        name=str(shown.get("actionName") or ""),
        operations=tuple(shown.get("failoverTypes") or ()),
        directions=tuple(shown.get("failoverDirections") or ()),
        details={name: value for name, value in (shown.get("customDetails") or {}).items() if value is not None},
    )


def shape_digest(part: PlanPart) -> str:
    """Names the order and the actions of a recovery plan: equal as long as running it does the same."""
    waves = [sorted(member.id.lower() for member in group.members) for group in part.boot_groups if group.members]
    action_groups = [[a.model_dump(mode="json") for a in (*group.before, *group.after)] for group in part.groups]
    canonical = json.dumps([waves, [one for one in action_groups if one]], sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def part_name(name: str, number: int, of: int) -> str:
    """What the recovery plan is called: "payroll", or "payroll-2-of-3".

    Source: assumed, since no rule is published: it begins with a letter, and has letters, digits and hyphens.
    """
    base = name if name[:1].isalpha() else f"plan-{name}"
    return base if of == 1 else f"{base}-{number}-of-{of}"


class _Home(NamedTuple):
    """Where a machine is protected, in lower case: one recovery plan has the machines of one of these."""

    vault: str
    fabric: str


def parts_of(
    name: str, plan: PlanDocument, sites: Mapping[str, SiteDocument], items: Items, actions: Sequence[PlacedAction] = ()
) -> tuple[PlanPart, ...]:
    """The recovery plans that do what our plan says, in the order in which they have to run.

    A machine's group comes after the groups of those that it comes after, in its own part or an earlier one. As few
    parts as looking one part ahead finds. Machines that no vault protects are left out.
    """
    homes, order = _homes_of(plan, sites, items), effective_edges(plan, items)
    wave_groups = _split_into_parts(order, homes)
    vaults = {key.lower(): VaultRef.from_id(site.vault) for key, site in sites.items()}
    site_by_vm = {item.vm: (plan.site_name_of(item)).lower() for item in plan.items}
    parts = []
    for number, waves in enumerate(wave_groups, start=1):
        first = waves[0][0]
        waves_of_members = (
            tuple(PlanMember(id=items[vm.lower()].id, machine=items[vm.lower()].machine, vm=vm) for vm in wave)
            for wave in waves
        )
        groups = tuple(PlanGroup(members=members) for members in waves_of_members)
        plan_name = part_name(name, number, len(wave_groups))
        fabric = fabric_of(items[first.lower()].id)
        parts.append(
            PlanPart(name=plan_name, vault=vaults[site_by_vm[first]], fabric_id=fabric, groups=(*_FRONT, *groups))
        )
    return _with_actions(parts, actions)


_FRONT = (PlanGroup(kind="Shutdown"), PlanGroup(kind="Failover"))


def fabric_of(item_id: str) -> str:
    """ARM id of the fabric that a protected item is in."""
    fabric, container = split_at(item_id, "replicationProtectionContainers")
    return fabric if container else ""


def _homes_of(plan: PlanDocument, sites: Mapping[str, SiteDocument], items: Items) -> dict[str, _Home]:
    vaults = {name: VaultRef.from_id(sites[name].vault).key for name in plan.site_names}
    found = ((one, items.get(one.vm.lower())) for one in plan.items)
    return {one.vm: _Home(vaults[plan.site_name_of(one)], fabric_of(i.id).lower()) for one, i in found if i}


def effective_edges(plan: PlanDocument, items: Items) -> dict[str, tuple[str, ...]]:
    """The order among the machines that are protected; who came after another one comes after what that came after."""
    reach: dict[str, tuple[str, ...]] = {}
    edges = plan.edges
    for vm in (vm for wave in waves_of(edges) for vm in wave):
        befores = (((one,) if one.lower() in items else reach[one]) for one in edges[vm])
        reach[vm] = tuple(dict.fromkeys(name for names in befores for name in names))
    return {vm: reach[vm] for vm in edges if vm.lower() in items}


type _Waves = tuple[tuple[str, ...], ...]


def _split_into_parts(after: Edges, homes: Mapping[str, _Home]) -> list[_Waves]:
    """Take the largest part that can run next, until nothing is left."""
    left = dict(after)
    parts: list[_Waves] = []
    while left:
        edges = {vm: tuple(before for before in befores if before in left) for vm, befores in left.items()}
        order = [vm for wave in waves_of(edges) for vm in wave]
        reached = (_reachable_waves(left, order, home, homes) for home in dict.fromkeys(homes[vm] for vm in left))
        waves = max(reached, key=lambda waves: sum(len(wave) for wave in waves))
        parts.append(waves)
        taken = {vm for wave in waves for vm in wave}
        left = {vm: befores for vm, befores in left.items() if vm not in taken}
    return parts


def _reachable_waves(left: Edges, order: Sequence[str], home: _Home, homes: Mapping[str, _Home]) -> _Waves:
    """What one recovery plan of this home could start of what is left, wave after wave."""
    depth: dict[str, int] = {}
    for vm in order:
        waits = [one for one in left[vm] if one in left]
        if homes[vm] == home and all(one in depth for one in waits):
            depth[vm] = 1 + max((depth[one] for one in waits), default=-1)
    place = {vm: at for at, vm in enumerate(left)}
    fits = sorted((vm for vm in depth if depth[vm] < MOST_GROUPS), key=lambda vm: (depth[vm], place[vm]))
    waves = group_pairs((depth[vm], vm) for vm in fits[:MOST_MACHINES])
    return tuple(tuple(wave) for wave in waves.values())


def _with_actions(parts: Sequence[PlanPart], actions: Sequence[PlacedAction]) -> tuple[PlanPart, ...]:
    """Each action at its group; what belongs to the whole plan before the first failover, or after the last group."""
    made = list(parts)
    for placed in actions:
        if spot := _find_group(made, placed):
            at, number = spot
            part, group = made[at], made[at].groups[number]
            current = group.before if placed.moment == "before" else group.after
            changed = group.model_copy(update={placed.moment: (*current, placed.action)})
            groups = (*part.groups[:number], changed, *part.groups[number + 1 :])
            made[at] = part.model_copy(update={"groups": groups})
    return tuple(made)


def _find_group(parts: Sequence[PlanPart], placed: PlacedAction) -> tuple[int, int] | None:
    """Where the action goes: the part, and the group in it; None when its machine is in none."""
    if not parts:
        return None
    if not placed.vm:
        return (0, _FAILOVER) if placed.moment == "before" else (len(parts) - 1, len(parts[-1].groups) - 1)
    wanted = placed.vm.lower()
    for at, part in enumerate(parts):
        for number, group in enumerate(part.groups):
            if any(member.vm.lower() == wanted for member in group.members):
                return at, number
    return None


_FAILOVER = 1


def manual_action(name: str, description: str, operations: Sequence[str] = FAILOVERS) -> PlanAction:
    """An action that waits for a person."""
    details = {"instanceType": "ManualActionDetails", "description": description}
    return PlanAction(name=name, operations=tuple(operations), details=details)


def runbook_action(
    name: str, runbook_id: str, *, timeout: str = "", operations: Sequence[str] = FAILOVERS
) -> PlanAction:
    """An action that an Automation runbook does in Azure."""
    details = {"instanceType": "AutomationRunbookActionDetails", "runbookId": runbook_id, "fabricLocation": "Recovery"}
    return PlanAction(
        name=name, operations=tuple(operations), details=details | ({"timeout": timeout} if timeout else {})
    )
