"""What is special about a drill's run: it ends at its time to live, and may let its machines soak. Pure."""

from datetime import datetime, timedelta

from shared.engine import aborted
from shared.messages import RunItem, Verb
from shared.runs import Run

SOAKS: frozenset[Verb] = frozenset({"TestFailover", "PlannedFailover", "UnplannedFailover"})
OVER = "the drill's time to live is over"
ABORTED = "the run was aborted"


def rehearses(run: Run) -> bool:
    """Whether the run is at its test failovers."""
    return run.rehearsal is not None and run.current is not None and run.current.verb == "TestFailover"


def expire(run: Run, now: datetime) -> Run:
    """At the end of its time to live nothing more is begun or waited for, but jobs that run already.

    A job that runs keeps its item busy, and that of a recovery plan all of its machines: there is no cleaning up before
    its end.
    """
    if not rehearses(run) or run.rehearsal is None or run.rehearsal.until is None or now < run.rehearsal.until:
        return run
    limits = run.limits.model_copy(update={"on_failure": "stop"})
    items = (i if i.state == "waiting" and i.vm in run.in_hand else _expired(i) for i in run.items)
    return aborted(run.model_copy(update={"items": tuple(items), "limits": limits}))


def _expired(item: RunItem) -> RunItem:
    if item.state == "waiting":
        return item.model_copy(update={"state": "blocked", "detail": f"not rehearsed: {OVER}"})
    if item.state == "probing":
        said = f": {item.detail}" if item.detail else ""
        return item.model_copy(update={"state": "failed", "detail": f"TestFailover: {OVER}, and its probes fail{said}"})
    return item


def in_time(run: Run, pause: timedelta, now: datetime) -> timedelta:
    """A pause that does not last beyond the time to live."""
    if not rehearses(run) or run.rehearsal is None or run.rehearsal.until is None:
        return pause
    left = run.rehearsal.until - now
    return min(pause, left) if left > timedelta(0) else pause


def soak(run: Run, now: datetime) -> tuple[Run, timedelta] | None:
    """Once all machines are up: how long they stay so, and then have them probed again; None when that is over.

    In a drill before its cleanup, in a failover before its commit.

    A rehearsal that has failed does not soak: there is nothing to see, and everything to clean up.
    """
    wish = run.rehearsal
    if (
        wish is None
        or not wish.soak
        or run.failed
        or run.aborted
        or run.current is None
        or run.current.verb not in SOAKS
    ):
        return None
    if wish.soaking is None:
        ends = now + wish.soak if wish.until is None else min(now + wish.soak, max(wish.until, now))
        return run.model_copy(update={"rehearsal": wish.model_copy(update={"soaking": ends})}), ends - now
    if now < wish.soaking:
        return run, wish.soaking - now
    over = wish.model_copy(update={"soak": None})
    items = tuple(_probed_again(item, now) for item in run.items)
    return run.model_copy(update={"rehearsal": over, "items": items}), timedelta(0)


def _probed_again(item: RunItem, now: datetime) -> RunItem:
    if item.state != "done" or not item.probes or not item.steps:
        return item
    return item.model_copy(update={"state": "probing", "since": now})


def stopped(run: Run, why: str) -> Run:
    """The run without anything more begun: a hook that it depends on did not succeed."""
    blocked = {"state": "blocked", "detail": why}
    items = tuple(item.model_copy(update=blocked) if item.state == "waiting" else item for item in run.items)
    return run.model_copy(update={"items": items, "stopped": True})
