"""Microsoft.RecoveryServices: the vaults themselves; what is in them is Site Recovery's."""

from datetime import timedelta

from lab.azure.arm import activity_log, lro, resources
from lab.azure.arm.crud import serve_get, serve_list, serve_subscription_list
from lab.azure.arm.ids import name_of, resource_id
from lab.azure.arm.routing import Provider
from lab.azure.simulator.answers import Answer, ArmError, Json
from lab.azure.simulator.lab import SUBSCRIPTION, TENANT, Lab, due
from lab.azure.simulator.requests import ArmRequest, require_field
from lab.azure.simulator.waits import shortened_wait

VAULT = "Microsoft.RecoveryServices/vaults"
VAULTS = resources.GROUP_PATH + "/providers/Microsoft.RecoveryServices/vaults"

PROVISIONED_AFTER = timedelta(seconds=45)
"""Recorded: up to 61 seconds."""

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
    """Create or change a vault: 201 and an operation of up to a minute, as recorded, or 200."""
    resources.require_group(lab, request.path)
    resources.require_unlocked(lab, request.path)
    body = request.require_object()
    require_field(body, "location")
    existing = resources.find_resource(lab, request.path)
    if existing and existing["location"].lower() != str(body["location"]).lower():
        raise ArmError(
            409,
            "InvalidResourceLocation",
            f"The resource '{existing['name']}' already exists in location '{existing['location']}'. One of "
            f"that name cannot be created in location '{body['location']}'.",
        )
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
    if existing:
        activity_log.log_ended(lab, activity_log.origin_of(request), arm_id, f"{VAULT}/write")
        return Answer(200, vault)
    return _begin_provisioning(lab, request, vault)


def _begin_provisioning(lab: Lab, request: ArmRequest, vault: Json) -> Answer:
    """201 Provisioning with the operation that ends it."""
    vault["properties"]["provisioningState"] = "Provisioning"
    resources.save_resource(lab, vault)
    operation = lro.start_operation(lab, status="InProgress")
    args = {"vault": vault["id"], "operation": operation["name"], "origin": activity_log.origin_of(request)}
    lab.call_after(shortened_wait(PROVISIONED_AFTER), "vault-provisioned", args)
    path = f"{vault['id']}/operationStatus/{operation['name']}"
    return Answer(201, vault, lro.polling_headers(request, path, None, 15))


@due("vault-provisioned")
def finish_provisioning(lab: Lab, args: Json) -> None:
    """The vault is there."""
    if vault := resources.find_resource(lab, args["vault"]):
        vault["properties"]["provisioningState"] = "Succeeded"
        resources.save_resource(lab, vault)
    lro.end_operation(lab, args["operation"])
    activity_log.log_ended(lab, args["origin"], args["vault"], f"{VAULT}/write")


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
    if lab.store.all("asr-fabric", vault["id"]) or lab.store.all("asr-item", vault["id"]):
        message = (
            f"Recovery Services vault '{vault['name']}' cannot be deleted as there are existing resources within the "
            "vault: replicated items, or sites with registered servers."
        )
        raise ArmError(400, "ServiceResourceNotEmptyWithContainerDetails", message)
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


@provider.route("GET", VAULTS + "/{vault}/operationStatus/{operation}")
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
