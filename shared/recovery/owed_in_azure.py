"""What protected items themselves show to be owed, whoever is the cause: this app, a person, or an app since lost.

Only of an item that is idle anything is known. A look opens what nobody owes yet, and sees what was done elsewhere.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from shared.grouping import group_pairs
from shared.operations.obligations import Home, Machines, Obligation, ObligationKind
from shared.recovery.pacing import COMMIT_WITHIN, HOME_WITHIN, SOURCES_PROVEN_WITHIN
from shared.site_recovery.verb_rules import COMMITS, TEST_OVER, has_settled
from shared.site_recovery.views import ItemView, Verb

DETAILS: Mapping[ObligationKind, str] = {
    "cleanup": "a test failover that no run of this app is known to have begun waits for its cleanup",
    "commit": "the vault shows a move that is not committed, and no run of this app is known to have made it",
    "reprotect": "the vault shows that it does not replicate to Azure, and no run of this app is known to be the cause",
    "source-off": "it runs in Azure, and whether it is off on premises is not known",
}
"""Of what a look at Azure found, by kind."""
PROVEN_BY: Mapping[ObligationKind, Verb] = {
    "cleanup": "TestFailoverCleanup",
    "commit": "Commit",
    "reprotect": "ReverseReplicate",
    "source-off": "ReverseReplicate",
}
"""The verb whose end the item shows once it owes the thing no longer."""


def kinds_owed(view: ItemView) -> frozenset[ObligationKind]:
    """What an item owes by what it shows; nothing of one that is busy, but for a test failover."""
    allowed = set(view.allowed_operations)
    if view.test_failover_state not in TEST_OVER or "TestFailoverCleanup" in allowed:
        return frozenset({"cleanup"})
    if view.is_busy or not allowed:
        return frozenset()
    is_away, owed = view.is_in_azure and "FinalizeFailback" not in allowed, set[ObligationKind]()
    if allowed & COMMITS:
        owed |= {"commit", "reprotect"}
    if is_away or "ReverseReplicate" in allowed:
        owed.add("reprotect")
    return frozenset(owed | {"source-off"} if is_away else owed)


def is_done(owed: Obligation, view: ItemView | None) -> bool:
    """Whether an item shows that it owes a thing no longer.

    Args:
        view: None when the vault protects no such item any more: nothing is left to be committed then.
    """
    verb = PROVEN_BY.get(owed.kind)
    if verb is None or (owed.kind == "cleanup" and not owed.is_found):
        return False  # what is left in Azure beside the item is not seen by it
    return has_settled(verb, view) if view else owed.kind == "commit" or (owed.kind == "cleanup" and owed.is_found)


def find_owed(
    home: Home, views: Iterable[ItemView], known: Iterable[Obligation], plans: Mapping[str, str], at: datetime
) -> list[Obligation]:
    """What the items of a home owe that nobody owes yet.

    Whether a machine is off at home is asked only of one that nobody knew to be away.

    Args:
        known: All that is owed, and what persons have settled since the items were moved.
        plans: By VM name in lower case the plan that has it.
    """
    owing = {(one.kind, vm.casefold()) for one in known for vm in one.vms if one.home and one.home.is_same_as(home)}
    owed: list[tuple[tuple[ObligationKind, str], str]] = []
    for view in views:
        kinds = {kind for kind in kinds_owed(view) if (kind, view.vm.casefold()) not in owing}
        if "reprotect" not in kinds:
            kinds.discard("source-off")
        owed += [((kind, plans.get(view.vm.lower(), "")), view.vm) for kind in sorted(kinds)]
    vms = group_pairs(owed)
    return [_found(kind, plan, Machines(home=home, vms=tuple(names)), at) for (kind, plan), names in vms.items()]


DUE_WITHIN: Mapping[ObligationKind, timedelta] = {
    "cleanup": COMMIT_WITHIN,
    "commit": COMMIT_WITHIN,
    "reprotect": HOME_WITHIN,
    "source-off": SOURCES_PROVEN_WITHIN,
}


def _found(kind: ObligationKind, plan: str, machines: Machines, at: datetime) -> Obligation:
    return Obligation(
        kind=kind,
        plan=plan,
        owner="",
        opened=at,
        due=at + DUE_WITHIN[kind],
        vms=machines.vms,
        home=machines.home,
        detail=DETAILS[kind],
    )


def is_settled_since(settled: Obligation, view: ItemView) -> bool:
    """Whether a person settled something after the item was moved last, or tested: then it is not owed anew."""
    moved = view.last_test_failover if settled.kind == "cleanup" else view.last_failover
    return settled.settled is not None and (moved is None or moved <= settled.settled.at)
