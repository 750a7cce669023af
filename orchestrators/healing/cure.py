"""The cure: save, uninstall, sync or install again, and prove as far as the vault."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from durabletask import task

from orchestrators.durable.steps import Steps, ask_entity, call, now, sleep
from orchestrators.healing.gate import hold_node, settled_look
from orchestrators.healing.locks import find_locks, unlock
from orchestrators.healing.look import LOOK_EVERY, run_script, until
from orchestrators.healing.progress import Diary
from shared.arm_ids import key_of
from shared.errors import Refused, Transient
from shared.healing.classifier import Cause, cause_of, classify, is_moving, is_well
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
    may_sync,
    missing,
    point_rung,
    settings_for,
    vault_ladder,
    vms_of,
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


def await_point(ctx: task.OrchestrationContext, site: SiteDocument, diary: Diary) -> Steps[bool]:
    """Wait until a machine of the node has a recovery point that is newer than the cure.

    Raises:
        NeedsPerson: none came in time: the node is registered, and does not replicate.
    """
    for _ in range(GENERATION):
        rung = yield from _point(ctx, site, diary)
        if not rung.missing:
            diary.reach((*_below(rung.name), rung))
            return True
        if now(ctx) - diary.progress.since >= POINT_WITHIN:
            raise NeedsPerson(cause_of("no-recovery-point", *rung.missing))
        diary.enter("Recovery point", rung.missing[0])
        yield from sleep(ctx, POINT_EVERY)
    return False


def _below(name: str) -> tuple[Rung, ...]:
    return tuple(Rung(each) for each in RUNGS[: RUNGS.index(name)])


def _point(ctx: task.OrchestrationContext, site: SiteDocument, diary: Diary) -> Steps[Rung]:
    vault = VaultRef.from_id(site.vault)
    try:
        hosts = yield from call(ctx, READ_PROVIDERS, ReadProviders(vault=vault, fabric=site.hyper_v_site))
        items = yield from call(ctx, READ_ITEMS, ReadItems(vault=vault))
    except Transient as silence:
        return Rung("recovery-point", (str(silence),))
    since = diary.progress.cured_at or diary.progress.began
    return point_rung(vms_of(items.items, hosts.providers, diary.progress.node), since)


def await_cluster(ctx: task.OrchestrationContext, site: SiteDocument, diary: Diary) -> Steps[bool]:
    """Wait for the other nodes while any of them is being healed; what is missing then is told, not awaited."""
    for _ in range(GENERATION):
        waiting = yield from ask_entity(ctx, CLUSTER_QUEUE, key_of(diary.progress.cluster), "waiting")
        if not waiting or now(ctx) - diary.progress.since >= CLUSTER_WITHIN:
            rung = yield from _cluster(ctx, site, diary)
            diary.reach((*_below(rung.name), rung))
            diary.note(notRegistered=list(rung.missing))
            return True
        diary.enter("Cluster", f"{waiting} more nodes of the cluster to be healed")
        yield from sleep(ctx, CLUSTER_EVERY)
    return False


def _cluster(ctx: task.OrchestrationContext, site: SiteDocument, diary: Diary) -> Steps[Rung]:
    vault = VaultRef.from_id(site.vault)
    try:
        nodes = yield from call(ctx, READ_NODES, ReadNodes(cluster_id=diary.progress.cluster))
        hosts = yield from call(ctx, READ_PROVIDERS, ReadProviders(vault=vault))
    except Transient as silence:
        return Rung("cluster", (str(silence),))
    return cluster_rung(site, nodes.nodes, hosts.providers, hosts.at)


GONE_WITHIN, BACK_WITHIN, PROVEN_WITHIN = timedelta(minutes=20), timedelta(minutes=12), timedelta(minutes=15)
READ_AGAIN_EVERY = timedelta(minutes=3)
TOLD = 500
"""How much of a script's output is kept with the run, in characters, counted from its end."""


