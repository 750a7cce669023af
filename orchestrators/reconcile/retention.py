"""The engine forgets what ended long ago, so that nothing of it grows for ever."""

from orchestrators.durable.steps import Context, Steps, call, now
from shared.operations.contract import PURGE_ENDED_RUNS, PurgeEndedRuns
from shared.plans.contract import DocumentsRead


def purge_ended_runs(ctx: Context, documents: DocumentsRead) -> Steps[list[str]]:
    """Forget ended runs after their time; not those that still owe something: people look at them."""
    owners = {str(obligation["owner"]) for obligation in documents.obligations}
    yield from call(ctx, PURGE_ENDED_RUNS, PurgeEndedRuns(now=now(ctx), keep=tuple(sorted(owners))))
    return []
