"""Cluster nodes as Arc machines: what is read of them, their ASR extension, and the scripts that run on them."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from shared.activity import Nothing
from shared.arm_ids import same_id, segments
from shared.azure.arc_machines import Machine, list_machines
from shared.azure.json_fields import Json, part, text
from shared.concurrency import each
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

PUBLISHER, TYPE = "Microsoft.SiteRecovery.Dra", "Windows"
NEEDED = (f"{PUBLISHER}/{TYPE}".lower(), "microsoft.cplat.core/runcommandhandlerwindows")
"""What the agent must not block: the ASR extension, and run commands."""
SCRIPTS = Path(__file__).parent / "scripts"


async def read_nodes(ask: ReadNodes) -> NodesRead:
    """Read a cluster's Arc machines, or one machine, by name, each with its ASR extension.

    Source: parentClusterResourceId of the Arc machine; its machines may be in another resource group than the cluster.
    """
    machines, at = await _machines(ask)
    nodes = await each(machines, _node)
    return NodesRead(nodes=tuple(sorted(nodes, key=lambda node: node.name.lower())), at=at)


async def _machines(ask: ReadNodes) -> tuple[list[Json], datetime]:
    if ask.machine_id:
        machine, at = await Machine(ask.machine_id).read()
        return [machine], at
    subscription = segments(ask.cluster_id).get("subscriptions")
    if not subscription:
        raise Refused("not-a-cluster", f"not the ARM id of a cluster: {ask.cluster_id}")
    machines, at = await list_machines(subscription)
    return [machine for machine in machines if same_id(_cluster_of(machine), ask.cluster_id)], at


def _cluster_of(machine: Json) -> str:
    return text(part(machine, "properties").get("parentClusterResourceId"))


async def _node(machine: Json) -> NodeView:
    properties = part(machine, "properties")
    extensions = await Machine(machine["id"]).list_extensions()
    return NodeView(
        id=machine["id"],
        name=text(machine.get("name")),
        cluster_id=_cluster_of(machine),
        status=text(properties.get("status")),
        agent_version=text(properties.get("agentVersion")),
        location=text(machine.get("location")),
        blocked=_blocked(part(properties, "agentConfiguration")),
        extension=next((_extension(one) for one in extensions if _is_site_recovery(one)), None),
    )


def _blocked(agent: Json) -> str:
    """What the agent's own configuration forbids of that which a repair needs."""
    if text(agent.get("extensionsEnabled")).lower() == "false":
        return "extensions.enabled is false"
    refused = {text(name).lower() for name in agent.get("extensionsBlockList") or ()}
    allowed = {text(name).lower() for name in agent.get("extensionsAllowList") or ()}
    for name in NEEDED:
        if name in refused:
            return f"{name} is on extensions.blocklist"
        if allowed and name not in allowed:
            return f"{name} is not on extensions.allowlist"
    return ""


def _is_site_recovery(extension: Json) -> bool:
    properties = part(extension, "properties")
    kind = (text(properties.get("publisher")).lower(), text(properties.get("type")).lower())
    return kind == (PUBLISHER.lower(), TYPE.lower())


def _extension(extension: Json) -> ExtensionView:
    """The extension; its handler's words stand in the instance view, not in the provisioning state."""
    properties = part(extension, "properties")
    status = part(properties, "instanceView", "status")
    return ExtensionView(
        id=extension["id"],
        name=text(extension.get("name")),
        provisioning_state=text(properties.get("provisioningState")),
        code=text(status.get("code")),
        message=text(status.get("message")),
        version=text(properties.get("typeHandlerVersion")),
        location=text(extension.get("location")),
        enable_automatic_upgrade=properties.get("enableAutomaticUpgrade") is not False,
        settings=dict(part(properties, "settings")),
    )


async def remove_extension(ask: RemoveExtension) -> Nothing:
    """Uninstall an extension; one that is gone, or is being removed, is left alone."""
    name = _last(ask.extension_id, "extensions")
    machine = Machine(ask.extension_id)
    found = await machine.find_extension(name)
    if found and part(found, "properties").get("provisioningState") != "Deleting":
        await machine.delete_extension(name, client_request_id(ask.operation, ask.extension_id, "uninstall", 1))
    return Nothing()