def heal(ctx: task.OrchestrationContext, order: Repair, site: SiteDocument, diary: Diary) -> Steps[None]:
    """Take the node from its failure to its registration in the vault.

    Raises:
        NothingToDo: it is well.
        NotNow: the gate is closed; nothing was done.
        NeedsPerson: what ails it is not for this app to cure.
        Refused: the cure did not help.
        Transient: Azure did not answer for too long.
    """
    seen = yield from settled_look(ctx, order, site, diary)
    locks = yield from find_locks(ctx, order, site)
    nodes = yield from hold_node(ctx, order, site, seen, diary)
    yield from unlock(ctx, order, locks, diary)
    yield from _examine(ctx, order, site, seen.node, seen.cause, diary)
    yield from _install_again(ctx, order, site, seen.node, nodes, diary)
    yield from _prove(ctx, order, site, diary)


def _examine(
    ctx: task.OrchestrationContext,
    order: Repair,
    site: SiteDocument,
    node: NodeView,
    cause: Cause | None,
    diary: Diary,
) -> Steps[None]:
    """Look inside before anything is removed: what the text told may not be all, and a reboot may be fresh."""
    diary.enter("Examine", f"the registry and services of {node.name}")
    seen = yield from run_script(ctx, order, node, "read-registration", "examine")
    if not seen.result:
        diary.note(unread=f"{seen.state} {seen.error[-TOLD:]}".strip())
        if cause and not cause.curable:
            raise NeedsPerson(cause)
        return
    extension = node.extension or ExtensionView(id="", name="", provisioning_state="")
    found = classify(extension.code, extension.message, seen.result, site)
    if found.code != "unknown" and not found.curable:
        diary.note(cause=found.code, evidence=list(found.evidence), remedy=found.remedy)
        raise NeedsPerson(found)
    if cause and not cause.curable:
        raise NeedsPerson(cause)
    yield from _rest_after_boot(ctx, site, node, seen, diary)


def _rest_after_boot(
    ctx: task.OrchestrationContext, site: SiteDocument, node: NodeView, seen: ScriptView, diary: Diary
) -> Steps[None]:
    booted = datetime.fromisoformat(str((seen.result or {}).get("lastBoot") or "1970-01-01T00:00:00Z"))
    rested = booted.astimezone(UTC) + site.healing_rules.reboot_grace
    if rested > now(ctx):
        diary.enter("Reboot grace", f"{node.name} to have been up until {rested.isoformat()}")
        yield from sleep(ctx, rested - now(ctx))


def _install_again(
    ctx: task.OrchestrationContext,
    order: Repair,
    site: SiteDocument,
    node: NodeView,
    nodes: Sequence[NodeView],
    diary: Diary,
) -> Steps[None]:
    saved = yield from _save(ctx, order, node, nodes)
    diary.touch()
    if node.extension:
        yield from _uninstall(ctx, order, node, node.extension, diary)
    diary.go_to(cured_at=now(ctx))
    synced = yield from _sync(ctx, order, site, node, nodes, diary)
    back = None
    if synced:
        diary.enter("Install", f"the ASR extension to come back on {node.name}")
        back = yield from until(ctx, node.id, _rests, BACK_WITHIN)
    if back is None:
        back = yield from _create(ctx, order, node, saved, diary)
    _require_well(node, back, diary)


def _save(
    ctx: task.OrchestrationContext, order: Repair, node: NodeView, nodes: Sequence[NodeView]
) -> Steps[ExtensionView | None]:
    """Keep the settings where they outlive this run; those of an earlier run that got no further are found there."""
    kept = node.extension or settings_for(nodes, None)
    if kept is None:
        return None
    said = yield from ask_entity(ctx, NODES, key_of(order.machine_id), "save", kept.model_dump(mode="json"))
    return settings_for(nodes, NodeRecord.model_validate(said["record"]).saved)


def _uninstall(
    ctx: task.OrchestrationContext, order: Repair, node: NodeView, extension: ExtensionView, diary: Diary
) -> Steps[None]:
    diary.enter("Uninstall", f"the ASR extension to leave {node.name}")
    yield from call(ctx, REMOVE_EXTENSION, RemoveExtension(extension_id=extension.id, operation=order.id))
    gone = yield from until(ctx, node.id, lambda seen: seen is None, GONE_WITHIN)
    if gone is not None:
        raise Refused("not-uninstalled", f"the ASR extension is still on {node.name} after {GONE_WITHIN}")


