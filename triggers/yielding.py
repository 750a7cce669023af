"""A drill makes way for a real failover: cleaned up first, or left to be cleaned up later, as the caller says."""

from collections.abc import Sequence
from datetime import timedelta

import azure.durable_functions as df
from durabletask.client import OrchestrationState

from activities.previewing import views_of
from orchestrators.approval import EVENT as APPROVE
from orchestrators.hearing import DECISION
from shared.messages import ItemView
from shared.operations import Operation
from shared.problems import FieldError
from shared.verbs import TEST_OVER
from triggers.starting import busy
from triggers.web import Problem
from triggers.wishes import Way

WHY = "it makes way for a failover"
TO_END = timedelta(minutes=5)
"""How long the engine may take to end a run."""


async def make_way(
    client: df.DurableFunctionsClient, operation: Operation, holders: Sequence[str], way: Way | None
) -> Operation:
    """Ask the drills that hold the plan's VMs to end; the failover as it is to be started then.

    Raises:
        Problem: somebody else holds them, or nobody said what becomes of the drill (409).
    """
    runs = [(run, await client.get_orchestration_state(run)) for run in holders]
    drills = [state for _, state in runs if state and state.name == "drill"]
    others = [run for run, state in runs if not state or state.name != "drill"]
    if others or way is None:
        raise busy(operation.plan, (others or holders)[0])
    if way == "leave":
        await _require_no_test(operation)
        for drill in drills:
            await client.terminate_orchestration(drill.instance_id, output=WHY)
        return operation.model_copy(update={"lease_wait": TO_END})
    for drill in drills:
        await _end(client, operation, drill)
    return operation.model_copy(update={"lease_wait": operation.document.patience})


async def _require_no_test(operation: Operation) -> None:
    """Site Recovery lets nothing but a cleanup be done with a machine in a test failover.

    Raises:
        Problem: each VM that is in one.
    """
    views = await views_of(operation.document, operation.sites)
    tested = [view.vm for view in views.values() if _in_a_test(view)]
    if tested:
        detail = "in a test failover: Site Recovery wants it cleaned up first"
        errors = [FieldError(field=f"items[{vm}]", detail=detail) for vm in tested]
        raise Problem(409, "Not ready", f'{tested[0]} is {detail}. Say "drill": "clean-up-first".', errors)


def _in_a_test(view: ItemView) -> bool:
    return view.test_failover_state not in TEST_OVER or view.scenario == "TestFailover"


async def _end(client: df.DurableFunctionsClient, operation: Operation, drill: OrchestrationState) -> None:
    """Have a drill clean up and end; one that waits for its approval has done nothing yet, and is rejected."""
    waits = (drill.get_custom_status() or {}).get("waits") or {}
    said = {"by": operation.requested_by, "comment": WHY}
    if waits.get("for") == "approval":
        asked = Operation.carried(drill.get_input() or {})
        word = {**said, "approved": False, "person": operation.requester_id, "digest": asked.digest}
        await client.raise_orchestration_event(drill.instance_id, APPROVE, data=word)
    else:
        await client.raise_orchestration_event(
            drill.instance_id, DECISION, data={**said, "verdict": "abort", "vms": []}
        )
