"""The life of a Hyper-V machine that replicates to Azure: its states, and which operation leads from where to where.

What an item allows follows from the table. States tagged "inferred" are in no public recording.
"""

from collections.abc import Mapping
from typing import NamedTuple


class State(NamedTuple):
    """What a protected item shows while it is in a state.

    Attributes:
        name: Our own name for it, kept in the store.
        protection: protectionState.
        description: protectionStateDescription.
        location: activeLocation, where the machine runs.
        test: testFailoverState and its description while in this state; None shows what the last test left.
        vm: vmProtectionState and its description, where they differ from the protection state.
        source: "recorded", "specified" or "inferred".
    """

    name: str
    protection: str
    description: str
    location: str = "Primary"
    test: tuple[str, str] | None = None
    vm: tuple[str, str] | None = None
    source: str = "recorded"


class Step(NamedTuple):
    """An operation from one state to another; `offered` says whether allowedOperations names it."""

    operation: str
    start: State
    meanwhile: State
    end: State
    scenario: str
    offered: bool = True


ENABLING = State("enabling", "UnprotectedStatesBegin", "Enabling protection", source="inferred")
ENABLING_FAILED = State("enabling-failed", "EnablingFailed", "Enabling protection failed", source="inferred")
INITIAL = State(
    "initial-replication",
    "InitialReplicationInProgress",
    "Initial replication is in progress",
    vm=("UnprotectedStatesBegin", "Enabling protection"),
)
FIRST_POINT = State(
    "first-point",
    "InitialReplicationRecoveryCompletionPending",
    "Waiting for first recovery point",
    vm=("UnprotectedStatesBegin", "Enabling protection"),
)
FINALIZING = State(
    "finalizing", "Protected", "Protected", vm=("ReplicaConfigurationInProgress", "Configuring the replica")
)
PROTECTED = State("protected", "Protected", "Protected")
RESYNCING = State("resyncing", "ResynchronizationInProgress", "Resynchronization in progress", source="inferred")
TESTING = State(
    "testing", "Protected", "Test failover in progress", test=("InProgress", "In progress"), source="inferred"
)
TEST_PENDING = State(
    "test-cleanup-pending",
    "Protected",
    "Cleanup test failover pending",
    test=("WaitingForCompletion", "Waiting for user input"),
    source="specified",
)
CLEANING_UP = State(
    "cleaning-up",
    "Protected",
    "Test failover cleanup in progress",
    test=("WaitingForCompletion", "Waiting for user input"),
    source="inferred",
)
PLANNED_RUNNING = State(
    "planned-failover", "PlannedFailoverInitiated", "Planned failover in progress", source="inferred"
)
PLANNED_DONE = State("planned-done", "PlannedFailoverCommitRequired", "Planned failover finished", "Recovery")
PLANNED_COMMITTED = State(
    "planned-committed", "PlannedFailoverStatesBegin", "Planned failover committed", "Recovery", source="specified"
)
UNPLANNED_RUNNING = State("unplanned-failover", "UnplannedFailoverInitiated", "Failover in progress", source="inferred")
UNPLANNED_DONE = State(
    "unplanned-done",
    "UnplannedFailoverCommitPendingStatesBegin",
    "Failover completed",
    "Recovery",
    source="specified",
)
UNPLANNED_COMMITTED = State(
    "unplanned-committed", "UnplannedFailoverStatesBegin", "Failover committed", "Recovery", source="inferred"
)
COMMITTING = State("committing", "CommitFailoverInProgress", "Commit in progress", "Recovery", source="inferred")
CHANGING_POINT = State(
    "changing-point",
    "ChangeRecoveryPointInProgress",
    "Change recovery point in progress",
    "Recovery",
    source="inferred",
)
FAILING_BACK = State("failing-back", "FailbackInProgress", "Failback in progress", "Recovery", source="inferred")
FAILBACK_SYNCED = State(
    "failback-synced",
    "FailbackDataSynchronizationCompleted",
    "Waiting for user input after data synchronization",
    "Recovery",
    source="inferred",
)
FAILED_BACK = State("failed-back", "FailbackCommitRequired", "Failback finished", source="inferred")
FINALIZING_FAILBACK = State(
    "finalizing-failback", "FailbackCommitInProgress", "Commit of failback in progress", source="inferred"
)
FAILBACK_COMMITTED = State("failback-committed", "FailbackStatesBegin", "Failback committed", source="inferred")
REPROTECTING = State("reprotecting", "ReverseReplicationInProgress", "Enabling reverse replication", source="inferred")
REPLICATION_ENDED = State(
    "replication-ended", "FailoverCancelled", "Failover cancelled, replication ended", source="inferred"
)
DISABLING = State("disabling", "DisableProtectionInProgress", "Disabling protection", source="inferred")

