"""When a run will probably be over, and what it holds back until its subscription lets it: forecasts. Pure.

Rough on purpose: it is made in each tick, of 5,000 items too. The time that persons take is not in it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from shared.recovery.run import Run
from shared.recovery.scheduler import startable_items, typical_duration
from shared.recovery.stage import Stage
from shared.site_recovery.request_budget import WRITES

UNFINISHED_STATES = frozenset({"waiting", "starting", "running"})
"""States of items that take more time than a moment."""


def forecast_queue(run: Run, now: datetime) -> dict[str, Any] | None:
    """How many VMs only wait for the budget of writes, and until about when the last of them does; None without any."""
    waiting: dict[str, int] = {}
    for item in startable_items(run, now):
        name = run.subscription_of(item.vault)
        waiting[name] = waiting.get(name, 0) + 1
    if not waiting:
        return None
    longest = timedelta(0)
    for name, count in waiting.items():  # what is promised is sent at its moment, the rest as the bucket fills
        allowance = run.budget.allowance_in(name)
        fills = timedelta(seconds=max(0, count - allowance.promised) / WRITES.rate)
        longest = max(longest, allowance.time_to_open(now) + fills)
    return {"vms": sum(waiting.values()), "until": (now + longest).isoformat()}


def forecast_end(run: Run, now: datetime) -> datetime | None:
    """When the run will probably have ended; None while it waits for a person, and when it is over."""
    stage = run.current
    if stage is None or run.people.pause:
        return None
    left = _time_left_in_stage(run, stage, now)
    for later in run.progress.stages[run.progress.number + 1 :]:
        left += _time_for_stage(run, later)
    soak = run.rehearsal.soak if run.rehearsal and run.rehearsal.soak else timedelta(0)
    return now + left + soak


def _time_left_in_stage(run: Run, stage: Stage, now: datetime) -> timedelta:
    """What the stage under way still takes: its longest chain, or as long as all its verbs need to be sent."""
    verb_seconds = typical_duration(run, stage.verb).total_seconds()
    unfinished = [item for item in run.items if item.state in UNFINISHED_STATES]  # what is over holds nothing up
    seconds_by_vm: dict[str, float] = {}
    for item in unfinished:
        ran = (now - item.since).total_seconds() if item.state == "running" and item.since else 0.0
        seconds_by_vm[item.vm] = max(0.0, verb_seconds - ran)
    longest = (
        longest_chain({item.vm: item.after for item in unfinished}, seconds_by_vm)
        if stage.ordered
        else max(seconds_by_vm.values(), default=0)
    )
    waiting = sum(item.state == "waiting" for item in unfinished)
    return timedelta(seconds=max(longest, _seconds_to_send(waiting) + verb_seconds if waiting else 0.0))


def _time_for_stage(run: Run, stage: Stage) -> timedelta:
    """What a stage takes that has not begun."""
    verb_seconds = typical_duration(run, stage.verb).total_seconds()
    seconds_by_vm = {item.vm: 0.0 if stage.verb in item.verbs_done_before else verb_seconds for item in run.items}
    edges = {item.vm: item.after for item in run.items}
    longest = longest_chain(edges, seconds_by_vm) if stage.ordered else max(seconds_by_vm.values(), default=0.0)
    count = sum(map(bool, seconds_by_vm.values()))
    return timedelta(seconds=max(longest, _seconds_to_send(count) + verb_seconds if count else 0.0))


def _seconds_to_send(count: int) -> float:
    """Seconds until so many verbs are sent at the best: some at once, the others as the bucket fills."""
    return max(0, count - WRITES.size) / WRITES.rate


def longest_chain(after: Mapping[str, Sequence[str]], seconds_by_vm: Mapping[str, float]) -> float:
    """The longest chain of waiting, in seconds; names that are not there are not waited for."""
    ends: dict[str, float] = {}
    for name in after:
        path = [name]
        while path:
            current = path[-1]
            before = [one for one in after[current] if one in seconds_by_vm]
            if unresolved := [one for one in before if one not in ends and current not in ends]:
                path += unresolved
            else:
                ends[path.pop()] = seconds_by_vm[current] + max((ends[one] for one in before), default=0.0)
    return max(ends.values(), default=0.0)
