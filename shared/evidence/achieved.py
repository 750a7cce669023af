"""What a run achieved, for its report: its targets, each VM's recovery, and what the time was spent on."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from shared.evidence.time_line import NARROWEST, parse_time
from shared.site_recovery.loss_moments import COUNTED_FROM_TEXTS

_SPAN = TypeAdapter(timedelta | None)
_LEG_LABELS = {"wait": "waited to begin", "job": "failover job", "probe": "until its probes passed"}


class Promise(NamedTuple):
    """One target: what was achieved, what was promised, whether it was kept; None: no target, or still open."""

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
    """One VM: how long until it was up, or whether it may still come up; and what was lost, counted to which moment."""

    vm: str
    state: str
    rto: timedelta | None
    rpo: timedelta | None
    counted_to: str


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
        MachineRecovery(
            one["vm"],
            one["state"],
            _SPAN.validate_python(one["rto"]),
            _SPAN.validate_python(one["rpo"]),
            describe_counted_to(one),
        )
        for one in achieved["machines"]
    ]


def describe_counted_to(figures: Mapping[str, Any]) -> str:
    """To which moment the loss of data of a VM or of the plan counts; empty where nothing is known of it."""
    counted_from, counted_to = figures.get("lossCountedFrom"), parse_time(figures.get("lossCountedTo"))
    if not counted_from:
        return ""
    return COUNTED_FROM_TEXTS[counted_from] + (f", {counted_to:%Y-%m-%d %H:%M} UTC" if counted_to else "")


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
