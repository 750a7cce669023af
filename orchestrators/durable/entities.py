"""The durable entities: who holds what, what was declared, what is owed. Each is a thin shell around a pure table."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from durabletask.entities import EntityContext

from orchestrators.durable.entity_operations import Entity, Operation, take_message
from shared.healing.cluster_queue import JoinQueue, Queue, join_queue, leave_queue
from shared.healing.node_record import (
    BeginRepair,
    EndRepair,
    LeftScripts,
    NodeAnswer,
    NodeRecord,
    SymptomNotice,
    begin_repair,
    end_repair,
    record_left_scripts,
    record_symptom,
    save_extension,
)
from shared.notifications.budget import Admission, Delivered, Deliveries, admit_notification, note_delivery
from shared.operations.durable_names import (
    CLUSTER_QUEUE,
    CLUSTER_VMS,
    DOCUMENTS,
    EVENT_COUNTS,
    HOLDS,
    LEASES,
    LOST_NODES,
    LOST_RUNS,
    NODES,
    NOTIFICATIONS,
    OBLIGATIONS,
    PLAN_HISTORY,
    RECOVERY_PLAN_MIRRORS,
    REQUEST_BUDGET,
    TIMER_LOOKS,
)
from shared.operations.holds import Hold, HoldLift, Holds, with_hold, without_hold, without_past_holds
from shared.operations.leases import Claim, Lease, LeaseTable, grant_claim, with_leases_renewed, without_leases_of
from shared.operations.lost_runs import LostRunNote, LostRuns, with_run_note, without_run_notes
from shared.operations.obligation_table import (
    Attempted,
    Checked,
    LeftBehind,
    Obligations,
    OwedQuery,
    PersonSettlement,
    SeenDone,
    Settlement,
    owed_by,
    settle_by_person,
    with_check,
    with_found,
    with_note,
    with_obligation,
    without_settled,
)
from shared.operations.obligations import Obligation
from shared.operations.timer_looks import LookEnded, TimerLooks, end_look, expect_look
from shared.plans.history import DrillBegun, PastRun, PlanHistory, with_drill_begun, with_run_ended
from shared.plans.versions import Declaration, VersionedDocument, declare_document, withdraw_document
from shared.recovery_plans.mirror import Mirror
from shared.site_recovery.request_budget import Buckets, CallRequest, Closure, close_calls, grant_calls
from shared.sites.cluster_vms import ClusterVms, with_new_reading
from shared.sites.lost_nodes import LostNode, LostNodes, NodeWithdrawal, with_lost_node, without_lost_node
from shared.sites.nodes import ExtensionView


def claim_leases(table: LeaseTable, request: Claim) -> tuple[LeaseTable, Any]:
    """All that is asked for, or nothing; who holds what of it."""
    table, verdict = grant_claim(table, request)
    return table, verdict.model_dump(mode="json")


def renew_leases(table: LeaseTable, request: Lease) -> tuple[LeaseTable, None]:
    """Hold for longer what a run holds."""
    return with_leases_renewed(table, request.owner, request.until), None


def release_leases(table: LeaseTable, owner: str) -> tuple[LeaseTable, None]:
    """Give back all that a run holds."""
    return without_leases_of(table, [owner]), None


def set_hold(holds: Holds, request: Hold) -> tuple[Holds, Any]:
    """Hold a site, or everything."""
    holds, outcome = with_hold(holds, request)
    return holds, outcome.model_dump(mode="json")


def lift_hold(holds: Holds, request: HoldLift) -> tuple[Holds, Any]:
    """Lift a hold."""
    holds, outcome = without_hold(holds, request)
    return holds, outcome.model_dump(mode="json")


def end_past_holds(holds: Holds, at: datetime) -> tuple[Holds, Any]:
    """End those whose time has come."""
    holds, ended = without_past_holds(holds, at)
    return holds, ended.model_dump(mode="json")


def declare_lost_node(lost_nodes: LostNodes, request: LostNode) -> tuple[LostNodes, Any]:
    """A node never comes back."""
    lost_nodes, outcome = with_lost_node(lost_nodes, request)
    return lost_nodes, outcome.model_dump(mode="json")


def withdraw_lost_node(lost_nodes: LostNodes, request: NodeWithdrawal) -> tuple[LostNodes, Any]:
    """It does."""
    lost_nodes, outcome = without_lost_node(lost_nodes, request.node)
    return lost_nodes, outcome.model_dump(mode="json")


def list_lost_nodes(lost_nodes: LostNodes, _request: None) -> tuple[LostNodes, Any]:
    """All that are lost at a site."""
    return lost_nodes, {key: lost.model_dump(mode="json") for key, lost in lost_nodes.items()}


def keep_cluster_vms(kept: ClusterVms, reading: ClusterVms) -> tuple[ClusterVms, Any]:
    """What the nodes of a site's cluster named now, and before where they say nothing."""
    kept = with_new_reading(kept, reading)
    return kept, kept.model_dump(mode="json")


