"""Hyper-V sites (fabrics) and their containers."""

from lab.azure.simulator.answers import Answer, Json, not_simulated
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import ArmRequest
from lab.azure.site_recovery.api.common import (
    CONTAINER,
    CONTAINERS,
    FABRIC,
    FABRICS,
    ITEMS,
    MACHINES,
    MAPPINGS,
    PROVIDERS,
    SITE_RECOVERY,
    caller_of,
    own_id,
    require_record,
    type_of,
    vault_of,
)
from lab.azure.site_recovery.api.crud import serve_child_list, serve_get, serve_vault_list
from lab.azure.site_recovery.api.errors import conflict_error, input_error
from lab.azure.site_recovery.jobs.accepted import answer_with_job
from lab.azure.site_recovery.jobs.jobs import Target, begin_job, when
from lab.azure.site_recovery.jobs.operation_results import serve_results

_SEGMENT = "replicationFabrics"
_CONTAINERS = "replicationProtectionContainers"


def add_fabric(lab: Lab, vault: str, name: str) -> Json:
    """Make a site with its container, which the service names after the site's internalIdentifier."""
    arm_id = f"{vault}/{_SEGMENT}/{name}"
    site_id = lab.fixed_id("site", arm_id)
    fabric = {"id": arm_id, "name": name, "friendlyName": name, "vault": vault, "siteId": site_id}
    container = {"id": f"{arm_id}/{_CONTAINERS}/cloud_{site_id}", "name": f"cloud_{site_id}", "fabric": arm_id}
    lab.store.put(CONTAINERS, container["id"], container | {"friendlyName": name, "vault": vault})
    return lab.store.put(FABRICS, arm_id, fabric)


def container_of(lab: Lab, fabric: Json) -> Json:
    """The one container of a site."""
    return lab.store.all(CONTAINERS, fabric["id"])[0]


def fabric_document(lab: Lab, fabric: Json) -> Json:
    """A site as GET shows it; its health is the worst of its providers."""
    providers = lab.store.all(PROVIDERS, fabric["id"])
    hosts = [{"id": each["node"], "name": each["node"], "marsAgentVersion": "2.0.9938.0"} for each in providers]
    is_lost = any(each["noticed"] for each in providers)
    return {
        "id": fabric["id"],
        "name": fabric["name"],
        "type": type_of(fabric["id"]),
        "properties": {
            "friendlyName": fabric["friendlyName"],
            "encryptionDetails": {"kekState": "None", "kekCertThumbprint": None},
            "rolloverEncryptionDetails": {"kekState": "None", "kekCertThumbprint": None},
            "internalIdentifier": fabric["siteId"],
            "bcdrState": "Valid",
            "customDetails": {"instanceType": "HyperVSite", "hyperVHosts": hosts},
            "healthErrorDetails": [],
            "health": "Critical" if is_lost else "Normal",
        },
    }


def container_document(lab: Lab, container: Json) -> Json:
    """A container as GET shows it; paired once a policy is associated."""
    is_paired = bool(lab.store.all(MAPPINGS, container["id"]))
    return {
        "id": container["id"],
        "name": container["name"],
        "type": type_of(container["id"]),
        "properties": {
            "fabricFriendlyName": container["friendlyName"],
            "friendlyName": container["friendlyName"],
            "fabricType": "HyperVSite",
            "protectedItemCount": len(lab.store.all(ITEMS, container["id"])),
            "pairingStatus": "Paired" if is_paired else "NotPaired",
            "role": "Primary" if is_paired else "",
            "fabricSpecificDetails": None,
        },
    }


@SITE_RECOVERY.route("PUT", FABRIC)
def create_fabric(lab: Lab, request: ArmRequest) -> Answer:
    """Make a Hyper-V site; the same again changes nothing."""
    _require_hyper_v(request)
    arm_id = own_id(request.path)
    target = Target(lab.fixed_id("site", arm_id), request.params["fabric"], arm_id)
    return answer_with_job(lab, request, begin_job(lab, vault_of(request), "CreateSite", target, caller_of(request)))


