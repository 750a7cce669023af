"""What a run achieved, for its report: its targets, each VM's recovery, and what the time was spent on."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from shared.evidence.time_line import NARROWEST

_SPAN = TypeAdapter(timedelta | None)
_LEG_LABELS = {"wait": "waited to begin", "job": "failover job", "probe": "until its probes passed"}


class Promise(NamedTuple):
    """One target: what was achieved, what was promised, whether it was kept (None: nothing was promised)."""

    name: str
    achieved: timedelta | None
    target: timedelta | None
    kept: bool | None


class WaterfallStep(NamedTuple):
    """One step of the waterfall, in per cent of its width; `kind` is wait, job or probe."""

    vm: str
    kind: str
    label: str
    left: float
    width: float
    took: timedelta


class MachineRecovery(NamedTuple):
    """One VM: how long until it was up, and how old its data was."""

    vm: str
    rto: timedelta | None
    rpo: timedelta | None


def compare_with_targets(achieved: Mapping[str, Any]) -> list[Promise]:
    """RTO and RPO, whichever is known or promised."""
    promises = [
        Promise(
            name,
            _SPAN.validate_python(achieved[key]),
            _SPAN.validate_python(achieved[f"{key}Target"]),
            achieved[f"{key}Met"],
        )
        for name, key in (("Recovery time", "rto"), ("Recovery point", "rpo"))
    ]
    return [one for one in promises if one.achieved is not None or one.target is not None]


def recovery_times(achieved: Mapping[str, Any]) -> list[MachineRecovery]:
    """Each VM, in the plan's order."""
    return [
        MachineRecovery(one["vm"], _SPAN.validate_python(one["rto"]), _SPAN.validate_python(one["rpo"]))
        for one in achieved["machines"]
    ]


def build_waterfall(achieved: Mapping[str, Any]) -> list[WaterfallStep]:
    """The critical path from the first wait to the last probe."""
    legs = [
        (leg, datetime.fromisoformat(leg["began"]), datetime.fromisoformat(leg["ended"]))
        for leg in achieved["criticalPath"]
    ]
    if not legs:
        return []
    first, whole = legs[0][1], legs[-1][2] - legs[0][1]
    if whole <= timedelta(0):
        return []
    return [
        WaterfallStep(
            vm=leg["vm"],
            kind=leg["what"],
            label=_LEG_LABELS[leg["what"]],
            left=min(100 - NARROWEST, round((began - first) / whole * 100, 2)),
            width=max(NARROWEST, round((ended - began) / whole * 100, 2)),
            took=ended - began,
        )
        for leg, began, ended in legs
    ]
