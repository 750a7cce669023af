"""What a run achieved, as its page shows it: promises and whether they were kept, the critical path in time. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from pydantic import TypeAdapter

NARROWEST = 0.4
"""Per cent: a wait of seconds is still to be seen."""
_SPAN = TypeAdapter(timedelta)
_WORDS = {"wait": "waited to begin", "job": "failover job", "probe": "until its probes passed"}


class Promise(NamedTuple):
    """One promise: what was achieved, what was promised, whether it was kept (None: nothing was promised)."""

    name: str
    achieved: timedelta | None
    target: timedelta | None
    kept: bool | None


class Fall(NamedTuple):
    """One step of the waterfall, in per cent of its width."""

    vm: str
    what: str
    words: str
    left: float
    width: float
    took: timedelta


class Recovery(NamedTuple):
    """One machine: how long until it was up, and how old its data was."""

    vm: str
    rto: timedelta | None
    rpo: timedelta | None


def promises(achieved: Mapping[str, Any]) -> list[Promise]:
    """RTO and RPO, whichever is known or promised."""
    named = (("Recovery time", "rto"), ("Recovery point", "rpo"))
    told = [
        Promise(name, _span(achieved[key]), _span(achieved[f"{key}Target"]), achieved[f"{key}Met"])
        for name, key in named
    ]
    return [one for one in told if one.achieved is not None or one.target is not None]


def recoveries(achieved: Mapping[str, Any]) -> list[Recovery]:
    """Each machine, in the plan's order."""
    return [Recovery(one["vm"], _span(one["rto"]), _span(one["rpo"])) for one in achieved["machines"]]


def waterfall(achieved: Mapping[str, Any]) -> list[Fall]:
    """The critical path from the first wait to the last probe."""
    legs = [(leg, _time(leg["began"]), _time(leg["ended"])) for leg in achieved["criticalPath"]]
    if not legs:
        return []
    first, whole = legs[0][1], legs[-1][2] - legs[0][1]
    if whole <= timedelta(0):
        return []
    return [
        Fall(
            vm=leg["vm"],
            what=leg["what"],
            words=_WORDS[leg["what"]],
            left=min(100 - NARROWEST, round((began - first) / whole * 100, 2)),
            width=max(NARROWEST, round((ended - began) / whole * 100, 2)),
            took=ended - began,
        )
        for leg, began, ended in legs
    ]


def _span(value: Any) -> timedelta | None:
    return None if value is None else _SPAN.validate_python(value)


def _time(value: Any) -> datetime:
    return datetime.fromisoformat(value)