LIFE: tuple[Step, ...] = (
    Step("TestFailover", PROTECTED, TESTING, TEST_PENDING, "TestFailover"),
    Step("TestFailoverCleanup", TEST_PENDING, CLEANING_UP, PROTECTED, "TestFailoverCleanup"),
    Step("PlannedFailover", PROTECTED, PLANNED_RUNNING, PLANNED_DONE, "PlannedFailover"),
    Step("UnplannedFailover", PROTECTED, UNPLANNED_RUNNING, UNPLANNED_DONE, "UnplannedFailover"),
    Step("Commit", PLANNED_DONE, COMMITTING, PLANNED_COMMITTED, "CommitFailover"),
    Step("Commit", UNPLANNED_DONE, COMMITTING, UNPLANNED_COMMITTED, "CommitFailover"),
    Step("ChangePit", PLANNED_DONE, CHANGING_POINT, UNPLANNED_DONE, "ChangePit"),
    Step("ChangePit", UNPLANNED_DONE, CHANGING_POINT, UNPLANNED_DONE, "ChangePit"),
    Step("Failback", PLANNED_COMMITTED, FAILING_BACK, FAILED_BACK, "PlannedFailover"),
    Step("Failback", UNPLANNED_COMMITTED, FAILING_BACK, FAILED_BACK, "PlannedFailover"),
    Step("FinalizeFailback", FAILED_BACK, FINALIZING_FAILBACK, FAILBACK_COMMITTED, "FinalizeFailback"),
    Step("ReverseReplicate", FAILBACK_COMMITTED, REPROTECTING, INITIAL, "ReprotectReplicationGroup"),
    Step("RepairReplication", PROTECTED, RESYNCING, PROTECTED, "RepairVMReplication", offered=False),
    Step("CancelFailover", PLANNED_DONE, PLANNED_RUNNING, REPLICATION_ENDED, "CancelFailover", offered=False),
    Step("CancelFailover", UNPLANNED_DONE, UNPLANNED_RUNNING, REPLICATION_ENDED, "CancelFailover", offered=False),
)

_BETWEEN = (ENABLING, ENABLING_FAILED, FIRST_POINT, FINALIZING, FAILBACK_SYNCED, DISABLING)
"""States that a machine passes through without an operation of the table."""

STATES: Mapping[str, State] = {
    state.name: state
    for state in (*_BETWEEN, *(state for each in LIFE for state in (each.start, each.meanwhile, each.end)))
}

RESTING = frozenset(
    {step.start for step in LIFE} | {step.end for step in LIFE} | {REPLICATION_ENDED, FIRST_POINT, ENABLING_FAILED}
)

_BESIDE = {  # operations that lead out of the table: to no protection at all
    "CompleteMigration": {PLANNED_DONE, UNPLANNED_DONE, PLANNED_COMMITTED, UNPLANNED_COMMITTED},
    "DisableProtection": RESTING - {TEST_PENDING},
}

_ORDER = (  # in which allowedOperations names them, as recorded
    "CompleteMigration",
    "Commit",
    "PlannedFailover",
    "UnplannedFailover",
    "DisableProtection",
    "TestFailover",
    "ChangePit",
    "Failback",
    "TestFailoverCleanup",
    "FinalizeFailback",
    "ReverseReplicate",
)


def find_step(operation: str, state: State) -> Step | None:
    """The step that an operation takes from a state; None where it leads nowhere from there."""
    return next((each for each in LIFE if each.operation == operation and each.start == state), None)


def allowed_operations(state: State) -> list[str]:
    """allowedOperations of an item that is idle in this state."""
    offered = {each.operation for each in LIFE if each.start == state and each.offered}
    offered |= {operation for operation, states in _BESIDE.items() if state in states}
    return [operation for operation in _ORDER if operation in offered]
