"""What a request on the replication of VMs would do to each of them, and what of it has to be confirmed. Pure."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Literal

from shared.messages import Document
from shared.replication.coverage import UnprotectedVm
from shared.replication.run import ReplicationRun, ReplicationRunItem, coverage_findings, vm_view
from shared.replication.settings import ReplicatedItem, ReplicationAction, VmSettings
from shared.wording import list_briefly

SHOWN_NAMES = 10
NOT_PROTECTED_CODE = "not-protected"
PreviewOutcome = Literal["changed", "kept", "refused"]
DETAILS: Mapping[ReplicationAction, str] = {
    "enable": "It is protected: its first copy to Azure begins.",
    "update": "Where they differ, these settings are changed: {settings}.",
    "disable": "Its replication ends: its replica and its recovery points in Azure are deleted.",
    "resynchronise": "Its disks are compared with the replica, and what differs is copied again.",
}
"""What an action does to a VM that it changes."""


class ReplicationPreviewItem(Document):
    """What would become of one VM.

    Attributes:
        outcome: "kept" for one that is left as it is, "refused" for one with which it cannot be done.
    """

    vm: str
    action: ReplicationAction
    outcome: PreviewOutcome
    code: str = ""
    detail: str
    remedy: str = ""
    notes: tuple[dict[str, str], ...] = ()


class ReplicationPreview(Document):
    """What would become of the VMs, and the sentence that a request for it has to repeat; empty where none has to.

    Attributes:
        unprotected: The VMs of the cluster that have no protected item now.
        findings: What people have to know beside that.
        nodes_read_at: When the nodes last said which VMs they have, and what speaks against enabling these; a run asks
            them anew. None when they never did.
    """

    action: ReplicationAction
    items: tuple[ReplicationPreviewItem, ...]
    confirm: str = ""
    unprotected: tuple[UnprotectedVm, ...] = ()
    findings: tuple[str, ...] = ()
    nodes_read_at: datetime | None = None


def preview_replication(
    action: ReplicationAction, run: ReplicationRun, replicated: Iterable[ReplicatedItem]
) -> ReplicationPreview:
    """Say what a run would do.

    Args:
        action: What is asked for.
        run: The run as it would begin.
        replicated: The protected items of the vault.
    """
    item_ids = {item.id.lower() for item in replicated}
    items = tuple(_preview_item(item, item_ids) for item in run.items)
    ending = [item.vm for item in items if item.action == "disable" and item.outcome == "changed"]
    return ReplicationPreview(
        action=action,
        items=items,
        confirm=_disable_sentence(ending) if action == "disable" else "",
        unprotected=run.unprotected,
        findings=coverage_findings((), run.unread_nodes),
    )


def _disable_sentence(vms: list[str]) -> str:
    """What has to be repeated before replicas are deleted; empty when there are none."""
    if not vms:
        return ""
    return f"Disable: the replicas of {list_briefly(vms, SHOWN_NAMES)} and all their recovery points are deleted."


def _preview_item(item: ReplicationRunItem, item_ids: Collection[str]) -> ReplicationPreviewItem:
    others: list[ReplicationAction] = [one for one in item.actions if one != "disable"]
    action = others[0] if others else "disable"  # what failed is removed, then enabled
    outcome, detail = _expected_outcome(item, action, replicates=item.item_id.lower() in item_ids)
    code = item.code or (NOT_PROTECTED_CODE if outcome == "refused" else "")
    return ReplicationPreviewItem(
        vm=item.vm,
        action=action,
        outcome=outcome,
        code=code,
        detail=detail,
        remedy=item.remedy,
        notes=tuple(vm_view(item)["notes"]),
    )


def _expected_outcome(
    item: ReplicationRunItem, action: ReplicationAction, *, replicates: bool
) -> tuple[PreviewOutcome, str]:
    match item.state:
        case "failed":
            return "refused", item.detail
        case "kept":
            return "kept", "It is protected already."
        case "copying":
            return "kept", f"Its first copy is under way: {item.percent} % so far."
    if not replicates and action == "disable":
        return "kept", "It does not replicate."
    if not replicates and action != "enable":
        return "refused", f"{item.vm} does not replicate: enable it first."
    names = ", ".join(_named_settings(item.settings))
    return "changed", DETAILS[action].format(settings=names)


def _named_settings(settings: VmSettings) -> list[str]:
    """What an update names, as the request spells it."""
    return list(settings.model_dump(by_alias=True, exclude_none=True)) or ["nothing"]
