"""Preparing a site: from a registered cluster to one whose nodes are all registered with the vault.

1. Lease the site: one preparation at a time. See that its cluster belongs to no other vault.
2. Do the steps in their order; each looks for its thing, makes it when it is missing, and never changes it. A step that
   fails is noted, and those that do not need it go on; where Azure does not answer, the step is done once more.
3. The nodes are a step of their own, node after node; after each the run continues as new.
4. Give turn and lease back, and say what was made.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from orchestrators.durable.cloud_events import publish_site_event
from orchestrators.durable.cluster_turns import leave_cluster_queue
from orchestrators.durable.entity_calls import NotAdmitted, claim_keys, prolong_leases
from orchestrators.durable.steps import Context, Steps, call_entity, call_patiently, now, show_status, sleep
from orchestrators.onboarding.install_extension import install_on_next_node
from orchestrators.onboarding.prepare_steps import (
    ensure_association,
    ensure_drill_network,
    ensure_groups,
    ensure_policy,
    ensure_roles,
    ensure_site,
    ensure_storage,
    ensure_vault,
    prove_registration,
)
from shared.errors import SiteRecoveryError, Transient
from shared.healing.contract import READ_NODES, ReadNodes
from shared.obstacle import Obstacle
from shared.onboarding.pacing import MOST_SILENCES, SILENCE_PAUSE
from shared.onboarding.preparation import (
    Preparation,
    PreparationStep,
    PrepareOrder,
    StepId,
    describe_result,
    find_failures,
    find_foreign_nodes,
    new_preparation,
    next_step,
    why_blocked,
)
from shared.operations.durable_names import LEASES
from shared.recovery.outcome import Outcome
from shared.wording import list_briefly

type StepAction = Callable[[Context, PrepareOrder, Preparation], Steps[Preparation]]
STEP_ACTIONS: Mapping[StepId, StepAction] = {
    "groups": ensure_groups,
    "storage": ensure_storage,
    "vault": ensure_vault,
    "site": ensure_site,
    "policy": ensure_policy,
    "roles": ensure_roles,
    "drill-network": ensure_drill_network,
    "extension": install_on_next_node,
    "association": ensure_association,
    "registration": prove_registration,
}
SHOWN_FAILURES = 8
"""How many of them the custom status spells out."""


def prepare(ctx: Context, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Create or adopt what the site needs, step by step; what is there and differs is reported and left as it is."""
    order = PrepareOrder.model_validate(payload)
    run = order.run
    if run is None:
        try:
            yield from claim_keys(ctx, _lease_table(order), order.id, ("prepare",))
            yield from _require_own_cluster(ctx, order)
        except NotAdmitted as verdict:
            yield from call_entity(ctx, LEASES, _lease_table(order), "release", order.id)
            refusal = Outcome(state="refused", kind="prepare", site=order.site, problems=verdict.obstacles)
            return refusal.model_dump(mode="json")
        run = new_preparation(order.document, now(ctx))
        yield from publish_site_event(ctx, order, "started", {})
    while step := next_step(run):
        show_status(ctx, custom_status_of(run, step))
        run = yield from _run_step(ctx, order, run, step)
        if next_step(run) == step or step.id == "extension":  # a node is through, and there may be more
            yield from prolong_leases(ctx, order.id, [_lease_table(order)])
            ctx.continue_as_new(order.model_copy(update={"run": run}).model_dump(mode="json"), save_events=True)
            return None
    return (yield from _close_preparation(ctx, order, run))


def _require_own_cluster(ctx: Context, order: PrepareOrder) -> Steps[None]:
    """See that no node belongs to another vault: the cluster would be given rights on a vault that is not its own.

    Raises:
        NotAdmitted: one does, or that could not be read.
    """
    try:
        nodes = (yield from call_patiently(ctx, READ_NODES, ReadNodes(cluster_id=order.document.cluster))).nodes
    except SiteRecoveryError as failure:
        raise NotAdmitted((Obstacle.of_error(failure, "nodes"),)) from failure
    if obstacles := tuple(find_foreign_nodes(order.document, nodes)):
        raise NotAdmitted(obstacles)


def _lease_table(order: PrepareOrder) -> str:
    return f"site:{order.document.cluster.lower()}"


def _run_step(ctx: Context, order: PrepareOrder, run: Preparation, step: PreparationStep) -> Steps[Preparation]:
    """One step, to its end or once more: it begins by looking at what is there, so it may be done again."""
    if reason := why_blocked(run, step.id):
        return run.with_step_ended(step.id, "skipped", reason)
    try:
        return (yield from STEP_ACTIONS[step.id](ctx, order, run))
    except Transient as silence:
        if run.silences >= MOST_SILENCES:
            return run.with_step_ended(step.id, "failed", str(silence))
        yield from sleep(ctx, SILENCE_PAUSE)
        return run.with_silence()
    except SiteRecoveryError as failure:
        return run.with_step_ended(step.id, "failed", str(failure))


def custom_status_of(run: Preparation, step: PreparationStep | None) -> dict[str, Any]:
    """The custom status: every step and every node with its state."""
    busy = [f"{node.node} ({node.state})" for node in run.nodes if node.state in {"installing", "broken"}]
    return {
        "phase": step.title if step else "Closing",
        "waitingFor": list_briefly(busy) or (step.title if step else ""),
        "steps": [one.model_dump(mode="json") for one in run.steps],
        "nodes": [node.model_dump(mode="json", exclude={"machine_id"}) for node in run.nodes],
        "problems": [failure.to_json() for failure in find_failures(run)[:SHOWN_FAILURES]],
    }


def outcome_of(order: PrepareOrder, run: Preparation, ended: datetime) -> Outcome:
    """How it ended."""
    failures, custom_status = find_failures(run), custom_status_of(run, None)
    verdict = describe_result(run)
    parts = {"steps": custom_status["steps"], "nodes": custom_status["nodes"]}
    return Outcome(
        state="failed" if failures else "succeeded",
        kind="prepare",
        site=order.site,
        failures=failures,
        began=run.began,
        ended=ended,
        facts={**parts, "changed": run.changed, "verdict": verdict},
    )


def _close_preparation(ctx: Context, order: PrepareOrder, run: Preparation) -> Steps[dict[str, Any]]:
    show_status(ctx, custom_status_of(run, None))
    outcome = outcome_of(order, run, now(ctx))
    yield from leave_cluster_queue(ctx, order.document.cluster, order.id)
    yield from call_entity(ctx, LEASES, _lease_table(order), "release", order.id)
    data = {"state": outcome.state, "changed": run.changed}
    yield from publish_site_event(ctx, order, "finished", data, outcome)
    return outcome.model_dump(mode="json")
