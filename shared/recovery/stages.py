"""A run of a verb on a plan: its stages, its limits and where it stands."""

from collections.abc import Sequence
from datetime import datetime

from shared.graph import reversed_edges
from shared.recovery.run import Pause, RecoveryPlanRun, Run, RunItem, Stage
from shared.site_recovery.views import Verb


def is_touched(item: RunItem) -> bool:
    """Whether this run has sent a verb to the item, answered or not."""
    return bool(item.steps) or item.job != "" or item.since is not None


def _takes_part(stage: Stage, item: RunItem) -> bool:
    if stage.after == "touched":
        return is_touched(item)
    return item.state != "skipped" if stage.after == "all" else item.state == "done"


def enter_stage(run: Run, now: datetime) -> Run:
    """Begin the stage under way: those who take part wait for their turn, the others stay as they were."""
    stage = run.current
    if stage is None:
        return run
    skips = frozenset[Verb]() if _is_repeated(run, stage) else frozenset({stage.verb})
    items = tuple(
        _reset_item(item, skips) if _takes_part(stage, item) else item for item in _items_in_order(run, stage)
    )
    update = {"items": items, "stage_began": now, "turned": stage.turned, "pause": _pause_before(run, items, now)}
    update |= {"passed": False, "parts": tuple(_reset_plan_run(part) for part in run.parts)}
    return run.model_copy(update=update)


def _reset_plan_run(plan_run: RecoveryPlanRun) -> RecoveryPlanRun:
    return RecoveryPlanRun(
        name=plan_run.name, vault=plan_run.vault, vms=plan_run.vms, groups=plan_run.groups, shape=plan_run.shape
    )


def _pause_before(run: Run, items: Sequence[RunItem], now: datetime) -> Pause | None:
    """What the run waits for before the stage, where the stage says so and has anything to do."""
    stage = run.current
    if stage is None or not stage.pause or run.aborted or not any(item.state == "waiting" for item in items):
        return None
    return Pause(what=stage.pause, since=now, until=stage.pause_until)


def _is_repeated(run: Run, stage: Stage) -> bool:
    """Whether an earlier stage had the same verb: what an item showed at the beginning says nothing of this one."""
    return any(earlier.verb == stage.verb for earlier in run.stages[: run.stage])


def _items_in_order(run: Run, stage: Stage) -> tuple[RunItem, ...]:
    """The items with their order turned round, where the stage goes the other way."""
    if stage.turned == run.turned:
        return run.items
    names = {item.vm for item in run.items}
    turned = reversed_edges({item.vm: [name for name in item.after if name in names] for item in run.items})
    return tuple(item.model_copy(update={"after": turned[item.vm]}) for item in run.items)


def _reset_item(item: RunItem, skips: frozenset[Verb]) -> RunItem:
    state = "done" if skips & set(item.skip) else "waiting"
    fresh = {"state": state, "attempt": 1, "adopts_from": 1, "job": "", "since": None, "not_before": None, "detail": ""}
    fresh |= {"seen": False, "asked_from": None, "resumed": None, "cleared": "", "failed_in": ""}
    return item.model_copy(update=fresh)


def _is_left_out(run: Run, stage: Stage) -> bool:
    return (stage.unless_failed and run.has_failed) or ((run.aborted or run.stopped) and stage.after != "touched")


def leave_stage(run: Run, now: datetime) -> Run:
    """Go on to the next stage that has to run, keeping what went wrong in this one."""
    wrong = (f"{item.vm}: {item.detail}" for item in run.items if item.state in {"failed", "blocked"})
    run = run.model_copy(update={"failures": tuple(dict.fromkeys((*run.failures, *wrong))), "stage": run.stage + 1})
    while run.current and _is_left_out(run, run.current):
        run = run.model_copy(update={"stage": run.stage + 1})
    return enter_stage(run, now)
