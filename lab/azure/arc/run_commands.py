"""Run commands of Arc machines: each PUT runs the script, one at a time on a machine.

The product's scripts are known by the name that their first line declares ("# hci-site-recovery: read-node v1"); what
they do is a function registered with `@script`. Those of other people do what `own_scripts` says. Output is cut to its
last 4,096 bytes. The operation of a PUT ends some two minutes after its script has.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from lab.azure.arc import author_scripts, extensions, machines
from lab.azure.arc.machines import MACHINES, provider
from lab.azure.arm import activity_log, lro, resources
from lab.azure.arm.crud import serve_child_list, serve_get
from lab.azure.on_premises import nodes
from lab.azure.simulator.answers import Answer, ArmError, Json, bad_request, not_simulated
from lab.azure.simulator.lab import Lab, due, parse_instant, to_iso
from lab.azure.simulator.requests import ArmRequest, require_field

RUN_COMMAND = "Microsoft.HybridCompute/machines/runcommands"
ALL = MACHINES + "/{machine}/runCommands"
ONE = ALL + "/{command}"
OURS = "# hci-site-recovery:"
DECLARATION = re.compile(r"# hci-site-recovery: (?P<name>[a-z0-9-]+) v\d+\s*$")
STARTS_AFTER = timedelta(seconds=5)
REPORTED_AFTER = timedelta(minutes=2, seconds=10)
REMOVAL_TAKES = timedelta(minutes=2, seconds=16)
LONGEST_OUTPUT = 4096
MOST_COMMANDS = 25
LOOK_AGAIN = timedelta(seconds=30)


class Outcome(NamedTuple):
    """What a script left behind."""

    output: str
    exit_code: int = 0
    error: str = ""


type Script = Callable[[Lab, Json, dict[str, str]], Outcome]

SCRIPTS: dict[str, tuple[Script, timedelta]] = {}


def node_script(name: str, takes: timedelta) -> Callable[[Script], Script]:
    """Register what the script `name` does on a node, and how long it takes."""

    def register(function: Script) -> Script:
        SCRIPTS[name] = (function, takes)
        return function

    return register


@provider.route("PUT", ONE)
def put_command(lab: Lab, request: ArmRequest) -> Answer:
    """Run a script: 201, also where a command of that name is there already; its run is stopped."""
    machine = resources.require_resource(lab, request.id_up_to("machines"))
    resources.require_unlocked(lab, request.path)
    body = request.require_object()
    require_field(body, "location")
    name = _declared_script(body)
    _require_room(lab, machine, request.params["command"])
    if name and nodes.find_by_machine(lab, machine["id"]) is None:
        raise not_simulated(f"scripts on {machine['name']}, which is no cluster node")
    command = resources.put_resource(
        lab,
        f"{machine['id']}/runcommands/{request.params['command']}",
        _command_properties(body["properties"]),
        location=body["location"],
        **extensions.sent_tags(body),
    )
    operation = lro.start_operation(lab, command["id"])
    run = lab.new_id("run")
    args = {"command": command["id"], "run": run, "script": name, "operation": operation["name"]}
    lab.store.put("run", command["id"], {"run": run, "protected": body["properties"].get("protectedParameters") or []})
    start = _free_from(lab, machine["id"], _duration_of(name, command), run)
    lab.call_at(start, "run-command-starts", args | {"origin": activity_log.origin_of(request)})
    activity_log.log_accepted(
        lab, activity_log.origin_of(request), command["id"], "Microsoft.HybridCompute/machines/runCommands/write"
    )
    return Answer(201, command, machines.operation_headers(request, operation["name"]))


def _require_room(lab: Lab, machine: Json, name: str) -> None:
    """A machine has 25 run commands at the most (documented of VMs, "the same restrictions").

    Raises:
        ArmError: 409.
    """
    others = [one for one in lab.store.all(RUN_COMMAND.lower(), machine["id"]) if one["name"].lower() != name.lower()]
    if len(others) >= MOST_COMMANDS:
        message = f"The machine '{machine['name']}' has {len(others)} run commands. Delete some of them."
        raise ArmError(409, "OperationNotAllowed", message)


def _declared_script(body: Json) -> str:
    """The name of one of the product's scripts; empty for a script that declares none."""
    source = require_field(body, "properties", "source")
    if not isinstance(source, dict) or not isinstance(source.get("script"), str):
        if isinstance(source, dict) and (source.get("scriptUri") or source.get("commandId")):
            raise not_simulated("run commands by scriptUri or commandId")
        raise bad_request("InvalidRequestContent", "'properties.source.script' is required.")
    first, _, _ = source["script"].lstrip("\ufeff").partition("\n")
    if not first.startswith(OURS):
        return ""
    found = DECLARATION.match(first)
    if found is None or found["name"] not in SCRIPTS:
        raise not_simulated(f"the script that begins with {first[:80]!r}")
    return found["name"]


def _command_properties(given: Json) -> Json:
    kept = ("source", "parameters", "runAsUser", "outputBlobUri", "errorBlobUri")
    return {name: given[name] for name in kept if given.get(name) is not None} | {
        "asyncExecution": given.get("asyncExecution", False),
        "timeoutInSeconds": given.get("timeoutInSeconds", 0),
        "provisioningState": "Creating",
    }


def _duration_of(name: str, command: Json) -> timedelta:
    return SCRIPTS[name][1] if name else author_scripts.play_script(_script_of(command), {}).takes


def _script_of(command: Json) -> str:
    return str(command["properties"]["source"]["script"])


def _parameters_of(lab: Lab, command: Json) -> dict[str, str]:
    """Also those that are protected: no GET shows them."""
    protected = (lab.store.get("run", command["id"]) or {}).get("protected", [])
    shown = command["properties"].get("parameters", [])
    return {each["name"]: each.get("value", "") for each in [*shown, *protected]}


