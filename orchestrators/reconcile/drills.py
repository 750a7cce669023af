"""What the timer does for drills: it begins those that are due, and publishes those that are overdue."""

from orchestrators.durable.cloud_events import delivery_run_of
from orchestrators.durable.steps import Context, Steps, call, call_entity, now
from orchestrators.durable.timer_look import TimerLook, attempt_part, sites_of_plan
from orchestrators.reconcile.drill_approvals import approvals_for_drill
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
from shared.operations.kinds import REQUESTED_BY_TIMER
from shared.plans.contract import DeclaredDocument, DocumentsRead
from shared.plans.drill_schedule import DueDrill, advise_drill, drill_run_key, find_due_drill
from shared.plans.history import DrillBegun, PlanHistory
from shared.plans.machines import lease_keys
from shared.plans.plan import PlanDocument
from shared.recovery.operation import Operation
from shared.request_ids import run_id


def begin_due_drills(ctx: Context, look: TimerLook) -> Steps[list[str]]:
    """Begin each drill that is due, unless its VMs or its site are held: then it is begun later, and not lost.

    Of one that is overdue an event goes out, once for each occasion.
    """
    started = []
    for entry in look.documents.plans:
        started += yield from attempt_part(ctx, look, f"plan {entry.name}", _begin_if_due(ctx, look, entry))
    return started


def _begin_if_due(ctx: Context, look: TimerLook, entry: DeclaredDocument) -> Steps[list[str]]:
    documents, plan = look.documents, PlanDocument.model_validate(entry.document)
    if plan.drill is None:
        return []
    followed = _find_history(documents, plan.drill.follows) if plan.drill.follows else None
    due = find_due_drill(plan.drill, entry.declared, now(ctx), followed)
    if due is None:
        return []
    history = _find_history(documents, entry.name) or PlanHistory()
    is_last_begun = history.due_key == due.key and not history.closed
    refused = is_last_begun and (yield from _was_refused(ctx, entry.name, history))
    advice = advise_drill(plan.drill, due, history, now(ctx), refused=refused).do
    if advice == "overdue":
        yield from _publish_overdue(ctx, entry.name, due, history)
    if advice != "begin" or look.is_held(plan.site_names, now(ctx)):
        return []
    run = run_id("drill", entry.name, drill_run_key(due, history))
    return (yield from _begin_drill(ctx, _drill_operation(documents, entry.name, plan, run), due))


def _find_history(documents: DocumentsRead, name: str) -> PlanHistory | None:
    found = (one.plan_history for one in documents.plan_histories if one.name == name)
    return next(map(PlanHistory.model_validate, found), None)


def _was_refused(ctx: Context, name: str, plan_history: PlanHistory) -> Steps[bool]:
    """Whether the drill that was begun last did nothing; one that did something is closed, and not asked for again."""
    state = (yield from call(ctx, READ_OUTCOMES, ReadOutcomes(ids=(plan_history.drill_run,)))).runs[0].state
    if state not in {"refused", "living"}:
        yield from call_entity(ctx, PLAN_HISTORY, name, "close_drill", plan_history.drill_run)
    return state == "refused"


def _publish_overdue(ctx: Context, name: str, due: DueDrill, plan_history: PlanHistory) -> Steps[None]:
    event = PublishEvent(
        id=f"{name}:{due.key}:overdue",
        type="HciSiteRecovery.Drill.Overdue",
        subject=f"plans/{name}",
        at=now(ctx),
        data={"plan": name, "due": due.at.isoformat(), "lastTried": plan_history.drill_run},
    )
    yield from call(ctx, START_RUN, delivery_run_of(event))
    yield from call_entity(ctx, PLAN_HISTORY, name, "mark_overdue", due.key)


def _drill_operation(documents: DocumentsRead, name: str, plan: PlanDocument, run: str) -> Operation:
    return Operation(
        id=run,
        kind="drill",
        plan=name,
        requested_by=REQUESTED_BY_TIMER,
        digest=plan.digest,
        document=plan,
        sites=sites_of_plan(documents, plan),
        required_approvals=approvals_for_drill(documents, plan),
    )


def _begin_drill(ctx: Context, operation: Operation, due: DueDrill) -> Steps[list[str]]:
    """Start the drill and note that its occasion is taken; nothing while another run holds one of its VMs."""
    keys = lease_keys(operation.document, operation.sites)
    if (yield from call(ctx, READ_HOLDERS, ReadHolders(keys=keys))).runs:
        return []
    request = StartRun(id=operation.id, orchestrator="drill", payload=operation.model_dump(mode="json"))
    yield from call(ctx, START_RUN, request)
    begun = DrillBegun(due_key=due.key, run=operation.id, at=now(ctx)).model_dump(mode="json")
    yield from call_entity(ctx, PLAN_HISTORY, operation.plan, "record_drill", begun)
    return [operation.id]