async def create_extension(ask: CreateExtension) -> Nothing:
    """Install the ASR extension with saved settings; one that is there, in whatever state, is left alone."""
    machine, saved = Machine(ask.machine_id), ask.saved
    if await machine.find_extension(saved.name) is None:
        body = {
            "location": saved.location,
            "properties": {
                "publisher": PUBLISHER,
                "type": TYPE,
                "enableAutomaticUpgrade": saved.enable_automatic_upgrade,
                "settings": saved.settings,
            },
        }
        request_id = client_request_id(ask.operation, f"{ask.machine_id}/extensions/{saved.name}", "install", 1)
        await machine.put_extension(saved.name, body, request_id)
    return Nothing()


async def run_script(ask: RunScript) -> Nothing:
    """Run a script on a node; a run command of this name that exists has run or runs, and is left alone."""
    await put_script(
        ask.machine_id,
        ask.name,
        text=script_text(ask.script),
        parameters=ask.parameters,
        limit=ask.timeout,
        operation=ask.operation,
    )
    return Nothing()


async def put_script(
    machine_id: str, name: str, *, text: str, parameters: Mapping[str, str], limit: timedelta, operation: str
) -> None:
    """Run a text on a machine under a name used once: each PUT of a name runs its script again."""
    machine = Machine(machine_id)
    if await machine.find_run_command(name) is not None:
        return
    about, _ = await machine.read()
    body = {
        "location": about.get("location"),
        "properties": {
            "source": {"script": text},
            **_parameters(parameters),
            "asyncExecution": False,
            "timeoutInSeconds": int(limit.total_seconds()),
        },
    }
    await machine.put_run_command(name, body, client_request_id(operation, machine_id, name, 1))


def _parameters(given: Mapping[str, str]) -> Json:
    named = [{"name": name, "value": value} for name, value in sorted(given.items())]
    return {"parameters": named} if named else {}


def script_text(name: ScriptName) -> str:
    """A script of this repository, as it is sent."""
    return (SCRIPTS / f"{name}.ps1").read_text(encoding="utf-8")


async def read_script(ask: ReadScript) -> ScriptView:
    """Read how a run command stands; it ran well only if its executionState and its exit code both say so.

    Source: recorded: provisioningState Succeeded means delivered and finished. Output is cut to its last 4,096 bytes.
    """
    found = await Machine(ask.machine_id).find_run_command(ask.name)
    if found is None:
        return ScriptView(state="Missing")
    view = part(found, "properties", "instanceView")
    state = view.get("executionState") or "Unknown"
    return ScriptView(
        state=state,
        exit_code=view.get("exitCode"),
        output=text(view.get("output")),
        error=text(view.get("error")) or ("" if state == "Succeeded" else text(view.get("executionMessage"))),
        result=_result(text(view.get("output"))),
    )


def _result(output: str) -> dict[str, Any] | None:
    """The JSON object on the last line that says anything, None when that is none."""
    lines = output.strip().splitlines()
    try:
        said = json.loads(lines[-1]) if lines else None
    except json.JSONDecodeError:
        return None
    return dict(said) if isinstance(said, Mapping) else None


async def remove_script(ask: RemoveScript) -> Nothing:
    """Delete a run command with its output; one that is gone, or is being deleted, is left alone."""
    machine = Machine(ask.machine_id)
    found = await machine.find_run_command(ask.name)
    if found and part(found, "properties").get("provisioningState") != "Deleting":
        request_id = client_request_id(ask.operation, ask.machine_id, f"{ask.name} delete", 1)
        await machine.delete_run_command(ask.name, request_id)
    return Nothing()


def _last(arm_id: str, kind: str) -> str:
    name = segments(arm_id).get(kind)
    if not name:
        raise Refused("not-an-id", f"no {kind} in the ARM id {arm_id}")
    return name
