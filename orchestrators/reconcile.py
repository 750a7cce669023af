"""What the timer looks after: drills that are due, what is owed and nobody does any more, and nodes."""

from collections.abc import Callable
from typing import Any

from durabletask import task

from activities.app_contract import READ_BOOK, BookRead, ReadBook
from orchestrators.duties import clean_up_orphans, clean_up_owed, remind
from orchestrators.keeping import keep_mirrors
from orchestrators.leaving import cross_out_leftovers
from orchestrators.rehearsing import begin_due
from orchestrators.sources import prove_sources_owed, watch_sources
from orchestrators.steps import Steps, call
from orchestrators.watching import look_after_nodes
from shared.errors import SiteRecoveryError

type Duty = Callable[[task.OrchestrationContext, BookRead], Steps[list[str]]]


def reconcile(ctx: task.OrchestrationContext, _payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """See to what is due, duty by duty; starting it again does nothing, because each occasion has an id of its own.

    A duty that cannot be done this time keeps no other from being done, and is done at the next look.
    """
    seen = yield from call(ctx, READ_BOOK, ReadBook())
    started: list[str] = []
    failures: list[str] = []
    duties: tuple[Duty, ...] = (
        clean_up_owed,
        begin_due,
        clean_up_orphans,
        remind,
        prove_sources_owed,
        watch_sources,
        cross_out_leftovers,
        look_after_nodes,
        keep_mirrors,
    )
    for duty in duties:
        try:
            started += yield from duty(ctx, seen)
        except SiteRecoveryError as failure:
            failures.append(f"{duty.__name__}: {failure}")
    return {"started": started, "failures": failures}
