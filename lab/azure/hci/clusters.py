"""Microsoft.AzureStackHCI: clusters and their Arc settings."""

from datetime import timedelta

from lab.azure.arc import machines
from lab.azure.arm import activity_log, resources
from lab.azure.arm.crud import serve_get, serve_list, serve_subscription_list
from lab.azure.arm.ids import resource_id
from lab.azure.arm.paging import paged_answer
from lab.azure.arm.routing import Provider
from lab.azure.on_premises import nodes
from lab.azure.simulator.answers import Answer, Json
from lab.azure.simulator.lab import LOCATION, SUBSCRIPTION, TENANT, Lab, to_iso
from lab.azure.simulator.requests import ArmRequest, require_field

CLUSTER = "Microsoft.AzureStackHCI/clusters"
CLUSTERS = resources.GROUP_PATH + "/providers/Microsoft.AzureStackHCI/clusters"
SETTINGS = CLUSTERS + "/{cluster}/arcSettings"

provider = Provider(
    "Microsoft.AzureStackHCI", {"2023-08-01", "2024-04-01", "2025-01-01", "2025-06-01", "2025-10-01", "2026-10-01"}
)


def add_cluster(lab: Lab, group: str, name: str, nodes_group: str, node_names: list[str]) -> Json:
    """Make a registered cluster with its Arc settings, its nodes and their Arc machines."""
    arm_id = resource_id(SUBSCRIPTION, group, CLUSTER, name)
    for node in node_names:
        machine = machines.add_machine(lab, nodes_group, node, arm_id)
        nodes.add_node(lab, node, machine["id"], arm_id)
    settings = {"provisioningState": "Succeeded", "arcInstanceResourceGroup": nodes_group}
    lab.store.put(f"{CLUSTER}/arcSettings".lower(), f"{arm_id}/arcSettings/default", settings)
    identity = {"type": "SystemAssigned", "principalId": lab.fixed_id("principal", arm_id), "tenantId": TENANT}
    return resources.put_resource(
        lab, arm_id, _registered_properties(lab, name, node_names), identity=identity, tags={}
    )


def _registered_properties(lab: Lab, name: str, node_names: list[str]) -> Json:
    return {
        "provisioningState": "Succeeded",
        "status": "ConnectedRecently",
        "connectivityStatus": "Connected",
        "cloudId": lab.fixed_id("cloud", name),
        "aadTenantId": TENANT,
        "lastSyncTimestamp": to_iso(lab.now()),
        "lastBillingTimestamp": to_iso(lab.now()),
        "registrationTimestamp": to_iso(lab.now() - timedelta(days=90)),
        "billingModel": "PayPerUse",
        "trialDaysRemaining": 0,
        "reportedProperties": {
            "clusterName": name,
            "clusterVersion": "10.0.20349.2582",
            "lastUpdated": to_iso(lab.now()),
            "nodes": [{"name": node, "id": at + 1, "osName": "Azure Stack HCI"} for at, node in enumerate(node_names)],
        },
    }


@provider.route("PUT", CLUSTERS + "/{cluster}")
def put_cluster(lab: Lab, request: ArmRequest) -> Answer:
    """Create the resource of a cluster that is not registered yet, or change one's tags: done when answered."""
    resources.require_group(lab, request.path)
    resources.require_unlocked(lab, request.path)
    body = request.require_object()
    require_field(body, "location")
    cluster = resources.find_resource(lab, request.path)
    if cluster is None:
        properties = _unregistered_properties(lab, request.params["cluster"], body.get("properties") or {})
        cluster = resources.put_resource(
            lab, request.path, properties, location=body["location"], systemData=system_data(lab, request)
        )
    if "tags" in body:
        cluster["tags"] = body["tags"]
    if "systemassigned" in str((body.get("identity") or {}).get("type", "")).lower() and not cluster.get("identity"):
        principal = lab.fixed_id("principal", cluster["id"])
        cluster["identity"] = {"type": "SystemAssigned", "principalId": principal, "tenantId": TENANT}
    activity_log.log_ended(lab, activity_log.origin_of(request), cluster["id"], f"{CLUSTER}/write")
    return Answer(200, resources.save_resource(lab, cluster))


