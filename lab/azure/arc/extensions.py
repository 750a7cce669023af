"""Extensions of Arc machines: installed and removed over minutes, one operation at a time, with an instance view.

Durations are near the recorded ones: an extension in 30 s, Site Recovery's in some 3 minutes, a removal in 2 min 16 s.
"""

from datetime import timedelta
from typing import Any

from lab.azure.arc import machines
from lab.azure.arc.machines import EXTENSION, MACHINES, provider
from lab.azure.arm import activity_log, lro, resources
from lab.azure.arm.crud import serve_child_list, serve_get
from lab.azure.arm.ids import is_same_id, name_of
from lab.azure.on_premises import nodes
from lab.azure.simulator.answers import Answer, ArmError, Json, bad_request
from lab.azure.simulator.lab import Lab, due
from lab.azure.simulator.requests import ArmRequest, require_field

ONE = MACHINES + "/{machine}/extensions/{extension}"
WRITE, DELETE = f"{EXTENSION}/write", f"{EXTENSION}/delete"
BUSY = ("Creating", "Updating", "Deleting")
CERTIFICATE_AFTER = timedelta(seconds=60)
REGISTERED_AFTER = timedelta(seconds=170)
PLAIN_TAKES = timedelta(seconds=30)
REMOVAL_TAKES = timedelta(minutes=2, seconds=16)
LOOK_AGAIN = timedelta(minutes=1)
SERVICE = {
    "correlation": "",
    "clientRequestId": "",
    "principal": "Microsoft.AzureStackHCI",
    "method": "PUT",
    "url": "",
}
"""Who asks when it is the cluster's resource provider and not a caller."""


def install_extension(lab: Lab, extension_id: str, body: Json, origin: Json, operation: str | None = None) -> Json:
    """Begin to install, or to install again, an extension; gives its document.

    Args:
        lab: The lab.
        extension_id: ARM id of the extension.
        body: {location, properties} as a PUT sends it.
        origin: Who asks: `activity.origin`, or SERVICE.
        operation: The operation that ends with it.
    """
    existing = resources.find_resource(lab, extension_id)
    run = lab.new_id("install")
    given = body["properties"]
    properties = {
        "publisher": given["publisher"],
        "type": given["type"],
        "typeHandlerVersion": given.get("typeHandlerVersion") or (nodes.VERSION if nodes.is_asr(given) else "1.0.0.0"),
        "autoUpgradeMinorVersion": given.get("autoUpgradeMinorVersion", False),
        "enableAutomaticUpgrade": given.get("enableAutomaticUpgrade", True),
        "settings": given.get("settings", {}),
        "provisioningState": "Updating" if existing else "Creating",
    }
    document = resources.put_resource(lab, extension_id, properties, location=body["location"], **sent_tags(body))
    lab.store.put("install", extension_id, {"run": run})
    args = {"extension": extension_id, "run": run, "origin": origin, "operation": operation}
    if nodes.is_asr(properties):
        _schedule_agent(lab, args)
    else:
        lab.call_after(PLAIN_TAKES, "extension-installed", args)
    activity_log.log_accepted(lab, origin, extension_id, WRITE)
    return document


def sent_tags(body: Json) -> Json:
    """The tags of a body, as a part of the resource; nothing where none were sent."""
    return {"tags": body["tags"]} if body.get("tags") else {}


def _schedule_agent(lab: Lab, args: Json) -> None:
    jitter = lab.random_for("install", args["extension"], args["run"])
    lab.call_after(CERTIFICATE_AFTER * jitter.uniform(0.5, 1), "extension-asks-for-certificate", args)
    lab.call_after(REGISTERED_AFTER * jitter.uniform(0.9, 1.2), "extension-installed", args)


def _find_current(lab: Lab, args: Json) -> Json | None:
    """The extension of an installation, or None when another one or a removal has overtaken it."""
    extension = resources.find_resource(lab, args["extension"])
    install = lab.store.get("install", args["extension"])
    return extension if extension and install and install["run"] == args["run"] else None


def _machine_id_of(extension_id: str) -> str:
    return extension_id.rpartition("/extensions/")[0] if "/extensions/" in extension_id else ""