def note_lost_run(lost_runs: LostRuns, note: LostRunNote) -> tuple[LostRuns, None]:
    """What was done for a run that did not come to its own end."""
    return with_run_note(lost_runs, note), None


def forget_lost_runs(lost_runs: LostRuns, runs: tuple[str, ...]) -> tuple[LostRuns, None]:
    """Nothing shows these runs any more."""
    return without_run_notes(lost_runs, runs), None


def put_document(document: VersionedDocument | None, request: Declaration) -> tuple[VersionedDocument | None, Any]:
    """A new version, unless it is not the version that was meant."""
    document, outcome = declare_document(document, request)
    return document, outcome.model_dump(mode="json")


def remove_document(document: VersionedDocument | None, request: Declaration) -> tuple[VersionedDocument | None, Any]:
    """Withdraw it, unless it is not the version that was meant."""
    document, outcome = withdraw_document(document, request)
    return document, outcome.model_dump(mode="json")


def open_obligation(owed: Obligations, request: Obligation) -> tuple[Obligations, None]:
    """Owe something; what is owed already of its kind by its machines is taken over."""
    return with_obligation(owed, request), None


def open_found_obligations(owed: Obligations, request: tuple[Obligation, ...]) -> tuple[Obligations, list[str]]:
    """Owe what a look at Azure found, as far as nobody owes it yet; the ids of what is new."""
    owed, added = with_found(owed, request)
    return owed, list(added)


def settle_obligations(owed: Obligations, request: Settlement) -> tuple[Obligations, None]:
    """Cross out what is owed no longer."""
    return without_settled(owed, request), None


def settle_obligation_by_person(owed: Obligations, request: PersonSettlement) -> tuple[Obligations, Any]:
    """Cross out what a person says is owed no longer; what that was."""
    owed, settled = settle_by_person(owed, request)
    return owed, settled.model_dump(mode="json") if settled else None


def note_on_obligation(owed: Obligations, request: Attempted | LeftBehind | SeenDone) -> tuple[Obligations, None]:
    """Write something down at what is owed."""
    return with_note(owed, request), None


def note_source_check(owed: Obligations, request: Checked) -> tuple[Obligations, None]:
    """Write down when machines were seen to be off at home."""
    return with_check(owed, request), None


def read_obligations(owed: Obligations, request: OwedQuery) -> tuple[Obligations, Any]:
    """What these machines owe, without what was asked for, which is long."""
    return owed, [one.model_dump(mode="json", exclude={"order"}) for one in owed_by(owed, request)]


def record_drill(history: PlanHistory, request: DrillBegun) -> tuple[PlanHistory, None]:
    """A drill of the schedule has begun."""
    return with_drill_begun(history, request), None


def close_drill(history: PlanHistory, run: str) -> tuple[PlanHistory, None]:
    """Nothing more is to be done for the drill that was begun last."""
    return history.model_copy(update={"closed": history.closed or run == history.drill_run}), None


def mark_overdue(history: PlanHistory, due_key: str) -> tuple[PlanHistory, None]:
    """It was said that a drill is overdue."""
    return history.model_copy(update={"overdue_key": due_key}), None


def record_run(history: PlanHistory, request: PastRun) -> tuple[PlanHistory, None]:
    """A run has ended."""
    return with_run_ended(history, request), None


def read_history(history: PlanHistory, _request: None) -> tuple[PlanHistory, Any]:
    """What is remembered of the plan."""
    return history, history.model_dump(mode="json")


def begin_node_repair(record: NodeRecord | None, request: BeginRepair) -> tuple[NodeRecord, Any]:
    """Have the node to itself; or the run that has it."""
    record, busy = begin_repair(record, request)
    return record, NodeAnswer(record=record, busy=busy).model_dump(mode="json")


def note_left_scripts(record: NodeRecord | None, request: LeftScripts) -> tuple[NodeRecord, Any]:
    """Keep which run commands have to be removed from a node."""
    record = record_left_scripts(record, request)
    return record, NodeAnswer(record=record).model_dump(mode="json")


