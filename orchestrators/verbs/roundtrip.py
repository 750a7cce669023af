"""The round trip of planned maintenance: out to Azure, home again and protected, as one operation.

1. As a failover: obligations, settings, failover, and the commit, before which a person may look at the machines.
2. Wait until a person says that the machines may come home, or until the time that was named.
3. As a failback: wait until nothing stands in the way, failback, and its commit, before which a person may look.
4. Re-protect; after each stage cross out what is owed no longer, at the end look what is left in Azure.
"""

from collections.abc import Sequence
from typing import Any

from orchestrators.durable.entity_calls import settle_except_for
from orchestrators.durable.steps import Context, Steps
from orchestrators.run.recovery_points import note_points
from orchestrators.run.runbook import Runbook
from orchestrators.run.ticks import run_stages
from orchestrators.verbs.azure_leftovers import handle_leftovers, note_belongings
from orchestrators.verbs.failback import FAILBACK, REPROTECT, open_commit_obligation
from orchestrators.verbs.failback_checks import find_failback_obstacles
from orchestrators.verbs.failover import (
    COMMIT,
    failover_stages,
    narrow_source_obligation,
    open_failover_obligations,
    settled_by_commit,
)
from shared.obstacle import Obstacle
from shared.recovery.operation import Operation
from shared.recovery.results import uncommitted_vms, unprotected_vms
from shared.recovery.run import Run
from shared.recovery.stage import Stage

PAUSE_BEFORE_COMMIT = (
    "somebody to check the machines in Azure: resume commits the failover, which deletes their other recovery points"
)
PAUSE_BEFORE_FAILBACK = "somebody to say that the machines may come home: resume begins the failback"
PAUSE_BEFORE_FINAL_COMMIT = "somebody to check the machines on premises: resume commits the failback"


def roundtrip(ctx: Context, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Failover, commit, failback, commit, re-protect; a person decides when the machines come home."""
    operation = Operation.from_carried(payload)
    runbook = Runbook(
        stages=stages_of(operation),
        before_first_verb=open_failover_obligations,
        after_each_stage=_settle_stage,
        settles=(("commit", uncommitted_vms), ("reprotect", unprotected_vms)),
        after_last_stage=handle_leftovers,
        gate=_check_failback_gate,
        settles_if_done=settled_by_commit(operation),
        keeps_hosts=True,
    )
    return (yield from run_stages(ctx, operation, runbook))


def stages_of(operation: Operation) -> tuple[Stage, ...]:
    """The stages, with a pause before each commit where the plan leaves those to a person."""
    plan = operation.document
    by_hand = plan.commit == "manual"
    failback_changes = {
        "pause": PAUSE_BEFORE_FAILBACK,
        "pause_until": operation.options.return_at,
        "order_reversed": operation.options.order == "reverse",
    }
    failback_changes |= {"after": "well", "unless_failed": True, "guarded": True}
    return (
        *failover_stages(operation),
        COMMIT.model_copy(update={"pause": PAUSE_BEFORE_COMMIT if by_hand else ""}),
        FAILBACK.model_copy(update=failback_changes),
        COMMIT.model_copy(update={"pause": PAUSE_BEFORE_FINAL_COMMIT if by_hand else ""}),
        REPROTECT.model_copy(update={"after": "well", "unless_failed": True}),
    )


def _settle_stage(ctx: Context, operation: Operation, run: Run) -> Steps[Run]:
    """Owe no longer what the stage that is over has done; until the way home begins the machines must be off there."""
    ended = run.progress.stages[run.progress.number - 1].verb
    failed_back = any(step.verb == "Failback" for item in run.items for step in item.steps)
    if ended == "Commit":
        yield from settle_except_for(ctx, operation, run, "commit", uncommitted_vms(run))
    if not failed_back:
        yield from narrow_source_obligation(ctx, operation, run, provable=True)
    if run.current and run.current.verb == "Commit" and not failed_back:
        return (yield from note_points(ctx, operation, run))
    if ended == "Failback":  # the machines in Azure are still there to be looked at
        return (yield from note_belongings(ctx, operation, run))
    return run


def _check_failback_gate(ctx: Context, operation: Operation, run: Run) -> Steps[tuple[Run, Sequence[Obstacle]]]:
    """What keeps the machines from coming home now."""
    run, obstacles = yield from find_failback_obstacles(ctx, operation, run)
    if not obstacles:
        yield from open_commit_obligation(ctx, operation, run)
    return run, obstacles
