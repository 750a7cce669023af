"""Taking something to a run that may end at this very moment."""

from collections.abc import Awaitable

import azure.durable_functions as df
import grpc  # type: ignore[import-untyped] # grpcio ships no types
from durabletask.client import OrchestrationState

from activities.durable_state import is_living
from shared.problem_details import FieldError
from triggers.failures import ENGINE_FAILURES, find_outage, status_of
from triggers.http_endpoint import HttpProblem


class RunIsGone(HttpProblem):
    """The run has ended (409), or the engine does not know it any more (404): nothing can be taken to it."""


def require_living(run: str, state: OrchestrationState | None) -> OrchestrationState:
    """The state of a run that may still do something.

    Raises:
        RunIsGone: it has ended, or there is none.
    """
    if state is None:
        raise _unknown_run(run)
    if not is_living(state):
        raise RunIsGone(409, "Run has ended", f"{run} has ended: nothing can be decided any more.")
    return state


async def send_to_living(client: df.DurableFunctionsClient, run: str, sending: Awaitable[None]) -> None:
    """Send something to a run; the engine refuses that, in various ways, once the run has ended.

    Raises:
        RunIsGone: it has ended meanwhile, is just ending, or there is none.
    """
    try:
        await sending
    except ENGINE_FAILURES as error:
        require_living(run, await client.get_orchestration_state(run, fetch_payloads=False))
        if status_of(error) == grpc.StatusCode.NOT_FOUND:
            raise _unknown_run(run) from error
        if find_outage(error) is None:
            raise RunIsGone(409, "Run has ended", f"{run} is just ending: look how it has ended.") from error
        raise


def _unknown_run(run: str) -> RunIsGone:
    detail = f"There is no operation {run!r} any more."
    return RunIsGone(404, "Unknown operation", detail, [FieldError("operation", detail)])
