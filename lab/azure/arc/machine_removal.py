"""The removal of an Arc machine: its resource goes, with its extensions and run commands; what runs on premises stays.

Inferred: how long it takes. The agent on the node is told nothing, and Site Recovery's provider stays connected.
"""

from datetime import timedelta

from lab.azure.arc import machines
from lab.azure.arc.run_commands import RUN_COMMAND
from lab.azure.arm import activity_log, lro, resources
from lab.azure.simulator.answers import Answer, Json
from lab.azure.simulator.lab import Lab, due
from lab.azure.simulator.requests import ArmRequest
from lab.azure.simulator.waits import shortened_wait

_TAKES = timedelta(seconds=30)


@machines.provider.route("DELETE", machines.MACHINES + "/{machine}")
def delete_machine(lab: Lab, request: ArmRequest) -> Answer:
    """Remove a machine: 202, or 204 when there is none."""
    machine = resources.find_resource(lab, request.path)
    if machine is None:
        return Answer(204)
    resources.require_unlocked(lab, request.path, deleting=True)
    operation = lro.start_operation(lab)
    args = {"machine": machine["id"], "operation": operation["name"], "origin": activity_log.origin_of(request)}
    lab.call_after(shortened_wait(_TAKES), "machine-removed", args)
    return lro.accepted_answer(machines.operation_headers(request, operation["name"]))


@due("machine-removed")
def end_removal(lab: Lab, args: Json) -> None:
    """The machine is gone, and all that is below it."""
    for kind in (machines.EXTENSION, RUN_COMMAND):
        for child in lab.store.all(kind.lower(), args["machine"]):
            resources.delete_resource(lab, child["id"])
    resources.delete_resource(lab, args["machine"])
    lro.end_operation(lab, args["operation"])
    activity_log.log_ended(lab, args["origin"], args["machine"], f"{machines.MACHINE}/delete")
