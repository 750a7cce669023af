"""Managed run commands of Azure VMs: a script inside a machine that a failover made.

What a script says is simulated as far as a probe needs it: "exit N" at its end is its exit code, else 0; its output is
empty. A machine that does not run answers 409. Source: Microsoft.Compute 2024-07-01 and the managed Run Command
pages; the duration is assumed.
"""

import re
from datetime import timedelta

from lab.azure.arm import activity_log, lro, resources
from lab.azure.arm.crud import serve_delete
from lab.azure.compute import virtual_machines
from lab.azure.compute.virtual_machines import VMS, provider
from lab.azure.simulator.answers import Answer, ArmError, Json
from lab.azure.simulator.lab import Lab, due, to_iso
from lab.azure.simulator.requests import ArmRequest, require_field

RUN_COMMAND = f"{virtual_machines.VM}/runCommands"
ONE = VMS + "/{vm}/runCommands/{command}"
TAKES = timedelta(seconds=25)
_EXIT = re.compile(r"\bexit\s+(\d+)\s*$")


@provider.route("PUT", ONE)
def put_command(lab: Lab, request: ArmRequest) -> Answer:
    """Run a script, also where a command of that name is there already: 201."""
    vm = resources.require_resource(lab, request.id_up_to("virtualMachines"))
    if virtual_machines.power_of(lab, vm["id"]) != "running":
        raise ArmError(409, "OperationNotAllowed", f"The VM '{vm['name']}' is not running.")
    script = str(require_field(request.require_object(), "properties", "source", "script"))
    run = lab.new_id("vm-run")
    properties = {"source": {"script": script}, "provisioningState": "Creating", "run": run}
    command = resources.put_resource(
        lab, request.path, properties, location=require_field(request.require_object(), "location")
    )
    operation = lro.start_operation(lab, command["id"], status="InProgress")
    found = _EXIT.search(script.strip())
    args = {"command": request.path, "run": run, "operation": operation["name"], "code": int(found[1]) if found else 0}
    lab.call_after(TAKES, "vm-run-command-ends", args | {"origin": activity_log.origin_of(request)})
    return Answer(
        201, _command_document(command), virtual_machines.operation_headers(request, operation["name"], retry_after=10)
    )


def _command_document(command: Json, *, instance_view: bool = False) -> Json:
    hidden = {"run"} if instance_view else {"run", "instanceView"}
    return command | {"properties": {k: v for k, v in command["properties"].items() if k not in hidden}}


@due("vm-run-command-ends")
def end_command(lab: Lab, args: Json) -> None:
    """The script has run: its end is in the instance view."""
    command = resources.find_resource(lab, args["command"])
    lro.end_operation(lab, args["operation"])
    if command is None or command["properties"]["run"] != args["run"]:
        return
    failed = args["code"] != 0
    command["properties"] |= {
        "provisioningState": "Succeeded",
        "instanceView": {
            "executionState": "Failed" if failed else "Succeeded",
            "executionMessage": "",
            "exitCode": args["code"],
            "output": "",
            "error": "",
            "endTime": to_iso(lab.now()),
        },
    }
    resources.save_resource(lab, command)


@provider.route("GET", ONE)
def get_command(lab: Lab, request: ArmRequest) -> Answer:
    """One run command; with $expand=instanceView also the result of its script."""
    command = resources.require_resource(lab, request.path)
    return Answer(
        200, _command_document(command, instance_view=request.query.get("$expand", "").lower() == "instanceview")
    )


serve_delete(provider, ONE)
