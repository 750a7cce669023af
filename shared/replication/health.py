"""How well VMs replicate: how far behind each is now, against how often its changes are sent. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from shared.replication.settings import Copied, Machine
from shared.site_recovery.views import ItemDetail

Level = Literal["ok", "warning", "critical", "unknown"]
WARNING, CRITICAL = 2, 3
"""Times the policy's interval that a replica may be behind before it is a warning, and before it is critical."""


def behind(copied: Copied | ItemDetail, now: datetime) -> timedelta | None:
    """How far the replica is behind: the last RPO, plus the age of that figure; None when it was never measured."""
    if copied.rpo is None or copied.rpo_at is None:
        return None
    return copied.rpo + max(now - copied.rpo_at, timedelta(0))


def level(copied: Copied, interval: timedelta, now: datetime) -> Level:
    """Whether that is well, and the vault's own word where it is worse."""
    late = behind(copied, now)
    if not copied.is_protected or late is None:
        return "critical" if copied.health == "Critical" else "unknown"
    if late > CRITICAL * interval or copied.health == "Critical":
        return "critical"
    return "warning" if late > WARNING * interval or copied.health == "Warning" else "ok"


def health(
    machines: Sequence[Machine], copies: Iterable[Copied], interval: timedelta, now: datetime
) -> list[dict[str, Any]]:
    """Each VM of a site as people read it; one without replication has no more than its name and id."""
    by_item = {copied.id.lower(): copied for copied in copies}
    return [_shown(machine, by_item.get(machine.item_id.lower()), interval, now) for machine in machines]


def _shown(machine: Machine, copied: Copied | None, interval: timedelta, now: datetime) -> dict[str, Any]:
    about = {"vm": machine.vm, "id": machine.guid, "itemId": machine.item_id}
    if copied is None:
        return {**about, "state": "Unprotected", "level": "unknown", "obstacles": list(machine.obstacles)}
    late = behind(copied, now)
    return {
        **about,
        "state": copied.state,
        "busyWith": copied.scenario,
        "percent": 100 if copied.is_protected else copied.percent,
        "behindSeconds": None if late is None else int(late.total_seconds()),
        "intervalSeconds": int(interval.total_seconds()),
        "level": level(copied, interval, now),
        "health": copied.health,
        "trouble": copied.trouble,
        "lastRecoveryPoint": copied.last_point.isoformat() if copied.last_point else None,
    }
