"""Which of a run's machines still owe what the run was to settle. Pure."""

from shared.messages import RunItem, Verb
from shared.runs import Run

MOVES: frozenset[Verb] = frozenset({"PlannedFailover", "UnplannedFailover", "Failback"})
NOT_THROUGH = frozenset({"failed", "skipped"})


def unfinished(run: Run) -> tuple[str, ...]:
    """Of a run with one verb: those that did not get through it."""
    return tuple(item.vm for item in run.items if item.state != "done")


def uncommitted(run: Run) -> tuple[str, ...]:
    """Those that were moved, or may have been, and whose newest move is not final; one that was skipped among them."""
    return tuple(item.vm for item in run.items if was_moved(item) and not _ended_with(item, "Commit"))


def unprotected(run: Run) -> tuple[str, ...]:
    """Those that were moved, or may have been, and do not replicate to Azure again."""
    return tuple(item.vm for item in run.items if was_moved(item) and not _ended_with(item, "ReverseReplicate"))


def was_moved(item: RunItem) -> bool:
    """By this run, or by an earlier one that got so far; a verb that was asked for in vain may have moved it too."""
    if not MOVES.isdisjoint(item.skip) or any(step.verb in MOVES for step in item.steps):
        return True
    return item.asked in MOVES


def _ended_with(item: RunItem, verb: Verb) -> bool:
    """Whether the verb came after the newest move, and nothing went wrong since."""
    if item.state in NOT_THROUGH:
        return False
    verbs = (*item.skip, *(step.verb for step in item.steps if step.outcome == "succeeded"))
    newest = max((place for place, done in enumerate(verbs) if done in MOVES), default=0)
    return verb in verbs[newest:]


def gone_without(run: Run) -> tuple[str, ...]:
    """What people have to know of machines that were skipped; nothing without any."""
    if not run.skipped:
        return ()
    return (f"skipped: {', '.join(run.skipped)}; what is owed for them stays owed, and nothing is proven of them",)
