"""What the timer looks after: drills that are due, leftovers of drills that nobody cleans up any more, and nodes."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from durabletask import task

from activities.contract import (
    READ_BOOK,
    READ_RUNS,
    START_RUN,
    BookRead,
    Declared,
    ReadBook,
    ReadRuns,
    StartRun,
)
from orchestrators.steps import Steps, call, now
from orchestrators.watching import look_after_nodes
from shared.due import due
from shared.obligations import Obligation
from shared.operations import Kind, Operation
from shared.plans import PlanDocument
from shared.request_ids import run_id
from shared.sites import SiteDocument

TIMER = "timer"
AGAIN_AFTER = timedelta(minutes=30)
"""A cleanup that did not succeed is tried again after this."""


def reconcile(ctx: task.OrchestrationContext, _payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Start what is due; starting it again does nothing, because each occurrence has an id of its own."""
    seen = yield from call(ctx, READ_BOOK, ReadBook())
    starts = [*_drills(seen, now(ctx)), *(yield from _leftovers(ctx, seen))]
    for start in starts:
        yield from call(ctx, START_RUN, start)
    repairs = yield from look_after_nodes(ctx, seen)
    return {"started": [*(start.id for start in starts), *repairs]}


def _drills(seen: BookRead, at: datetime) -> list[StartRun]:
    plans = ((entry, PlanDocument.model_validate(entry.document)) for entry in seen.plans)
    found = ((entry, plan, _occurrence(entry, plan, at)) for entry, plan in plans)
    return [_run(seen, "drill", entry.name, plan, when.isoformat()) for entry, plan, when in found if when]


def _occurrence(entry: Declared, plan: PlanDocument, at: datetime) -> datetime | None:
    drill = plan.drill
    if drill is None or drill.schedule is None:
        return None
    return due(drill.schedule, drill.time_zone, None, entry.declared, at, within=drill.start_deadline)


def _run(seen: BookRead, kind: Kind, name: str, plan: PlanDocument, key: str) -> StartRun:
    sites: Mapping[str, SiteDocument] = {site.name: SiteDocument.model_validate(site.document) for site in seen.sites}
    operation = Operation(
        id=run_id(kind, name, key),
        kind=kind,
        plan=name,
        requested_by=TIMER,
        digest=plan.digest,
        document=plan,
        sites={site: sites[site] for site in plan.site_names},
    )
    return StartRun(id=operation.id, orchestrator=kind, payload=operation.model_dump(mode="json"))


def _leftovers(ctx: task.OrchestrationContext, seen: BookRead) -> Steps[list[StartRun]]:
    owed = [Obligation.model_validate(one) for one in seen.obligations]
    late = [one for one in owed if one.kind == "cleanup" and one.due <= now(ctx)]
    if not late:
        return []
    ended = (yield from call(ctx, READ_RUNS, ReadRuns(ids=tuple(one.owner for one in late)))).ended
    plans = {entry.name: PlanDocument.model_validate(entry.document) for entry in seen.plans}
    return [
        _run(seen, "cleanup", one.plan, plans[one.plan], f"{one.owner}:{(now(ctx) - one.due) // AGAIN_AFTER}")
        for one in late
        if one.owner in ended and one.plan in plans
    ]
