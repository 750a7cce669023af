"""The timer's runbook: read what is declared and owed, and do one duty after another, in the order of DUTIES."""

from collections.abc import Callable, Mapping
from typing import Any

from orchestrators.durable.steps import Context, Steps, call
from orchestrators.reconcile.drills import begin_due_drills
from orchestrators.reconcile.nodes import look_after_nodes
from orchestrators.reconcile.obligations import publish_late_obligations, start_orphan_cleanups, start_owed_cleanups
from orchestrators.reconcile.recovery_plans import keep_mirrors
from orchestrators.reconcile.retention import purge_ended_runs
from orchestrators.verbs.azure_leftovers import settle_gone_leftovers
from orchestrators.verbs.source_power import start_source_proofs, start_source_rechecks
from shared.errors import SiteRecoveryError
from shared.plans.contract import READ_DOCUMENTS, DocumentsRead, ReadDocuments

type Duty = Callable[[Context, DocumentsRead], Steps[list[str]]]

DUTIES: Mapping[str, Duty] = {
    "clean up drills whose time is over": start_owed_cleanups,
    "begin drills that are due": begin_due_drills,
    "clean up drills whose runs are dead": start_orphan_cleanups,
    "remind of what is late": publish_late_obligations,
    "prove that source VMs are off": start_source_proofs,
    "watch that source VMs stay off": start_source_rechecks,
    "settle Azure leftovers that are gone": settle_gone_leftovers,
    "heal nodes": look_after_nodes,
    "keep recovery plans as declared": keep_mirrors,
    "forget runs that ended long ago": purge_ended_runs,
}
"""By the name that people read when one fails."""


def reconcile(ctx: Context, _payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Do what is due, duty by duty; doing it twice starts nothing twice, because each occasion has an id of its own.

    A duty that fails keeps no other from being done, and is done again the next time.
    """
    documents = yield from call(ctx, READ_DOCUMENTS, ReadDocuments())
    started: list[str] = []
    failures: list[str] = []
    for name, duty in DUTIES.items():
        try:
            started += yield from duty(ctx, documents)
        except SiteRecoveryError as failure:
            failures.append(f"{name}: {failure}")
    return {"started": started, "failures": failures}
