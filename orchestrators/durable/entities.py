"""The durable entities: who holds what, what was declared, what is owed. Each is a thin shell around a pure table."""

from collections.abc import Callable, Mapping
from typing import Any

from durabletask.entities import EntityContext

from orchestrators.durable.entity_operations import Entity, Operation, take_message
from shared.healing.cluster_queue import JoinQueue, Queue, join_queue, leave_queue
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
from shared.operations.leases import Claim, Lease, LeaseTable, grant_claim, with_leases_renewed, without_leases_of
from shared.operations.obligations import (
    Attempted,
    Checked,
    LeftBehind,
    Narrowed,
    Obligation,
    ObligationKind,
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


def _claim(table: LeaseTable, request: Claim) -> tuple[LeaseTable, Any]:
    table, verdict = grant_claim(table, request)
    return table, verdict.model_dump(mode="json")


def _renew(table: LeaseTable, request: Lease) -> tuple[LeaseTable, None]:
    return with_leases_renewed(table, request.owner, request.until), None


def _release(table: LeaseTable, owner: str) -> tuple[LeaseTable, None]:
    return without_leases_of(table, [owner]), None


def _put(document: VersionedDocument | None, request: Declaration) -> tuple[VersionedDocument | None, Any]:
    document, outcome = declare_document(document, request)
    return document, outcome.model_dump(mode="json")


def _remove(document: VersionedDocument | None, request: Declaration) -> tuple[VersionedDocument | None, Any]:
    document, outcome = withdraw_document(document, request)
    return document, outcome.model_dump(mode="json")


def _open(owed: Obligations, request: Obligation) -> tuple[Obligations, list[str]]:
    owed = with_obligation(owed, request)
    return owed, sorted(owed)


def _settle(owed: Obligations, kinds: tuple[ObligationKind, ...]) -> tuple[Obligations, list[str]]:
    owed = without_obligations(owed, kinds)
    return owed, sorted(owed)


def _note(owed: Obligations, request: Attempted | Checked | LeftBehind | Narrowed) -> tuple[Obligations, list[str]]:
    owed = with_note(owed, request)
    return owed, sorted(owed)


def _read_obligations(owed: Obligations, _request: None) -> tuple[Obligations, Any]:
    return owed, {kind: one.model_dump(mode="json") for kind, one in owed.items()}


def _read_without_orders(owed: Obligations, _request: None) -> tuple[Obligations, Any]:
    return owed, {kind: one.model_dump(mode="json", exclude={"order"}) for kind, one in owed.items()}


def _record_drill(history: PlanHistory, request: DrillBegun) -> tuple[PlanHistory, None]:
    return with_drill_begun(history, request), None


def _close_drill(history: PlanHistory, run: str) -> tuple[PlanHistory, None]:
    return history.model_copy(update={"closed": history.closed or run == history.drill_run}), None


def _mark_overdue(history: PlanHistory, due_key: str) -> tuple[PlanHistory, None]:
    return history.model_copy(update={"overdue_key": due_key}), None


def _record_run(history: PlanHistory, request: PastRun) -> tuple[PlanHistory, None]:
    return with_run_ended(history, request), None


def _read_history(history: PlanHistory, _request: None) -> tuple[PlanHistory, Any]:
    return history, history.model_dump(mode="json")


def _begin_repair(record: NodeRecord | None, request: BeginRepair) -> tuple[NodeRecord, Any]:
    record, busy = begin_repair(record, request)
    return record, NodeAnswer(record=record, busy=busy).model_dump(mode="json")


def _note_symptom(record: NodeRecord | None, request: SymptomNotice) -> tuple[NodeRecord, Any]:
    record = record_symptom(record, request)
    return record, NodeAnswer(record=record).model_dump(mode="json")


def _save_extension(record: NodeRecord | None, request: ExtensionView) -> tuple[NodeRecord, Any]:
    record = save_extension(_require_record(record), request)
    return record, NodeAnswer(record=record).model_dump(mode="json")


def _end_repair(record: NodeRecord | None, request: EndRepair) -> tuple[NodeRecord, Any]:
    record = end_repair(_require_record(record), request)
    return record, NodeAnswer(record=record).model_dump(mode="json")


def _require_record(record: NodeRecord | None) -> NodeRecord:
    if record is None:
        raise ValueError("nothing is known of this node yet")
    return record


def _join(queue: Queue, request: JoinQueue) -> tuple[Queue, Any]:
    queue, position = join_queue(queue, request)
    return queue, position.model_dump(mode="json")


def _leave(queue: Queue, run: str) -> tuple[Queue, None]:
    return leave_queue(queue, run), None


def _count(queue: Queue, _request: None) -> tuple[Queue, int]:
    return queue, len(queue)


def _add(counts: Mapping[str, int], name: str) -> tuple[Mapping[str, int], None]:
    return {**counts, name: counts.get(name, 0) + 1}, None


def _read_counts(counts: Mapping[str, int], _request: None) -> tuple[Mapping[str, int], Any]:
    return counts, dict(counts)


def _saved(plan_mirror: Mirror, ids: tuple[str, ...]) -> tuple[Mirror, None]:
    return plan_mirror.with_saved(ids), None


def _removed(plan_mirror: Mirror, ids: tuple[str, ...]) -> tuple[Mirror, None]:
    return plan_mirror.with_removed(ids), None


def _checked(plan_mirror: Mirror, check: tuple[str, str]) -> tuple[Mirror, None]:
    return plan_mirror.with_check(*check), None


def _read_mirror(plan_mirror: Mirror, _request: None) -> tuple[Mirror, Any]:
    return plan_mirror, plan_mirror.model_dump(mode="json")


def _take(buckets: Buckets, request: CallRequest) -> tuple[Buckets, Any]:
    buckets, grant = grant_calls(buckets, request)
    return buckets, grant.model_dump(mode="json")


def _close(buckets: Buckets, request: Closure) -> tuple[Buckets, None]:
    return close_calls(buckets, request), None


REMEMBERED_OF_MANY = 100
"""Messages of an entity that many runs ask at once: more than are on their way at one time."""

REGISTERED: Mapping[str, Entity] = {
    CLUSTER_QUEUE: Entity(
        Queue,
        (),
        {"join": Operation(_join, JoinQueue), "leave": Operation(_leave, str), "count": Operation(_count, None, True)},
        "sender",
        REMEMBERED_OF_MANY,
    ),
    DOCUMENTS: Entity(
        VersionedDocument | None,
        None,
        {"put": Operation(_put, Declaration), "remove": Operation(_remove, Declaration)},
    ),
    EVENT_COUNTS: Entity(
        dict[str, int],
        {},
        {"add": Operation(_add, str), "read": Operation(_read_counts, None, True)},
        "sender",
        REMEMBERED_OF_MANY,
    ),
    LEASES: Entity(
        LeaseTable,
        {},
        {
            "claim": Operation(_claim, Claim),
            "renew": Operation(_renew, Lease),
            "release": Operation(_release, str),
        },
        "sender",
        REMEMBERED_OF_MANY,
    ),
    NODES: Entity(
        NodeRecord | None,
        None,
        {
            "begin_repair": Operation(_begin_repair, BeginRepair),
            "note_symptom": Operation(_note_symptom, SymptomNotice),
            "save_extension": Operation(_save_extension, ExtensionView),
            "end_repair": Operation(_end_repair, EndRepair),
        },
    ),
    OBLIGATIONS: Entity(
        dict[ObligationKind, Obligation],
        {},
        {
            "open": Operation(_open, Obligation),
            "settle": Operation(_settle, tuple[ObligationKind, ...]),
            "note_attempt": Operation(_note, Attempted),
            "note_check": Operation(_note, Checked),
            "note_leftovers": Operation(_note, LeftBehind),
            "narrow_to": Operation(_note, Narrowed),
            "read": Operation(_read_obligations, None, True),
            "read_without_orders": Operation(_read_without_orders, None, True),
        },
    ),
    PLAN_HISTORY: Entity(
        PlanHistory,
        PlanHistory(),
        {
            "record_drill": Operation(_record_drill, DrillBegun),
            "close_drill": Operation(_close_drill, str),
            "mark_overdue": Operation(_mark_overdue, str),
            "record_run": Operation(_record_run, PastRun),
            "read": Operation(_read_history, None, True),
        },
    ),
    RECOVERY_PLAN_MIRRORS: Entity(
        Mirror,
        Mirror(),
        {
            "saved": Operation(_saved, tuple[str, ...]),
            "removed": Operation(_removed, tuple[str, ...]),
            "checked": Operation(_checked, tuple[str, str]),
            "read": Operation(_read_mirror, None, True),
        },
    ),
    REQUEST_BUDGET: Entity(
        Buckets,
        Buckets(),
        {"take": Operation(_take, CallRequest), "close": Operation(_close, Closure)},
        "sender",
        REMEMBERED_OF_MANY,
    ),
}
"""Each entity with all of its operations, by the name that the engine knows."""


def _build_function(name: str) -> Callable[[EntityContext, Any], Any]:
    """The function that the engine runs for an entity: Azure's worker wants it to have the entity's name."""

    def run_entity(ctx: EntityContext, message: Any) -> Any:
        return take_message(name, REGISTERED[name], ctx, message)

    run_entity.__name__ = name
    return run_entity


ENTITIES: Mapping[str, Callable[[EntityContext, Any], Any]] = {name: _build_function(name) for name in REGISTERED}
"""What the engine runs."""
