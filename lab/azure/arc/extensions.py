"""Extensions of Arc machines: installed and removed over minutes, one operation at a time, with an instance view.

Durations are near the recorded ones: an extension in 30 s, Site Recovery's in some 3 minutes, a removal in 2 min 16 s.
"""

from datetime import timedelta
from typing import Any

from lab.azure.arc import machines
from lab.azure.arc.machines import EXTENSION, MACHINES, provider
from lab.azure.arm import activity_log, lro, resources
from lab.azure.arm.ids import name_of
from lab.azure.arm.paging import paged
from lab.azure.on_premises import nodes
from lab.azure.simulator.answers import Answer, ArmError, Json, bad_request
from lab.azure.simulator.lab import Lab, due
from lab.azure.simulator.requests import Ask, required

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


def install(lab: Lab, extension_id: str, body: Json, origin: Json, operation: str | None = None) -> Json:
    """Begin to install, or to install again, an extension; gives its document.

    Args:
        lab: The lab.
        extension_id: ARM id of the extension.
        body: {location, properties} as a PUT sends it.
        origin: Who asks: `activity.origin`, or SERVICE.
        operation: The operation that ends with it.
    """
    known = resources.find(lab, extension_id)
    run = lab.new_id("install")
    given = body["properties"]
    properties = {
        "publisher": given["publisher"],
        "type": given["type"],
        "typeHandlerVersion": given.get("typeHandlerVersion") or (nodes.VERSION if nodes.is_asr(given) else "1.0.0.0"),
        "autoUpgradeMinorVersion": given.get("autoUpgradeMinorVersion", False),
        "enableAutomaticUpgrade": given.get("enableAutomaticUpgrade", True),
        "settings": given.get("settings", {}),
        "provisioningState": "Updating" if known else "Creating",
    }
    document = resources.put(lab, extension_id, properties, location=body["location"], **sent_tags(body))
    lab.store.put("install", extension_id, {"run": run})
    args = {"extension": extension_id, "run": run, "origin": origin, "operation": operation}
    if nodes.is_asr(properties):
        _schedule_agent(lab, args)
    else:
        lab.after(PLAIN_TAKES, "extension-installed", args)
    activity_log.began(lab, origin, extension_id, WRITE)
    return document


def sent_tags(body: Json) -> Json:
    """The tags of a body, as a part of the resource; nothing where none were sent."""
    return {"tags": body["tags"]} if body.get("tags") else {}


def _schedule_agent(lab: Lab, args: Json) -> None:
    jitter = lab.random("install", args["extension"], args["run"])
    lab.after(CERTIFICATE_AFTER * jitter.uniform(0.5, 1), "extension-asks-for-certificate", args)
    lab.after(REGISTERED_AFTER * jitter.uniform(0.9, 1.2), "extension-installed", args)


def _still(lab: Lab, args: Json) -> Json | None:
    """The extension of an installation, or None when another one or a removal has overtaken it."""
    extension = resources.find(lab, args["extension"])
    install = lab.store.get("install", args["extension"])
    return extension if extension and install and install["run"] == args["run"] else None


def _machine_id(extension_id: str) -> str:
    return extension_id.rpartition("/extensions/")[0] if "/extensions/" in extension_id else ""


@due("extension-asks-for-certificate")
def _ask_for_certificate(lab: Lab, args: Json) -> None:
    extension = _still(lab, args)
    node = nodes.of_machine(lab, _machine_id(args["extension"]))
    if extension and node:
        if not node["connected"]:
            lab.after(LOOK_AGAIN, "extension-asks-for-certificate", args)
            return
        nodes.ask_for_certificate(lab, node, extension["properties"]["settings"])


@due("extension-installed")
def _end_installation(lab: Lab, args: Json) -> None:
    extension = _still(lab, args)
    if extension is None:
        return
    node = nodes.of_machine(lab, _machine_id(args["extension"]))
    if not machines.is_connected(lab, _machine_id(args["extension"])):
        lab.after(LOOK_AGAIN, "extension-installed", args)
        return
    failure = None
    if node and nodes.is_asr(extension["properties"]):
        failure = nodes.register(lab, node, extension["properties"]["settings"])
    settle(lab, extension, failure)
    error = {"code": "VMExtensionProvisioningError", "message": failure} if failure else None
    if args["operation"]:
        lro.end(lab, args["operation"], "Failed" if error else "Succeeded", error)
    activity_log.ended(lab, args["origin"], args["extension"], WRITE, error)


def settle(lab: Lab, extension: Json, failure: str | None) -> None:
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
    resources.touch(lab, extension)


def exit_code(failure: str | None) -> str:
    """The code that an instance view gives to the message of a failure: the one in it, 1 for others, 0 for none."""
    if failure is None:
        return "0"
    return "13" if "code for Enable: 13" in failure else "1"