@due("extension-asks-for-certificate")
def request_certificate(lab: Lab, args: Json) -> None:
    """The agent of the node asks the vault for its certificate; later, while the node is not connected."""
    extension = _find_current(lab, args)
    node = nodes.find_by_machine(lab, _machine_id_of(args["extension"]))
    if extension and node:
        if not node["connected"]:
            lab.call_after(LOOK_AGAIN, "extension-asks-for-certificate", args)
            return
        nodes.request_certificate(lab, node, extension["properties"]["settings"])


@due("extension-installed")
def end_installation(lab: Lab, args: Json) -> None:
    """The installation ends as the node lets it; later, while the node is not connected."""
    extension = _find_current(lab, args)
    if extension is None:
        return
    node = nodes.find_by_machine(lab, _machine_id_of(args["extension"]))
    if not machines.is_connected(lab, _machine_id_of(args["extension"])):
        lab.call_after(LOOK_AGAIN, "extension-installed", args)
        return
    failure = None
    if node and nodes.is_asr(extension["properties"]):
        failure = nodes.register_node(lab, node, extension["properties"]["settings"])
    set_end_state(lab, extension, failure)
    error = {"code": "VMExtensionProvisioningError", "message": failure} if failure else None
    if args["operation"]:
        lro.end_operation(lab, args["operation"], "Failed" if error else "Succeeded", error)
    activity_log.log_ended(lab, args["origin"], args["extension"], WRITE, error)


def set_end_state(lab: Lab, extension: Json, failure: str | None) -> None:
    """Give an extension its end state and instance view."""
    properties = extension["properties"]
    properties["provisioningState"] = "Failed" if failure else "Succeeded"
    properties["instanceView"] = {
        "name": extension["name"],
        "type": properties["type"],
        "typeHandlerVersion": properties["typeHandlerVersion"],
        "status": {
            "code": exit_code(failure),
            "level": "Error" if failure else "Information",
            "message": failure or "Extension Message: Registered with Azure Site Recovery.",
        },
    }
    resources.save_resource(lab, extension)


def exit_code(failure: str | None) -> str:
    """The code that an instance view gives to the message of a failure: the one in it, 1 for others, 0 for none."""
    if failure is None:
        return "0"
    return "13" if "code for Enable: 13" in failure else "1"


def remove_extension(lab: Lab, extension: Json, origin: Json, operation: str | None = None) -> None:
    """Begin to remove an extension."""
    extension["properties"]["provisioningState"] = "Deleting"
    resources.save_resource(lab, extension)
    run = lab.new_id("removal")
    lab.store.put("install", extension["id"], {"run": run})
    args = {"extension": extension["id"], "run": run, "origin": origin, "operation": operation}
    lab.call_after(REMOVAL_TAKES, "extension-removed", args)
    activity_log.log_accepted(lab, origin, extension["id"], DELETE)


@due("extension-removed")
def end_removal(lab: Lab, args: Json) -> None:
    """The extension is gone, with the agent if it was Site Recovery's; later, while the node is not connected."""
    extension = _find_current(lab, args)
    if extension is None:
        return
    if not machines.is_connected(lab, _machine_id_of(args["extension"])):
        lab.call_after(LOOK_AGAIN, "extension-removed", args)
        return
    node = nodes.find_by_machine(lab, _machine_id_of(args["extension"]))
    if node and nodes.is_asr(extension["properties"]):
        nodes.uninstall_agent(lab, node, extension["properties"]["settings"])
    resources.delete_resource(lab, args["extension"])
    lab.store.delete("install", args["extension"])
    if args["operation"]:
        lro.end_operation(lab, args["operation"])
    activity_log.log_ended(lab, args["origin"], args["extension"], DELETE)


def find_asr(lab: Lab, machine_id: str) -> Json | None:
    """The Site Recovery extension of a machine, whatever it is called."""
    for extension in lab.store.all(EXTENSION.lower(), machine_id):
        if nodes.is_asr(extension["properties"]):
            return extension
    return None


