"""What the timer looks after: drills that are due, what is owed and nobody does any more, and nodes."""

from collections.abc import Callable, Mapping
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

DUTIES: Mapping[str, Duty] = {
    "clean up drills whose time is over": clean_up_owed,
    "begin drills that are due": begin_due,
    "clean up drills whose runs are dead": clean_up_orphans,
    "remind of what is late": remind,
    "prove that source VMs are off": prove_sources_owed,
    "watch that source VMs stay off": watch_sources,
    "settle Azure leftovers that are gone": cross_out_leftovers,
    "heal nodes": look_after_nodes,
    "keep recovery plans as declared": keep_mirrors,
}
"""In this order; each is told by its name when it fails."""


def reconcile(ctx: task.OrchestrationContext, _payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """See to what is due, duty by duty; starting it again does nothing, because each occasion has an id of its own.

    A duty that cannot be done this time keeps no other from being done, and is done at the next look.
    """
    seen = yield from call(ctx, READ_BOOK, ReadBook())
    started: list[str] = []
    failures: list[str] = []
    for name, duty in DUTIES.items():
        try:
            started += yield from duty(ctx, seen)
        except SiteRecoveryError as failure:
            failures.append(f"{name}: {failure}")
    return {"started": started, "failures": failures}
