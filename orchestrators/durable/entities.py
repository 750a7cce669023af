"""The durable entities: who holds what, what was declared, what is owed. Each is a thin shell around a pure table."""

from collections.abc import Callable, Mapping
from typing import Any

from durabletask.entities import EntityContext

from shared.healing.cluster_queue import Join, Turn, join, leave
from shared.healing.node_record import Begin, End, NodeRecord, Notice, begin, end, notice, save
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
from shared.operations.leases import Claim, Lease, Table, claim, release, renew
from shared.operations.obligations import Left, Narrowed, Obligation, Tried, Watched, taken_over, tried
from shared.plans.history import Begun, Past, Track, begun, ended
from shared.plans.versions import Declaration, Entry, put, remove
from shared.recovery_plans.mirror import Mirror
from shared.recovery_plans.mirror import noted as mirrored
from shared.site_recovery.request_budget import Buckets, Wish, take
from shared.sites.nodes import ExtensionView


def leases(ctx: EntityContext, ask: Any) -> Any:
    """The leases of one vault or cluster. Operations: claim, renew, release."""
    held = _table(ctx.get_state(dict, {}))
    match ctx.operation:
        case "claim":
            held, verdict = claim(held, Claim.model_validate(ask))
            answer: Any = verdict.model_dump(mode="json")
        case "renew":
            wish = Lease.model_validate(ask)
            held, answer = renew(held, wish.owner, wish.until), None
        case "release":
            held, answer = release(held, [ask]), None
        case other:
            raise ValueError(f"leases know no operation {other}")
    ctx.set_state({key: lease.model_dump(mode="json") for key, lease in held.items()})
    return answer


def _table(state: Mapping[str, Any]) -> Table:
    return {key: Lease.model_validate(lease) for key, lease in state.items()}


def book(ctx: EntityContext, ask: Any) -> Any:
    """One declared document, a site or a plan, with its versions. Operations: put, remove."""
    state = ctx.get_state(dict)
    entry = Entry.model_validate(state) if state else None
    wish = Declaration.model_validate(ask)
    match ctx.operation:
        case "put":
            entry, verdict = put(entry, wish)
        case "remove":
            entry, verdict = remove(entry, wish)
        case other:
            raise ValueError(f"the book knows no operation {other}")
    ctx.set_state(entry.model_dump(mode="json") if entry else None)
    return verdict.model_dump(mode="json")


def obligations(ctx: EntityContext, ask: Any) -> Any:
    """What is owed for one plan or node.

    Operations: open (an obligation), settle (a list of kinds), read, recall (the same without orders); and notes about
    one of them: tried, left, watch, narrow.
    """
    owed: dict[str, Any] = ctx.get_state(dict, {})
    match ctx.operation:
        case "open":
            obligation = Obligation.model_validate(ask)
            before = owed.get(obligation.kind)
            obligation = taken_over(Obligation.model_validate(before) if before else None, obligation)
            owed = {**owed, obligation.kind: obligation.model_dump(mode="json")}
        case "settle":
            owed = {kind: value for kind, value in owed.items() if kind not in ask}
        case "read":
            return owed
        case "recall":
            return {kind: {name: value for name, value in one.items() if name != "order"} for kind, one in owed.items()}
        case "tried" | "left" | "watch" | "narrow":
            owed = noted(owed, ctx.operation, ask)
        case other:
            raise ValueError(f"obligations know no operation {other}")
    ctx.set_state(owed or None)
    return sorted(owed)


def track(ctx: EntityContext, ask: Any) -> Any:
    """What is remembered of one plan's runs. Operations: begun, closed, told (of drills), ended (of any run), read."""
    state = ctx.get_state(dict)
    known = Track.model_validate(state) if state else Track()
    match ctx.operation:
        case "begun":
            known = begun(known, Begun.model_validate(ask))
        case "closed":
            known = known.model_copy(update={"closed": known.closed or ask == known.run})
        case "told":
            known = known.model_copy(update={"told": ask})
        case "ended":
            known = ended(known, Past.model_validate(ask))
        case "read":
            return state
        case other:
            raise ValueError(f"a plan's track knows no operation {other}")
    ctx.set_state(known.model_dump(mode="json"))
    return None


