"""Extensions that are meant for every node of a cluster: installed, removed, and restored where a node lacks one."""

from datetime import timedelta

from lab.azure.arc import extensions
from lab.azure.arm import activity_log, lro, resources
from lab.azure.arm.ids import name_of
from lab.azure.arm.paging import paged_answer
from lab.azure.hci.clusters import SETTINGS, provider, system_data
from lab.azure.on_premises import nodes
from lab.azure.simulator.answers import Answer, ArmError, Json
from lab.azure.simulator.lab import LOCATION, Lab, due, to_iso
from lab.azure.simulator.requests import ArmRequest, require_field

EXTENSION = "Microsoft.AzureStackHCI/clusters/arcSettings/extensions"
EXTENSIONS = SETTINGS + "/{setting}/extensions"
STATUSES = "/providers/Microsoft.AzureStackHCI/locations/{location}/operationStatuses/{operation}"
_MOVING = frozenset({"Creating", "Updating", "Deleting"})
LOOK_EVERY = timedelta(seconds=15)
"""Between two looks at the nodes, until each of them is through."""
RESTORED_AFTER = (2.0, 4.0)
"""Simulated minutes, from and to, until an extension comes back after Sync-AzureStackHci."""


def want_extension(lab: Lab, cluster_id: str, name: str, parameters: Json) -> Json:
    """Note that every node of a cluster is meant to have an extension; installs nothing."""
    arm_id = f"{cluster_id}/arcSettings/default/extensions/{name}"
    document = {"id": arm_id, "name": name, "type": EXTENSION.lower(), "parameters": parameters}
    return lab.store.put(EXTENSION.lower(), arm_id, document)


def synchronise_cluster(lab: Lab, cluster_id: str) -> list[str]:
    """What Sync-AzureStackHci does: extensions come back, minutes later, on nodes that lack one; gives those nodes."""
    cluster = resources.require_resource(lab, cluster_id)
    cluster["properties"]["lastSyncTimestamp"] = to_iso(lab.now())
    resources.save_resource(lab, cluster)
    names = []
    for wanted in lab.store.all(EXTENSION.lower(), cluster_id):
        for node in nodes.nodes_of_cluster(lab, cluster_id):
            if node["syncRestores"] and _on_node(lab, wanted, node) is None:
                delay = timedelta(
                    minutes=lab.random_for("sync", node["name"], to_iso(lab.now())).uniform(*RESTORED_AFTER)
                )
                lab.call_after(delay, "cluster-restores-extension", {"wanted": wanted["id"], "machine": node["id"]})
                names.append(node["name"])
    return names


@due("cluster-restores-extension")
def restore_extension(lab: Lab, args: Json) -> None:
    """The cluster's resource provider installs an extension that a node lacks."""
    wanted = lab.store.get(EXTENSION.lower(), args["wanted"])
    node = nodes.find_by_machine(lab, args["machine"])
    if wanted and node and _on_node(lab, wanted, node) is None:
        _install_on(lab, wanted, node, extensions.SERVICE | {"correlation": lab.new_id("correlation")})


def _install_on(lab: Lab, wanted: Json, node: Json, origin: Json) -> None:
    body = {"location": LOCATION, "properties": wanted["parameters"]}
    extensions.install_extension(lab, f"{node['id']}/extensions/{wanted['name']}", body, origin)


def _on_node(lab: Lab, wanted: Json, node: Json) -> Json | None:
    return resources.find_resource(lab, f"{node['id']}/extensions/{wanted['name']}")


@provider.route("GET", EXTENSIONS)
def list_extensions(lab: Lab, request: ArmRequest) -> Answer:
    """The extensions meant for every node."""
    resources.require_resource(lab, request.id_up_to("clusters"))
    return paged_answer(
        request,
        [_extension_document(lab, each) for each in lab.store.all(EXTENSION.lower(), request.id_up_to("arcSettings"))],
    )


@provider.route("GET", EXTENSIONS + "/{extension}")
def get_extension(lab: Lab, request: ArmRequest) -> Answer:
    """One such extension, with its state as a whole and on each node."""
    resources.require_resource(lab, request.id_up_to("clusters"))
    return Answer(200, _extension_document(lab, resources.require_resource(lab, request.path)))


@provider.route("PUT", EXTENSIONS + "/{extension}")
def put_extension(lab: Lab, request: ArmRequest) -> Answer:
    """Install an extension on every node at once: 201, or 200 where there is no node."""
    cluster = resources.require_resource(lab, request.id_up_to("clusters"))
    if there := lab.store.get(EXTENSION.lower(), request.path):
        _require_at_rest(there)
    parameters = require_field(request.require_object(), "properties", "extensionParameters")
    require_field(parameters, "publisher")
    require_field(parameters, "type")
    kept = {key: value for key, value in parameters.items() if key != "protectedSettings"}  # these never come back
    wanted = want_extension(lab, cluster["id"], request.params["extension"], kept)
    for node in nodes.nodes_of_cluster(lab, cluster["id"]):
        _install_on(lab, wanted, node, activity_log.origin_of(request))
    shown = _extension_document(lab, wanted) | {"systemData": system_data(lab, request)}
    if not nodes.nodes_of_cluster(lab, cluster["id"]):
        return Answer(200, shown)
    operation = lro.start_operation(lab, wanted["id"], status="InProgress")
    lab.call_after(LOOK_EVERY, "cluster-operation-ends", {"operation": operation["name"], "wanted": wanted["id"]})
    return Answer(201, shown, operation_headers(request, operation["name"]))


