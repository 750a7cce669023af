"""Nodes as people read them: what each is like now, and what a repair of it would do. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from shared.classifier import Cause, ailment, cause_of, in_site, is_heard, same_host
from shared.healing import choose_helper, may_sync, settings_for, vms_of
from shared.messages import ItemView, NodeView, ProviderView
from shared.obligations import Lock
from shared.records import NodeRecord, key_of
from shared.sites import SiteDocument


class Scene(NamedTuple):
    """A site's cluster as it is now.

    Attributes:
        at: By Azure's clock.
    """

    site: SiteDocument
    nodes: Sequence[NodeView]
    providers: Sequence[ProviderView]
    items: Sequence[ItemView]
    records: Iterable[NodeRecord]
    at: datetime


def node_views(scene: Scene) -> list[dict[str, Any]]:
    """Every node of the cluster, by name."""
    records = {key_of(record.machine_id): record for record in scene.records}
    return [_view(scene, node, records.get(key_of(node.id))) for node in scene.nodes]


def _view(scene: Scene, node: NodeView, record: NodeRecord | None) -> dict[str, Any]:
    cause = ailment(scene.site, node, scene.providers, scene.at)
    return {
        "node": node.name,
        "machineId": node.id,
        "agent": {"status": node.status, "version": node.agent_version},
        "extension": _extension(node),
        "provider": _provider(scene, node),
        "cause": _cause(cause),
        "vms": [vm.vm for vm in vms_of(scene.items, scene.providers, node.name)],
        **_past(record),
    }


def _extension(node: NodeView) -> dict[str, Any] | None:
    if node.extension is None:
        return None
    shown = {"name": "name", "state": "provisioning_state", "version": "version", "code": "code", "message": "message"}
    return {name: getattr(node.extension, field) for name, field in shown.items()}


def _provider(scene: Scene, node: NodeView) -> dict[str, Any] | None:
    mine = [p for p in scene.providers if same_host(p.host, node.name) and in_site(p, scene.site)]
    best = max(mine, key=lambda p: (is_heard(p, scene.at), str(p.heartbeat)), default=None)
    if best is None:
        return None
    beat = best.heartbeat.isoformat() if best.heartbeat else None
    return {"id": best.id, "connected": best.connected, "heartbeat": beat, "heard": is_heard(best, scene.at)}


def _cause(cause: Cause | None) -> dict[str, Any] | None:
    if cause is None:
        return None
    return {
        "code": cause.code,
        "curable": cause.curable,
        "evidence": list(cause.evidence),
        "remedy": cause.remedy,
    }


def _past(record: NodeRecord | None) -> dict[str, Any]:
    if record is None:
        return {"repair": None, "lastRepair": None, "attempts": 0, "quarantined": False, "notBefore": None}
    return {
        "repair": record.run or None,
        "lastRepair": record.last.model_dump(mode="json") if record.last else None,
        "attempts": record.attempts,
        "quarantined": record.quarantined,
        "notBefore": record.not_before.isoformat() if record.not_before else None,
    }


def preview_of(scene: Scene, node: NodeView, locks: Sequence[Lock]) -> dict[str, Any]:
    """What a repair would do now, and what stands in its way; nothing is changed to find out."""
    cause = ailment(scene.site, node, scene.providers, scene.at)
    blockers = list(_blockers(scene, node, cause, locks))
    return {
        "node": node.name,
        "cause": _cause(cause),
        "blockers": [{"code": code, "detail": detail} for code, detail in blockers],
        "steps": [] if blockers else list(_steps(scene, node, locks)),
    }


def _blockers(scene: Scene, node: NodeView, cause: Cause | None, locks: Sequence[Lock]) -> Iterable[tuple[str, str]]:
    if cause is None:
        yield "nothing-to-do", f"{node.name} is well: registered, and heard of by the vault"
    elif not cause.curable:
        yield cause.code, cause.remedy
    if locks and not scene.site.healing_rules.allow_lock_removal:
        yield "resource-lock", f"{', '.join(lock.id for lock in locks)}: {cause_of('resource-lock').remedy}"
    for vm in vms_of(scene.items, scene.providers, node.name):
        if vm.active_location != "Primary":
            yield "vms-in-azure", f"{vm.vm} runs in Azure: bring it home first"
        elif vm.scenario != "None":
            yield "vms-busy", f"{vm.scenario} runs on {vm.vm}"


def _steps(scene: Scene, node: NodeView, locks: Sequence[Lock]) -> Iterable[str]:
    helper = choose_helper(scene.nodes, node.name)
    if locks:
        yield f"take {len(locks)} locks off, to be put back at the end: {', '.join(lock.id for lock in locks)}"
    yield f"read registry, services, Hyper-V role and last boot of {node.name} with a read-only run command"
    if node.extension:
        yield f"save the settings of {node.extension.name} and uninstall it from {node.name}"
    if helper and may_sync(scene.nodes, node.name):
        yield f"run Sync-AzureStackHci on {helper.name}"
    if settings_for(scene.nodes, node.extension):
        yield "install the extension with the saved settings if it has not come by itself"
    yield "prove: extension, registry, service dra, provider, recovery point, cluster"
