"""The kinds of operations, and the events by which people take part in them."""

from typing import Literal, get_args

PlanKind = Literal["drill", "failover", "commit", "cancel", "change-point", "failback", "reprotect", "roundtrip"]
PLAN_KINDS: tuple[PlanKind, ...] = get_args(PlanKind)
Kind = Literal[PlanKind, "cleanup", "repair", "preflight", "prepare", "replication", "verify", "mirror", "change"]
OPERATION_KINDS: tuple[Kind, ...] = get_args(Kind)
SITE_KINDS: tuple[Kind, ...] = ("preflight", "prepare", "replication", "verify")
RUNBOOK_KINDS: tuple[Kind, ...] = (*PLAN_KINDS, "cleanup")
"""Those whose runs bring the VMs of a plan from state to state."""
DECIDABLE_KINDS: tuple[Kind, ...] = (*RUNBOOK_KINDS, "change")
"""Those whose runs take decisions of persons: they can be aborted."""
REQUESTED_BY_TIMER = "timer"
REQUESTED_BY_EVENT_GRID = "event-grid"
"""Who asked for what the timer starts."""
DECISION_EVENT = "decide"
APPROVAL_EVENT = "approve"
KINDS_BY_SUBJECT: tuple[tuple[Kind, ...], ...] = ((*PLAN_KINDS, "mirror"), SITE_KINDS, ("repair",))
"""What a person can ask for on a plan, on a site, and on a node."""


def kinds_on_subject_of(kind: str) -> tuple[Kind, ...]:
    """Whatever can be asked for on what a run of this kind is about; empty for one that nobody asks for."""
    return next((kinds for kinds in KINDS_BY_SUBJECT if kind in kinds), ())
