"""What a cluster's identity may do with a vault. A node registers with the key that this identity fetches for it."""

from datetime import timedelta

from lab.azure.arm import resources
from lab.azure.arm.authorization import ASSIGNMENT
from lab.azure.arm.ids import part_of
from lab.azure.simulator.answers import Json, bad_request
from lab.azure.simulator.lab import Lab, parse_instant, to_iso
from lab.azure.simulator.waits import shortened_wait

OWNER, CONTRIBUTOR = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "b24988ac-6180-42a0-ab88-20f7382dd24c"
SITE_RECOVERY_CONTRIBUTOR = "6670b86e-a3f7-4917-ac9b-5d6ab1be4567"
TAKES_EFFECT_AFTER = timedelta(minutes=6)
"""Documented: up to ten minutes."""
ENOUGH = (OWNER, CONTRIBUTOR, SITE_RECOVERY_CONTRIBUTOR)
"""Built-in roles that let an identity fetch the key of a vault (assumed of the last)."""


def choose_effect_delay(lab: Lab, settings: Json) -> None:
    """{takeEffectAfter}: minutes until a new role assignment holds; a wish of the world.

    Raises:
        ArmError: 400 for anything else.
    """
    minutes = settings.get("takeEffectAfter")
    if set(settings) != {"takeEffectAfter"} or not isinstance(minutes, int | float) or minutes < 0:
        raise bad_request("InvalidWorld", "roles takes takeEffectAfter, a number of minutes")
    lab.store.put("roles", "delay", {"minutes": minutes})


def _effect_delay(lab: Lab) -> timedelta:
    chosen = lab.store.get("roles", "delay")
    return timedelta(minutes=chosen["minutes"]) if chosen else shortened_wait(TAKES_EFFECT_AFTER)


def may_fetch_key(lab: Lab, cluster_id: str, vault_id: str) -> bool:
    """Whether the identity of a cluster has such a role on a vault, or above it."""
    principal = _principal_of(lab, cluster_id)
    vault = f"{vault_id.lower()}/"
    return bool(principal) and any(
        each["properties"]["principalId"] == principal
        and each["properties"]["roleDefinitionId"].rpartition("/")[2].lower() in ENOUGH
        and vault.startswith(f"{each['properties']['scope'].lower()}/")
        and lab.now() >= parse_instant(each["properties"]["createdOn"]) + _effect_delay(lab)
        for each in lab.store.all(ASSIGNMENT)
    )


def _principal_of(lab: Lab, cluster_id: str) -> str:
    cluster = resources.find_resource(lab, cluster_id)
    return str(((cluster or {}).get("identity") or {}).get("principalId") or "")


def grant_key_access(lab: Lab, cluster_id: str, vault_id: str) -> Json:
    """Give the identity of a cluster the role that it needs, for a scenario that is set up already."""
    name = lab.fixed_id("assignment", cluster_id, vault_id)
    arm_id = f"{vault_id}/providers/Microsoft.Authorization/roleAssignments/{name}"
    definitions = f"/subscriptions/{part_of(vault_id, 'subscriptions')}/providers/Microsoft.Authorization"
    now = to_iso(lab.now() - TAKES_EFFECT_AFTER)
    properties = {
        "roleDefinitionId": f"{definitions}/roleDefinitions/{CONTRIBUTOR}",
        "principalId": _principal_of(lab, cluster_id),
        "principalType": "ServicePrincipal",
        "scope": vault_id,
        "createdOn": now,
        "updatedOn": now,
        "createdBy": "",
        "updatedBy": "",
    }
    document = {"id": arm_id, "name": name, "type": "Microsoft.Authorization/roleAssignments", "properties": properties}
    return lab.store.put(ASSIGNMENT, arm_id, document)
