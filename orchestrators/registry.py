"""Gives the runbooks and entities their bindings: the only place where they meet the Functions host."""

from collections.abc import Callable
from typing import Any

import azure.durable_functions as df

from orchestrators.declare import declare
from orchestrators.durable.cloud_events import deliver
from orchestrators.durable.entities import book, budget, leases, mirrors, nodes, obligations, tally, track, turns
from orchestrators.healing.repair import repair
from orchestrators.onboarding.preflight import preflight
from orchestrators.onboarding.prepare import prepare
from orchestrators.onboarding.replication import replication
from orchestrators.onboarding.verify import verify
from orchestrators.reconcile.nodes import watch_nodes
from orchestrators.reconcile.reconcile import reconcile
from orchestrators.run.recovery_plan_mirror import mirror
from orchestrators.verbs.drill import cleanup, drill
from orchestrators.verbs.failback import failback, reprotect
from orchestrators.verbs.failover import cancel, change_point, commit, failover
from orchestrators.verbs.roundtrip import roundtrip
from orchestrators.verbs.source_power import prove_sources

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