def remove(lab: Lab, extension: Json, origin: Json, operation: str | None = None) -> None:
    """Begin to remove an extension."""
    extension["properties"]["provisioningState"] = "Deleting"
    resources.touch(lab, extension)
    run = lab.new_id("removal")
    lab.store.put("install", extension["id"], {"run": run})
    args = {"extension": extension["id"], "run": run, "origin": origin, "operation": operation}
    lab.after(REMOVAL_TAKES, "extension-removed", args)
    activity_log.began(lab, origin, extension["id"], DELETE)


@due("extension-removed")
def _end_removal(lab: Lab, args: Json) -> None:
    extension = _still(lab, args)
    if extension is None:
        return
    if not machines.is_connected(lab, _machine_id(args["extension"])):
        lab.after(LOOK_AGAIN, "extension-removed", args)
        return
    node = nodes.of_machine(lab, _machine_id(args["extension"]))
    if node and nodes.is_asr(extension["properties"]):
        nodes.uninstall(lab, node, extension["properties"]["settings"])
    resources.drop(lab, args["extension"])
    lab.store.delete("install", args["extension"])
    if args["operation"]:
        lro.end(lab, args["operation"])
    activity_log.ended(lab, args["origin"], args["extension"], DELETE)


def find_asr(lab: Lab, machine_id: str) -> Json | None:
    """The Site Recovery extension of a machine, whatever it is called."""
    for extension in lab.store.all(EXTENSION.lower(), machine_id):
        if nodes.is_asr(extension["properties"]):
            return extension
    return None


@provider.route("GET", MACHINES + "/{machine}/extensions")
def list_extensions(lab: Lab, ask: Ask) -> Answer:
    """The extensions of a machine."""
    machine = resources.require(lab, ask.scope("machines"))
    return paged(ask, lab.store.all(EXTENSION.lower(), machine["id"]))


@provider.route("GET", ONE)
def get_extension(lab: Lab, ask: Ask) -> Answer:
    """One extension, with its instance view once it has one."""
    resources.require(lab, ask.scope("machines"))
    return Answer(200, resources.require(lab, ask.path))


@provider.route("PUT", ONE)
def put_extension(lab: Lab, ask: Ask) -> Answer:
    """Install an extension, or install it again: 202."""
    machine = resources.require(lab, ask.scope("machines"))
    body = ask.object()
    for field in ("publisher", "type"):
        if not isinstance(required(body, "properties", field), str):
            raise bad_request("InvalidRequestContent", f"'properties.{field}' must be a string.")
    required(body, "location")
    _require_settings(body["properties"].get("settings"))
    extension_id = f"{machine['id']}/extensions/{ask.params['extension']}"
    _require_free(lab, extension_id, deleting=False)
    operation = lro.start(lab, extension_id)
    install(lab, extension_id, body, activity_log.origin(ask), operation["name"])
    return lro.accepted(machines.polling(ask, operation["name"]))


@provider.route("PATCH", ONE)
def patch_extension(lab: Lab, ask: Ask) -> Answer:
    """Change an extension's settings or version, which installs it again: 202."""
    resources.require(lab, ask.scope("machines"))
    extension = resources.require(lab, ask.path)
    changes = ask.object().get("properties", {})
    _require_settings(changes.get("settings"))
    _require_free(lab, extension["id"], deleting=False)
    operation = lro.start(lab, extension["id"])
    body = {"location": extension["location"], "properties": extension["properties"] | changes}
    install(lab, extension["id"], body, activity_log.origin(ask), operation["name"])
    return lro.accepted(machines.polling(ask, operation["name"]))


@provider.route("DELETE", ONE)
def delete_extension(lab: Lab, ask: Ask) -> Answer:
    """Remove an extension: 202, or 204 when there is none."""
    resources.require(lab, ask.scope("machines"))
    extension = resources.find(lab, ask.path)
    if extension is None:
        return Answer(204)
    _require_free(lab, extension["id"], deleting=True)
    operation = lro.start(lab)
    remove(lab, extension, activity_log.origin(ask), operation["name"])
    return lro.accepted(machines.polling(ask, operation["name"]))


def _require_settings(settings: Any) -> None:
    if settings is not None and not isinstance(settings, dict):
        raise bad_request("InvalidRequestContent", "'properties.settings' must be an object.")


def _require_free(lab: Lab, extension_id: str, *, deleting: bool) -> None:
    """Refuse what another operation on the extension, or a lock, stands against.

    Raises:
        ArmError: 409 HCRP409 or ScopeLocked.
    """
    resources.require_unlocked(lab, extension_id, deleting=deleting)
    extension = resources.find(lab, extension_id)
    if extension and extension["properties"]["provisioningState"] in BUSY:
        state = extension["properties"]["provisioningState"]
        message = f"The request failed due to conflict: extension '{name_of(extension_id)}' is {state}."
        raise ArmError(409, "HCRP409", message)
