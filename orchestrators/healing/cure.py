"""The cure: save, uninstall, sync or install again, and prove as far as the vault."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from durabletask import task

from orchestrators.durable.steps import Steps, call, call_entity, now, sleep
from orchestrators.healing.gate import claim_node, diagnose_settled_node
from orchestrators.healing.locks import find_locks, remove_locks
from orchestrators.healing.look import LOOK_EVERY, run_script, wait_for_extension
from orchestrators.healing.progress import ProgressTracker
from shared.arm_ids import key_of
from shared.errors import Refused, Transient
from shared.healing.classifier import Cause, cause_of, classify_failure, is_extension_moving, is_extension_well
from shared.healing.contract import (
    CREATE_EXTENSION,
    READ_NODES,
    REMOVE_EXTENSION,
    CreateExtension,
    ReadNodes,
    RemoveExtension,
    ScriptView,
)
from shared.healing.node_record import NodeRecord
from shared.healing.proof import (
    RUNGS,
    Rung,
    choose_helper,
    cluster_rung,
    extension_to_install,
    items_on_node,
    list_gaps,
    may_run_sync,
    point_rung,
    vault_ladder,
)
from shared.healing.repair import NeedsPerson, Repair
from shared.messages import VaultRef
from shared.operations.durable_names import CLUSTER_QUEUE, NODES
from shared.site_recovery.contract import READ_ITEMS, READ_PROVIDERS, ReadItems, ReadProviders
from shared.sites.nodes import ExtensionView, NodeView
from shared.sites.site import SiteDocument

GENERATION = 15
POINT_EVERY, POINT_WITHIN = timedelta(minutes=1), timedelta(hours=2)
CLUSTER_EVERY, CLUSTER_WITHIN = timedelta(minutes=10), timedelta(hours=24)


def wait_for_recovery_point(
    ctx: task.OrchestrationContext, site: SiteDocument, tracker: ProgressTracker
) -> Steps[bool]:
    """Wait until a machine of the node has a recovery point that is newer than the cure.

    Raises:
        NeedsPerson: none came in time: the node is registered, and does not replicate.
    """
    for _ in range(GENERATION):
        rung = yield from _recovery_point_rung(ctx, site, tracker)
        if not rung.gaps:
            tracker.record_rung((*_rungs_below(rung.name), rung))
            return True
        if now(ctx) - tracker.progress.since >= POINT_WITHIN:
            raise NeedsPerson(cause_of("no-recovery-point", *rung.gaps))
        tracker.enter_phase("Recovery point", rung.gaps[0])
        yield from sleep(ctx, POINT_EVERY)
    return False


def _rungs_below(name: str) -> tuple[Rung, ...]:
    return tuple(Rung(each) for each in RUNGS[: RUNGS.index(name)])


def _recovery_point_rung(ctx: task.OrchestrationContext, site: SiteDocument, tracker: ProgressTracker) -> Steps[Rung]:
    vault = VaultRef.from_id(site.vault)
    try:
        provider_views = yield from call(ctx, READ_PROVIDERS, ReadProviders(vault=vault, fabric=site.hyper_v_site))
        items = yield from call(ctx, READ_ITEMS, ReadItems(vault=vault))
    except Transient as silence:
        return Rung("recovery-point", (str(silence),))
    since = tracker.progress.cured_at or tracker.progress.began
    return point_rung(items_on_node(items.items, provider_views.providers, tracker.progress.node), since)


def wait_for_cluster(ctx: task.OrchestrationContext, site: SiteDocument, tracker: ProgressTracker) -> Steps[bool]:
    """Wait for the other nodes while any of them is being healed; what is missing then is told, not awaited."""
    for _ in range(GENERATION):
        waiting = yield from call_entity(ctx, CLUSTER_QUEUE, key_of(tracker.progress.cluster), "waiting")
        if not waiting or now(ctx) - tracker.progress.since >= CLUSTER_WITHIN:
            rung = yield from _cluster_rung(ctx, site, tracker)
            tracker.record_rung((*_rungs_below(rung.name), rung))
            tracker.note_facts(notRegistered=list(rung.gaps))
            return True
        tracker.enter_phase("Cluster", f"{waiting} more nodes of the cluster to be healed")
        yield from sleep(ctx, CLUSTER_EVERY)
    return False


def _cluster_rung(ctx: task.OrchestrationContext, site: SiteDocument, tracker: ProgressTracker) -> Steps[Rung]:
    vault = VaultRef.from_id(site.vault)
    try:
        nodes = yield from call(ctx, READ_NODES, ReadNodes(cluster_id=tracker.progress.cluster))
        provider_views = yield from call(ctx, READ_PROVIDERS, ReadProviders(vault=vault))
    except Transient as silence:
        return Rung("cluster", (str(silence),))
    return cluster_rung(site, nodes.nodes, provider_views.providers, provider_views.at)


GONE_WITHIN, BACK_WITHIN, PROVEN_WITHIN = timedelta(minutes=20), timedelta(minutes=12), timedelta(minutes=15)
READ_AGAIN_EVERY = timedelta(minutes=3)
OUTPUT_KEPT = 500
"""How much of a script's output is kept with the run, in characters, counted from its end."""


