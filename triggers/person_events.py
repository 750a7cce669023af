"""Taking what a person says to a run that waits for it."""

import azure.durable_functions as df

from shared.operations.kinds import APPROVAL_EVENT, DECISION_EVENT
from shared.recovery.person_events import ApprovalGiven, DecisionGiven


async def send_approval(client: df.DurableFunctionsClient, run: str, approval: ApprovalGiven) -> None:
    """Approve or reject a run that has not begun."""
    await client.raise_orchestration_event(run, APPROVAL_EVENT, data=approval.model_dump(mode="json"))


async def send_decision(client: df.DurableFunctionsClient, run: str, decision: DecisionGiven) -> None:
    """Say how a run goes on."""
    await client.raise_orchestration_event(run, DECISION_EVENT, data=decision.model_dump(mode="json"))
