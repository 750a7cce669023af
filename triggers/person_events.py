"""Taking what a person says to a run that waits for it."""

import azure.durable_functions as df

from shared.operations.kinds import APPROVAL_EVENT, DECISION_EVENT
from shared.operations.seals import with_seal
from shared.recovery.person_events import ApprovalGiven, DecisionGiven
from triggers.http_endpoint import read_settings
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
    """Send it as an event, sealed: the run believes nothing that comes otherwise.

    Raises:
        RunIsGone: the run has ended.
    """
    data = with_seal(read_settings().seal_key, run, event, said.model_dump(mode="json"))
    await send_to_living(client, run, client.raise_orchestration_event(run, event, data=data))
