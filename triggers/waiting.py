"""Looking at a run again and again, until it is as far as a request waits for."""

from asyncio import sleep
from collections.abc import Callable, Iterator
from datetime import timedelta

import azure.durable_functions as df
from durabletask.client import OrchestrationState

from activities.durable_state import is_living
from triggers.pacing import FIRST_PAUSE, LONGEST_PAUSE


async def look_until(
    client: df.DurableFunctionsClient, run: str, is_enough: Callable[[OrchestrationState], bool], within: timedelta
) -> OrchestrationState | None:
    """The run once it is far enough, or as it stands when time is over; None while the engine shows nothing of it.

    The engine's own wait for the end of a run looks once in two seconds.
    """
    for pause in pauses_within(within):
        state = await client.get_orchestration_state(run)
        if state and is_enough(state):
            return state
        await sleep(pause.total_seconds())
    return await client.get_orchestration_state(run)


def pauses_within(span: timedelta) -> Iterator[timedelta]:
    """Pauses that grow, and together last as long as the span."""
    pause = FIRST_PAUSE
    while span > timedelta(0):
        yield min(pause, span)
        span, pause = span - pause, min(pause * 1.3, LONGEST_PAUSE)


def has_ended(state: OrchestrationState) -> bool:
    """Whether the run does nothing any more."""
    return not is_living(state)