@provider.route("PUT", ONE)
def put_extension(lab: Lab, request: ArmRequest) -> Answer:
    """Install an extension, or install it again: 202."""
    machine = resources.require_resource(lab, request.id_up_to("machines"))
    body = request.require_object()
    for field in ("publisher", "type"):
        if not isinstance(require_field(body, "properties", field), str):
            raise bad_request("InvalidRequestContent", f"'properties.{field}' must be a string.")
    require_field(body, "location")
    _require_settings(body["properties"].get("settings"))
    extension_id = f"{machine['id']}/extensions/{request.params['extension']}"
    _require_free(lab, extension_id, deleting=False)
    _require_only_one(lab, machine, extension_id, body["properties"])
    operation = lro.start_operation(lab, extension_id)
    install_extension(lab, extension_id, body, activity_log.origin_of(request), operation["name"])
    return lro.accepted_answer(machines.operation_headers(request, operation["name"]))


@provider.route("PATCH", ONE)
def patch_extension(lab: Lab, request: ArmRequest) -> Answer:
    """Change an extension's tags; or its settings or version as well, which installs it again: 202."""
    resources.require_resource(lab, request.id_up_to("machines"))
    extension = resources.require_resource(lab, request.path)
    changes, tags = request.require_object().get("properties") or {}, request.require_object().get("tags")
    _require_settings(changes.get("settings"))
    _require_free(lab, extension["id"], deleting=False)
    operation = lro.start_operation(lab, extension["id"])
    if not changes:
        resources.save_resource(lab, extension | ({"tags": tags} if tags is not None else {}))
        lro.end_operation(lab, operation["name"])
        return lro.accepted_answer(machines.operation_headers(request, operation["name"]))
    kept = extension.get("tags") if tags is None else tags
    body = {"location": extension["location"], "properties": extension["properties"] | changes, "tags": kept}
    install_extension(lab, extension["id"], body, activity_log.origin_of(request), operation["name"])
    return lro.accepted_answer(machines.operation_headers(request, operation["name"]))


@provider.route("DELETE", ONE)
def delete_extension(lab: Lab, request: ArmRequest) -> Answer:
    """Remove an extension: 202, or 204 when there is none."""
    resources.require_resource(lab, request.id_up_to("machines"))
    extension = resources.find_resource(lab, request.path)
    if extension is None:
        return Answer(204)
    _require_free(lab, extension["id"], deleting=True)
    operation = lro.start_operation(lab)
    remove_extension(lab, extension, activity_log.origin_of(request), operation["name"])
    return lro.accepted_answer(machines.operation_headers(request, operation["name"]))


def _require_only_one(lab: Lab, machine: Json, extension_id: str, given: Json) -> None:
    """A machine has one extension of a publisher and type (inferred of the words).

    Raises:
        ArmError: 409.
    """
    for other in lab.store.all(EXTENSION.lower(), machine["id"]):
        same = all(other["properties"][key].lower() == str(given[key]).lower() for key in ("publisher", "type"))
        if same and not is_same_id(other["id"], extension_id):
            message = (
                f"Multiple extensions of the same type are not supported: '{other['name']}' is of this type already."
            )
            raise ArmError(409, "HCRP409", message)


def _require_settings(settings: Any) -> None:
    if settings is not None and not isinstance(settings, dict):
        raise bad_request("InvalidRequestContent", "'properties.settings' must be an object.")


def _require_free(lab: Lab, extension_id: str, *, deleting: bool) -> None:
    """Refuse what another operation on the extension, or a lock, stands against.

    Raises:
        ArmError: 409 HCRP409 or ScopeLocked.
    """
    resources.require_unlocked(lab, extension_id, deleting=deleting)
    extension = resources.find_resource(lab, extension_id)
    if extension and extension["properties"]["provisioningState"] in BUSY:
        state = extension["properties"]["provisioningState"]
        message = f"The request failed due to conflict: extension '{name_of(extension_id)}' is {state}."
        raise ArmError(409, "HCRP409", message)


serve_child_list(provider, MACHINES + "/{machine}/extensions", EXTENSION, "machines")
serve_get(provider, ONE, parent="machines")
