"""Having a short run do something with an entity, because only a run gets an entity's answer, and waiting for it."""

import uuid
from datetime import timedelta
from typing import Any

import azure.durable_functions as df
from durabletask.client import OrchestrationStatus

from shared.messages import Message
from shared.operations.payloads import Carried, pack_input
from triggers.failures import ENGINE_FAILURES, SLOW, Outage, require_outage
from triggers.waiting import has_ended, look_until


class UnconfirmedRun(Exception):
    """Nobody can say yet what became of it: it may be done, or may still be.

    Attributes:
        outage: What is away.
    """

    def __init__(self, outage: Outage) -> None:
        super().__init__(outage.detail)
        self.outage = outage


async def await_short_run(
    client: df.DurableFunctionsClient, orchestrator: str, request: Message, within: timedelta, given_up: Outage
) -> Any:
    """Start a run with an id of its own, and give its output.

    Args:
        client: The durable client.
        orchestrator: Its name.
        request: Its input.
        within: How long its end is waited for.
        given_up: What is said when it failed.

    Raises:
        UnconfirmedRun: it has not ended well in this time.
    """
    run = f"{orchestrator.partition('_')[0]}-{uuid.uuid4().hex}"
    try:
        payload = pack_input(request.model_dump(mode="json"), Carried(sender=run))
        await client.schedule_new_orchestration(orchestrator, input=payload, instance_id=run)
        state = await look_until(client, run, has_ended, within)
    except ENGINE_FAILURES as error:
        raise UnconfirmedRun(require_outage(error)) from error
    if state is None or not has_ended(state):
        raise UnconfirmedRun(SLOW)
    if state.runtime_status != OrchestrationStatus.COMPLETED:
        raise UnconfirmedRun(given_up)
    return state.get_output()