def note_symptom(record: NodeRecord | None, request: SymptomNotice) -> tuple[NodeRecord, Any]:
    """What the timer saw."""
    record = record_symptom(record, request)
    return record, NodeAnswer(record=record).model_dump(mode="json")


def keep_extension(record: NodeRecord | None, request: ExtensionView) -> tuple[NodeRecord, Any]:
    """Keep the settings of an extension that is about to be removed."""
    record = save_extension(_require_record(record), request)
    return record, NodeAnswer(record=record).model_dump(mode="json")


def end_node_repair(record: NodeRecord | None, request: EndRepair) -> tuple[NodeRecord, Any]:
    """How a repair ended."""
    record = end_repair(_require_record(record), request)
    return record, NodeAnswer(record=record).model_dump(mode="json")


def _require_record(record: NodeRecord | None) -> NodeRecord:
    if record is None:
        raise ValueError("nothing is known of this node yet")
    return record


def join_cluster_queue(queue: Queue, request: JoinQueue) -> tuple[Queue, Any]:
    """Join the queue of a cluster; the place in it."""
    queue, position = join_queue(queue, request)
    return queue, position.model_dump(mode="json")


def leave_cluster_queue(queue: Queue, run: str) -> tuple[Queue, None]:
    """Leave it."""
    return leave_queue(queue, run), None


def count_queue(queue: Queue, _request: None) -> tuple[Queue, int]:
    """How many are in it."""
    return queue, len(queue)


def add_to_count(counts: Mapping[str, int], name: str) -> tuple[Mapping[str, int], None]:
    """Count one more."""
    return {**counts, name: counts.get(name, 0) + 1}, None


def read_counts(counts: Mapping[str, int], _request: None) -> tuple[Mapping[str, int], Any]:
    """All counts."""
    return counts, dict(counts)


def admit_to_rule(kept: Deliveries, request: Admission) -> tuple[Deliveries, bool]:
    """Whether a rule may notify once more in this hour."""
    return admit_notification(kept, request)


def note_notification(kept: Deliveries, request: Delivered) -> tuple[Deliveries, None]:
    """What became of a notification."""
    return note_delivery(kept, request), None


def note_saved_plans(plan_mirror: Mirror, ids: tuple[str, ...]) -> tuple[Mirror, None]:
    """These recovery plans are ours."""
    return plan_mirror.with_saved(ids), None


def note_removed_plans(plan_mirror: Mirror, ids: tuple[str, ...]) -> tuple[Mirror, None]:
    """These are no more."""
    return plan_mirror.with_removed(ids), None


def note_check(plan_mirror: Mirror, check: tuple[str, str]) -> tuple[Mirror, None]:
    """What the last comparison showed, and when it was."""
    return plan_mirror.with_check(*check), None


def read_mirror(plan_mirror: Mirror, _request: None) -> tuple[Mirror, Any]:
    """What is known of the recovery plans."""
    return plan_mirror, plan_mirror.model_dump(mode="json")


def take_calls(buckets: Buckets, request: CallRequest) -> tuple[Buckets, Any]:
    """Grant requests: from when on each kind may be sent."""
    buckets, grant = grant_calls(buckets, request)
    return buckets, grant.model_dump(mode="json")


def close_budget(buckets: Buckets, request: Closure) -> tuple[Buckets, None]:
    """Grant nobody anything before Azure wants to be asked again."""
    return close_calls(buckets, request), None


def end_timer_look(looks: TimerLooks, ended: LookEnded) -> tuple[TimerLooks, Any]:
    """A look of the timer has ended; of which failures an event is to go out."""
    looks, to_publish = end_look(looks, ended)
    return looks, [failure.model_dump(mode="json") for failure in to_publish]


def expect_first_look(looks: TimerLooks, at: datetime) -> tuple[TimerLooks, None]:
    """Somebody waits for the first look."""
    return expect_look(looks, at), None


def read_timer_looks(looks: TimerLooks, _request: None) -> tuple[TimerLooks, Any]:
    """When the last look ended, and what it left undone."""
    return looks, looks.model_dump(mode="json")


REMEMBERED_OF_MANY = 100
"""Messages of an entity that many runs ask at once: more than are on their way at one time."""

