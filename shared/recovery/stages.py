"""How a run goes from stage to stage: who takes part in the next one, and what is kept of the one before."""

from datetime import datetime

from shared.recovery.people import Pause
from shared.recovery.run import Run
from shared.recovery.run_item import BAD_STATES


def enter_stage(run: Run, now: datetime) -> Run:
    """Begin the stage under way: those who take part wait for their turn, the others stay as they were.

    What an item showed when the run was admitted is done; but where an earlier stage had the same verb that says
    nothing of this one.
    """
    stage, progress = run.current, run.progress
    if stage is None:
        return run
    if stage.order_reversed != progress.order_reversed:
        run = run.with_order_reversed()
    is_first = progress.times_before == 0
    items = tuple(
        item.for_new_stage("done" if is_first and stage.verb in item.verbs_done_before else "waiting")
        if stage.takes(item)
        else item
        for item in run.items
    )
    has_something_to_do = any(item.state == "waiting" for item in items)
    pauses = stage.pause and not run.people.aborted and has_something_to_do
    progress = progress.with_guard(passed=False).model_copy(
        update={"began": now, "order_reversed": stage.order_reversed}
    )
    return (
        run.with_items(items)
        .with_progress(progress)
        .with_plan_runs(plan_run.not_begun() for plan_run in run.plan_runs)
        .with_pause(Pause(what=stage.pause, since=now, until=stage.pause_until) if pauses else None)
    )


def leave_stage(run: Run, now: datetime) -> Run:
    """Go on to the next stage that has to run, keeping what went wrong in this one."""
    wrong = (item.failure for item in run.items if item.state in BAD_STATES)
    failures = tuple(dict.fromkeys((*run.results.failures, *wrong)))
    run = run.with_results(run.results.model_copy(update={"failures": failures}))
    run = run.with_progress(run.progress.with_next_stage())
    run = run.model_copy(update={"observations": run.observations.after_stage()})
    ends_early = run.people.aborted or run.results.stopped_by_hook
    while (stage := run.current) and (
        (stage.unless_failed and run.has_failed) or (ends_early and stage.after != "touched")
    ):
        run = run.with_progress(run.progress.with_next_stage())
    return enter_stage(run, now)
