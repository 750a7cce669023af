"""Cluster nodes as Arc machines: what is read of them, their ASR extension, and the scripts that run on them."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from shared.activity import Nothing
from shared.arm_ids import names_by_type, same_id, subscription_of
from shared.azure.arc_machines import ArcMachine, list_machines
from shared.azure.json_fields import Json, object_at, text_of
from shared.concurrency import map_concurrently
from shared.errors import Refused
from shared.healing.contract import (
    CreateExtension,
    NodesRead,
    ReadNodes,
    ReadScript,
    RemoveExtension,
    RemoveScript,
    RunScript,
    ScriptName,
    ScriptView,
)
from shared.request_ids import client_request_id
from shared.sites.nodes import ExtensionView, NodeView

EXTENSION_PUBLISHER, EXTENSION_TYPE = "Microsoft.SiteRecovery.Dra", "Windows"
NEEDED_EXTENSIONS = (f"{EXTENSION_PUBLISHER}/{EXTENSION_TYPE}".lower(), "microsoft.cplat.core/runcommandhandlerwindows")
"""What the agent must not block: the ASR extension, and run commands."""
SCRIPTS = Path(__file__).parent / "scripts"


async def read_nodes(request: ReadNodes) -> NodesRead:
    """Read a cluster's Arc machines, or one machine, by name, each with its ASR extension.

    Source: parentClusterResourceId of the Arc machine; its machines may be in another resource group than the cluster.
    """
    machines, at = await _list_machines_of(request)
    nodes = await map_concurrently(machines, _read_node)
    return NodesRead(nodes=tuple(sorted(nodes, key=lambda node: node.name.lower())), at=at)


async def _list_machines_of(request: ReadNodes) -> tuple[list[Json], datetime]:
    if request.machine_id:
        machine, at = await ArcMachine(request.machine_id).read_machine()
        return [machine], at
    subscription = subscription_of(request.cluster_id)
    if not subscription:
        raise Refused("not-a-cluster", f"not the ARM id of a cluster: {request.cluster_id}")
    machines, at = await list_machines(subscription)
    return [machine for machine in machines if same_id(_cluster_of(machine), request.cluster_id)], at


def _cluster_of(machine: Json) -> str:
    return text_of(object_at(machine, "properties").get("parentClusterResourceId"))


async def _read_node(machine: Json) -> NodeView:
    properties = object_at(machine, "properties")
    extensions = await ArcMachine(machine["id"]).list_extensions()
    return NodeView(
        id=machine["id"],
        name=text_of(machine.get("name")),
        cluster_id=_cluster_of(machine),
        status=text_of(properties.get("status")),
        agent_version=text_of(properties.get("agentVersion")),
        location=text_of(machine.get("location")),
        blocked=_find_agent_block(object_at(properties, "agentConfiguration")),
        extension=next((_extension_view(one) for one in extensions if _is_site_recovery(one)), None),
    )


def _find_agent_block(agent: Json) -> str:
    """What the agent's own configuration forbids of that which a repair needs."""
    if text_of(agent.get("extensionsEnabled")).lower() == "false":
        return "extensions.enabled is false"
    blocked = {text_of(name).lower() for name in agent.get("extensionsBlockList") or ()}
    allowed = {text_of(name).lower() for name in agent.get("extensionsAllowList") or ()}
    for name in NEEDED_EXTENSIONS:
        if name in blocked:
            return f"{name} is on extensions.blocklist"
        if allowed and name not in allowed:
            return f"{name} is not on extensions.allowlist"
    return ""


def _is_site_recovery(extension: Json) -> bool:
    properties = object_at(extension, "properties")
    kind = (text_of(properties.get("publisher")).lower(), text_of(properties.get("type")).lower())
    return kind == (EXTENSION_PUBLISHER.lower(), EXTENSION_TYPE.lower())


def _extension_view(extension: Json) -> ExtensionView:
    """The extension; its handler's words stand in the instance view, not in the provisioning state."""
    properties = object_at(extension, "properties")
    status = object_at(properties, "instanceView", "status")
    return ExtensionView(
        id=extension["id"],
        name=text_of(extension.get("name")),
        provisioning_state=text_of(properties.get("provisioningState")),
        code=text_of(status.get("code")),
        message=text_of(status.get("message")),
        version=text_of(properties.get("typeHandlerVersion")),
        location=text_of(extension.get("location")),
        enable_automatic_upgrade=properties.get("enableAutomaticUpgrade") is not False,
        settings=dict(object_at(properties, "settings")),
    )