@provider.route("DELETE", EXTENSIONS + "/{extension}")
def delete_extension(lab: Lab, request: ArmRequest) -> Answer:
    """Remove an extension from every node: 202, or 204 when there is none."""
    resources.require_resource(lab, request.id_up_to("clusters"))
    wanted = lab.store.get(EXTENSION.lower(), request.path)
    if wanted is None:
        return Answer(204)
    _require_at_rest(wanted)
    for node in nodes.nodes_of_cluster(lab, request.id_up_to("clusters")):
        if extension := _on_node(lab, wanted, node):
            extensions.remove_extension(lab, extension, activity_log.origin_of(request))
    lab.store.put(EXTENSION.lower(), wanted["id"], wanted | {"deleting": True})
    operation = lro.start_operation(lab, status="InProgress")
    lab.call_after(LOOK_EVERY, "cluster-operation-ends", {"operation": operation["name"], "wanted": wanted["id"]})
    return lro.accepted_answer(operation_headers(request, operation["name"]))


def _require_at_rest(wanted: Json) -> None:
    """Refuse what comes while the extension is being removed (inferred: as Arc refuses it for one machine).

    Raises:
        ArmError: 409.
    """
    if wanted.get("deleting"):
        message = f"The extension '{wanted['name']}' is being deleted. Try again once that is done."
        raise ArmError(409, "AnotherOperationInProgress", message)


@due("cluster-operation-ends")
def end_operation(lab: Lab, args: Json) -> None:
    """The operation on the extensions of all nodes ends once each node is through, and as they ended (inferred)."""
    wanted = lab.store.get(EXTENSION.lower(), args["wanted"])
    if wanted is None:
        lro.end_operation(lab, args["operation"])
        return
    states = _states_on_nodes(lab, wanted)
    if states & _MOVING or (wanted.get("deleting") and states - {"NotSpecified"}):
        lab.call_after(LOOK_EVERY, "cluster-operation-ends", args)
        return
    if wanted.get("deleting"):
        lab.store.delete(EXTENSION.lower(), wanted["id"])
        lro.end_operation(lab, args["operation"])
        return
    failed = states == {"Failed"}
    error = {"code": "ExtensionsFailed", "message": "The extension has failed on every node."} if failed else None
    lro.end_operation(lab, args["operation"], "Failed" if failed else "Succeeded", error)


def _states_on_nodes(lab: Lab, wanted: Json) -> set[str]:
    cluster_id = wanted["id"].rpartition("/arcSettings/")[0]
    return {_per_node(lab, wanted, node)["state"] for node in nodes.nodes_of_cluster(lab, cluster_id)}


def operation_headers(request: ArmRequest, operation: str) -> dict[str, str]:
    """The headers of a 201 or 202 of this provider."""
    path = f"/providers/Microsoft.AzureStackHCI/locations/{LOCATION.upper()}/operationStatuses/{operation}*LAB"
    return lro.polling_headers(request, path, path, 15)


@provider.route("GET", STATUSES)
def get_operation(lab: Lab, request: ArmRequest) -> Answer:
    """202 until an operation has ended, then 200."""
    operation = lro.require_operation(lab, request, request.params["operation"].partition("*")[0])
    body = {
        "id": request.path,
        "name": name_of(request.path),
        "resourceId": operation["resource"],
        "status": "Accepted",
    }
    if operation["status"] == "InProgress":
        return Answer(202, body, operation_headers(request, operation["name"]))
    return Answer(200, body | {"status": operation["status"], "properties": None, "endTime": operation["endTime"]})


def _extension_document(lab: Lab, wanted: Json) -> Json:
    cluster_id = wanted["id"].rpartition("/arcSettings/")[0]
    details = [_per_node(lab, wanted, node) for node in nodes.nodes_of_cluster(lab, cluster_id)]
    return {
        "id": wanted["id"],
        "name": wanted["name"],
        "type": wanted["type"],
        "properties": {
            "provisioningState": _provisioning_state(wanted, {each["state"] for each in details}),
            "aggregateState": _aggregate_state([each["state"] for each in details]),
            "extensionParameters": _shown_parameters(wanted),
            "managedBy": "User",
        }
        | ({"perNodeExtensionDetails": details} if details else {}),
    }


def _provisioning_state(wanted: Json, states: set[str]) -> str:
    """Of the extension as a whole, by its nodes; inferred from the names of the states."""
    if wanted.get("deleting"):
        return "Deleting"
    if states & _MOVING:
        return "Creating"
    return "Failed" if states == {"Failed"} else "Succeeded"


def _shown_parameters(wanted: Json) -> Json:
    """As they come back: with the defaults, and without the version that was asked for."""
    shown: Json = {"autoUpgradeMinorVersion": False, "enableAutomaticUpgrade": True} | wanted["parameters"]
    shown.pop("typeHandlerVersion", None)
    return shown


def _per_node(lab: Lab, wanted: Json, node: Json) -> Json:
    extension = _on_node(lab, wanted, node)
    if extension is None:
        return {"name": node["name"], "extension": f"{node['id']}/extensions/{wanted['name']}", "state": "NotSpecified"}
    properties = extension["properties"]
    shown = {
        "name": node["name"],
        "extension": extension["id"],
        "state": properties["provisioningState"],
        "typeHandlerVersion": properties["typeHandlerVersion"],
    }
    return shown | {key: properties[key] for key in ("instanceView",) if key in properties}


def _aggregate_state(states: list[str]) -> str:
    distinct = set(states) or {"NotSpecified"}
    if len(distinct) == 1:
        return distinct.pop()
    if distinct & {"Creating", "Updating", "Deleting"}:
        return "InProgress"
    return "PartiallySucceeded" if "Succeeded" in distinct else "Failed"
