"""The way home for Hyper-V: failback, its commit, and only then re-protect.

1. See that the machines are off on premises and that their nodes have room; what a person has to do is waited for.
2. Write down that the commit is owed.
3. Fail each VM back, those that nothing depends on first, unless the plan says otherwise; hooks.
4. Note what hangs on the machines in Azure, and commit, where the plan leaves that to the run.
5. Cross out what is owed no longer; look what is left in Azure; say what has to be done by hand.

Re-protect follows as a run of its own.
"""

from typing import Any

from orchestrators.durable.entity_calls import open_obligation
from orchestrators.durable.steps import Context, Steps
from orchestrators.run.runbook import Runbook
from orchestrators.run.ticks import run_stages
from orchestrators.verbs.azure_leftovers import handle_leftovers, note_belongings
from orchestrators.verbs.failback_checks import admit_failback, find_failback_obstacles, with_manual_steps
from orchestrators.verbs.failover import COMMIT, settled_by_commit
from shared.recovery.operation import Operation
from shared.recovery.pacing import COMMIT_WITHIN, REPROTECTED_WITHIN
from shared.recovery.results import uncommitted_vms, unfinished_vms
from shared.recovery.run import Run
from shared.recovery.stage import Stage

FAILBACK = Stage(verb="Failback", settles=True)
REPROTECT = Stage(verb="ReverseReplicate", ordered=False, settles=True, settles_within=REPROTECTED_WITHIN)
"""Its job ends early: what follows is a resynchronisation over the line that there is."""


def failback(ctx: Context, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Bring the machines back on premises, those that nothing depends on first unless the plan says otherwise."""
    operation = Operation.from_carried(payload)
    failback_stage = FAILBACK.model_copy(
        update={"order_reversed": operation.options.order == "reverse", "guarded": True}
    )
    runbook = Runbook(
        stages=(failback_stage, COMMIT) if operation.document.commit == "automatic" else (failback_stage,),
        before_start=admit_failback,
        before_first_verb=open_commit_obligation,
        after_each_stage=note_belongings,
        settles=(("commit", uncommitted_vms),),
        after_last_stage=_name_what_is_left,
        gate=find_failback_obstacles,
        settles_if_done=settled_by_commit(operation),
        keeps_hosts=True,
    )
    return (yield from run_stages(ctx, operation, runbook))


def open_commit_obligation(ctx: Context, operation: Operation, run: Run) -> Steps[None]:
    """Write down that a failback has to be committed."""
    yield from open_obligation(
        ctx, operation, run, "commit", COMMIT_WITHIN, "a failback is final only once it is committed"
    )


def _name_what_is_left(ctx: Context, operation: Operation, run: Run) -> Steps[Run]:
    """In Azure, of machines that came home; and to do by hand, for those that did not."""
    run = yield from handle_leftovers(ctx, operation, run)
    return (yield from with_manual_steps(ctx, operation, run))


def reprotect(ctx: Context, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Replicate to Azure again, until each machine is Protected."""
    operation = Operation.from_carried(payload)
    runbook = Runbook(stages=(REPROTECT,), settles=(("reprotect", unfinished_vms),), settles_if_done=("reprotect",))
    return (yield from run_stages(ctx, operation, runbook))