def _unregistered_properties(lab: Lab, name: str, given: Json) -> Json:
    return {key: given[key] for key in ("aadClientId", "aadTenantId") if key in given} | {
        "provisioningState": "Succeeded",
        "status": "NotYetRegistered",
        "connectivityStatus": "NotYetRegistered",
        "cloudId": lab.fixed_id("cloud", name),
        "softwareAssuranceProperties": {"softwareAssuranceStatus": "Disabled", "softwareAssuranceIntent": "Disable"},
        "desiredProperties": {"windowsServerSubscription": "Disabled", "diagnosticLevel": "Basic"},
        "trialDaysRemaining": 60,
        "billingModel": "Trial",
        "serviceEndpoint": f"https://dp.stackhci.azure.com/{LOCATION}/",
        "resourceProviderObjectId": lab.fixed_id("stackhci"),
    }


def system_data(lab: Lab, request: ArmRequest) -> Json:
    """systemData of a resource: who made it and changed it last, and when."""
    return {
        "createdBy": request.principal,
        "createdByType": "Application",
        "createdAt": to_iso(lab.now()),
        "lastModifiedBy": request.principal,
        "lastModifiedByType": "Application",
        "lastModifiedAt": to_iso(lab.now()),
    }


@provider.route("PUT", SETTINGS + "/{setting}")
def put_setting(lab: Lab, request: ArmRequest) -> Answer:
    """Create the Arc settings of a cluster: done when answered."""
    cluster = resources.require_resource(lab, request.id_up_to("clusters"))
    if resources.find_resource(lab, request.path) is None:
        group = f"{cluster['name']}-{cluster['properties']['cloudId']}-Arc-Infra-RG"
        settings = {
            "provisioningState": "Succeeded",
            "arcInstanceResourceGroup": group,
            "connectivityProperties": {"enabled": False, "serviceConfigurations": []},
            "defaultExtensions": [{"category": "ProductQualityAndSupport"}],
        }
        lab.store.put(f"{CLUSTER}/arcSettings".lower(), request.path, settings)
        activity_log.log_ended(lab, activity_log.origin_of(request), request.path, f"{CLUSTER}/arcSettings/write")
    given = ((request.body or {}).get("properties") or {}).get("connectivityProperties")
    if isinstance(given, dict) and (kept := lab.store.get(f"{CLUSTER}/arcSettings".lower(), request.path)):
        kept["connectivityProperties"] |= given
        lab.store.put(f"{CLUSTER}/arcSettings".lower(), request.path, kept)
    return Answer(200, _settings_document(lab, request.path) | {"systemData": system_data(lab, request)})


@provider.route("GET", SETTINGS)
def list_settings(lab: Lab, request: ArmRequest) -> Answer:
    """The Arc settings of a cluster: one, called default."""
    cluster = resources.require_resource(lab, request.id_up_to("clusters"))
    return paged_answer(request, [_settings_document(lab, f"{cluster['id']}/arcSettings/default")])


@provider.route("GET", SETTINGS + "/{setting}")
def get_setting(lab: Lab, request: ArmRequest) -> Answer:
    """The Arc settings, with the Arc machine of each node."""
    resources.require_resource(lab, request.id_up_to("clusters"))
    resources.require_resource(lab, request.path)
    return Answer(200, _settings_document(lab, request.path))


def _settings_document(lab: Lab, arm_id: str) -> Json:
    kept = resources.require_resource(lab, arm_id)
    cluster_id = arm_id.rpartition("/arcSettings/")[0] or arm_id.lower().rpartition("/arcsettings/")[0]
    details = [
        {"name": node["name"], "arcInstance": node["id"], "state": machines.shown_status(lab, node["id"])}
        for node in nodes.nodes_of_cluster(lab, cluster_id)
    ]
    states = {each["state"] for each in details} or {"NotSpecified"}
    aggregate = states.pop() if len(states) == 1 else "PartiallyConnected"
    return {
        "id": arm_id,
        "name": "default",
        "type": "microsoft.azurestackhci/clusters/arcsettings",
        "properties": kept | {"aggregateState": aggregate} | ({"perNodeDetails": details} if details else {}),
    }


serve_list(provider, CLUSTERS, CLUSTER)
serve_subscription_list(provider, CLUSTER)
serve_get(provider, CLUSTERS + "/{cluster}")
