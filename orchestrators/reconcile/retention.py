"""The engine forgets what ended long ago, so that nothing of it grows for ever."""

from orchestrators.durable.steps import Context, Steps, call, now
from orchestrators.durable.timer_look import TimerLook, require_readable
from shared.operations.contract import PURGE_ENDED_RUNS, PurgeEndedRuns


def purge_ended_runs(ctx: Context, look: TimerLook) -> Steps[list[str]]:
    """Forget ended runs after their time; not those that still owe something: people look at them."""
    require_readable(look.documents)
    owners = {str(obligation["owner"]) for obligation in look.documents.obligations}
    yield from call(ctx, PURGE_ENDED_RUNS, PurgeEndedRuns(now=now(ctx), keep=tuple(sorted(owners))))
    return []