def heal_node(
    ctx: task.OrchestrationContext, order: Repair, site: SiteDocument, tracker: ProgressTracker
) -> Steps[None]:
    """Take the node from its failure to its registration in the vault.

    Raises:
        NothingToDo: it is well.
        NotNow: the gate is closed; nothing was done.
        NeedsPerson: what ails it is not for this app to cure.
        Refused: the cure did not help.
        Transient: Azure did not answer for too long.
    """
    diagnosis = yield from diagnose_settled_node(ctx, order, site, tracker)
    locks = yield from find_locks(ctx, order, site)
    nodes = yield from claim_node(ctx, order, site, diagnosis, tracker)
    yield from remove_locks(ctx, order, locks, tracker)
    yield from _examine_node(ctx, order, site, diagnosis.node, diagnosis.cause, tracker)
    yield from _reinstall_extension(ctx, order, site, diagnosis.node, nodes, tracker)
    yield from _prove_registration(ctx, order, site, tracker)


def _examine_node(
    ctx: task.OrchestrationContext,
    order: Repair,
    site: SiteDocument,
    node: NodeView,
    cause: Cause | None,
    tracker: ProgressTracker,
) -> Steps[None]:
    """Look inside before anything is removed: what the text told may not be all, and a reboot may be fresh."""
    tracker.enter_phase("Examine", f"the registry and services of {node.name}")
    script_view = yield from run_script(ctx, order, node, "read-registration", "examine")
    if not script_view.result:
        tracker.note_facts(unread=f"{script_view.state} {script_view.error[-OUTPUT_KEPT:]}".strip())
        if cause and not cause.curable:
            raise NeedsPerson(cause)
        return
    extension = node.extension or ExtensionView(id="", name="", provisioning_state="")
    inner_cause = classify_failure(extension.code, extension.message, script_view.result, site)
    if inner_cause.code != "unknown" and not inner_cause.curable:
        tracker.note_facts(cause=inner_cause.code, evidence=list(inner_cause.evidence), remedy=inner_cause.remedy)
        raise NeedsPerson(inner_cause)
    if cause and not cause.curable:
        raise NeedsPerson(cause)
    yield from _wait_after_boot(ctx, site, node, script_view, tracker)


def _wait_after_boot(
    ctx: task.OrchestrationContext,
    site: SiteDocument,
    node: NodeView,
    script_view: ScriptView,
    tracker: ProgressTracker,
) -> Steps[None]:
    booted_at = datetime.fromisoformat(str((script_view.result or {}).get("lastBoot") or "1970-01-01T00:00:00Z"))
    rested_at = booted_at.astimezone(UTC) + site.healing_rules.reboot_grace
    if rested_at > now(ctx):
        tracker.enter_phase("Reboot grace", f"{node.name} to have been up until {rested_at.isoformat()}")
        yield from sleep(ctx, rested_at - now(ctx))


def _reinstall_extension(
    ctx: task.OrchestrationContext,
    order: Repair,
    site: SiteDocument,
    node: NodeView,
    nodes: Sequence[NodeView],
    tracker: ProgressTracker,
) -> Steps[None]:
    saved = yield from _save_extension(ctx, order, node, nodes)
    tracker.mark_changed()
    if node.extension:
        yield from _uninstall_extension(ctx, order, node, node.extension, tracker)
    tracker.enter_stage(cured_at=now(ctx))
    synced = yield from _sync_cluster(ctx, order, site, node, nodes, tracker)
    new_extension = None
    if synced:
        tracker.enter_phase("Install", f"the ASR extension to come back on {node.name}")
        new_extension = yield from wait_for_extension(ctx, node.id, _is_at_rest, BACK_WITHIN)
    if new_extension is None:
        new_extension = yield from _recreate_extension(ctx, order, node, saved, tracker)
    _require_well(node, new_extension, tracker)


def _save_extension(
    ctx: task.OrchestrationContext, order: Repair, node: NodeView, nodes: Sequence[NodeView]
) -> Steps[ExtensionView | None]:
    """Keep the settings where they outlive this run; those of an earlier run that got no further are found there."""
    kept = node.extension or extension_to_install(nodes, None)
    if kept is None:
        return None
    answer = yield from call_entity(ctx, NODES, key_of(order.machine_id), "save", kept.model_dump(mode="json"))
    return extension_to_install(nodes, NodeRecord.model_validate(answer["record"]).saved)


def _uninstall_extension(
    ctx: task.OrchestrationContext, order: Repair, node: NodeView, extension: ExtensionView, tracker: ProgressTracker
) -> Steps[None]:
    tracker.enter_phase("Uninstall", f"the ASR extension to leave {node.name}")
    yield from call(ctx, REMOVE_EXTENSION, RemoveExtension(extension_id=extension.id, operation=order.id))
    remaining = yield from wait_for_extension(ctx, node.id, lambda found: found is None, GONE_WITHIN)
    if remaining is not None:
        raise Refused("not-uninstalled", f"the ASR extension is still on {node.name} after {GONE_WITHIN}")


