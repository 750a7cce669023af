"""Microsoft.RecoveryServices: the vaults themselves; what is in them is Site Recovery's."""

from lab.azure.arm import activity_log, lro, resources
from lab.azure.arm.crud import serve_get, serve_list, serve_subscription_list
from lab.azure.arm.ids import name_of, resource_id
from lab.azure.arm.routing import Provider
from lab.azure.simulator.answers import Answer, Json
from lab.azure.simulator.lab import SUBSCRIPTION, TENANT, Lab, due
from lab.azure.simulator.requests import ArmRequest, require_field

VAULT = "Microsoft.RecoveryServices/vaults"
VAULTS = resources.GROUP_PATH + "/providers/Microsoft.RecoveryServices/vaults"

provider = Provider("Microsoft.RecoveryServices", {"2024-04-01", "2025-02-01", "2025-08-01", "2026-11-01"})


def add_vault(lab: Lab, group: str, name: str) -> Json:
    """Make a vault with a system-assigned identity and no private endpoint."""
    arm_id = resource_id(SUBSCRIPTION, group, VAULT, name)
    return resources.put_resource(
        lab,
        arm_id,
        _vault_properties({}),
        sku={"name": "RS0", "tier": "Standard"},
        identity=_identity_of(lab, arm_id),
        tags={},
    )


def _identity_of(lab: Lab, arm_id: str) -> Json:
    return {"type": "SystemAssigned", "principalId": lab.fixed_id("principal", arm_id), "tenantId": TENANT}


def _vault_properties(given: Json) -> Json:
    return {
        "provisioningState": "Succeeded",
        "privateEndpointStateForBackup": "None",
        "privateEndpointStateForSiteRecovery": "None",
        "publicNetworkAccess": given.get("publicNetworkAccess", "Enabled"),
        "redundancySettings": {"standardTierStorageRedundancy": "GeoRedundant", "crossRegionRestore": "Disabled"},
        "securitySettings": given.get("securitySettings", {"softDeleteSettings": {"softDeleteState": "Enabled"}}),
    }


@provider.route("PUT", VAULTS + "/{vault}")
def put_vault(lab: Lab, request: ArmRequest) -> Answer:
    """Create or change a vault: 201 or 200, done when answered."""
    resources.require_group(lab, request.path)
    resources.require_unlocked(lab, request.path)
    body = request.require_object()
    require_field(body, "location")
    existing = resources.find_resource(lab, request.path)
    arm_id = existing["id"] if existing else request.path
    identity = _identity_of(lab, arm_id) if _wants_identity(body) else {"type": "None"}
    vault = resources.put_resource(
        lab,
        arm_id,
        _vault_properties(body.get("properties") or {}),
        location=body["location"],
        sku=require_field(body, "sku"),
        identity=identity,
        tags=body.get("tags") or {},
    )
    activity_log.log_ended(lab, activity_log.origin_of(request), arm_id, f"{VAULT}/write")
    return Answer(200 if existing else 201, vault)


def _wants_identity(body: Json) -> bool:
    return "systemassigned" in str((body.get("identity") or {}).get("type", "")).lower()


@provider.route("PATCH", VAULTS + "/{vault}")
def patch_vault(lab: Lab, request: ArmRequest) -> Answer:
    """Change tags, identity or public network access of a vault."""
    vault = resources.require_resource(lab, request.path)
    resources.require_unlocked(lab, request.path)
    body = request.require_object()
    if _wants_identity(body):
        vault["identity"] = _identity_of(lab, vault["id"])
    vault["tags"] |= body.get("tags") or {}
    vault["properties"] |= {
        key: value for key, value in (body.get("properties") or {}).items() if key == "publicNetworkAccess"
    }
    activity_log.log_ended(lab, activity_log.origin_of(request), vault["id"], f"{VAULT}/write")
    return Answer(200, resources.save_resource(lab, vault))


@provider.route("DELETE", VAULTS + "/{vault}")
def delete_vault(lab: Lab, request: ArmRequest) -> Answer:
    """Remove a vault: 202, or 204 when there is none."""
    vault = resources.find_resource(lab, request.path)
    if vault is None:
        return Answer(204)
    resources.require_unlocked(lab, request.path, deleting=True)
    operation = lro.start_operation(lab, status="InProgress")
    args = {"vault": vault["id"], "operation": operation["name"], "origin": activity_log.origin_of(request)}
    lab.call_after(lro.QUICK, "vault-removed", args)
    path = f"/subscriptions/{request.subscription}/providers/Microsoft.RecoveryServices/locations/westeurope"
    return lro.accepted_answer(lro.polling_headers(request, f"{path}/operationStatus/{operation['name']}", None, 15))


@due("vault-removed")
def finish_removal(lab: Lab, args: Json) -> None:
    """The vault is gone."""
    resources.delete_resource(lab, args["vault"])
    lro.end_operation(lab, args["operation"])
    activity_log.log_ended(lab, args["origin"], args["vault"], f"{VAULT}/delete")


@provider.route(
    "GET",
    "/subscriptions/{subscription}/providers/Microsoft.RecoveryServices/locations/{location}/operationStatus/{operation}",
)
def get_operation(lab: Lab, request: ArmRequest) -> Answer:
    """How far an operation on a vault is."""
    operation = lro.require_operation(lab, request, request.params["operation"])
    shown = ("name", "status", "startTime", "endTime", "error")
    return Answer(200, {"id": request.path, "name": name_of(request.path)} | {key: operation.get(key) for key in shown})


serve_list(provider, VAULTS, VAULT)
serve_subscription_list(provider, VAULT)
serve_get(provider, VAULTS + "/{vault}")