REGISTERED: Mapping[str, Entity] = {
    CLUSTER_QUEUE: Entity(
        Queue,
        (),
        {
            "join": Operation(join_cluster_queue, JoinQueue),
            "leave": Operation(leave_cluster_queue, str),
            "count": Operation(count_queue, None, True),
        },
        "sender",
        REMEMBERED_OF_MANY,
    ),
    CLUSTER_VMS: Entity(ClusterVms, ClusterVms(), {"keep": Operation(keep_cluster_vms, ClusterVms)}),
    DOCUMENTS: Entity(
        VersionedDocument | None,
        None,
        {"put": Operation(put_document, Declaration), "remove": Operation(remove_document, Declaration)},
    ),
    EVENT_COUNTS: Entity(
        dict[str, int],
        {},
        {"add": Operation(add_to_count, str), "read": Operation(read_counts, None, True)},
        "sender",
        REMEMBERED_OF_MANY,
    ),
    HOLDS: Entity(
        dict[str, Hold],
        {},
        {
            "set": Operation(set_hold, Hold),
            "lift": Operation(lift_hold, HoldLift),
            "end_past": Operation(end_past_holds, datetime),
        },
    ),
    LEASES: Entity(
        LeaseTable,
        {},
        {
            "claim": Operation(claim_leases, Claim),
            "renew": Operation(renew_leases, Lease),
            "release": Operation(release_leases, str),
        },
        "sender",
        REMEMBERED_OF_MANY,
    ),
    LOST_NODES: Entity(
        dict[str, LostNode],
        {},
        {
            "declare": Operation(declare_lost_node, LostNode),
            "withdraw": Operation(withdraw_lost_node, NodeWithdrawal),
            "read": Operation(list_lost_nodes, None, True),
        },
    ),
    LOST_RUNS: Entity(
        dict[str, LostRunNote],
        {},
        {"note": Operation(note_lost_run, LostRunNote), "drop": Operation(forget_lost_runs, tuple[str, ...])},
    ),
    NODES: Entity(
        NodeRecord | None,
        None,
        {
            "begin_repair": Operation(begin_node_repair, BeginRepair),
            "note_symptom": Operation(note_symptom, SymptomNotice),
            "note_left_scripts": Operation(note_left_scripts, LeftScripts),
            "save_extension": Operation(keep_extension, ExtensionView),
            "end_repair": Operation(end_node_repair, EndRepair),
        },
    ),
    NOTIFICATIONS: Entity(
        Deliveries,
        Deliveries(),
        {"admit": Operation(admit_to_rule, Admission), "note": Operation(note_notification, Delivered)},
        "sender",
        REMEMBERED_OF_MANY,
    ),
    OBLIGATIONS: Entity(
        Obligations,
        {},
        {
            "open": Operation(open_obligation, Obligation),
            "open_found": Operation(open_found_obligations, tuple[Obligation, ...]),
            "settle": Operation(settle_obligations, Settlement),
            "settle_by_person": Operation(settle_obligation_by_person, PersonSettlement),
            "note_attempt": Operation(note_on_obligation, Attempted),
            "note_check": Operation(note_source_check, Checked),
            "note_leftovers": Operation(note_on_obligation, LeftBehind),
            "note_seen_done": Operation(note_on_obligation, SeenDone),
            "read": Operation(read_obligations, OwedQuery, True),
        },
        "sender",
        REMEMBERED_OF_MANY,
    ),
    PLAN_HISTORY: Entity(
        PlanHistory,
        PlanHistory(),
        {
            "record_drill": Operation(record_drill, DrillBegun),
            "close_drill": Operation(close_drill, str),
            "mark_overdue": Operation(mark_overdue, str),
            "record_run": Operation(record_run, PastRun),
            "read": Operation(read_history, None, True),
        },
    ),
    RECOVERY_PLAN_MIRRORS: Entity(
        Mirror,
        Mirror(),
        {
            "saved": Operation(note_saved_plans, tuple[str, ...]),
            "removed": Operation(note_removed_plans, tuple[str, ...]),
            "checked": Operation(note_check, tuple[str, str]),
            "read": Operation(read_mirror, None, True),
        },
    ),
    REQUEST_BUDGET: Entity(
        Buckets,
        Buckets(),
        {"take": Operation(take_calls, CallRequest), "close": Operation(close_budget, Closure)},
        "sender",
        REMEMBERED_OF_MANY,
    ),
    TIMER_LOOKS: Entity(
        TimerLooks,
        TimerLooks(),
        {
            "end_look": Operation(end_timer_look, LookEnded),
            "expect": Operation(expect_first_look, datetime),
            "read": Operation(read_timer_looks, None, True),
        },
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