HYPER_V_KINDS = ("HyperVSite", "FabricSpecificCreationInput")
"""The second is what clients send that have no details to say (recorded)."""
OTHER_KINDS = ("Azure", "VMwareV2", "InMageRcm")
"""What FabricSpecificCreationInput knows besides (specified)."""


def _require_hyper_v(request: ArmRequest) -> None:
    """Let nothing be taken for a Hyper-V site that is another kind of fabric: a Hyper-V site has no details.

    Raises:
        ArmError: 501 for the kinds that the contract knows besides, 400 for any other.
    """
    properties = request.require_object().get("properties")
    details = properties.get("customDetails") if isinstance(properties, dict) else None
    kind = details.get("instanceType") if isinstance(details, dict) else None
    if kind in OTHER_KINDS:
        raise not_simulated(f"a fabric of the kind {kind}")
    if kind not in (None, *HYPER_V_KINDS):
        raise input_error(f"'{kind}' is no kind of fabric.", caller_of(request))


@when("CreateSite", "Succeeded")
def keep_fabric(lab: Lab, job: Json) -> None:
    """The site is there, with its container."""
    if lab.store.get(FABRICS, job["resource"]) is None:
        add_fabric(lab, job["vault"], job["targetName"])


@SITE_RECOVERY.route("DELETE", FABRIC)
def purge_fabric(lab: Lab, request: ArmRequest) -> Answer:
    """Forget a site with all that is in it."""
    fabric = require_record(lab, request, FABRICS, _SEGMENT)
    return answer_with_job(lab, request, _begin_fabric_job(lab, request, fabric, "UnregisterFabric"))


@SITE_RECOVERY.route("POST", FABRIC + "/remove")
def remove_fabric(lab: Lab, request: ArmRequest) -> Answer:
    """Remove a site that has nothing in it."""
    fabric = require_record(lab, request, FABRICS, _SEGMENT)
    if lab.store.all(PROVIDERS, fabric["id"]) or lab.store.all(ITEMS, fabric["id"]):
        raise conflict_error(f"Site '{fabric['name']}' has servers or machines.", caller_of(request))
    return answer_with_job(lab, request, _begin_fabric_job(lab, request, fabric, "UnregisterFabric"))


@SITE_RECOVERY.route("POST", FABRIC + "/checkConsistency")
def check_consistency(lab: Lab, request: ArmRequest) -> Answer:
    """Compare the site with its hosts."""
    return answer_with_job(
        lab,
        request,
        _begin_fabric_job(lab, request, require_record(lab, request, FABRICS, _SEGMENT), "RefreshFabricLayout"),
    )


def _begin_fabric_job(lab: Lab, request: ArmRequest, fabric: Json, kind: str) -> Json:
    return begin_job(
        lab, vault_of(request), kind, Target(fabric["siteId"], fabric["name"], fabric["id"]), caller_of(request)
    )


@when("UnregisterFabric", "Succeeded")
def forget_fabric(lab: Lab, job: Json) -> None:
    """The site is gone, with all that is in it."""
    for kind in (CONTAINERS, PROVIDERS, MAPPINGS, ITEMS, MACHINES):
        for each in lab.store.all(kind, job["resource"]):
            lab.store.delete(kind, each["id"])
    lab.store.delete(FABRICS, job["resource"])


serve_vault_list(_SEGMENT, FABRICS, fabric_document)
serve_get(FABRIC, FABRICS, fabric_document)
serve_vault_list(_CONTAINERS, CONTAINERS, container_document)
serve_child_list(FABRIC, FABRICS, _CONTAINERS, CONTAINERS, container_document)
serve_get(CONTAINER, CONTAINERS, container_document)
serve_results(FABRIC, FABRICS, fabric_document)
