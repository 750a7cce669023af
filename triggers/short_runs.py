"""Having a short run do something with an entity, because only a run gets an entity's answer, and waiting for it."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass

import azure.durable_functions as df
from durabletask.client import OrchestrationStatus

from activities.durable_runs import schedule_own
from shared.messages import Message
from shared.operations.pacing import BEGINS_WITHIN
from shared.operations.payloads import Carried, with_carried
from triggers.failures import ENGINE_FAILURES, SLOW, Outage, require_outage
from triggers.http_endpoint import HttpProblem
from triggers.pacing import DOCUMENT_CHANGE_WITHIN
from triggers.waiting import has_ended, look_until


@dataclass(frozen=True)
class ShortRun[Answer: Message]:
    """A run that one request has done, and waits for.

    Attributes:
        orchestrator: Its name.
        answer: What its output is.
        given_up: What is said when it failed.
    """

    orchestrator: str
    answer: type[Answer]
    given_up: Outage


async def await_short_run[Answer: Message](
    client: df.DurableFunctionsClient,
    short_run: ShortRun[Answer],
    request: Message,
    unconfirmed: Callable[[Outage], HttpProblem],
) -> Answer:
    """Start a run with an id of its own, and give its output.

    Args:
        client: The durable client.
        short_run: Which run.
        request: Its input.
        unconfirmed: What is answered while nobody can say what became of it, by what is away.

    Raises:
        HttpProblem: it has not ended well in time: it may be done, or may still be.
    """
    run = f"{short_run.orchestrator.partition('_')[0]}-{uuid.uuid4().hex}"
    try:
        payload = with_carried(request.model_dump(mode="json"), Carried(sender=run))
        await schedule_own(client, short_run.orchestrator, run, payload, BEGINS_WITHIN)
        state = await look_until(client, run, has_ended, DOCUMENT_CHANGE_WITHIN)
    except ENGINE_FAILURES as error:
        raise unconfirmed(require_outage(error)) from error
    if state is None or not has_ended(state):
        raise unconfirmed(SLOW)
    if state.runtime_status != OrchestrationStatus.COMPLETED:
        raise unconfirmed(short_run.given_up)
    return short_run.answer.model_validate(state.get_output())