def _run_script(lab: Lab, name: str, node: Json | None, command: Json) -> Outcome:
    if name:
        return SCRIPTS[name][0](lab, node or {}, _parameters_of(lab, command))
    result = author_scripts.play_script(_script_of(command), _parameters_of(lab, command))
    return Outcome(result.output, result.exit_code, result.error)


def _free_from(lab: Lab, machine_id: str, takes: timedelta, run: str) -> datetime:
    """When the script can start: one runs at a time on a machine."""
    busy = lab.store.get("busy", machine_id)
    start = lab.now() + STARTS_AFTER
    if busy:
        start = max(start, parse_instant(busy["until"]))
    lab.store.put("busy", machine_id, {"until": to_iso(start + takes), "run": run})
    return start


def _find_current(lab: Lab, args: Json) -> Json | None:
    """The run command, or None when another PUT or a DELETE has stopped this run."""
    run = lab.store.get("run", args["command"])
    return resources.find_resource(lab, args["command"]) if run and run["run"] == args["run"] else None


@due("run-command-starts")
def start_script(lab: Lab, args: Json) -> None:
    """The script starts; later, while the machine is not connected."""
    command = _find_current(lab, args)
    if command is None:
        return
    if not machines.is_connected(lab, _machine_id_of(args)):
        lab.call_after(LOOK_AGAIN, "run-command-starts", args)
        return
    properties = command["properties"]
    properties["instanceView"] = {
        "executionState": "Running",
        "executionMessage": "Execution in progress",
        "output": "",
        "error": "",
        "startTime": to_iso(lab.now()),
    }
    if properties["asyncExecution"]:
        properties["provisioningState"] = "Succeeded"
        lro.end_operation(lab, args["operation"])
    resources.save_resource(lab, command)
    takes, limit = _duration_of(args["script"], command), timedelta(seconds=properties["timeoutInSeconds"] or 90 * 60)
    lab.call_after(min(takes, limit), "run-command-ends", args | {"timedOut": takes > limit})


@due("run-command-ends")
def end_script(lab: Lab, args: Json) -> None:
    """The script has run, or its time is up: its output is in the instance view."""
    command = _find_current(lab, args)
    node = nodes.find_by_machine(lab, _machine_id_of(args))
    if command is None or (node is None and args["script"]):
        return
    outcome = Outcome("", -1) if args["timedOut"] else _run_script(lab, args["script"], node, command)
    state = "TimedOut" if args["timedOut"] else "Succeeded" if outcome.exit_code == 0 else "Failed"
    command["properties"]["instanceView"] |= {
        "exitCode": outcome.exit_code,
        "executionState": state,
        "executionMessage": "RunCommand script execution completed",
        "output": _cut_output(outcome.output),
        "error": _cut_output(outcome.error),
        "endTime": to_iso(lab.now()),
    }
    resources.save_resource(lab, command)
    lab.call_after(REPORTED_AFTER, "run-command-reported", args)


def _cut_output(text: str) -> str:
    return text.encode()[-LONGEST_OUTPUT:].decode(errors="ignore")


@due("run-command-reported")
def end_operation(lab: Lab, args: Json) -> None:
    """The operation of the PUT ends."""
    command = _find_current(lab, args)
    if command is None:
        return
    command["properties"]["provisioningState"] = "Succeeded"
    resources.save_resource(lab, command)
    lro.end_operation(lab, args["operation"])
    activity_log.log_ended(lab, args["origin"], command["id"], "Microsoft.HybridCompute/machines/runCommands/write")


def _machine_id_of(args: Json) -> str:
    return str(args["command"]).rpartition("/runcommands/")[0]


@provider.route("DELETE", ONE)
def delete_command(lab: Lab, request: ArmRequest) -> Answer:
    """Remove a run command, which stops it: 202, or 204 when there is none."""
    resources.require_resource(lab, request.id_up_to("machines"))
    command = resources.find_resource(lab, request.path)
    if command is None:
        return Answer(204)
    resources.require_unlocked(lab, command["id"], deleting=True)
    command["properties"]["provisioningState"] = "Deleting"
    resources.save_resource(lab, command)
    operation = lro.start_operation(lab)
    _stop_script(lab, command["id"])
    run = lab.new_id("run")
    lab.store.put("run", command["id"], {"run": run})
    args = {
        "command": command["id"],
        "run": run,
        "operation": operation["name"],
        "origin": activity_log.origin_of(request),
    }
    lab.call_after(REMOVAL_TAKES, "run-command-removed", args)
    return lro.accepted_answer(machines.operation_headers(request, operation["name"]))


def _stop_script(lab: Lab, command_id: str) -> None:
    """A script that is stopped keeps its machine no longer; one that waits its turn never had it."""
    machine_id = command_id.lower().rpartition("/runcommands/")[0]
    busy, run = lab.store.get("busy", machine_id), lab.store.get("run", command_id)
    if busy and run and busy.get("run") == run["run"]:
        lab.store.delete("busy", machine_id)


@due("run-command-removed")
def finish_removal(lab: Lab, args: Json) -> None:
    """The run command is gone."""
    command = _find_current(lab, args)
    lro.end_operation(lab, args["operation"])
    if command is None:
        return
    resources.delete_resource(lab, args["command"])
    lab.store.delete("run", args["command"])
    activity_log.log_ended(lab, args["origin"], args["command"], "Microsoft.HybridCompute/machines/runCommands/delete")


serve_child_list(provider, ALL, RUN_COMMAND, "machines")
serve_get(provider, ONE, parent="machines")
