"""Asking for what another run holds: once, and once more where that run is dead."""

from collections.abc import Callable, Sequence

from orchestrators.durable.steps import Context, Steps, call
from shared.operations.contract import READ_ENDED_RUNS, ReadEndedRuns


def ask_past_dead_runs[Answer](
    ctx: Context, ask: Callable[[tuple[str, ...]], Steps[Answer]], runs_in_the_way: Callable[[Answer], Sequence[str]]
) -> Steps[Answer]:
    """Ask an entity; where runs are in the way, see which of them have ended, and ask once more without these.

    Args:
        ask: Asks, given the runs that are known to have ended.
        runs_in_the_way: Reads them off the answer; none where the answer is good.

    Raises:
        Transient: whether they still live could not be read.
    """
    answer = yield from ask(())
    if not (in_the_way := runs_in_the_way(answer)):
        return answer
    ended = (yield from call(ctx, READ_ENDED_RUNS, ReadEndedRuns(ids=tuple(in_the_way)))).ended
    return (yield from ask(ended)) if ended else answer
