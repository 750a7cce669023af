"""What a caller may do by its role assignments: on a scope and below it, minutes after each was made.

Source: the built-in roles' definitions, and the custom ones that the product ships. The product's identity is judged by
its assignments alone. Whoever has no
assignment at all is a foreign client, under whatever name it has a token, and may do everything.
"""

from collections.abc import Iterator
from datetime import timedelta

from lab.azure.arm import custom_roles
from lab.azure.arm.authorization import ASSIGNMENT
from lab.azure.arm.role_store import rights_by_definition
from lab.azure.arm.tokens import PRODUCT
from lab.azure.simulator.answers import Json
from lab.azure.simulator.lab import SUBSCRIPTION, Lab, parse_instant, to_iso
from lab.azure.simulator.waits import shortened_wait

TAKES_EFFECT_AFTER = timedelta(minutes=6)
"""Documented: up to ten minutes."""
OWNER, CONTRIBUTOR = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "b24988ac-6180-42a0-ab88-20f7382dd24c"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
SITE_RECOVERY_CONTRIBUTOR = "6670b86e-a3f7-4917-ac9b-5d6ab1be4567"
SITE_RECOVERY_OPERATOR = "494ae006-db33-4328-bf46-533a6560a3ca"
SITE_RECOVERY_READER = "dbaa88c4-0c30-4179-9fb3-46319faa6149"
STORAGE_ACCOUNT_CONTRIBUTOR = "17d1049b-9a84-46fb-8f53-869881c3d3ab"
_VAULTS = "Microsoft.RecoveryServices/vaults"
_COMMON = ("Microsoft.Authorization/*/read", "Microsoft.Resources/subscriptions/resourceGroups/read")
_VERBS = ("testFailover", "testFailoverCleanup", "plannedFailover", "unplannedFailover", "failoverCommit", "reProtect")
_ITEM = f"{_VAULTS}/replicationFabrics/replicationProtectionContainers/replicationProtectedItems"
ROLES: dict[str, Json] = {
    OWNER: {"actions": ["*"], "notActions": []},
    CONTRIBUTOR: {
        "actions": ["*"],
        "notActions": [
            "Microsoft.Authorization/*/Delete",
            "Microsoft.Authorization/*/Write",
            "Microsoft.Authorization/elevateAccess/Action",
        ],
    },
    READER: {"actions": ["*/read"], "notActions": []},
    SITE_RECOVERY_CONTRIBUTOR: {
        "actions": [*_COMMON, "Microsoft.Network/virtualNetworks/read", f"{_VAULTS}/*"],
        "notActions": [f"{_VAULTS}/delete"],
    },
    SITE_RECOVERY_OPERATOR: {
        "actions": [
            *_COMMON,
            f"{_VAULTS}/*/read",
            f"{_VAULTS}/read",
            *(f"{_ITEM}/{verb}/action" for verb in _VERBS),
            *(f"{_VAULTS}/replicationRecoveryPlans/{verb}/action" for verb in _VERBS),
            f"{_VAULTS}/replicationJobs/*",
        ],
        "notActions": [],
    },
    SITE_RECOVERY_READER: {"actions": [*_COMMON, f"{_VAULTS}/*/read", f"{_VAULTS}/read"], "notActions": []},
    STORAGE_ACCOUNT_CONTRIBUTOR: {
        "actions": [*_COMMON, "Microsoft.Storage/storageAccounts/*"],
        "notActions": [],
    },
}
"""What the roles that the lab knows let one do, by id; one that is not here has data actions alone."""
EVERYTHING = ROLES[OWNER]


def effect_delay(lab: Lab) -> timedelta:
    """How long a new assignment has no effect."""
    chosen = lab.store.get("roles", "delay")
    return timedelta(minutes=chosen["minutes"]) if chosen else shortened_wait(TAKES_EFFECT_AFTER)


def is_in_effect(lab: Lab, assignment: Json) -> bool:
    """Whether an assignment has an effect by now."""
    return lab.now() >= parse_instant(assignment["properties"]["createdOn"]) + effect_delay(lab)


def rights_on(lab: Lab, principal: str, path: str) -> list[Json]:
    """{actions, notActions} of each role that a caller has on a path or above it; everything for who is not judged."""
    assigned = [each for each in lab.store.all(ASSIGNMENT) if each["properties"]["principalId"] == principal]
    if not assigned and principal != PRODUCT:
        return [EVERYTHING]
    return list(_rights_of(lab, assigned, f"{path.lower()}/"))


def _rights_of(lab: Lab, assigned: list[Json], path: str) -> Iterator[Json]:
    for each in assigned:
        role = _role_of(each)
        covers = path.startswith(f"{each['properties']['scope'].lower()}/")
        if covers and is_in_effect(lab, each):
            rights = custom_roles.rights_of(lab, role) if role in custom_roles.NAMES else ROLES.get(role)
            yield from rights_by_definition(lab, role) if rights is None else (rights,)


def grant_role(lab: Lab, principal: str, role: str, scope: str) -> Json:
    """Give a principal a role that is in effect, for a scenario that is set up already."""
    name = lab.fixed_id("assignment", principal, role, scope)
    arm_id = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}"
    definitions = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"
    long_ago = to_iso(lab.now() - timedelta(days=1))
    properties = {
        "roleDefinitionId": f"{definitions}/{role}",
        "principalId": principal,
        "principalType": "ServicePrincipal",
        "scope": scope,
        "createdOn": long_ago,
        "updatedOn": long_ago,
        "createdBy": "",
        "updatedBy": "",
    }
    document = {"id": arm_id, "name": name, "type": "Microsoft.Authorization/roleAssignments", "properties": properties}
    return lab.store.put(ASSIGNMENT, arm_id, document)


def grant_product(lab: Lab, groups: list[str], *, makes_groups: bool) -> None:
    """What a deployment gives the product's identity: its custom roles on each resource group, one to read above them.

    Where it is to make resource groups itself it has all of them on the subscription.
    """
    subscription = f"/subscriptions/{SUBSCRIPTION}"
    for name, role in custom_roles.IDS.items():
        if makes_groups or name == "reader":
            grant_role(lab, PRODUCT, role, subscription)
        for group in groups:
            grant_role(lab, PRODUCT, role, f"{subscription}/resourceGroups/{group}")


def has_data_action(lab: Lab, principal: str, action: str) -> bool:
    """Whether a caller has a data action on any scope: what is called has no place in ARM here."""
    if principal != PRODUCT:
        return True
    assigned = [each for each in lab.store.all(ASSIGNMENT) if each["properties"]["principalId"] == principal]
    shipped = (custom_roles.rights_of(lab, _role_of(each)) for each in assigned if _role_of(each) in custom_roles.NAMES)
    made = (rights for each in assigned for rights in rights_by_definition(lab, _role_of(each)))
    return any(action in each["dataActions"] for each in (*shipped, *made) if each)


def _role_of(assignment: Json) -> str:
    return str(assignment["properties"]["roleDefinitionId"]).rpartition("/")[2].lower()
