"""What each kind of operation on a plan does and needs: one row a kind, the failovers told apart by their type."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from shared.plans.plan import PlanDocument
from shared.site_recovery.views import Verb

PreviewKind = Literal[
    "drill",
    "planned-failover",
    "unplanned-failover",
    "commit",
    "cancel",
    "change-point",
    "failback",
    "reprotect",
    "planned-roundtrip",
    "unplanned-roundtrip",
]


class KindRule(NamedTuple):
    """A kind of operation.

    Attributes:
        verbs: One after the other; a commit at the end only where the plan says so.
        fails_over: Brings production to Azure: its drills, networks and data count.
        loses_data: What is not replicated yet is lost.
        needs_host: Each VM's host on premises has to answer.
        is_judged: Looked at before it begins; the others are judged at their admission alone.
        lasts_as_long_as_people_want: Past runs say nothing of how long it takes.
    """

    verbs: tuple[Verb, ...]
    fails_over: bool = False
    loses_data: bool = False
    needs_host: bool = False
    is_judged: bool = False
    lasts_as_long_as_people_want: bool = False


_THERE_AND_BACK: tuple[Verb, ...] = ("Commit", "Failback", "Commit", "ReverseReplicate")
RULES_OF_KINDS: Mapping[PreviewKind, KindRule] = {
    "drill": KindRule(("TestFailover", "TestFailoverCleanup")),
    "planned-failover": KindRule(("PlannedFailover", "Commit"), fails_over=True, needs_host=True, is_judged=True),
    "unplanned-failover": KindRule(("UnplannedFailover", "Commit"), fails_over=True, loses_data=True, is_judged=True),
    "commit": KindRule(("Commit",), is_judged=True),
    "cancel": KindRule(("CancelFailover",), is_judged=True),
    "change-point": KindRule(("ChangePit",)),
    "failback": KindRule(("Failback", "Commit"), needs_host=True, is_judged=True),
    "reprotect": KindRule(("ReverseReplicate",), needs_host=True, is_judged=True),
    "planned-roundtrip": KindRule(
        ("PlannedFailover", *_THERE_AND_BACK),
        fails_over=True,
        needs_host=True,
        is_judged=True,
        lasts_as_long_as_people_want=True,
    ),
    "unplanned-roundtrip": KindRule(
        ("UnplannedFailover", *_THERE_AND_BACK),
        fails_over=True,
        loses_data=True,
        is_judged=True,
        lasts_as_long_as_people_want=True,
    ),
}
PREVIEW_KINDS: tuple[PreviewKind, ...] = tuple(RULES_OF_KINDS)
JUDGED_KINDS = frozenset(kind for kind, rule in RULES_OF_KINDS.items() if rule.is_judged)


def find_preview_kind(name: str) -> PreviewKind:
    """The kind of this name.

    Raises:
        ValueError: there is none.
    """
    for kind in PREVIEW_KINDS:
        if kind == name:
            return kind
    raise ValueError(f"no such thing to preview: {name!r}")


def stage_verbs(plan: PlanDocument, kind: PreviewKind) -> tuple[Verb, ...]:
    """The verbs of a run, in order; its commit belongs to it only where the plan says so."""
    verbs = RULES_OF_KINDS[kind].verbs
    return verbs[:1] if verbs[-1] == "Commit" and plan.commit == "manual" else verbs
