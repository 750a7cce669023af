"""The durable entities: who holds what, what was declared, what is owed. Each is a thin shell around a pure table."""

from collections.abc import Callable, Mapping
from typing import Any

from durabletask.entities import EntityContext

from shared.healing.cluster_queue import JoinQueue, QueueTurn, join_queue, leave_queue
from shared.healing.node_record import (
    BeginRepair,
    EndRepair,
    NodeAnswer,
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
from shared.operations.leases import Claim, Lease, grant_claim, with_leases_renewed, without_leases_of
from shared.operations.obligations import (
    Attempted,
    Checked,
    LeftBehind,
    Narrowed,
    Obligation,
    Obligations,
    with_note,
    with_obligation,
    without_obligations,
)
from shared.plans.history import DrillBegun, PastRun, PlanHistory, with_drill_begun, with_run_ended
from shared.plans.versions import Declaration, VersionedDocument, declare_document, withdraw_document
from shared.recovery_plans.mirror import Mirror
from shared.site_recovery.request_budget import Buckets, CallRequest, Closure, close_calls, grant_calls
from shared.sites.nodes import ExtensionView


def leases(ctx: EntityContext, request: Any) -> Any:
    """The leases of one vault or cluster. Operations: claim, renew, release."""
    table = {key: Lease.model_validate(lease) for key, lease in ctx.get_state(dict, {}).items()}
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
            raise ValueError(f"the entity leases has no operation {other}")
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
            raise ValueError(f"the entity documents has no operation {other}")
    ctx.set_state(document.model_dump(mode="json") if document else None)
    return verdict.model_dump(mode="json")


def obligations(ctx: EntityContext, request: Any) -> Any:
    """What is owed for one plan or node.

    Operations: open (an obligation), settle (a list of kinds), read, read_without_orders; and notes about one of them:
    note_attempt, note_check, note_leftovers, narrow_to.
    """
    state: dict[str, Any] = ctx.get_state(dict, {})
    owed: Obligations = {one.kind: one for one in map(Obligation.model_validate, state.values())}
    match ctx.operation:
        case "open":
            owed = with_obligation(owed, Obligation.model_validate(request))
        case "settle":
            owed = without_obligations(owed, request)
        case "read":
            return state
        case "read_without_orders":
            return {kind: one.model_dump(mode="json", exclude={"order"}) for kind, one in owed.items()}
        case "note_attempt" | "note_check" | "note_leftovers" | "narrow_to":
            owed = with_note(owed, OBLIGATION_NOTES[ctx.operation].model_validate(request))
        case other:
            raise ValueError(f"the entity obligations has no operation {other}")
    ctx.set_state({kind: one.model_dump(mode="json") for kind, one in owed.items()} or None)
    return sorted(owed)


OBLIGATION_NOTES: Mapping[str, type[Attempted | Checked | LeftBehind | Narrowed]] = {
    "note_attempt": Attempted,
    "note_check": Checked,
    "note_leftovers": LeftBehind,
    "narrow_to": Narrowed,
}


def plan_history(ctx: EntityContext, request: Any) -> Any:
    """What is remembered of one plan's runs.

    Operations: record_drill, close_drill and mark_overdue for its drills, record_run for any run, read.
    """
    state = ctx.get_state(dict)
    history = PlanHistory.model_validate(state) if state else PlanHistory()
    match ctx.operation:
        case "record_drill":
            history = with_drill_begun(history, DrillBegun.model_validate(request))
        case "close_drill":
            history = history.model_copy(update={"closed": history.closed or request == history.drill_run})
        case "mark_overdue":
            history = history.model_copy(update={"overdue_key": request})
        case "record_run":
            history = with_run_ended(history, PastRun.model_validate(request))
        case "read":
            return state
        case other:
            raise ValueError(f"a plan's track knows no operation {other}")
    ctx.set_state(history.model_dump(mode="json"))
    return None


def nodes(ctx: EntityContext, request: Any) -> Any:
    """What is remembered of one node.

    Operations: begin_repair, save_extension, end_repair, note_symptom; each answers a NodeAnswer.
    """
    state = ctx.get_state(dict)
    record = NodeRecord.model_validate(state) if state else None
    busy = ""
    match ctx.operation:
        case "begin_repair":
            record, busy = begin_repair(record, BeginRepair.model_validate(request))
        case "note_symptom":
            record = record_symptom(record, SymptomNotice.model_validate(request))
        case "save_extension" if record:
            record = save_extension(record, ExtensionView.model_validate(request))
        case "end_repair" if record:
            record = end_repair(record, EndRepair.model_validate(request))
        case other:
            raise ValueError(f"the entity nodes has no operation {other}, or not yet")
    ctx.set_state(record.model_dump(mode="json"))
    return NodeAnswer(record=record, busy=busy).model_dump(mode="json")


def cluster_queue(ctx: EntityContext, request: Any) -> Any:
    """Who may work on one cluster. Operations: join (answers the position), leave, count (answers how many)."""
    queue = tuple(QueueTurn.model_validate(turn) for turn in ctx.get_state(list, []))
    answer: Any = None
    match ctx.operation:
        case "join":
            queue, place = join_queue(queue, JoinQueue.model_validate(request))
            answer = place.model_dump(mode="json")
        case "leave":
            queue = leave_queue(queue, request)
        case "count":
            answer = len(queue)
        case other:
            raise ValueError(f"the entity cluster_queue has no operation {other}")
    ctx.set_state([turn.model_dump(mode="json") for turn in queue] or None)
    return answer


def event_counts(ctx: EntityContext, name: Any) -> dict[str, int]:
    """Counts by name. Operations: add (a name), read; each answers the counts."""
    counts: dict[str, int] = ctx.get_state(dict, {})
    if ctx.operation == "read":
        return counts
    counts = {**counts, name: counts.get(name, 0) + 1}
    ctx.set_state(counts)
    return counts


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
    """The requests that one subscription grants.

    Operations: take (answers from when on all that is asked for may be sent); close (until Azure wants to be asked).
    """
    buckets, answer = Buckets.model_validate(ctx.get_state(dict, {})), None
    match ctx.operation:
        case "take":
            buckets, grant = grant_calls(buckets, CallRequest.model_validate(request))
            answer = grant.model_dump(mode="json")
        case "close":
            buckets = close_calls(buckets, Closure.model_validate(request))
        case other:
            raise ValueError(f"a budget knows no operation {other}")
    ctx.set_state(buckets.model_dump(mode="json"))
    return answer


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
