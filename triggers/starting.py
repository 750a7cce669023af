"""Starting a run once, waiting a moment for its admission, and answering the caller."""

import asyncio
from collections.abc import Iterable

import azure.durable_functions as df
import azure.functions as func
import grpc  # type: ignore[import-untyped] # grpcio ships no types
from durabletask.client import OrchestrationState, OrchestrationStatus

from activities.durable_state import LIVING, is_living, read_entity, read_output
from shared.messages import Message
from shared.obstacle import Obstacle
from shared.operations.durable_names import LEASES
from shared.operations.leases import Lease
from shared.operations.payloads import pack_document
from shared.plans.machines import lease_keys
from shared.problem_details import FieldError
from shared.recovery.operation import Operation
from shared.recovery.outcome import Outcome
from triggers.http_endpoint import HttpProblem, json_response
from triggers.pacing import ADMISSION_PAUSES


async def has_started(client: df.DurableFunctionsClient, run: str) -> bool:
    """Whether there is a run with this id: the request is a repetition."""
    return await client.get_orchestration_state(run, fetch_payloads=False) is not None


async def start_once(client: df.DurableFunctionsClient, orchestrator: str, run: str, request: Message) -> bool:
    """Start a run unless there is one with this id; whether it was started now.

    A run that ended counts as well: starting over its id would wipe out its history.
    """
    if await has_started(client, run):
        return False
    payload = request.model_dump(mode="json")
    try:
        await client.schedule_new_orchestration(orchestrator, input=pack_document(payload), instance_id=run)
    except grpc.aio.AioRpcError as error:
        if error.code() != grpc.StatusCode.ALREADY_EXISTS:
            raise
        return False  # two requests with one key, at the same moment
    return True


async def admission_response(client: df.DurableFunctionsClient, kind: str, run: str, subject: str) -> func.HttpResponse:
    """202 for a run that was started; it may have been refused since.

    Args:
        kind: What it is called in the answer.
        run: Its id.
        subject: "plan" or "site": what is busy when another run holds its VMs.

    Raises:
        HttpProblem: what is in its way (409).
    """
    state = await client.get_orchestration_state(run)
    for pause in ADMISSION_PAUSES:
        if state and (state.serialized_custom_status or state.runtime_status not in LIVING):
            break  # it was admitted, or has ended
        await asyncio.sleep(pause.total_seconds())
        state = await client.get_orchestration_state(run)
    completed = state is not None and state.runtime_status == OrchestrationStatus.COMPLETED
    refusal = Outcome.model_validate(read_output(state)) if state and completed else None
    if refusal is None or refusal.state != "refused":
        return accepted_response(run)
    errors = field_errors_of(refusal.problems, subject)
    first = next((one for one in refusal.problems if one.code == "held"), refusal.problems[0])
    if first.code == "held":
        raise busy_problem(subject, first.detail, first.holder, errors)
    detail = f"The {kind} was refused and nothing was changed: {first.detail}"
    raise HttpProblem(409, "Not ready", detail, errors, operation=run)


def field_errors_of(obstacles: Iterable[Obstacle], subject: str = "plan") -> list[FieldError]:
    """Each obstacle by the field that it is about: a VM of the plan or of the request, or else the plan or the site."""
    of_vm = "items[{vm}]" if subject == "plan" else "vms"
    return [FieldError(of_vm.format(vm=one.vm) if one.vm else subject, one.detail) for one in obstacles]


def busy_problem(subject: str, detail: str, holder: str, errors: Iterable[FieldError] = ()) -> HttpProblem:
    """409: another run holds what is needed."""
    title, url = f"{subject.capitalize()} is busy", f"/api/operations/{holder}"
    return HttpProblem(409, title, detail, list(errors), heldBy=holder, statusUrl=url)


def accepted_response(run: str) -> func.HttpResponse:
    """202 with where to look; never the engine's own management links, which carry a key."""
    url = f"/api/operations/{run}"
    return json_response({"id": run, "statusUrl": url}, 202, {"Location": url, "Retry-After": "10"})


async def find_holding_runs(client: df.DurableFunctionsClient, operation: Operation) -> list[OrchestrationState]:
    """The living runs that hold any of the plan's VMs."""
    owners: list[str] = []
    for vault, wanted in lease_keys(operation.document, operation.sites).items():
        table = await read_entity(client, LEASES, vault)
        owners += [Lease.model_validate(table[key]).owner for key in wanted if key in table]
    states = [await client.get_orchestration_state(owner) for owner in dict.fromkeys(owners) if owner != operation.id]
    return [state for state in states if state and is_living(state)]
