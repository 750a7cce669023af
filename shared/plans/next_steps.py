"""What to do next with a plan, whatever state its VMs are in, until all of them are Protected again. Pure.

1. Each VM needs one step, by what its protected item allows.
2. VMs that need the same step take it together; what has to be waited for comes last.
3. The first step is the one to take; then the plan is looked at again.
"""

from collections.abc import Iterator, Mapping
from typing import Literal, get_args

from shared.grouping import group_pairs
from shared.messages import Document
from shared.site_recovery.verb_rules import TEST_OVER
from shared.site_recovery.views import ItemView

type StepVerb = Literal["commit", "failback", "reprotect", "replication", "cleanup", "wait"]
STEP_ORDER: tuple[StepVerb, ...] = get_args(StepVerb.__value__)
REASONS: Mapping[StepVerb, str] = {
    "commit": "failed over or failed back, and not committed: commit, or cancel a failover that shall not stand",
    "failback": "running in Azure, which nothing replicates back: fail back once the site is ready",
    "reprotect": "back on premises, and not replicating: protect again",
    "replication": "without replication: disable what is left of it at the site, and enable it anew",
    "cleanup": "in a test failover: its drill cleans up, or the timer does if no run is known to have begun it",
    "wait": "busy: what is under way ends by itself, unless its run waits for a person",
}
REPLICATION_BEGINS = ("InitialReplication", "UnprotectedStates", "Resynchronization")
"""How the protectionState begins of a VM that becomes Protected by itself."""


class NextStep(Document):
    """Something to do with some VMs.

    Attributes:
        verb: A verb of the plan with these `vms`; "replication" is asked of their site, "cleanup" comes of its drill or
            of the timer, and "wait" asks for nothing.
    """

    verb: StepVerb
    vms: tuple[str, ...]
    why: str


def find_next_steps(views: Mapping[str, ItemView | None]) -> tuple[NextStep, ...]:
    """The steps that the VMs need now, the first one to be taken first; empty when all are Protected and idle.

    Args:
        views: The protected items by VM, in the order of the plan; None for one that has none.
    """
    vms_by_verb = group_pairs((verb, vm) for vm, view in views.items() for verb in _steps_of(view))
    return tuple(
        NextStep(verb=verb, vms=tuple(vms_by_verb[verb]), why=REASONS[verb])
        for verb in STEP_ORDER
        if verb in vms_by_verb
    )


def _steps_of(view: ItemView | None) -> Iterator[StepVerb]:
    """The step of one VM; none where it is as it should be."""
    if view is None:
        yield "replication"
    elif view.test_failover_state not in TEST_OVER or "TestFailoverCleanup" in view.allowed_operations:
        yield "cleanup"
    elif view.is_busy or not view.allowed_operations:
        yield "wait"
    else:
        yield from _steps_of_idle(view)


def _steps_of_idle(view: ItemView) -> Iterator[StepVerb]:
    allowed = set(view.allowed_operations)
    if allowed & {"Commit", "FinalizeFailback"}:
        yield "commit"
    elif "Failback" in allowed:
        yield "failback"
    elif "ReverseReplicate" in allowed:
        yield "reprotect"
    elif not allowed & {"PlannedFailover", "UnplannedFailover"}:
        yield "wait" if view.protection_state.startswith(REPLICATION_BEGINS) else "replication"
