"""The durable entities: who holds what, what was declared, what is owed. Each is a thin shell around a pure table."""

from collections.abc import Callable, Mapping
from typing import Any

from durabletask.entities import EntityContext

from shared.healing.cluster_queue import JoinQueue, QueueTurn, join_queue, leave_queue
from shared.healing.node_record import (
    BeginRepair,
    EndRepair,
    NodeRecord,
    SymptomNotice,
    begin_repair,
    end_repair,
    record_symptom,
    save_extension,
)
from shared.operations.durable_names import (
    CLUSTER_QUEUE,
    DOCUMENTS,
    EVENT_COUNTS,
    LEASES,
    NODES,
    OBLIGATIONS,
    PLAN_HISTORY,
    RECOVERY_PLAN_MIRRORS,
    REQUEST_BUDGET,
)
from shared.operations.leases import Claim, Lease, Table, grant_claim, with_leases_renewed, without_leases_of
from shared.operations.obligations import (
    Attempted,
    LeftBehind,
    Narrowed,
    Obligation,
    Watched,
    take_over_obligation,
    with_attempt,
)
from shared.plans.history import DrillBegun, PastRun, PlanHistory, with_drill_begun, with_run_ended
from shared.plans.versions import Declaration, VersionedDocument, declare_document, withdraw_document
from shared.recovery_plans.mirror import Mirror
from shared.site_recovery.request_budget import Buckets, CallRequest, grant_calls
from shared.sites.nodes import ExtensionView


def leases(ctx: EntityContext, request: Any) -> Any:
    """The leases of one vault or cluster. Operations: claim, renew, release."""
    table: Table = {key: Lease.model_validate(lease) for key, lease in ctx.get_state(dict, {}).items()}
    match ctx.operation:
        case "claim":
            table, verdict = grant_claim(table, Claim.model_validate(request))
            answer: Any = verdict.model_dump(mode="json")
        case "renew":
            renewal = Lease.model_validate(request)
            table, answer = with_leases_renewed(table, renewal.owner, renewal.until), None
        case "release":
            table, answer = without_leases_of(table, [request]), None
        case other:
            raise ValueError(f"leases know no operation {other}")
    ctx.set_state({key: lease.model_dump(mode="json") for key, lease in table.items()})
    return answer


def documents(ctx: EntityContext, request: Any) -> Any:
    """One declared document, a site or a plan, with its versions. Operations: put, remove."""
    state = ctx.get_state(dict)
    document = VersionedDocument.model_validate(state) if state else None
    declaration = Declaration.model_validate(request)
    match ctx.operation:
        case "put":
            document, verdict = declare_document(document, declaration)
        case "remove":
            document, verdict = withdraw_document(document, declaration)
        case other:
            raise ValueError(f"documents know no operation {other}")
    ctx.set_state(document.model_dump(mode="json") if document else None)
    return verdict.model_dump(mode="json")


def obligations(ctx: EntityContext, request: Any) -> Any:
    """What is owed for one plan or node.

    Operations: open (an obligation), settle (a list of kinds), read, recall (the same without orders); and notes about
    one of them: tried, left, watch, narrow.
    """
    owed: dict[str, Any] = ctx.get_state(dict, {})
    match ctx.operation:
        case "open":
            obligation = Obligation.model_validate(request)
            earlier = owed.get(obligation.kind)
            obligation = take_over_obligation(Obligation.model_validate(earlier) if earlier else None, obligation)
            owed = {**owed, obligation.kind: obligation.model_dump(mode="json")}
        case "settle":
            owed = {kind: value for kind, value in owed.items() if kind not in request}
        case "read":
            return owed
        case "recall":
            return {
                kind: {name: value for name, value in entry.items() if name != "order"} for kind, entry in owed.items()
            }
        case "tried" | "left" | "watch" | "narrow":
            owed = with_note(owed, ctx.operation, request)
        case other:
            raise ValueError(f"obligations know no operation {other}")
    ctx.set_state(owed or None)
    return sorted(owed)


def plan_history(ctx: EntityContext, request: Any) -> Any:
    """What is remembered of one plan's runs. Operations: begun, closed, told (of drills), ended (of any run), read."""
    state = ctx.get_state(dict)
    history = PlanHistory.model_validate(state) if state else PlanHistory()
    match ctx.operation:
        case "begun":
            history = with_drill_begun(history, DrillBegun.model_validate(request))
        case "closed":
            history = history.model_copy(update={"closed": history.closed or request == history.run})
        case "told":
            history = history.model_copy(update={"overdue_key": request})
        case "ended":
            history = with_run_ended(history, PastRun.model_validate(request))
        case "read":
            return state
        case other:
            raise ValueError(f"a plan's history knows no operation {other}")
    ctx.set_state(history.model_dump(mode="json"))
    return None