def noted(owed: Mapping[str, Any], what: str, ask: Any) -> dict[str, Any]:
    """What is owed, with a note about one of it; one that is owed no longer takes none."""
    if ask["kind"] not in owed:
        return dict(owed)
    one = Obligation.model_validate(owed[ask["kind"]])
    if what == "tried":
        one = tried(one, Tried.model_validate(ask))
    elif what == "watch":
        one = one.model_copy(update={"watched": Watched.model_validate(ask).at})
    elif what == "narrow":
        one = one.model_copy(update={"vms": Narrowed.model_validate(ask).vms})
    else:
        one = one.model_copy(update={"leftovers": Left.model_validate(ask).leftovers})
    return {**owed, one.kind: one.model_dump(mode="json")}


def nodes(ctx: EntityContext, ask: Any) -> Any:
    """What is remembered of one node. Operations: begin, save, end, notice; each answers the record or a run's id."""
    state = ctx.get_state(dict)
    record = NodeRecord.model_validate(state) if state else None
    answer: Any = None
    match ctx.operation:
        case "begin":
            record, answer = begin(record, Begin.model_validate(ask))
        case "notice":
            record = notice(record, Notice.model_validate(ask))
        case "save" if record:
            record = save(record, ExtensionView.model_validate(ask))
        case "end" if record:
            record = end(record, End.model_validate(ask))
        case other:
            raise ValueError(f"a node's record knows no operation {other}, or not yet")
    ctx.set_state(record.model_dump(mode="json"))
    return {"busy": answer, "record": record.model_dump(mode="json")}


def turns(ctx: EntityContext, ask: Any) -> Any:
    """Who may work on one cluster. Operations: join (answers the place in line), leave, waiting (answers how many)."""
    queue = tuple(Turn.model_validate(turn) for turn in ctx.get_state(list, []))
    answer: Any = None
    match ctx.operation:
        case "join":
            queue, place = join(queue, Join.model_validate(ask))
            answer = place.model_dump(mode="json")
        case "leave":
            queue = leave(queue, ask)
        case "waiting":
            answer = len(queue)
        case other:
            raise ValueError(f"turns know no operation {other}")
    ctx.set_state([turn.model_dump(mode="json") for turn in queue] or None)
    return answer


def tally(ctx: EntityContext, ask: Any) -> None:
    """Counts by name. Operation: add (a name)."""
    counts: dict[str, int] = ctx.get_state(dict, {})
    ctx.set_state({**counts, ask: counts.get(ask, 0) + 1})


def mirrors(ctx: EntityContext, ask: Any) -> Any:
    """What is remembered of one plan's recovery plans. Operations: saved, removed, looked; read answers it."""
    state = ctx.get_state(dict)
    if ctx.operation == "read":
        return state
    known = mirrored(Mirror.model_validate(state or {}), ctx.operation, ask)
    ctx.set_state(known.model_dump(mode="json") if known != Mirror() else None)
    return None


def budget(ctx: EntityContext, ask: Any) -> Any:
    """The requests that one subscription grants. Operation: take (a wish; answers from when on it may be sent)."""
    if ctx.operation != "take":
        raise ValueError(f"a budget knows no operation {ctx.operation}")
    known, grant = take(Buckets.model_validate(ctx.get_state(dict, {})), Wish.model_validate(ask))
    ctx.set_state(known.model_dump(mode="json"))
    return grant.model_dump(mode="json")


ENTITIES: Mapping[str, Callable[[EntityContext, Any], Any]] = {
    CLUSTER_QUEUE: turns,
    DOCUMENTS: book,
    EVENT_COUNTS: tally,
    LEASES: leases,
    NODES: nodes,
    OBLIGATIONS: obligations,
    PLAN_HISTORY: track,
    RECOVERY_PLAN_MIRRORS: mirrors,
    REQUEST_BUDGET: budget,
}
