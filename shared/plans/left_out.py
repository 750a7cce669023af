"""Which VMs of a plan a verb leaves out, because it makes no sense for them as they stand. Pure.

So a plan that is half moved can be brought home, committed or protected again. What is only in the way for a while,
such as a test failover, leaves nobody out: it stays an obstacle.
"""

from collections.abc import Iterator, Mapping, Sequence

from shared.graph import Edges
from shared.obstacle import Obstacle
from shared.site_recovery.verb_options import VerbOptions
from shared.site_recovery.verb_rules import RULES, find_refusal, has_settled
from shared.site_recovery.views import ItemView, Verb

MOVES_TO_AZURE: frozenset[Verb] = frozenset({"PlannedFailover", "UnplannedFailover"})
_TESTS: frozenset[Verb] = frozenset({"TestFailover", "TestFailoverCleanup"})
"""A drill is of the whole plan, or of the VMs that its request names."""
_COMMITS = frozenset({"Commit", "FinalizeFailback"})


def find_exclusion(
    verb: Verb,
    view: ItemView | None,
    missing: Obstacle,
    options: VerbOptions = VerbOptions(),  # noqa: B008
) -> Obstacle | None:
    """Why a verb on the whole plan leaves a VM out, None where it does not; a VM that is named is never left out.

    Args:
        view: Its protected item; None without one.
        missing: Why it has none: one that cannot be told apart from another is an obstacle.
    """
    if options.vms is not None or verb in _TESTS:
        return None
    if view is None:
        return missing if missing.code == "not-protected" and verb not in MOVES_TO_AZURE else None
    if verb != "CancelFailover" and not RULES[verb].is_always_new and has_settled(verb, view):
        return None  # it is where the verb leads, and what may still be owed for it can be crossed out
    refusal = find_refusal(verb, view)
    is_lasting = refusal and not refusal.passing and refusal.code != "test-failover-pending"
    return refusal if is_lasting and not _is_concerned(verb, view) else None


def _is_concerned(verb: Verb, view: ItemView) -> bool:
    """Whether the verb is about items such as this one, though it may not be sent now."""
    allowed = set(view.allowed_operations)
    match verb:
        case "Failback":  # one that is failed over and not committed has to be committed first
            return view.is_in_azure or bool(allowed & _COMMITS)
        case "ReverseReplicate":  # likewise after a failback
            return not view.is_in_azure and bool(allowed & _COMMITS)
        case "PlannedFailover" | "UnplannedFailover":
            return view.is_in_azure
        case "CancelFailover":  # at home and without protection is where a cancel leads
            return view.is_in_azure or not allowed - {"DisableProtection"}
        case "Commit":
            return True
        case _:
            return False


DONE_WORDS: Mapping[str, str] = {
    "failover": "in Azure",
    "roundtrip": "in Azure",
    "commit": "committed",
    "cancel": "on premises, with no failover to cancel",
    "failback": "on premises",
    "reprotect": "protected",
    "cleanup": "cleaned up",
    "point": "in Azure, committed",
}
"""Where a kind of run leads."""


def nothing_to_do(subject: str, kind: str, left_out: Sequence[Obstacle] = (), *, is_plan: bool = False) -> Obstacle:
    """A verb that would do nothing is refused: whoever asks for it takes the plan for where it is not.

    Args:
        subject: The plan or the VM.
        left_out: Why the verb makes no sense for others.
        is_plan: The subject is a plan.
    """
    whole = f"every VM of {subject}" if is_plan else subject
    detail = f"nothing to do: {whole} is already {DONE_WORDS.get(kind.rpartition('-')[2], 'there')}"
    if left_out:
        detail = f"nothing to do: a {kind} makes sense for no VM of {subject}: {left_out[0].detail}"
    return Obstacle(code="nothing-to-do", detail=detail)


def vm_left_out(exclusion: Obstacle) -> Obstacle:
    """A failover that leaves a VM behind needs a reason, or a request that names the VMs."""
    return Obstacle(vm=exclusion.vm, code="vm-left-out", detail=f"{exclusion.vm} is left behind: {exclusion.detail}")


def find_order_gaps(verb: Verb, edges: Edges, order: Edges, views: Mapping[str, ItemView | None]) -> Iterator[Obstacle]:
    """VMs whose turn comes though one that they come after takes no part, and is not where the verb leads.

    Args:
        edges: Of the whole plan, for this verb.
        order: Of the VMs that take part.
        views: The protected items by VM.
    """
    for vm in order:
        for before in edges[vm]:
            view = views.get(before)
            is_there = view is not None and view.active_location == ("Primary" if verb == "Failback" else "Recovery")
            if before not in order and (verb == "TestFailover" or not is_there):
                detail = f"{vm} comes after {before}, which takes no part: nothing is known of how it stands then"
                yield Obstacle(vm=vm, code="dependency-left-out", detail=detail)
