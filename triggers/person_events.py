"""Taking what a person says to a run that waits for it."""

import azure.durable_functions as df

from shared.operations.kinds import APPROVAL_EVENT, DECISION_EVENT
from shared.recovery.person_events import ApprovalGiven, DecisionGiven
from triggers.living_runs import send_to_living


async def send_approval(client: df.DurableFunctionsClient, run: str, approval: ApprovalGiven) -> None:
    """Approve or reject a run that has not begun."""
    await _send_event(client, run, APPROVAL_EVENT, approval)


async def send_decision(client: df.DurableFunctionsClient, run: str, decision: DecisionGiven) -> None:
    """Say how a run goes on."""
    await _send_event(client, run, DECISION_EVENT, decision)


async def _send_event(
    client: df.DurableFunctionsClient, run: str, event: str, said: ApprovalGiven | DecisionGiven
) -> None:
    """Send it as an event.

    Raises:
        RunIsGone: the run has ended.
    """
    data = said.model_dump(mode="json")
    await send_to_living(client, run, client.raise_orchestration_event(run, event, data=data))
