"""Recovery points before a run's first verb, all of which have to be fit, and their list before its commit."""

from collections.abc import Sequence
from typing import Any

from orchestrators.durable.decisions import DecisionInbox
from orchestrators.durable.entity_calls import wait_for_run_budget
from orchestrators.durable.steps import Context, Steps, call_all, now
from shared.activity import Activity
from shared.errors import Refused, Transient
from shared.evidence.chain import EvidenceEntry
from shared.grouping import group_pairs
from shared.obstacle import Obstacle
from shared.recovery import budgeting
from shared.recovery.contract import (
    CHECK_POINTS,
    KEEP_POINTS,
    CheckPoints,
    KeepPoints,
    PointCheck,
    PointsChecked,
    PointsKept,
)
from shared.recovery.operation import Operation
from shared.recovery.pacing import READ_PATIENCE
from shared.recovery.run import Run
from shared.recovery.run_item import RunItem
from shared.site_recovery.recovery_points import STARTS_FROM_A_POINT
from shared.site_recovery.request_budget import Calls

BATCH, AT_ONCE = 50, 4
"""Items of a batch, each of which costs a read; and batches of one round, which together are less than Azure has."""
ENTRY_KIND = "recovery-points"
type _ItemBatch = tuple[int, tuple[RunItem, ...]]
"""The index of a vault, and some of its items."""


def find_unfit_points(ctx: Context, run: Run, inbox: DecisionInbox) -> Steps[tuple[Run, Sequence[Obstacle]]]:
    """What is wrong with the recovery points that the run is to start from, a problem for each VM, if it is particular.

    Else half an application would run in Azure before the point of a VM of the other half is refused.

    Raises:
        Aborted: somebody ended the run while a vault did not answer.
    """
    obstacles: list[Obstacle] = []
    for batches in _rounds_of(items_with_a_point(run)):
        run, answers = yield from _check_points(ctx, run, batches, inbox)
        for (vault, _), answer in zip(batches, answers, strict=True):
            if isinstance(answer, PointsChecked):
                obstacles += answer.obstacles
            else:
                detail = f"recovery points in the vault {run.vaults[vault].vault} cannot be read: {answer}"
                obstacles.append(Obstacle(code="points-unreadable", detail=detail))
    return run, obstacles


def items_with_a_point(run: Run) -> list[RunItem]:
    """Those that the run starts from a recovery point which they may lack."""
    verb = next((stage.verb for stage in run.progress.stages if stage.verb in STARTS_FROM_A_POINT), None)
    starting = [item for item in run.items if verb and verb not in item.verbs_done_before]
    return [item for item in starting if run.options.point_choice.may_lack_point(item.vm)]


def _check_points(
    ctx: Context, run: Run, batches: Sequence[_ItemBatch], inbox: DecisionInbox
) -> Steps[tuple[Run, list[PointsChecked | Refused | Transient]]]:
    """One round of checks; batches that Azure does not answer are asked again for a while."""
    deadline = now(ctx) + READ_PATIENCE
    answers: list[PointsChecked | Refused | Transient] = [Transient("not asked yet") for _ in batches]
    while silent := [at for at, answer in enumerate(answers) if isinstance(answer, Transient)]:
        open_batches = [batches[at] for at in silent]
        requests = [_check_request(run, *batch) for batch in open_batches]
        run, new_answers = yield from _read_points(ctx, run, CHECK_POINTS, open_batches, requests)
        for at, answer in zip(silent, new_answers, strict=True):
            answers[at] = answer
        if now(ctx) >= deadline or not any(isinstance(answer, Transient) for answer in new_answers):
            break
        yield from inbox.wait_for_answer(f"vault {run.vaults[open_batches[0][0]].vault}")
    return run, answers


def _check_request(run: Run, vault: int, items: Sequence[RunItem]) -> CheckPoints:
    return CheckPoints(vault=run.vaults[vault], items=_points_wanted(run, items), max_age=run.options.max_age)


