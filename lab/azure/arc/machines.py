"""Microsoft.HybridCompute: Arc machines, and the operation status that its extensions and run commands share."""

from datetime import timedelta

from lab.azure.arm import lro, resources
from lab.azure.arm.crud import serve_list
from lab.azure.arm.ids import name_of, resource_id
from lab.azure.arm.paging import paged_answer
from lab.azure.arm.routing import Provider
from lab.azure.on_premises import nodes
from lab.azure.simulator.answers import Answer, Json
from lab.azure.simulator.lab import LOCATION, SUBSCRIPTION, TENANT, Lab, due, parse_instant, to_iso
from lab.azure.simulator.requests import ArmRequest
from lab.azure.simulator.waits import shortened_wait

MACHINE = "Microsoft.HybridCompute/machines"
EXTENSION = "Microsoft.HybridCompute/machines/extensions"
MACHINES = resources.GROUP_PATH + "/providers/Microsoft.HybridCompute/machines"
LOCATIONS = "/subscriptions/{subscription}/providers/Microsoft.HybridCompute/locations/{location}"
QUEUED_FOR = timedelta(seconds=10)
SILENCE_NOTICED_AFTER = timedelta(minutes=15)
"""Documented: a machine of which nothing is heard for 15 minutes may be shown as Disconnected."""

provider = Provider(
    "Microsoft.HybridCompute",
    {"2024-07-10", "2024-11-10-preview", "2025-01-13", "2025-02-19-preview", "2025-06-01", "2026-07-15"},
)


def add_machine(lab: Lab, group: str, name: str, cluster_id: str | None) -> Json:
    """Make the Arc machine of a cluster node, connected; without a cluster, that of an Arc VM."""
    arm_id = resource_id(SUBSCRIPTION, group, MACHINE, name)
    identity = {"type": "SystemAssigned", "principalId": lab.fixed_id("principal", arm_id), "tenantId": TENANT}
    return resources.put_resource(
        lab, arm_id, _machine_properties(lab, name, cluster_id), identity=identity, kind="HCI", tags={}
    )


def add_server(lab: Lab, group: str, name: str) -> Json:
    """Make the Arc machine of a server that belongs to no cluster, connected."""
    server = add_machine(lab, group, name, None)
    del server["kind"]
    server["properties"] |= {"osSku": "Windows Server 2022 Datacenter", "cloudMetadata": {"provider": "N/A"}}
    return resources.save_resource(lab, server)


def _machine_properties(lab: Lab, name: str, cluster_id: str | None) -> Json:
    return {
        "provisioningState": "Succeeded",
        "agentVersion": "1.52.03039.2243",
        "status": "Connected",
        "lastStatusChange": to_iso(lab.now()),
        "errorDetails": [],
        "displayName": name,
        "machineFqdn": f"{name}.contoso.local",
        "osName": "windows",
        "osVersion": "10.0.20349.2582",
        "osType": "windows",
        "osSku": "Azure Stack HCI",
        "osProfile": {"computerName": name},
        "vmId": lab.fixed_id("machine", name),
        "domainName": "contoso.local",
        "parentClusterResourceId": cluster_id,
        "cloudMetadata": {"provider": "AzSHCI"},
        "agentConfiguration": {
            "proxyUrl": "",
            "incomingConnectionsPorts": [],
            "extensionsAllowList": [],
            "extensionsBlockList": [],
            "proxyBypass": [],
            "extensionsEnabled": "true",
            "guestConfigurationEnabled": "true",
            "configMode": "full",
        },
        "serviceStatuses": {
            "extensionService": {"status": "running", "startupType": "automatic"},
            "guestConfigurationService": {"status": "running", "startupType": "automatic"},
        },
    }


def disconnect_machine(lab: Lab, name: str, minutes: float | None) -> None:
    """Have a node's Arc agent away, for so many simulated minutes if that is said."""
    node = nodes.require_node(lab, name)
    set_connected(lab, node, connected=False)
    if minutes is not None:
        lab.call_after(timedelta(minutes=minutes), "machine-returns", {"machine": node["id"]})


def set_connected(lab: Lab, node: Json, *, connected: bool) -> None:
    """Let a node's agent be there or not: Azure shows its return at once, and its loss after a silence."""
    lost = None if connected else node.get("lost") or to_iso(lab.now())
    nodes.save_node(lab, node | {"connected": connected, "lost": lost})
    if connected:
        _show_status(lab, node["id"], "Connected")
    elif not node.get("lost"):
        lab.call_after(shortened_wait(SILENCE_NOTICED_AFTER), "machine-missed", {"machine": node["id"], "lost": lost})


