"""What a cluster's identity may do with a vault. A node registers with the key that this identity fetches for it."""

from lab.azure.arm import resources
from lab.azure.arm.authorization import ASSIGNMENT
from lab.azure.arm.role_rights import CONTRIBUTOR, OWNER, SITE_RECOVERY_CONTRIBUTOR, grant_role, is_in_effect
from lab.azure.simulator.answers import Json, bad_request
from lab.azure.simulator.lab import Lab

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


def may_fetch_key(lab: Lab, cluster_id: str, vault_id: str) -> bool:
    """Whether the identity of a cluster has such a role on a vault, or above it."""
    principal = _principal_of(lab, cluster_id)
    vault = f"{vault_id.lower()}/"
    return bool(principal) and any(
        each["properties"]["principalId"] == principal
        and each["properties"]["roleDefinitionId"].rpartition("/")[2].lower() in ENOUGH
        and vault.startswith(f"{each['properties']['scope'].lower()}/")
        and is_in_effect(lab, each)
        for each in lab.store.all(ASSIGNMENT)
    )


def _principal_of(lab: Lab, cluster_id: str) -> str:
    cluster = resources.find_resource(lab, cluster_id)
    return str(((cluster or {}).get("identity") or {}).get("principalId") or "")


def grant_key_access(lab: Lab, cluster_id: str, vault_id: str) -> Json:
    """Give the identity of a cluster the role that it needs, for a scenario that is set up already."""
    return grant_role(lab, _principal_of(lab, cluster_id), CONTRIBUTOR, vault_id)
