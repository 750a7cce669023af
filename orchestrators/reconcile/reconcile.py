"""What the timer looks after: drills that are due, what is owed and nobody does any more, and nodes."""

from collections.abc import Callable
from typing import Any

from durabletask import task

from orchestrators.durable.steps import Steps, call
from orchestrators.reconcile.drills import begin_due
from orchestrators.reconcile.nodes import look_after_nodes
from orchestrators.reconcile.obligations import clean_up_orphans, clean_up_owed, remind
from orchestrators.reconcile.recovery_plans import keep_mirrors
from orchestrators.verbs.azure_leftovers import cross_out_leftovers
from orchestrators.verbs.source_power import prove_sources_owed, watch_sources
from shared.errors import SiteRecoveryError
from shared.plans.contract import READ_BOOK, BookRead, ReadBook

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
