"""Starting a run once, waiting a moment for its admission, and answering the caller."""

from collections.abc import Iterable

import azure.durable_functions as df
import azure.functions as func
from durabletask.client import OrchestrationState, OrchestrationStatus

from activities.durable_runs import schedule_once
from activities.durable_state import carried_by, is_living, read_custom_status, read_entity, read_output
from shared.concurrency import map_concurrently
from shared.messages import Message
from shared.obstacle import Obstacle
from shared.operations.durable_names import LEASES
from shared.operations.leases import Lease
from shared.operations.payloads import with_request_digest
from shared.plans.machines import lease_keys
from shared.problem_details import FieldError
from shared.recovery.operation import Operation
from shared.recovery.outcome import Outcome
from triggers.failures import ENGINE_FAILURES, Outage, require_outage
from triggers.http_endpoint import HttpProblem, RequestKey, json_response, outage_problem
from triggers.pacing import ADMISSION_WITHIN
from triggers.request_checks import IDEMPOTENCY_KEY
from triggers.waiting import has_ended, look_until

BRIEF_PHASES = frozenset({"Reading"})
"""Phases before the admission is decided that are waited for: they last for one look at Azure."""
UNDECIDED_PHASES = frozenset({*BRIEF_PHASES, "Admission", "Queued", "Premises"})
"""All of them: Azure does not answer, a drill still has the VMs, or the nodes are being looked at."""
UNDECIDED = (
    "The run was started. Whether it may begin is not decided yet, and until then it does nothing: see statusUrl."
)


NO_KEY = RequestKey()


async def has_started(client: df.DurableFunctionsClient, run: str, key: RequestKey) -> bool:
    """Whether there is a run with this id: the request is a repetition.

    Args:
        client: The durable client.
        run: The id.
        key: What the request's Idempotency-Key stands for.

    Raises:
        HttpProblem: another request with the same Idempotency-Key has started it, or another verb on the same plan,
            site or node (422).
    """
    state = await client.get_orchestration_state(run, fetch_payloads=bool(key.digest))
    if state is None:
        await _require_unused(client, key)
        return False
    if key.digest and carried_by(state).request_digest not in {"", key.digest}:
        raise _reused_key(run, "by another person, or with another body")
    return True


async def _require_unused(client: df.DurableFunctionsClient, key: RequestKey) -> None:
    """See that the key has started nothing else on the same plan, site or node."""
    states = await map_concurrently(
        key.other_runs, lambda run: client.get_orchestration_state(run, fetch_payloads=False)
    )
    if used := next((run for run, state in zip(key.other_runs, states, strict=True) if state), ""):
        raise _reused_key(used, "on another route")


def _reused_key(run: str, how: str) -> HttpProblem:
    detail = (
        f"This key was sent with another request, which started {run}: {how}. "
        "Nothing was done. Send a new key for a new run."
    )
    errors, url = [FieldError(IDEMPOTENCY_KEY, detail)], operation_url(run)
    code = "idempotency-key-reused"
    return HttpProblem(422, "Key was used before", detail, errors, code=code, operation=run, statusUrl=url)


async def start_once(
    client: df.DurableFunctionsClient, orchestrator: str, run: str, request: Message, key: RequestKey = NO_KEY
) -> bool:
    """Start a run unless there is one with this id; whether it was started now.

    A run that ended counts as well: starting over its id would wipe out its history.

    Args:
        client: The durable client.
        orchestrator: Its name.
        run: Its id.
        request: Its input.
        key: What the request's Idempotency-Key stands for, which the run remembers.

    Raises:
        HttpProblem: the engine did not confirm it (503), or another request with the same key has started it (422).
    """
    if await has_started(client, run, key):
        return False
    payload = with_request_digest(request.model_dump(mode="json"), key.digest)
    try:
        is_new = await schedule_once(client, orchestrator, run, payload)
    except ENGINE_FAILURES as error:
        raise _unconfirmed_start(run, require_outage(error)) from error
    if not is_new and key.digest:  # somebody else was quicker, with this request or another one
        await has_started(client, run, key)
    return is_new