def with_note(owed: Mapping[str, Any], operation: str, note: Any) -> dict[str, Any]:
    """What is owed, with a note about one of it; one that is owed no longer takes none."""
    if note["kind"] not in owed:
        return dict(owed)
    obligation = Obligation.model_validate(owed[note["kind"]])
    if operation == "tried":
        obligation = with_attempt(obligation, Attempted.model_validate(note))
    elif operation == "watch":
        obligation = obligation.model_copy(update={"watched": Watched.model_validate(note).at})
    elif operation == "narrow":
        obligation = obligation.model_copy(update={"vms": Narrowed.model_validate(note).vms})
    else:
        obligation = obligation.model_copy(update={"leftovers": LeftBehind.model_validate(note).leftovers})
    return {**owed, obligation.kind: obligation.model_dump(mode="json")}


def nodes(ctx: EntityContext, request: Any) -> Any:
    """What is remembered of one node. Operations: begin, save, end, notice; each answers the record or a run's id."""
    state = ctx.get_state(dict)
    record = NodeRecord.model_validate(state) if state else None
    answer: Any = None
    match ctx.operation:
        case "begin":
            record, answer = begin_repair(record, BeginRepair.model_validate(request))
        case "notice":
            record = record_symptom(record, SymptomNotice.model_validate(request))
        case "save" if record:
            record = save_extension(record, ExtensionView.model_validate(request))
        case "end" if record:
            record = end_repair(record, EndRepair.model_validate(request))
        case other:
            raise ValueError(f"a node's record knows no operation {other}, or not yet")
    ctx.set_state(record.model_dump(mode="json"))
    return {"busy": answer, "record": record.model_dump(mode="json")}


def cluster_queue(ctx: EntityContext, request: Any) -> Any:
    """Who may work on one cluster. Operations: join (answers the place in line), leave, waiting (answers how many)."""
    queue = tuple(QueueTurn.model_validate(turn) for turn in ctx.get_state(list, []))
    answer: Any = None
    match ctx.operation:
        case "join":
            queue, place = join_queue(queue, JoinQueue.model_validate(request))
            answer = place.model_dump(mode="json")
        case "leave":
            queue = leave_queue(queue, request)
        case "waiting":
            answer = len(queue)
        case other:
            raise ValueError(f"a cluster queue knows no operation {other}")
    ctx.set_state([turn.model_dump(mode="json") for turn in queue] or None)
    return answer


def event_counts(ctx: EntityContext, name: Any) -> None:
    """Counts by name. Operation: add (a name)."""
    counts: dict[str, int] = ctx.get_state(dict, {})
    ctx.set_state({**counts, name: counts.get(name, 0) + 1})


def recovery_plan_mirrors(ctx: EntityContext, request: Any) -> Any:
    """What is remembered of one plan's recovery plans. Operations: saved, removed, checked; read answers it."""
    state = ctx.get_state(dict)
    if ctx.operation == "read":
        return state
    plan_mirror = Mirror.model_validate(state or {})
    match ctx.operation:
        case "saved":
            plan_mirror = plan_mirror.with_saved(request)
        case "removed":
            plan_mirror = plan_mirror.with_removed(request)
        case "checked":
            plan_mirror = plan_mirror.with_check(*request)
        case unknown:
            raise ValueError(f"a plan's mirror has no operation {unknown}")
    ctx.set_state(plan_mirror.model_dump(mode="json") if plan_mirror != Mirror() else None)
    return None


def request_budget(ctx: EntityContext, request: Any) -> Any:
    """The requests that one subscription grants. Operation: take (a request; answers from when on it may be sent)."""
    if ctx.operation != "take":
        raise ValueError(f"a budget knows no operation {ctx.operation}")
    buckets, grant = grant_calls(Buckets.model_validate(ctx.get_state(dict, {})), CallRequest.model_validate(request))
    ctx.set_state(buckets.model_dump(mode="json"))
    return grant.model_dump(mode="json")


ENTITIES: Mapping[str, Callable[[EntityContext, Any], Any]] = {
    CLUSTER_QUEUE: cluster_queue,
    DOCUMENTS: documents,
    EVENT_COUNTS: event_counts,
    LEASES: leases,
    NODES: nodes,
    OBLIGATIONS: obligations,
    PLAN_HISTORY: plan_history,
    RECOVERY_PLAN_MIRRORS: recovery_plan_mirrors,
    REQUEST_BUDGET: request_budget,
}
