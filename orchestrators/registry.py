"""Gives the runbooks and entities their bindings: the only place where they meet the Functions host."""

from collections.abc import Callable
from typing import Any

import azure.durable_functions as df

from orchestrators.declare import declare
from orchestrators.drill import cleanup, drill
from orchestrators.entities import book, budget, leases, mirrors, nodes, obligations, tally, track, turns
from orchestrators.failover import cancel, change_point, commit, failover
from orchestrators.homecoming import failback, reprotect
from orchestrators.mirror import mirror
from orchestrators.preflight import preflight
from orchestrators.prepare import prepare
from orchestrators.reconcile import reconcile
from orchestrators.repair import repair
from orchestrators.replication import replication
from orchestrators.roundtrip import roundtrip
from orchestrators.sources import prove_sources
from orchestrators.telling import deliver
from orchestrators.verify import verify
from orchestrators.watching import watch_nodes

RUNBOOKS = (
    drill,
    cleanup,
    failover,
    commit,
    cancel,
    change_point,
    failback,
    reprotect,
    roundtrip,
    repair,
    preflight,
    verify,
    prepare,
    replication,
    mirror,
    reconcile,
    declare,
    watch_nodes,
    prove_sources,
    deliver,
)
ENTITIES = (leases, book, obligations, nodes, turns, tally, track, mirrors, budget)


def name_of(runbook: Callable[..., Any]) -> str:
    """A runbook's name for the engine: that of its kind of operation, where it has one."""
    return runbook.__name__ if runbook is not change_point else "change-point"


def blueprint() -> df.Blueprint:
    """A new blueprint with all runbooks and entities, each under its function's name."""
    bp = df.Blueprint()
    for runbook in RUNBOOKS:
        bp.orchestration_trigger(context_name="ctx", orchestration=name_of(runbook))(runbook)
    for entity in ENTITIES:
        bp.entity_trigger(context_name="ctx", entity_name=entity.__name__)(entity)
    return bp
