"""How well VMs replicate: how far behind each is now, against how often its changes are sent. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from shared.replication.disks import describe_difference, find_unreplicated_disks, names_left_out
from shared.replication.settings import Disk, ProtectableItem, ReplicatedItem
from shared.site_recovery.views import ItemDetail
from shared.sites.site import SiteDocument

Level = Literal["ok", "warning", "critical", "unknown"]
WARNING, CRITICAL = 2, 3
"""Times the policy's interval that a replica may be behind before it is a warning, and before it is critical."""


def replication_lag(item: ReplicatedItem | ItemDetail, now: datetime) -> timedelta | None:
    """How far the replica is behind: the last RPO, plus the age of that figure; None when it was never measured."""
    if item.rpo is None or item.rpo_at is None:
        return None
    return item.rpo + max(now - item.rpo_at, timedelta(0))


def health_level(item: ReplicatedItem, interval: timedelta, now: datetime) -> Level:
    """Whether that is well, and the vault's own health where that is worse."""
    lag = replication_lag(item, now)
    if not item.is_protected or lag is None:
        return "critical" if item.health == "Critical" or item.has_failed_enabling else "unknown"
    if lag > CRITICAL * interval or item.health == "Critical":
        return "critical"
    return "warning" if lag > WARNING * interval or item.health == "Warning" else "ok"


def list_vm_health(
    machines: Sequence[ProtectableItem],
    items: Iterable[ReplicatedItem],
    interval: timedelta,
    now: datetime,
    site: SiteDocument | None = None,
) -> list[dict[str, Any]]:
    """Each VM of a site as people read it; one without replication has no more than its name and id."""
    by_item = {copied.id.lower(): copied for copied in items}
    views = []
    for machine in machines:
        item = by_item.get(machine.item_id.lower())
        view = _vm_health(machine, item, interval, now)
        missing = find_unreplicated_disks(machine, item.disk_sizes, site) if item and item.is_protected else ()
        level = "warning" if missing and view["level"] == "ok" else view["level"]
        disks = list_disk_states(machine, item, site)
        views.append({**view, "level": level, "disks": disks, "disksNotReplicated": list(missing)} if item else view)
    return views


def list_disk_states(
    machine: ProtectableItem, item: ReplicatedItem | None, site: SiteDocument | None = None
) -> list[dict[str, Any]]:
    """Each disk that a VM has at home, with its state: the VM's where the disk replicates, and else why it does not.

    Whether a disk is the system's is None where the vault marks none of them.
    """
    sizes = {disk_id.lower(): mb for disk_id, mb in item.disk_sizes.items()} if item else {}
    left_out = names_left_out(machine.vm, site)
    is_marked = any(disk.is_os for disk in machine.disks)

    def state_of(disk: Disk) -> str:
        if item and disk.id.lower() in sizes:
            return "NotAllReplicated" if describe_difference(disk, sizes[disk.id.lower()]) else item.state
        return "LeftOut" if disk.name.lower() in left_out else "NotReplicated"

    return [
        {"name": disk.name, "isOsDisk": disk.is_os if is_marked else None, "state": state_of(disk)}
        for disk in machine.disks
    ]


def _vm_health(
    machine: ProtectableItem, item: ReplicatedItem | None, interval: timedelta, now: datetime
) -> dict[str, Any]:
    identity = {"vm": machine.vm, "id": machine.guid, "itemId": machine.item_id}
    if item is None:
        return {**identity, "state": "Unprotected", "level": "unknown", "obstacles": list(machine.obstacles)}
    lag = replication_lag(item, now)
    return {
        **identity,
        "state": item.state,
        "busyWith": item.scenario,
        "percent": 100 if item.is_protected else item.percent,
        "behindSeconds": None if lag is None else int(lag.total_seconds()),
        "intervalSeconds": int(interval.total_seconds()),
        "level": health_level(item, interval, now),
        "health": item.health,
        "trouble": item.health_error,
        "lastRecoveryPoint": item.last_point.isoformat() if item.last_point else None,
    }