def _sync_cluster(
    ctx: task.OrchestrationContext,
    order: Repair,
    site: SiteDocument,
    node: NodeView,
    nodes: Sequence[NodeView],
    tracker: ProgressTracker,
) -> Steps[bool]:
    """Run Sync-AzureStackHci on a healthy node; False where that is not to be, or did not succeed."""
    helper = choose_helper(nodes, node.name)
    if helper is None or not may_run_sync(nodes, node.name):
        tracker.note_facts(
            sync="not run: it would install on several nodes at once, or no node of the cluster can run it"
        )
        return False
    tracker.enter_phase("Sync", f"Sync-AzureStackHci on {helper.name}")
    grace = str(int(site.healing_rules.reboot_grace.total_seconds()))
    script_view = yield from run_script(ctx, order, helper, "sync-cluster", "sync", {"MinimumUptime": grace})
    tracker.note_facts(
        sync=f"{helper.name}: {script_view.state} {(script_view.error or script_view.output)[-OUTPUT_KEPT:].strip()}"
    )
    return (
        script_view.state == "Succeeded"
        and script_view.exit_code in {0, None}
        and (script_view.result or {}).get("synchronised") is True
    )


def _recreate_extension(
    ctx: task.OrchestrationContext, order: Repair, node: NodeView, saved: ExtensionView | None, tracker: ProgressTracker
) -> Steps[ExtensionView | None]:
    """Install it from what was saved: Sync does not bring every extension back."""
    if saved is None:
        raise Refused("no-settings", f"Sync brought no extension to {node.name}, and no node has settings to copy")
    tracker.enter_phase("Re-create", f"the ASR extension to be installed on {node.name}")
    yield from call(ctx, CREATE_EXTENSION, CreateExtension(machine_id=node.id, operation=order.id, saved=saved))
    return (yield from wait_for_extension(ctx, node.id, _is_at_rest, BACK_WITHIN))


def _is_at_rest(extension: ExtensionView | None) -> bool:
    return extension is not None and not is_extension_moving(extension)


def _require_well(node: NodeView, new_extension: ExtensionView | None, tracker: ProgressTracker) -> None:
    """Whatever it says except Succeeded is not enough, PartiallySucceeded included."""
    tracker.note_facts(extension=new_extension.provisioning_state if new_extension else "missing")
    if new_extension is None:
        raise Refused("not-back", f"the ASR extension did not come back on {node.name}")
    if is_extension_well(new_extension):
        return
    new_cause = classify_failure(new_extension.code, new_extension.message)
    if new_cause.code != "unknown" and not new_cause.curable:
        raise NeedsPerson(new_cause)
    raise Refused(
        "failed-again",
        f"the ASR extension of {node.name} is {new_extension.provisioning_state}: {new_extension.message[:300]}",
    )


def _prove_registration(
    ctx: task.OrchestrationContext, order: Repair, site: SiteDocument, tracker: ProgressTracker
) -> Steps[None]:
    """Climb as far as the provider.

    Raises:
        Refused: a rung is missing after all this time.
    """
    tracker.enter_phase("Prove", f"the registration of {tracker.progress.node}")
    deadline, facts, read_at, times = now(ctx) + PROVEN_WITHIN, None, None, 0
    while True:
        node = (yield from call(ctx, READ_NODES, ReadNodes(machine_id=order.machine_id))).nodes[0]
        if read_at is None or now(ctx) - read_at >= READ_AGAIN_EVERY:
            times += 1
            facts = (yield from run_script(ctx, order, node, "read-registration", f"proof-{times}")).result
            read_at = now(ctx)
        ladder = yield from _climb_to_provider(ctx, site, node, facts, tracker)
        if not list_gaps(ladder):
            return
        if now(ctx) >= deadline:
            raise Refused("not-proven", "; ".join(list_gaps(ladder)))
        tracker.enter_phase("Prove", list_gaps(ladder)[0])
        yield from sleep(ctx, LOOK_EVERY)


def _climb_to_provider(
    ctx: task.OrchestrationContext,
    site: SiteDocument,
    node: NodeView,
    facts: dict[str, Any] | None,
    tracker: ProgressTracker,
) -> Steps[tuple[Rung, ...]]:
    request = ReadProviders(vault=VaultRef.from_id(site.vault), fabric=site.hyper_v_site)
    try:
        provider_views = yield from call(ctx, READ_PROVIDERS, request)
    except Transient as silence:
        return (Rung("provider", (str(silence),)),)
    since = tracker.progress.cured_at or tracker.progress.began
    ladder = vault_ladder(site, node, facts, provider_views.providers, since, provider_views.at)
    tracker.record_rung(ladder)
    return ladder
