"""Where a protected item stands, in words, and what to do next, without states and operations of the service. Pure.

1. `stand_of` names where it stands, by what the vault allows and where the VM is active.
2. `describe_refusal` says that, and the next thing to do on the way to the verb that was refused.
"""

from collections.abc import Mapping
from typing import Literal

from shared.site_recovery.views import ItemView, Verb

type Stand = Literal[
    "failed-over", "in-azure", "failed-back", "at-home-unprotected", "protected", "copying", "ended", "unknown"
]
STANDS: Mapping[Stand, str] = {
    "failed-over": "is failed over but not committed",
    "in-azure": "runs in Azure, and its failover is committed",
    "failed-back": "is failed back but not committed",
    "at-home-unprotected": "is back on premises and does not replicate",
    "protected": "runs on premises and is protected",
    "copying": "is being copied to Azure and is not protected yet",
    "ended": "does not replicate any more",
    "unknown": "is in a state that this verb cannot begin from",
}
NEXT: Mapping[Stand, str] = {
    "failed-over": "commit it first",
    "in-azure": "fail it back, commit that, and re-protect it first",
    "failed-back": "commit it first",
    "at-home-unprotected": "re-protect it first",
    "protected": "fail it over first",
    "copying": "wait until its first copy or resynchronisation has ended",
    "ended": "disable what is left of its replication, then enable it again",
    "unknown": "wait some minutes; if it stays, see what the portal allows, then fail over, commit or fail back there",
}
OTHER_NEXT: Mapping[tuple[Stand, Verb], str] = {
    ("in-azure", "Commit"): "nothing is left to commit; fail it back when the site is ready",
    ("in-azure", "CancelFailover"): "it cannot be cancelled any more; fail it back instead",
    ("in-azure", "ChangePit"): "its other recovery points are gone; fail it back instead",
    ("in-azure", "ReverseReplicate"): "fail it back and commit that first",
    ("failed-back", "ChangePit"): "commit it; a recovery point is chosen after a failover",
    ("at-home-unprotected", "Commit"): "nothing is left to commit; re-protect it",
    ("at-home-unprotected", "Failback"): "it need not be failed back; re-protect it",
    ("at-home-unprotected", "CancelFailover"): "nothing is left to cancel; re-protect it",
    ("at-home-unprotected", "ChangePit"): "re-protect it; a recovery point is chosen after a failover",
    ("protected", "ReverseReplicate"): "it need not be re-protected",
    ("protected", "TestFailoverCleanup"): "no test failover is left to clean up",
}
"""What to do for this very verb, where the usual next step would not lead to it."""
SCENARIOS: Mapping[str, str] = {
    "TestFailover": "a test failover",
    "TestFailoverCleanup": "the cleanup of a test failover",
    "PlannedFailover": "a failover or failback",
    "UnplannedFailover": "a failover",
    "Failover": "a failover",
    "Failback": "a failback",
    "CommitFailover": "a commit",
    "FinalizeFailback": "a commit",
    "Commit": "a commit",
    "ReprotectReplicationGroup": "a re-protect",
    "ReverseReplication": "a re-protect",
    "CancelFailover": "a cancel",
    "ChangePit": "a change of its recovery point",
    "UpdateVmProperties": "a change of its settings",
    "VMNicUpdate": "a change of its settings",
    "EnableProtection": "the enabling of its replication",
    "DisableProtection": "the end of its replication",
    "RepairReplication": "a resynchronisation",
}
"""What runs on an item, by the scenario that the service names."""
COPY_BEGINNINGS = (
    "InitialReplication",
    "UnprotectedStates",
    "Resynchronization",
    "ReverseInitialReplication",
    "Enabling",
)
STATE_WORDS: Mapping[str, str] = {
    "Protected": "protected",
    "InitialReplicationInProgress": "first copy under way",
    "ReverseInitialReplication": "first copy under way",
    "ResynchronizationInProgress": "resynchronising",
    "ResynchronizationRequired": "waiting for a resynchronisation",
}


def stand_of(view: ItemView) -> Stand:
    """Where an idle item stands."""
    allowed, is_home = set(view.allowed_operations), view.active_location == "Primary"
    if "FinalizeFailback" in allowed or (is_home and "Commit" in allowed):
        return "failed-back"
    if "Commit" in allowed:
        return "failed-over"
    if "Failback" in allowed and not is_home:
        return "in-azure"
    if "ReverseReplicate" in allowed:
        return "at-home-unprotected"
    if allowed & {"PlannedFailover", "UnplannedFailover", "TestFailover"}:
        return "protected"
    if view.protection_state.startswith(COPY_BEGINNINGS) and is_home:
        return "copying"
    return "ended" if is_home else "unknown"


def describe_refusal(verb: Verb, view: ItemView) -> str:
    """Why an idle item does not take a verb, and what to do next."""
    stand = stand_of(view)
    return f"{view.vm} {STANDS[stand]}: {OTHER_NEXT.get((stand, verb), NEXT[stand])}"


def describe_stand(view: ItemView) -> str:
    """Where an item stands, or what runs on it."""
    if view.is_busy:
        return describe_busy(view.vm, view.scenario)
    if (
        view.test_failover_state not in {"", "None", "MarkedForDeletion"}
        or "TestFailoverCleanup" in view.allowed_operations
    ):
        return f"{view.vm} is in a test failover"
    return f"{view.vm} {STANDS[stand_of(view)]}"


def describe_busy(vm: str, scenario: str) -> str:
    """What runs on an item, and that it has to be waited for."""
    return f"{scenario_words(scenario)} runs on {vm}: wait until it has ended"


def scenario_words(scenario: str) -> str:
    """What runs, in words."""
    return SCENARIOS.get(scenario, "another job of Site Recovery")


def state_words(protection_state: str) -> str:
    """How far a replication is, in a word or two."""
    if protection_state in STATE_WORDS:
        return STATE_WORDS[protection_state]
    return "replicating" if protection_state.startswith(COPY_BEGINNINGS) else "not protected yet"