def _sync(
    ctx: task.OrchestrationContext,
    order: Repair,
    site: SiteDocument,
    node: NodeView,
    nodes: Sequence[NodeView],
    diary: Diary,
) -> Steps[bool]:
    """Run Sync-AzureStackHci on a healthy node; False where that is not to be, or did not succeed."""
    helper = choose_helper(nodes, node.name)
    if helper is None or not may_sync(nodes, node.name):
        diary.note(sync="not run: it would install on several nodes at once, or no node of the cluster can run it")
        return False
    diary.enter("Sync", f"Sync-AzureStackHci on {helper.name}")
    grace = str(int(site.healing_rules.reboot_grace.total_seconds()))
    seen = yield from run_script(ctx, order, helper, "sync-cluster", "sync", {"MinimumUptime": grace})
    diary.note(sync=f"{helper.name}: {seen.state} {(seen.error or seen.output)[-TOLD:].strip()}")
    return seen.state == "Succeeded" and seen.exit_code in {0, None} and (seen.result or {}).get("synchronised") is True


def _create(
    ctx: task.OrchestrationContext, order: Repair, node: NodeView, saved: ExtensionView | None, diary: Diary
) -> Steps[ExtensionView | None]:
    """Install it from what was saved: Sync does not bring every extension back."""
    if saved is None:
        raise Refused("no-settings", f"Sync brought no extension to {node.name}, and no node has settings to copy")
    diary.enter("Re-create", f"the ASR extension to be installed on {node.name}")
    yield from call(ctx, CREATE_EXTENSION, CreateExtension(machine_id=node.id, operation=order.id, saved=saved))
    return (yield from until(ctx, node.id, _rests, BACK_WITHIN))


def _rests(extension: ExtensionView | None) -> bool:
    return extension is not None and not is_moving(extension)


def _require_well(node: NodeView, back: ExtensionView | None, diary: Diary) -> None:
    """Whatever it says except Succeeded is not enough, PartiallySucceeded included."""
    diary.note(extension=back.provisioning_state if back else "missing")
    if back is None:
        raise Refused("not-back", f"the ASR extension did not come back on {node.name}")
    if is_well(back):
        return
    again = classify(back.code, back.message)
    if again.code != "unknown" and not again.curable:
        raise NeedsPerson(again)
    raise Refused(
        "failed-again", f"the ASR extension of {node.name} is {back.provisioning_state}: {back.message[:300]}"
    )


def _prove(ctx: task.OrchestrationContext, order: Repair, site: SiteDocument, diary: Diary) -> Steps[None]:
    """Climb as far as the provider.

    Raises:
        Refused: a rung is missing after all this time.
    """
    diary.enter("Prove", f"the registration of {diary.progress.node}")
    deadline, facts, read_at, times = now(ctx) + PROVEN_WITHIN, None, None, 0
    while True:
        node = (yield from call(ctx, READ_NODES, ReadNodes(machine_id=order.machine_id))).nodes[0]
        if read_at is None or now(ctx) - read_at >= READ_AGAIN_EVERY:
            times += 1
            facts = (yield from run_script(ctx, order, node, "read-registration", f"proof-{times}")).result
            read_at = now(ctx)
        ladder = yield from _climb(ctx, site, node, facts, diary)
        if not missing(ladder):
            return
        if now(ctx) >= deadline:
            raise Refused("not-proven", "; ".join(missing(ladder)))
        diary.enter("Prove", missing(ladder)[0])
        yield from sleep(ctx, LOOK_EVERY)


def _climb(
    ctx: task.OrchestrationContext, site: SiteDocument, node: NodeView, facts: dict[str, Any] | None, diary: Diary
) -> Steps[tuple[Rung, ...]]:
    ask = ReadProviders(vault=VaultRef.from_id(site.vault), fabric=site.hyper_v_site)
    try:
        hosts = yield from call(ctx, READ_PROVIDERS, ask)
    except Transient as silence:
        return (Rung("provider", (str(silence),)),)
    since = diary.progress.cured_at or diary.progress.began
    ladder = vault_ladder(site, node, facts, hosts.providers, since, hosts.at)
    diary.reach(ladder)
    return ladder
