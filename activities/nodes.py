"""Cluster nodes as Arc machines: what is read of them, their ASR extension, and the scripts that run on them."""

import json
from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from shared.activity import Nothing
from shared.arm_ids import names_by_type, same_id, subscription_of
from shared.azure.arc_machines import ArcMachine, list_machines
from shared.azure.arc_views import EXTENSION_PUBLISHER, EXTENSION_TYPE, cluster_of, node_view
from shared.azure.json_fields import Json, message_of, object_at, text_of
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
from shared.healing.registration import is_shown_value
from shared.plans.target_checks import cluster_node_obstacle
from shared.request_ids import client_request_id
from shared.sites.nodes import ExtensionView, NodeView

SCRIPTS = Path(__file__).parent / "scripts"
LONGEST_ERROR = 1000
SCRIPT_MEMBERS = frozenset(
    {
        *("registration", "dra", "hyperV", "applicationControl", "lastBoot", "endpoints", "clockOffset"),
        *("osVersion", "machines", "next", "found", "home", "homeUnread"),
        *("synchronised", "registrationStatus", "connectionStatus"),
    }
)
"""What the scripts of this repository write: the only members of their JSON that are kept."""


async def read_nodes(request: ReadNodes) -> NodesRead:
    """Read a cluster's Arc machines, or one machine, by name, each with its ASR extension."""
    if request.machine_id:
        machine, at = await ArcMachine(request.machine_id).read_machine()
        machines = [machine]
    elif subscription := subscription_of(request.cluster_id):
        listed, at = await list_machines(subscription)
        machines = [machine for machine in listed if same_id(cluster_of(machine), request.cluster_id)]
    else:
        raise Refused("not-a-cluster", f"not the ARM id of a cluster: {request.cluster_id}")

    async def read_node(machine: Json) -> NodeView:
        return node_view(machine, await ArcMachine(machine["id"]).list_extensions())

    nodes = await map_concurrently(machines, read_node)
    return NodesRead(nodes=tuple(sorted(nodes, key=lambda node: node.name.lower())), at=at)


async def remove_extension(request: RemoveExtension) -> Nothing:
    """Uninstall an extension; one that is gone, or is being removed, is left alone."""
    name = names_by_type(request.extension_id).get("extensions")
    if not name:
        raise Refused("not-an-id", f"no extension in the ARM id {request.extension_id}")
    machine = ArcMachine(request.extension_id)
    found = await machine.find_extension(name)
    if found and object_at(found, "properties").get("provisioningState") != "Deleting":
        await machine.delete_extension(name, client_request_id(request.operation, request.extension_id, "uninstall", 1))
    return Nothing()


def extension_body(saved: ExtensionView) -> dict[str, Any]:
    """The ASR extension as it was saved, as the API takes it."""
    properties = {
        "publisher": EXTENSION_PUBLISHER,
        "type": EXTENSION_TYPE,
        "enableAutomaticUpgrade": saved.enable_automatic_upgrade,
        "settings": saved.settings,
    }
    return {"location": saved.location, "properties": properties}


async def create_extension(request: CreateExtension) -> Nothing:
    """Install the ASR extension with saved settings; one that is there, in whatever state, is left alone."""
    machine, saved = ArcMachine(request.machine_id), request.saved
    if await machine.find_extension(saved.name) is None:
        body = extension_body(saved)
        request_id = client_request_id(request.operation, f"{request.machine_id}/extensions/{saved.name}", "install", 1)
        await machine.create_extension(saved.name, body, request_id)
    return Nothing()


async def run_script(request: RunScript) -> Nothing:
    """Run a script on a node; a run command of this name that exists has run or runs, and is left alone."""
    script = Script(script_text(request.script), request.parameters, request.timeout)
    await put_script(request.machine_id, request.name, script, request.operation)
    return Nothing()


class Script(NamedTuple):
    """A text as it is given to a machine, with its parameters.

    secrets: names of the parameters that Azure is to show to nobody.
    """

    text: str
    parameters: Mapping[str, str]
    time_limit: timedelta
    secrets: Collection[str] = ()

    def body(self, location: Any) -> dict[str, Any]:
        """The run command, as the API takes it."""
        named = [{"name": name, "value": value} for name, value in sorted(self.parameters.items())]
        shown = [parameter for parameter in named if parameter["name"] not in self.secrets]
        protected = [parameter for parameter in named if parameter["name"] in self.secrets]
        properties = {
            "source": {"script": self.text},
            **({"parameters": shown} if shown else {}),
            **({"protectedParameters": protected} if protected else {}),
            "asyncExecution": False,
            "timeoutInSeconds": int(self.time_limit.total_seconds()),
        }
        return {"location": location, "properties": properties}


async def put_script(machine_id: str, name: str, script: Script, operation: str, *, may_be_node: bool = True) -> None:
    """Run a script on a machine under a name used once: each PUT of a name runs its script again.

    Raises:
        Refused: hook-machine-is-node, where it may not be a node of a cluster, and what Azure refuses.
    """
    machine = ArcMachine(machine_id)
    if await machine.find_run_command(name) is not None:
        return
    found, _ = await machine.read_machine()
    if not may_be_node and cluster_of(found):
        obstacle = cluster_node_obstacle(machine_id)
        raise Refused(obstacle.code, obstacle.detail)
    body = script.body(found.get("location"))
    await machine.put_run_command(name, body, client_request_id(operation, machine_id, name, 1))


def script_text(name: ScriptName) -> str:
    """A script of this repository, as it is sent."""
    return (SCRIPTS / f"{name}.ps1").read_text(encoding="utf-8")


async def read_script(request: ReadScript) -> ScriptView:
    """Read how one of the repository's scripts stands; of what it wrote only what these scripts are known to write.

    Its error is a sentence, without secrets, and cut.
    """
    view = await read_run_command(request)
    result = None if view.result is None else kept_result(view.result)
    return view.model_copy(update={"output": "", "error": message_of(view.error)[-LONGEST_ERROR:], "result": result})


def kept_result(result: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of the JSON that a script wrote; of a registration the values by which its place is known."""
    kept = {name: value for name, value in result.items() if name in SCRIPT_MEMBERS}
    if isinstance(values := kept.get("registration"), Mapping):
        kept["registration"] = {name: value for name, value in values.items() if is_shown_value(str(name))}
    return kept


async def read_run_command(request: ReadScript) -> ScriptView:
    """Read how a run command stands; it ran well only if its executionState and its exit code both say so.

    Its result is the JSON object on the last line that says anything, None when that is none.

    Source: recorded: provisioningState Succeeded means delivered and finished. Output is cut to its last 4,096 bytes.
    """
    found = await ArcMachine(request.machine_id).find_run_command(request.name)
    if found is None:
        return ScriptView(state="Missing")
    view = object_at(found, "properties", "instanceView")
    state, output = view.get("executionState") or "Unknown", text_of(view.get("output"))
    return ScriptView(
        state=state,
        exit_code=view.get("exitCode"),
        output=output,
        error=text_of(view.get("error")) or ("" if state == "Succeeded" else text_of(view.get("executionMessage"))),
        result=parse_last_line(output),
    )


def parse_last_line(output: str) -> dict[str, Any] | None:
    """The JSON object that a script wrote last; None where it is none."""
    try:
        result = json.loads((output.strip().splitlines() or ["null"])[-1])
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
