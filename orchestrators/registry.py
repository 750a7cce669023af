"""Gives the runbooks and entities their bindings: the only place where they meet the Functions host."""

import azure.durable_functions as df

from orchestrators.declare import declare
from orchestrators.drill import cleanup, drill
from orchestrators.entities import book, leases, obligations
from orchestrators.failover import commit, failover
from orchestrators.homecoming import failback, reprotect
from orchestrators.preflight import preflight
from orchestrators.reconcile import reconcile
from orchestrators.repair import repair
from orchestrators.verify import verify

RUNBOOKS = (drill, cleanup, failover, commit, failback, reprotect, repair, preflight, verify, reconcile, declare)
ENTITIES = (leases, book, obligations)


def blueprint() -> df.Blueprint:
    """A new blueprint with all runbooks and entities, each under its function's name."""
    bp = df.Blueprint()
    for runbook in RUNBOOKS:
        bp.orchestration_trigger(context_name="ctx", orchestration=runbook.__name__)(runbook)
    for entity in ENTITIES:
        bp.entity_trigger(context_name="ctx", entity_name=entity.__name__)(entity)
    return bp
