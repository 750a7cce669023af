"""Starting an operation once, and waiting a moment for its admission."""

import asyncio

import azure.durable_functions as df
import azure.functions as func
import grpc  # type: ignore[import-untyped] # grpcio ships no types
from durabletask.client import OrchestrationState, OrchestrationStatus

from activities.durable_state import LIVING, is_run_living, read_entity
from shared.messages import Message
from shared.operations.durable_names import LEASES
from shared.operations.leases import Lease
from shared.plans.machines import lease_keys
from shared.recovery.operation import Operation
from shared.recovery.outcome import Outcome
from triggers.http_endpoint import HttpProblem, json_response

ADMISSION_CHECKS, SECONDS_BETWEEN_CHECKS = 30, 0.05
"""A second and a half in all: admission is quick, and a caller would rather hear "busy" than find it out later."""


async def has_started(client: df.DurableFunctionsClient, run_id: str) -> bool:
    """Whether there is a run with this id: the request is a repetition."""
    return await client.get_orchestration_state(run_id, fetch_payloads=False) is not None


async def start_once(client: df.DurableFunctionsClient, orchestrator: str, run_id: str, request: Message) -> bool:
    """Start a run unless there is one with this id; whether it was started now.

    A run that ended counts as well: starting over its id would wipe out its history.
    """
    if await has_started(client, run_id):
        return False
    payload = request.model_dump(mode="json")
    try:
        await client.schedule_new_orchestration(orchestrator, input=payload, instance_id=run_id)
    except grpc.aio.AioRpcError as error:
        if error.code() != grpc.StatusCode.ALREADY_EXISTS:
            raise
        return False  # two requests with one key, at the same moment
    return True


async def find_holders(client: df.DurableFunctionsClient, operation: Operation) -> list[str]:
    """The living runs that hold any of the plan's items."""
    living_owners: list[str] = []
    for vault, wanted in lease_keys(operation.document, operation.sites).items():
        table = await read_entity(client, LEASES, vault)
        for owner in {Lease.model_validate(table[key]).owner for key in set(wanted) & set(table)} - {operation.id}:
            if owner not in living_owners and await is_run_living(client, owner):
                living_owners.append(owner)
    return living_owners


def busy_plan_problem(plan: str, run_id: str) -> HttpProblem:
    """Another run holds the plan's items."""
    detail = f"The plan {plan!r} is busy: {run_id} holds its VMs."
    return HttpProblem(409, "Plan is busy", detail, operation=run_id, statusUrl=f"/api/operations/{run_id}")


async def wait_for_admission(client: df.DurableFunctionsClient, run_id: str) -> Outcome | None:
    """Wait a moment for a run to be admitted: its refusal, or None when it goes on (or has not decided yet)."""
    for _ in range(ADMISSION_CHECKS):
        state = await client.get_orchestration_state(run_id)
        if state and (state.serialized_custom_status or state.runtime_status not in LIVING):
            return _refusal_of(state)
        await asyncio.sleep(SECONDS_BETWEEN_CHECKS)
    return None


def _refusal_of(state: OrchestrationState) -> Outcome | None:
    if state.runtime_status != OrchestrationStatus.COMPLETED:
        return None
    outcome = Outcome.model_validate(state.get_output())
    return outcome if outcome.state == "refused" else None


def accepted_response(run_id: str) -> func.HttpResponse:
    """202 with where to look; never the engine's own management links, which carry a key."""
    url = f"/api/operations/{run_id}"
    return json_response({"id": run_id, "statusUrl": url}, 202, {"Location": url, "Retry-After": "10"})
