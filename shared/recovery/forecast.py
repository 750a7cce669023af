"""When a run will probably be over, and what it holds back until its subscription lets it: forecasts. Pure.

Rough on purpose: it is made in each tick, of 5,000 items too. The time that persons take is not in it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from shared.recovery.run import Run, RunItem, Stage
from shared.recovery.scheduler import startable, typical
from shared.site_recovery.request_budget import WRITES, Ration

AHEAD = frozenset({"waiting", "starting", "running"})
"""States of items that take more time than a moment."""


def queue(run: Run, now: datetime) -> dict[str, Any] | None:
    """How many VMs only wait for the budget of writes, and until about when the last of them does; None without any."""
    waiting: dict[str, int] = {}
    for item in startable(run, now):
        name = run.subscription(item.vault)
        waiting[name] = waiting.get(name, 0) + 1
    if not waiting:
        return None
    until = max(now + _opens(run, name, count, now) for name, count in waiting.items())
    return {"vms": sum(waiting.values()), "until": until.isoformat()}


def _opens(run: Run, name: str, count: int, now: datetime) -> timedelta:
    """When the last of so many is sent: what is promised at its moment, the rest as the bucket fills."""
    ration = run.rations.get(name, Ration())
    return ration.opens(now) + timedelta(seconds=max(0, count - ration.promised) / WRITES.rate)


def eta(run: Run, now: datetime) -> datetime | None:
    """When the run will probably have ended; None while it waits for a person, and when it is over."""
    stage = run.current
    if stage is None or run.pause:
        return None
    left = _left(run, stage, now)
    for later in run.stages[run.stage + 1 :]:
        left += _whole(run, later)
    soak = run.rehearsal.soak if run.rehearsal and run.rehearsal.soak else timedelta(0)
    return now + left + soak


def _left(run: Run, stage: Stage, now: datetime) -> timedelta:
    """What the stage under way still takes: its longest chain, or as long as all its verbs need to be sent."""
    each = typical(run, stage.verb).total_seconds()
    ahead = [item for item in run.items if item.state in AHEAD]  # what is over holds nothing up
    own = {item.vm: _own(item, each, now) for item in ahead}
    longest = chain({item.vm: item.after for item in ahead}, own) if stage.ordered else max(own.values(), default=0)
    waiting = sum(item.state == "waiting" for item in ahead)
    return timedelta(seconds=max(longest, _sending(waiting) + each if waiting else 0.0))


def _own(item: RunItem, each: float, now: datetime) -> float:
    """Seconds that an item still takes once it may start."""
    if item.state in {"waiting", "starting"}:
        return each
    if item.state == "running" and item.since:
        return max(0.0, each - (now - item.since).total_seconds())
    return 0.0


def _whole(run: Run, stage: Stage) -> timedelta:
    """What a stage takes that has not begun."""
    each = typical(run, stage.verb).total_seconds()
    own = {item.vm: 0.0 if stage.verb in item.skip else each for item in run.items}
    edges = {item.vm: item.after for item in run.items}
    longest = chain(edges, own) if stage.ordered else max(own.values(), default=0.0)
    count = sum(map(bool, own.values()))
    return timedelta(seconds=max(longest, _sending(count) + each if count else 0.0))


def _sending(count: int) -> float:
    """Seconds until so many verbs are sent at the best: some at once, the others as the bucket fills."""
    return max(0, count - WRITES.size) / WRITES.rate


def chain(after: Mapping[str, Sequence[str]], own: Mapping[str, float]) -> float:
    """The longest chain of waiting, in seconds; names that are not there are not waited for."""
    ends: dict[str, float] = {}
    for name in after:
        path = [name]
        while path:
            here = path[-1]
            before = [one for one in after[here] if one in own]
            if missing := [one for one in before if one not in ends and here not in ends]:
                path += missing
            else:
                ends[path.pop()] = own[here] + max((ends[one] for one in before), default=0.0)
    return max(ends.values(), default=0.0)
