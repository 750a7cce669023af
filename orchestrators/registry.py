"""Gives the runbooks and entities their bindings: the only place where they meet the Functions host."""

from collections.abc import Callable, Mapping
from typing import Any

import azure.durable_functions as df

from orchestrators.change import change
from orchestrators.change_hold import change_hold
from orchestrators.change_lost_node import change_lost_node
from orchestrators.check_health import check_health
from orchestrators.declare import declare
from orchestrators.durable.cloud_events import deliver
from orchestrators.durable.engine_failures import with_readable_failures
from orchestrators.durable.entities import ENTITIES
from orchestrators.durable.generations import with_generations
from orchestrators.durable.own_runs import only_own
from orchestrators.healing.repair import repair
from orchestrators.notify import notify
from orchestrators.onboarding.preflight import preflight
from orchestrators.onboarding.prepare import prepare
from orchestrators.onboarding.replication import replication
from orchestrators.onboarding.verify import verify
from orchestrators.reconcile.nodes import watch_nodes
from orchestrators.reconcile.reconcile import reconcile
from orchestrators.record_administration import record_administration
from orchestrators.run.recovery_plan_mirror import mirror
from orchestrators.settle_obligation import settle_obligation
from orchestrators.verbs.drill import cleanup, drill
from orchestrators.verbs.failback import failback, reprotect
from orchestrators.verbs.failover import cancel, change_point, commit, failover
from orchestrators.verbs.roundtrip import roundtrip
from orchestrators.verbs.source_power import prove_sources
from shared.operations.durable_names import (
    CHANGE_HOLD,
    CHANGE_LOST_NODE,
    CHECK_HEALTH,
    DECLARE_DOCUMENT,
    NOTIFY,
    PROVE_SOURCES_OFF,
    PUBLISH_EVENT,
    RECONCILE,
    RECORD_ADMINISTRATION,
    SETTLE_OBLIGATION,
    WATCH_NODES,
)

ORCHESTRATORS: Mapping[str, Callable[..., Any]] = {
    "cancel": cancel,
    "change": change,
    "change-point": change_point,
    "cleanup": cleanup,
    "commit": commit,
    "drill": drill,
    "failback": failback,
    "failover": failover,
    "mirror": mirror,
    "preflight": preflight,
    "prepare": prepare,
    "repair": repair,
    "replication": replication,
    "reprotect": reprotect,
    "roundtrip": roundtrip,
    "verify": verify,
    CHANGE_HOLD: change_hold,
    CHANGE_LOST_NODE: change_lost_node,
    CHECK_HEALTH: check_health,
    DECLARE_DOCUMENT: declare,
    NOTIFY: notify,
    PROVE_SOURCES_OFF: prove_sources,
    PUBLISH_EVENT: deliver,
    RECONCILE: reconcile,
    RECORD_ADMINISTRATION: record_administration,
    SETTLE_OBLIGATION: settle_obligation,
    WATCH_NODES: watch_nodes,
}
"""By the name that the engine knows: that of its kind of operation, where it has one."""


def build_blueprint() -> df.Blueprint:
    """A new blueprint with all orchestrators and entities, each under the name that the engine knows."""
    bp = df.Blueprint()
    for name, orchestrator in ORCHESTRATORS.items():
        function = bp.orchestration_trigger(context_name="ctx", orchestration=name)(
            only_own(name, with_generations(orchestrator))
        )._function
        function._func = with_readable_failures(function.get_user_function())
    for name, entity in ENTITIES.items():
        bp.entity_trigger(context_name="ctx", entity_name=name)(entity)
    return bp