def note_points(ctx: Context, _operation: Operation, run: Run) -> Steps[Run]:
    """Keep the list of what a commit deletes, if that comes next; a run does not fail where it cannot.

    Of each item that runs in Azure: by a failover of this run, or since before.
    """
    if run.current is None or run.current.verb != "Commit":
        return run
    uncommitted = (item for item in run.items if item.is_to_be_committed)
    items_to_commit = [
        item
        for item in uncommitted
        if item.location == "Recovery" or item.has_done("PlannedFailover", "UnplannedFailover")
    ]
    if not run.chain.kept or not items_to_commit:
        return run
    return (yield from _keep_points(ctx, run, items_to_commit))


def _keep_points(ctx: Context, run: Run, items_to_commit: Sequence[RunItem]) -> Steps[Run]:
    counts: dict[str, int] = {}
    unread: list[str] = []
    files: list[str] = []
    for batches in _rounds_of(items_to_commit):
        new_files = [f"{ENTRY_KIND}-{len(files) + place}.json" for place in range(1, len(batches) + 1)]
        requests = [_keep_request(run, *batch, file) for batch, file in zip(batches, new_files, strict=True)]
        run, answers = yield from _read_points(ctx, run, KEEP_POINTS, batches, requests)
        for (_, items), answer in zip(batches, answers, strict=True):
            if isinstance(answer, PointsKept):
                counts |= answer.counts
                unread += [f"lists of {len(items)} VMs are not kept: {answer.unkept}"] if answer.unkept else []
            else:
                unread += [f"{item.vm}: {answer}" for item in items]
        files += new_files
    body: dict[str, Any] = {"before": "commit", "counts": counts, "unread": unread}
    return run.with_pending_entry(EvidenceEntry(kind=ENTRY_KIND, at=now(ctx), body=body, attach=tuple(files)))


def _keep_request(run: Run, vault: int, items: Sequence[RunItem], file: str) -> KeepPoints:
    evidence_file = f"{run.operation}/attachments/{file}"
    return KeepPoints(vault=run.vaults[vault], items=_points_wanted(run, items), evidence_file=evidence_file)


def _rounds_of(items: Sequence[RunItem]) -> list[list[_ItemBatch]]:
    """The items in batches, each of one vault, some at a time."""
    by_vault = sorted(group_pairs((item.vault, item) for item in items).items())
    spans = [(vault, mine, at) for vault, mine in by_vault for at in range(0, len(mine), BATCH)]
    batches = [(vault, tuple(mine[at : at + BATCH])) for vault, mine, at in spans]
    return [batches[at : at + AT_ONCE] for at in range(0, len(batches), AT_ONCE)]


def _points_wanted(run: Run, items: Sequence[RunItem]) -> tuple[PointCheck, ...]:
    points = run.options.point_choice
    return tuple(PointCheck(vm=item.vm, item_id=item.id, rule=points.rule_for(item.vm)) for item in items)


def _read_points[Request: CheckPoints | KeepPoints, Answer: PointsChecked | PointsKept](
    ctx: Context,
    run: Run,
    activity: Activity[Request, Answer],
    batches: Sequence[_ItemBatch],
    requests: Sequence[Request],
) -> Steps[tuple[Run, list[Answer | Refused | Transient]]]:
    """Do one round once the budget grants it: a read for each item."""
    reads = group_pairs((run.subscription_of(vault), len(items)) for vault, items in batches)
    calls_by_subscription = {name: Calls(reads=sum(counts)) for name, counts in reads.items()}
    run = yield from wait_for_run_budget(ctx, run, calls_by_subscription)
    answers = yield from call_all(ctx, activity, requests)
    for (vault, items), answer in zip(batches, answers, strict=True):
        spent = Calls(reads=len(items)) if isinstance(answer, Refused | Transient) else answer.calls
        run = budgeting.with_calls_charged(run, vault, spent)
    return run, answers
