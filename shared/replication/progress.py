"""How far each VM of a replication run is, read back from the letters and figures of its custom status."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from shared.replication.schedule import STATE_OF, decode_minutes


class VmProgress(NamedTuple):
    """One VM: its state, the part that is copied, and the time left, None where that is not known."""

    state: str
    percent: int | None
    minutes_left: int | None


def read_vm_progress(custom_status: Mapping[str, Any]) -> list[VmProgress]:
    """One for each VM, in the order of the run; empty while the run says nothing of them yet."""
    codes, percents, minutes = (custom_status.get(key, "") for key in ("codes", "percents", "minutes"))
    progress = []
    for index, code in enumerate(codes):
        percent = int(percents[2 * index : 2 * index + 2]) if percents else None
        left = decode_minutes(minutes[3 * index : 3 * index + 3]) if minutes else None
        progress.append(VmProgress(STATE_OF[code], percent, None if left is None else int(left.total_seconds() // 60)))
    return progress
