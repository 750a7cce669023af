"""Recovery points before a run's first verb, all of which have to be fit, and their list before its commit."""

from collections.abc import Iterator, Sequence
from typing import Any

from durabletask import task

from orchestrators.durable.decisions import Waiting
from orchestrators.durable.entity_calls import granted
from orchestrators.durable.steps import INSISTS, Steps, call_all, now
from shared.activity import Activity, Problem
from shared.errors import Refused, Transient
from shared.evidence.chain import Entry
from shared.recovery import budgeting
from shared.recovery.contract import (
    CHECK_POINTS,
    KEEP_POINTS,
    CheckPoints,
    KeepPoints,
    PointsChecked,
    PointsKept,
    PointsOf,
)
from shared.recovery.run import Run, RunItem
from shared.site_recovery.recovery_points import STARTS_FROM_A_POINT
from shared.site_recovery.request_budget import Calls

BATCH, AT_ONCE = 50, 4
"""Items of a batch, each of which costs a read; and batches of one round, which together are less than Azure has."""
KIND = "recovery-points"
type _Batch = tuple[int, tuple[RunItem, ...]]
"""The index of a vault, and some of its items."""


def fit_to_start(ctx: task.OrchestrationContext, run: Run, waits: Waiting) -> Steps[tuple[Run, Sequence[Problem]]]:
    """What is wrong with the recovery points that the run is to start from, a problem for each VM, if it is particular.

    Else half an application would run in Azure before the point of a VM of the other half is refused.

    Raises:
        Aborted: somebody ended the run while a vault did not answer.
    """
    verbs = [stage.verb for stage in run.stages if stage.verb in STARTS_FROM_A_POINT]
    gated = [item for item in run.items if verbs and verbs[0] not in item.skip and run.points.gates(item.vm)]
    problems: list[Problem] = []
    for some in _rounds(run, gated):
        run, answers = yield from _checked(ctx, run, some, waits)
        for (vault, _), answer in zip(some, answers, strict=True):
            problems += answer.problems if isinstance(answer, PointsChecked) else [_unread(run, vault, answer)]
    return run, problems


def _checked(
    ctx: task.OrchestrationContext, run: Run, some: Sequence[_Batch], waits: Waiting
) -> Steps[tuple[Run, list[PointsChecked | Refused | Transient]]]:
    """One round of checks; batches that Azure does not answer are asked again for a while."""
    deadline = now(ctx) + INSISTS
    answers: list[PointsChecked | Refused | Transient] = [Transient("not asked yet") for _ in some]
    while silent := [at for at, answer in enumerate(answers) if isinstance(answer, Transient)]:
        left = [some[at] for at in silent]
        asks = [CheckPoints(vault=run.vaults[v], items=_asks(run, i), max_age=run.points.max_age) for v, i in left]
        run, told = yield from _read(ctx, run, CHECK_POINTS, left, asks)
        for at, answer in zip(silent, told, strict=True):
            answers[at] = answer
        if now(ctx) >= deadline or not any(isinstance(answer, Transient) for answer in told):
            break
        yield from waits.silence(f"vault {run.vaults[left[0][0]].vault}")
    return run, answers


def note_points(ctx: task.OrchestrationContext, run: Run) -> Steps[Run]:
    """Keep the list of what the commit that comes next deletes; a run does not fail where it cannot."""
    doomed = [item for item in run.items if item.state in {"waiting", "done"} and _is_away(item)]
    if not run.chain.kept or not doomed:
        return run
    counts: dict[str, int] = {}
    unread: list[str] = []
    names: list[str] = []
    for some in _rounds(run, doomed):
        fresh = [f"{KIND}-{len(names) + place}.json" for place in range(1, len(some) + 1)]
        run, answers = yield from _read(ctx, run, KEEP_POINTS, some, [*_keeps(run, some, fresh)])
        for (_, items), answer in zip(some, answers, strict=True):
            if isinstance(answer, PointsKept):
                counts |= answer.counts
            else:
                unread += [f"{item.vm}: {answer}" for item in items]
        names += fresh
    body: dict[str, Any] = {"before": "commit", "counts": counts, "unread": unread}
    entry = Entry(kind=KIND, at=now(ctx), body=body, attach=tuple(names))
    return run.model_copy(update={"chain": run.chain.model_copy(update={"pending": (*run.chain.pending, entry)})})


def _keeps(run: Run, some: Sequence[_Batch], names: Sequence[str]) -> Iterator[KeepPoints]:
    for (vault, items), name in zip(some, names, strict=True):
        keep = f"{run.operation}/attachments/{name}"
        yield KeepPoints(vault=run.vaults[vault], items=_asks(run, items), keep=keep)


def _is_away(item: RunItem) -> bool:
    """Whether it runs in Azure: by a failover of this run, or since before."""
    moved = any(step.verb.endswith("Failover") and step.outcome == "succeeded" for step in item.steps)
    return "Commit" not in item.skip and (moved or item.location == "Recovery")


def _rounds(run: Run, items: Sequence[RunItem]) -> list[list[_Batch]]:
    """The items in batches, each of one vault, some at a time."""
    batches: list[_Batch] = []
    for vault in range(len(run.vaults)):
        mine = [item for item in items if item.vault == vault]
        batches += [(vault, tuple(mine[at : at + BATCH])) for at in range(0, len(mine), BATCH)]
    return [batches[at : at + AT_ONCE] for at in range(0, len(batches), AT_ONCE)]


def _asks(run: Run, items: Sequence[RunItem]) -> tuple[PointsOf, ...]:
    return tuple(PointsOf(vm=item.vm, item_id=item.id, rule=run.points.of(item.vm)) for item in items)


def _read[Ask: CheckPoints | KeepPoints, Answer: PointsChecked | PointsKept](
    ctx: task.OrchestrationContext,
    run: Run,
    activity: Activity[Ask, Answer],
    some: Sequence[_Batch],
    asks: Sequence[Ask],
) -> Steps[tuple[Run, list[Answer | Refused | Transient]]]:
    """Do one round once the budget grants it: a read for each item."""
    wanted: dict[str, Calls] = {}
    for vault, items in some:
        name = run.subscription(vault)
        wanted[name] = Calls(reads=wanted.get(name, Calls()).reads + len(items))
    run = yield from granted(ctx, run, wanted)
    answers = yield from call_all(ctx, activity, asks)
    for (vault, items), answer in zip(some, answers, strict=True):
        spent = Calls(reads=len(items)) if isinstance(answer, Refused | Transient) else answer.calls
        run = budgeting.charged(run, vault, spent)
    return run, answers


def _unread(run: Run, vault: int, failure: Refused | Transient) -> Problem:
    detail = f"recovery points in the vault {run.vaults[vault].vault} cannot be read: {failure}"
    return Problem(code="points-unreadable", detail=detail)
