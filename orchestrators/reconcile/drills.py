"""What the timer sees to for drills: those that are due are begun once, and those that are overdue are told."""

from collections.abc import Mapping

from durabletask import task

from orchestrators.durable.cloud_events import delivery_run_of
from orchestrators.durable.steps import Steps, call, call_entity, now
from shared.operations.contract import (
    READ_HOLDERS,
    READ_OUTCOMES,
    START_RUN,
    PublishEvent,
    ReadHolders,
    ReadOutcomes,
    StartRun,
)
from shared.operations.durable_names import PLAN_HISTORY
from shared.plans.contract import DocumentsRead
from shared.plans.drill_schedule import DueDrill, advise_drill, drill_run_key, find_due_drill
from shared.plans.history import DrillBegun, PlanHistory
from shared.plans.machines import lease_keys
from shared.plans.plan import PlanDocument
from shared.recovery.operation import Operation
from shared.request_ids import run_id
from shared.sites.site import SiteDocument

TIMER = "timer"


def begin_due_drills(ctx: task.OrchestrationContext, documents: DocumentsRead) -> Steps[list[str]]:
    """Begin each drill that is due, unless its VMs are held: then it is begun later, and not lost."""
    plan_histories = {
        declared_history.name: PlanHistory.model_validate(declared_history.plan_history)
        for declared_history in documents.plan_histories
    }
    started = []
    for entry in documents.plans:
        plan = PlanDocument.model_validate(entry.document)
        if plan.drill is None:
            continue
        followed = plan_histories.get(plan.drill.follows) if plan.drill.follows else None
        if due_occasion := find_due_drill(plan.drill, entry.declared, now(ctx), followed):
            plan_history = plan_histories.get(entry.name, PlanHistory())
            started += yield from _handle_occasion(ctx, documents, entry.name, plan, (due_occasion, plan_history))
    return started


def _handle_occasion(
    ctx: task.OrchestrationContext,
    documents: DocumentsRead,
    name: str,
    plan: PlanDocument,
    occasion_and_history: tuple[DueDrill, PlanHistory],
) -> Steps[list[str]]:
    due_occasion, plan_history = occasion_and_history
    refused = (
        yield from _was_refused(ctx, name, plan_history)
        if plan_history.due_key == due_occasion.key and not plan_history.closed
        else _not_refused()
    )
    settings = plan.drill
    action = advise_drill(settings, due_occasion, plan_history, now(ctx), refused=refused).do if settings else "nothing"
    if action == "overdue":
        yield from _publish_overdue(ctx, name, due_occasion, plan_history)
    if action != "begin":
        return []
    operation = _drill_operation(
        documents, name, plan, run_id("drill", name, drill_run_key(due_occasion, plan_history))
    )
    if (yield from call(ctx, READ_HOLDERS, _holders_request(operation))).runs:
        return []
    yield from call(ctx, START_RUN, _start_request(operation))
    begun = DrillBegun(key=due_occasion.key, run=operation.id, at=now(ctx)).model_dump(mode="json")
    yield from call_entity(ctx, PLAN_HISTORY, name, "begun", begun)
    return [operation.id]


def _not_refused() -> Steps[bool]:
    yield from ()
    return False


def _was_refused(ctx: task.OrchestrationContext, name: str, plan_history: PlanHistory) -> Steps[bool]:
    """Whether the drill that was begun last did nothing; once it is known to have done something, nobody asks again."""
    state = (yield from call(ctx, READ_OUTCOMES, ReadOutcomes(ids=(plan_history.run,)))).runs[0].state
    if state not in {"refused", "living"}:
        yield from call_entity(ctx, PLAN_HISTORY, name, "closed", plan_history.run)
    return state == "refused"


def _publish_overdue(
    ctx: task.OrchestrationContext, name: str, due_occasion: DueDrill, plan_history: PlanHistory
) -> Steps[None]:
    event = PublishEvent(
        id=f"{name}:{due_occasion.key}:overdue",
        type="HciSiteRecovery.Drill.Overdue",
        subject=f"plans/{name}",
        at=now(ctx),
        data={"plan": name, "due": due_occasion.at.isoformat(), "lastTried": plan_history.run},
    )
    yield from call(ctx, START_RUN, delivery_run_of(event))
    yield from call_entity(ctx, PLAN_HISTORY, name, "told", due_occasion.key)


def _drill_operation(documents: DocumentsRead, name: str, plan: PlanDocument, run: str) -> Operation:
    sites: Mapping[str, SiteDocument] = {
        site.name: SiteDocument.model_validate(site.document) for site in documents.sites
    }
    return Operation(
        id=run,
        kind="drill",
        plan=name,
        requested_by=TIMER,
        digest=plan.digest,
        document=plan,
        sites={site: sites[site] for site in plan.site_names},
    )


def _start_request(operation: Operation) -> StartRun:
    return StartRun(id=operation.id, orchestrator="drill", payload=operation.model_dump(mode="json"))


def _holders_request(operation: Operation) -> ReadHolders:
    return ReadHolders(keys=lease_keys(operation.document, operation.sites))
