"""Failover to Azure; then the commit that makes it final or, instead of it, another recovery point or a cancel.

1. Write down what is owed from the first verb on: the commit, the protection, the proof that the sources are off.
2. Bring the protected items' settings in line with the plan, where it names any.
3. Fail each VM over, in the plan's order, with its probes; soak time; hooks.
4. Note the recovery points that the commit will delete, and commit, where the plan leaves that to the run.
5. Cross out what is owed no longer.
"""

from typing import Any

from orchestrators.durable.entity_calls import open_obligation, settle_except_for
from orchestrators.durable.steps import Context, Steps
from orchestrators.run.recovery_points import note_points
from orchestrators.run.runbook import Runbook
from orchestrators.run.ticks import run_stages
from orchestrators.verbs.azure_leftovers import handle_leftovers, note_belongings
from orchestrators.verbs.source_power import REMEDY
from shared.operations.obligations import ObligationKind
from shared.recovery.operation import Operation
from shared.recovery.pacing import COMMIT_WITHIN, HOME_WITHIN, SOURCES_PROVEN_WITHIN
from shared.recovery.results import uncommitted_vms, unfinished_vms
from shared.recovery.run import Rehearsal, Run
from shared.recovery.stage import Stage

COMMIT = Stage(verb="Commit", ordered=False, settles=True, after="well", unless_failed=True)
CONFIGURE = Stage(verb="UpdateVmProperties", ordered=False)
"""What the plan says of a machine in Azure its protected item has to say as well, before the failover."""
CHANGE_POINT = Stage(verb="ChangePit", probed=True, settles=True)
CANCEL = Stage(verb="CancelFailover", ordered=False, settles=True)
SOURCE_OFF_DETAIL = (
    "whether the machines stay off on premises, where nobody shut them down for sure, is not proven yet. "
    f"The timer looks as soon as their nodes are back. {REMEDY}"
)


def failover(ctx: Context, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Bring the plan's machines up in Azure, each as soon as those it depends on are up and pass their probes."""
    operation = Operation.from_carried(payload)
    commits = operation.document.commit == "automatic"
    runbook = Runbook(
        stages=(*failover_stages(operation), COMMIT) if commits else failover_stages(operation),
        before_first_verb=open_failover_obligations,
        after_each_stage=note_points,
        settles=(("commit", uncommitted_vms),) if commits else (),
        after_last_stage=narrow_source_obligation,
        settles_if_done=settled_by_commit(operation),
    )
    return (yield from run_stages(ctx, operation, runbook))


def settled_by_commit(operation: Operation) -> tuple[ObligationKind, ...]:
    """What is owed no longer where all is already as a run would bring it, that ends with a commit by itself."""
    return ("commit",) if operation.document.commit == "automatic" else ()


def failover_stages(operation: Operation) -> tuple[Stage, ...]:
    """The stages that bring the machines to Azure, as the plan wants them there."""
    verb = "UnplannedFailover" if operation.options.is_unplanned else "PlannedFailover"
    move = Stage(verb=verb, probed=True, settles=True)
    is_configured = any(item.target_settings for item in operation.requested_part.items)
    return (CONFIGURE, move.model_copy(update={"after": "well"})) if is_configured else (move,)


def open_failover_obligations(ctx: Context, operation: Operation, run: Run) -> Steps[Run]:
    """Write down what a failover owes from its first verb on."""
    detail = "until the commit the machines in Azure keep their recovery points and are not final"
    yield from open_obligation(ctx, operation, run, "commit", COMMIT_WITHIN, detail)
    detail = "machines that run in Azure are not protected until they failed back and replicate again"
    yield from open_obligation(ctx, operation, run, "reprotect", HOME_WITHIN, detail)
    if operation.options.is_unplanned:
        yield from open_obligation(ctx, operation, run, "source-off", SOURCES_PROVEN_WITHIN, SOURCE_OFF_DETAIL)
    if operation.document.commit == "automatic" and operation.document.commit_after:
        return run.with_rehearsal(Rehearsal(soak=operation.document.commit_after))
    return run


def narrow_source_obligation(ctx: Context, operation: Operation, run: Run, *, provable: bool = False) -> Steps[None]:
    """After an unplanned failover only what runs in Azure has to be off at home: what stayed may well be running.

    Args:
        provable: It can be proven from now on, though the run goes on.
    """
    if not operation.options.is_unplanned or run.results.stopped_by_hook:
        return
    moved = run.with_items(item for item in run.items if item.was_moved)
    yield from settle_except_for(ctx, operation, run, "source-off", [item.vm for item in moved.items])
    if moved.items:
        yield from open_obligation(
            ctx, operation, moved, "source-off", SOURCES_PROVEN_WITHIN, SOURCE_OFF_DETAIL, provable=provable
        )


def commit(ctx: Context, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Make a failover, or a failback, final. It deletes all other recovery points and cannot be undone."""
    operation = Operation.from_carried(payload)
    runbook = Runbook(
        stages=(COMMIT.model_copy(update={"after": "all", "unless_failed": False}),),
        before_first_verb=_note_what_commit_deletes,
        settles=(("commit", unfinished_vms),),
        after_last_stage=handle_leftovers,
        settles_if_done=("commit",),
    )
    return (yield from run_stages(ctx, operation, runbook))


def _note_what_commit_deletes(ctx: Context, operation: Operation, run: Run) -> Steps[Run]:
    """The commit of a failover deletes recovery points; that of a failback gives machines in Azure up."""
    run = yield from note_points(ctx, operation, run)
    return (yield from note_belongings(ctx, operation, run))


def change_point(ctx: Context, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Make the machines in Azure again from another recovery point, as long as their failover is not committed."""
    operation = Operation.from_carried(payload)
    return (yield from run_stages(ctx, operation, Runbook(stages=(CHANGE_POINT,))))


def cancel(ctx: Context, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Give up failovers that are not committed, and failbacks that run. It ends the replication."""
    operation = Operation.from_carried(payload)
    runbook = Runbook(
        stages=(CANCEL,),
        settles=(("commit", unfinished_vms), ("source-off", unfinished_vms)),
        after_last_stage=_open_reprotect_obligation,
        settles_if_done=settled_by_commit(operation),
    )
    return (yield from run_stages(ctx, operation, runbook))


def _open_reprotect_obligation(ctx: Context, operation: Operation, run: Run) -> Steps[None]:
    detail = "what was cancelled does not replicate any more: it has to be protected anew"
    yield from open_obligation(ctx, operation, run, "reprotect", HOME_WITHIN, detail)
