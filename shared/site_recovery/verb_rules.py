"""What each verb needs before it may be sent, what proves its end, and what it costs; facts of Site Recovery's."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

from shared.obstacle import Obstacle
from shared.site_recovery.item_words import describe_busy, describe_refusal
from shared.site_recovery.views import ItemView, Verb

TEST_OVER = frozenset({"", "None", "MarkedForDeletion"})
"""testFailoverState without a test failover: after a cleanup it stays MarkedForDeletion for ever."""
_IDLE = frozenset({"", "None"})
COMMITS = frozenset({"Commit", "FinalizeFailback"})
_CANCELLABLE = frozenset({"PlannedFailover", "UnplannedFailover", "Failback"})
"""Scenarios that can be given up while they run."""


class Rule(NamedTuple):
    """What Site Recovery says about a verb.

    Attributes:
        label: What people call it.
        allowed: Any of these among the item's allowedOperations permits it.
        scenarios: scenarioName of the jobs that it shows up as.
        median: How long the recorded jobs took, for forecasts; small machines, so rather a lower bound.
        irreversible: What cannot be undone, for people; empty when nothing.
        is_ordered: The order of the plan counts: a VM waits for those that it comes after.
        starts_from_point: It starts from a recovery point.
        is_always_new: It is done once more however often it was done.
    """

    label: str
    allowed: frozenset[str]
    scenarios: frozenset[str]
    median: timedelta
    irreversible: str = ""
    is_ordered: bool = False
    starts_from_point: bool = False
    is_always_new: bool = False


def _make_rule(label: str, allowed: str, scenarios: str, seconds: int, irreversible: str = "") -> Rule:
    return Rule(
        label, frozenset(allowed.split()), frozenset(scenarios.split()), timedelta(seconds=seconds), irreversible
    )


RULES: Mapping[Verb, Rule] = {
    "TestFailover": _make_rule("test failover", "TestFailover", "TestFailover", 609)._replace(
        is_ordered=True, starts_from_point=True, is_always_new=True
    ),
    "TestFailoverCleanup": _make_rule("cleanup", "TestFailoverCleanup", "TestFailoverCleanup", 170),
    "PlannedFailover": _make_rule(
        "planned failover",
        "PlannedFailover",
        "PlannedFailover",
        380,
        "The machine on premises is shut down. A failover that is cancelled on its way ends the replication.",
    )._replace(is_ordered=True, starts_from_point=True),
    "UnplannedFailover": _make_rule(
        "unplanned failover",
        "UnplannedFailover",
        "UnplannedFailover",
        331,
        "What was not replicated yet is lost. A failover that is cancelled on its way ends the replication.",
    )._replace(is_ordered=True, starts_from_point=True),
    "Commit": _make_rule(
        "commit",
        "Commit FinalizeFailback",
        "CommitFailover FinalizeFailback",
        66,  # of a failback, the longer of the two: 24 s for a failover
        "All other recovery points are deleted: no other point can be chosen any more.",
    ),
    "Failback": _make_rule(
        "failback",
        "Failback",
        "PlannedFailover Failback",
        524,  # two recordings: 359 and 688 s
        "The machine in Azure is shut down. Cancelled during data synchronisation, the machine on premises is corrupt.",
    )._replace(is_ordered=True),
    "ReverseReplicate": _make_rule(
        "re-protect", "ReverseReplicate", "ReprotectReplicationGroup ReverseReplication", 120
    ),
    "CancelFailover": _make_rule(
        "cancel",
        "CancelFailover Commit",  # offered by name for a failback that waits; else it is possible until the commit
        "CancelFailover",
        60,  # assumed: none is recorded
        "The replication ends. Of a failback cancelled during data synchronisation the machine on premises is corrupt.",
    ),
    "ChangePit": _make_rule(
        "change of recovery point",
        "ChangePit",
        "ChangePit",
        331,  # assumed: as long as an unplanned failover
    )._replace(is_ordered=True, starts_from_point=True, is_always_new=True),
    "UpdateVmProperties": _make_rule(
        "target settings", "PlannedFailover UnplannedFailover", "UpdateVmProperties VMNicUpdate", 20
    ),
}
"""Source: the enum of operations, states and allowedOperations of a recorded HyperVReplicaAzure item after each verb;
durations are medians of recorded jobs. What follows a failback is not recorded: both readings of it are let pass."""
WAITING_VERBS: frozenset[Verb] = frozenset({"Failback", "ReverseReplicate"})
"""Verbs that wait for an item that is busy, instead of being refused: on the way home nothing is lost by waiting.