def _unconfirmed_start(run: str, outage: Outage) -> HttpProblem:
    """503: nobody can say whether the run was started."""
    url = operation_url(run)
    hint = (
        f"Whether the run was started is not known: {url} answers 404 as long as it was not. "
        "A request with the same Idempotency-Key starts no second run."
    )
    return outage_problem(outage, hint, operation=run, statusUrl=url)


async def admission_response(client: df.DurableFunctionsClient, kind: str, run: str, subject: str) -> func.HttpResponse:
    """202 for a run that was started, with what is known of its admission; it may have been refused since.

    Args:
        kind: What it is called in the answer.
        run: Its id.
        subject: "plan", "site" or "node": what is busy when another run holds it.

    Raises:
        HttpProblem: what is in its way (409).
    """
    state = await _await_admission(client, run)
    completed = state is not None and state.runtime_status == OrchestrationStatus.COMPLETED
    refusal = Outcome.model_validate(read_output(state)) if state and completed else None
    if refusal is None or refusal.state != "refused":
        return accepted_response(run, **_admission_view(state))
    errors = field_errors_of(refusal.problems, subject)
    first = next((one for one in refusal.problems if one.code == "held"), refusal.problems[0])
    if first.code == "held" and first.holder:
        raise busy_problem(subject, first.detail, first.holder, errors)
    detail = f"The {kind} was refused and nothing was changed: {first.detail}"
    raise HttpProblem(409, "Not ready", detail, errors, operation=run)


async def _await_admission(client: df.DurableFunctionsClient, run: str) -> OrchestrationState | None:
    """The run once its admission is decided, or as it stands when that takes too long.

    None while the engine shows nothing of it: it was started all the same.
    """
    try:
        return await look_until(client, run, _is_decided, ADMISSION_WITHIN)
    except ENGINE_FAILURES as error:
        require_outage(error)
        return None


def _is_decided(state: OrchestrationState) -> bool:
    """Whether there is nothing more to wait for: the run was admitted, has ended, or waits itself.

    An engine may write "null" as the status of a run that has said nothing yet.
    """
    custom_status = read_custom_status(state)
    return has_ended(state) or (bool(custom_status) and custom_status.get("phase") not in BRIEF_PHASES)


def _admission_view(state: OrchestrationState | None) -> dict[str, str]:
    """Whether a run that was started may begin, as far as it is known."""
    if state and has_ended(state):
        return {"admission": "ended"}
    custom_status = read_custom_status(state) if state else {}
    if not custom_status or custom_status.get("phase") in UNDECIDED_PHASES:
        return {"admission": "pending", "detail": UNDECIDED}
    return {"admission": "admitted"}


def field_errors_of(obstacles: Iterable[Obstacle], subject: str = "plan") -> list[FieldError]:
    """Each obstacle by the field that it is about: a VM of the plan or of the request, or else the subject."""
    of_vm = "items[{vm}]" if subject == "plan" else "vms"
    return [FieldError(of_vm.format(vm=one.vm) if one.vm else subject, one.detail, one) for one in obstacles]


def busy_problem(subject: str, detail: str, holder: str, errors: Iterable[FieldError] = ()) -> HttpProblem:
    """409: another run holds what is needed."""
    title, url = f"{subject.capitalize()} is busy", operation_url(holder)
    return HttpProblem(409, title, detail, list(errors), heldBy=holder, statusUrl=url)


def operation_url(run: str) -> str:
    """Where to look at a run."""
    return f"/api/operations/{run}"


def accepted_response(run: str, **extras: str) -> func.HttpResponse:
    """202 with where to look; never the engine's own management links, which carry a key."""
    url = operation_url(run)
    return json_response({"id": run, "statusUrl": url, **extras}, 202, {"Location": url, "Retry-After": "10"})


async def find_holding_runs(client: df.DurableFunctionsClient, operation: Operation) -> list[OrchestrationState]:
    """The living runs that hold any of the plan's VMs."""
    owners: list[str] = []
    for vault, wanted in lease_keys(operation.requested_part, operation.sites).items():
        table = await read_entity(client, LEASES, vault)
        owners += [Lease.model_validate(table[key]).owner for key in wanted if key in table]
    states = [await client.get_orchestration_state(owner) for owner in dict.fromkeys(owners) if owner != operation.id]
    return [state for state in states if state and is_living(state)]