@due("machine-missed")
def notice_silence(lab: Lab, args: Json) -> None:
    """Azure shows a machine as Disconnected, unless it was back since."""
    node = nodes.find_by_machine(lab, args["machine"])
    if node and node.get("lost") == args["lost"]:
        _show_status(lab, args["machine"], "Disconnected")


def _show_status(lab: Lab, machine_id: str, status: str) -> None:
    machine = resources.find_resource(lab, machine_id)
    if machine and machine["properties"]["status"] != status:
        machine["properties"] |= {"status": status, "lastStatusChange": to_iso(lab.now())}
        resources.save_resource(lab, machine)


@due("machine-returns")
def reconnect_machine(lab: Lab, args: Json) -> None:
    """The Arc agent of a node is back."""
    if node := nodes.find_by_machine(lab, args["machine"]):
        set_connected(lab, node, connected=True)


def shown_status(lab: Lab, machine_id: str) -> str:
    """What Azure shows of a machine's agent."""
    machine = resources.find_resource(lab, machine_id)
    return str(machine["properties"]["status"]) if machine else "Disconnected"


def is_connected(lab: Lab, machine_id: str) -> bool:
    """Whether the Arc agent of a machine is there, whatever Azure shows of it."""
    if node := nodes.find_by_machine(lab, machine_id):
        return bool(node["connected"])
    machine = resources.find_resource(lab, machine_id)
    return machine is not None and machine["properties"]["status"] == "Connected"


def operation_headers(request: ArmRequest, operation: str) -> dict[str, str]:
    """The headers of a 201 or 202 of this provider."""
    base = f"/subscriptions/{request.subscription}/providers/Microsoft.HybridCompute/locations/{LOCATION}"
    return lro.polling_headers(
        request, f"{base}/operationstatus/{operation}", f"{base}/operationresults/{operation}", 15
    )


@provider.route("GET", "/subscriptions/{subscription}/providers/Microsoft.HybridCompute/machines")
def list_in_subscription(lab: Lab, request: ArmRequest) -> Answer:
    """The machines of a subscription."""
    resources.require_subscription(lab, request.params["subscription"])
    return paged_answer(request, lab.store.all(MACHINE.lower(), request.id_up_to("subscriptions")))


@provider.route("GET", MACHINES + "/{machine}")
def get_machine(lab: Lab, request: ArmRequest) -> Answer:
    """One machine; its extensions stand in `resources` with $expand=instanceView."""
    machine = resources.require_resource(lab, request.path)
    if request.query.get("$expand", "").lower() == "instanceview":
        machine = machine | {"resources": lab.store.all(EXTENSION.lower(), machine["id"])}
    return Answer(200, machine)


@provider.route("GET", LOCATIONS + "/operationstatus/{operation}")
def get_operation(lab: Lab, request: ArmRequest) -> Answer:
    """How far an operation is; once it succeeded, with the resource it was about."""
    operation = lro.require_operation(lab, request, request.params["operation"])
    body: Json = {key: operation[key] for key in ("name", "status", "startTime")}
    if operation["status"] == "Queued" and lab.now() - parse_instant(operation["startTime"]) > QUEUED_FOR:
        body["status"] = "InProgress"
    if operation["error"]:
        body["error"] = operation["error"]
    elif operation["status"] == "Succeeded" and operation["resource"]:
        body["properties"] = resources.find_resource(lab, operation["resource"])
    goes_on = body["status"] in ("Queued", "InProgress")
    return Answer(200, body, operation_headers(request, operation["name"]) if goes_on else {})


@provider.route("GET", LOCATIONS + "/operationresults/{operation}")
def get_result(lab: Lab, request: ArmRequest) -> Answer:
    """202 while an operation runs, then 200 with the resource, or with null for a deletion."""
    operation = lro.require_operation(lab, request, request.params["operation"])
    if operation["status"] in ("Queued", "InProgress"):
        return Answer(202, None, operation_headers(request, name_of(request.path)))
    return Answer(200, resources.find_resource(lab, operation["resource"]) if operation["resource"] else None)


serve_list(provider, MACHINES, MACHINE)