What a failover or a commit finds busy is not as whoever asked for it saw it.
"""


def find_refusal(verb: Verb, view: ItemView) -> Obstacle | None:
    """What stands in the way of a verb, None when nothing does.

    Gated on allowedOperations and an idle item, never on protectionState alone: that is Protected too while the first
    replication is being completed, and while a test failover waits for its cleanup.
    """
    if verb == "TestFailoverCleanup":
        return _busy_refusal(view) if view.scenario not in _IDLE | {"TestFailover"} else _disallowed_refusal(verb, view)
    if view.test_failover_state not in TEST_OVER or "TestFailoverCleanup" in view.allowed_operations:
        return _test_refusal(view)
    if verb == "CancelFailover" and view.scenario in _CANCELLABLE:
        return None
    if verb == "CancelFailover" and view.active_location == "Primary" and view.scenario in _IDLE:
        return Obstacle(
            vm=view.vm,
            code="nothing-to-cancel",
            detail=f"nothing to cancel: {view.vm} runs on premises, and no failover of it is under way",
        )
    return _busy_refusal(view) if view.scenario not in _IDLE else _disallowed_refusal(verb, view)


def find_lasting_refusal(verb: Verb, view: ItemView) -> Obstacle | None:
    """What keeps a run from beginning: as `find_refusal`, but for what a verb of the way home can wait for."""
    refusal = find_refusal(verb, view)
    return None if refusal and refusal.passing and verb in WAITING_VERBS else refusal


def _test_refusal(view: ItemView) -> Obstacle:
    if "TestFailoverCleanup" in view.allowed_operations:
        return Obstacle(
            vm=view.vm,
            code="test-failover-pending",
            detail=f"a test failover of {view.vm} is not cleaned up: have it cleaned up first",
        )
    return Obstacle(
        vm=view.vm,
        code="item-busy",
        detail=f"{view.vm} is in a test failover: wait until it has ended",
        passing=True,
    )


def _busy_refusal(view: ItemView) -> Obstacle:
    return Obstacle(vm=view.vm, code="item-busy", detail=describe_busy(view.vm, view.scenario), passing=True)


def _disallowed_refusal(verb: Verb, view: ItemView) -> Obstacle | None:
    if RULES[verb].allowed & set(view.allowed_operations):
        return None
    if not view.allowed_operations:  # as while Site Recovery is still at work behind an idle face
        return Obstacle(
            vm=view.vm,
            code="nothing-allowed",
            detail=f"Site Recovery is still at work on {view.vm} and allows nothing: wait some minutes",
            passing=True,
        )
    code = re.sub(r"(?<=.)(?=[A-Z])", "-", verb).lower()
    return Obstacle(vm=view.vm, code=f"{code}-not-allowed", detail=describe_refusal(verb, view))


def has_settled(verb: Verb, view: ItemView) -> bool:
    """Whether the item itself shows the verb's end; its job may say so earlier."""
    if verb == "TestFailover":
        return view.test_failover_state == "WaitingForCompletion" or "TestFailoverCleanup" in view.allowed_operations
    idle = view.scenario in _IDLE and view.test_failover_state in TEST_OVER
    return idle and _shows_end_of(verb, view)


def _shows_end_of(verb: Verb, view: ItemView) -> bool:
    allowed, home = set(view.allowed_operations), view.active_location == "Primary"
    match verb:
        case "TestFailoverCleanup":
            return "TestFailoverCleanup" not in allowed
        case "PlannedFailover" | "UnplannedFailover":
            return not home and bool(allowed & {"Commit", "Failback"})
        case "Failback":
            return "FinalizeFailback" in allowed or (home and bool(allowed & {"Commit", "ReverseReplicate"}))
        case "CancelFailover":
            return home or "Commit" not in allowed
        case "UpdateVmProperties":  # only a comparison with what is wanted could tell
            return False
        case "ChangePit":
            return not home and "Commit" in allowed
        case "Commit":  # a machine that has nothing to commit shows it as well
            return bool(allowed) and not allowed & COMMITS
        case _:
            failover = {"PlannedFailover", "UnplannedFailover"}
            return home and view.protection_state == "Protected" and bool(allowed & failover)
