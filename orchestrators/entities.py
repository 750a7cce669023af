"""The durable entities: who holds what, what was declared, what is owed. Each is a thin shell around a pure table."""

from collections.abc import Mapping
from typing import Any

from durabletask.entities import EntityContext

from shared.book import Declaration, Entry, put, remove
from shared.leases import Claim, Lease, Table, claim, release, renew
from shared.obligations import Obligation

LEASES, BOOK, OBLIGATIONS = "leases", "book", "obligations"


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
    """What is owed for one plan. Operations: open (an obligation), settle (a list of kinds)."""
    owed: dict[str, Any] = ctx.get_state(dict, {})
    match ctx.operation:
        case "open":
            obligation = Obligation.model_validate(ask)
            owed = {**owed, obligation.kind: obligation.model_dump(mode="json")}
        case "settle":
            owed = {kind: value for kind, value in owed.items() if kind not in ask}
        case other:
            raise ValueError(f"obligations know no operation {other}")
    ctx.set_state(owed or None)
    return sorted(owed)