async def remove_extension(request: RemoveExtension) -> Nothing:
    """Uninstall an extension; one that is gone, or is being removed, is left alone."""
    name = _require_name_in_id(request.extension_id, "extensions")
    machine = ArcMachine(request.extension_id)
    found = await machine.find_extension(name)
    if found and object_at(found, "properties").get("provisioningState") != "Deleting":
        await machine.delete_extension(name, client_request_id(request.operation, request.extension_id, "uninstall", 1))
    return Nothing()


async def create_extension(request: CreateExtension) -> Nothing:
    """Install the ASR extension with saved settings; one that is there, in whatever state, is left alone."""
    machine, saved = ArcMachine(request.machine_id), request.saved
    if await machine.find_extension(saved.name) is None:
        body = {
            "location": saved.location,
            "properties": {
                "publisher": EXTENSION_PUBLISHER,
                "type": EXTENSION_TYPE,
                "enableAutomaticUpgrade": saved.enable_automatic_upgrade,
                "settings": saved.settings,
            },
        }
        request_id = client_request_id(request.operation, f"{request.machine_id}/extensions/{saved.name}", "install", 1)
        await machine.create_extension(saved.name, body, request_id)
    return Nothing()


async def run_script(request: RunScript) -> Nothing:
    """Run a script on a node; a run command of this name that exists has run or runs, and is left alone."""
    await put_script(
        request.machine_id,
        request.name,
        script=script_text(request.script),
        parameters=request.parameters,
        time_limit=request.timeout,
        operation=request.operation,
    )
    return Nothing()


async def put_script(
    machine_id: str, name: str, *, script: str, parameters: Mapping[str, str], time_limit: timedelta, operation: str
) -> None:
    """Run a text on a machine under a name used once: each PUT of a name runs its script again."""
    machine = ArcMachine(machine_id)
    if await machine.find_run_command(name) is not None:
        return
    machine_body, _ = await machine.read_machine()
    body = {
        "location": machine_body.get("location"),
        "properties": {
            "source": {"script": script},
            **_parameters_body(parameters),
            "asyncExecution": False,
            "timeoutInSeconds": int(time_limit.total_seconds()),
        },
    }
    await machine.put_run_command(name, body, client_request_id(operation, machine_id, name, 1))


def _parameters_body(parameters: Mapping[str, str]) -> Json:
    parameter_list = [{"name": name, "value": value} for name, value in sorted(parameters.items())]
    return {"parameters": parameter_list} if parameter_list else {}


def script_text(name: ScriptName) -> str:
    """A script of this repository, as it is sent."""
    return (SCRIPTS / f"{name}.ps1").read_text(encoding="utf-8")


async def read_script(request: ReadScript) -> ScriptView:
    """Read how a run command stands; it ran well only if its executionState and its exit code both say so.

    Source: recorded: provisioningState Succeeded means delivered and finished. Output is cut to its last 4,096 bytes.
    """
    found = await ArcMachine(request.machine_id).find_run_command(request.name)
    if found is None:
        return ScriptView(state="Missing")
    view = object_at(found, "properties", "instanceView")
    state = view.get("executionState") or "Unknown"
    return ScriptView(
        state=state,
        exit_code=view.get("exitCode"),
        output=text_of(view.get("output")),
        error=text_of(view.get("error")) or ("" if state == "Succeeded" else text_of(view.get("executionMessage"))),
        result=_result_of(text_of(view.get("output"))),
    )


def _result_of(output: str) -> dict[str, Any] | None:
    """The JSON object on the last line that says anything, None when that is none."""
    lines = output.strip().splitlines()
    try:
        result = json.loads(lines[-1]) if lines else None
    except json.JSONDecodeError:
        return None
    return dict(result) if isinstance(result, Mapping) else None


async def remove_script(request: RemoveScript) -> Nothing:
    """Delete a run command with its output; one that is gone, or is being deleted, is left alone."""
    machine = ArcMachine(request.machine_id)
    found = await machine.find_run_command(request.name)
    if found and object_at(found, "properties").get("provisioningState") != "Deleting":
        request_id = client_request_id(request.operation, request.machine_id, f"{request.name} delete", 1)
        await machine.delete_run_command(request.name, request_id)
    return Nothing()


def _require_name_in_id(arm_id: str, kind: str) -> str:
    name = names_by_type(arm_id).get(kind)
    if not name:
        raise Refused("not-an-id", f"no {kind} in the ARM id {arm_id}")
    return name
