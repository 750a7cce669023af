"""The kinds of jobs: what each is called, what it does in which order, and what can be done when it has ended.

Task ids, names and titles of TestFailover, its cleanup, PlannedFailover, EnableDr, IrCompletion, the reprotect,
CreateSite, the mapping and RefreshVaultHealth are recorded; those of the rest are inferred.
"""

from typing import NamedTuple


class Task(NamedTuple):
    """A task of a job; `share` is its part of the job's time, relative to its siblings."""

    id: str
    name: str
    title: str
    share: float


class Kind(NamedTuple):
    """A kind of job.

    Attributes:
        scenario: scenarioName on the wire; a failback's is PlannedFailover, as a failover's.
        title: friendlyName.
        tasks: In order.
        target: targetInstanceType.
        details: instanceType of customDetails.
        restartable: Whether a failed one lists Restart among its allowed actions.
    """

    scenario: str
    title: str
    tasks: tuple[Task, ...]
    target: str = "ProtectionEntity"
    details: str = "AsrJobDetails"
    restartable: bool = False


def _administrative_kind(scenario: str, title: str, target: str, *, restartable: bool = True) -> Kind:
    task = Task(f"{scenario}Task", scenario, title, 1)
    return Kind(scenario, title, (task,), target, restartable=restartable)


_FAILOVER = (
    Task(
        "PlannedFailoverPreflightChecksTask", "VmPfoPrerequisitesCheck", "Prerequisites check for planned failover", 36
    ),
    Task("ShutdownVmOnPrimary", "VmShutdownVmOnPrimary", "Shut down the virtual machine", 7),
    Task("PrepareForFailoverTask", "VmPrepareForFailover", "Preparing for failover", 12),
    Task("FailoverTask", "VmFailover", "Start failover", 525),
    Task("StartVmOnSecondary", "VmFoStartVmOnSecondary", "Start the replica virtual machine", 1),
)
_DRA_STATE = Task("UpdateDraStateTask", "UpdateDraState", "Updating the provider states", 6)
_TARGET = Task("CreateProtectionTargetTask", "CreateProtectionTarget", "Identifying the replication target", 24)
_ENABLE = Task("EnableProtectionTask", "EnableProtection", "Enable replication", 14)
_START_IR = Task("StartInitialReplicationTask", "VmStartInitialReplication", "Starting initial replication", 10)

_KINDS = (
    Kind(
        "TestFailover",
        "Test failover",
        (
            Task(
                "TestFailoverPreflightChecksTask", "VmTfoPrerequisitesCheck", "Prerequisites check for test failover", 2
            ),
            Task("BeginTestFailoverTask", "VmTfoInitiateFailover", "Starting test failover", 623),
            Task("PrepareTestProtectedEntitiesTask", "VmTfoPrepareTestVm", "Creating test virtual machine", 140),
            Task("BootTestProtectedEntitiesTask", "VmTfoBootTestVm", "Start the virtual machine", 1),
        ),
        details="TestFailoverJobDetails",
    ),
    Kind(
        "TestFailoverCleanup",
        "Test failover cleanup",
        (
            Task(
                "TestFailoverCleanupPreflightChecksTask",
                "VmTfoCleanupPreflightsCheck",
                "Prerequisites check for test failover cleanup",
                1,
            ),
            Task("EndTestFailoverTask", "VmTfoEndFailover", "Ending test failover", 1),
            Task("CleanupTestProtectedEntitiesTask", "VmTfoDeleteTestVm", "Clean up the test virtual machine", 170),
        ),
        details="TestFailoverJobDetails",
        restartable=True,
    ),
    Kind("PlannedFailover", "Planned failover", _FAILOVER, details="FailoverJobDetails"),
    Kind(
        "UnplannedFailover",
        "Failover",
        (
            Task(
                "UnplannedFailoverPreflightChecksTask",
                "VmUfoPrerequisitesCheck",
                "Prerequisites check for failover",
                20,
            ),
            *_FAILOVER[1:],
        ),
        details="FailoverJobDetails",
    ),
    Kind("CommitFailover", "Commit", (Task("CommitFailoverTask", "VmCommitFailover", "Commit failover", 1),)),
    Kind(
        "ChangePit",
        "Change recovery point",
        (Task("ChangePitTask", "VmChangePit", "Change recovery point", 1),),
        details="FailoverJobDetails",
    ),
    Kind(
        "CancelFailover",
        "Cancel failover",
        (Task("CancelFailoverTask", "VmCancelFailover", "Cancel failover", 1),),
    ),
    Kind(
        "FinalizeFailback",
        "Commit",
        (
            Task(
                "FinalizeRestoreOnRecovery", "FinalizeRestoreOnRecovery", "Finalizing failback on the recovery site", 1
            ),
            Task("FinalizeRestoreOnPrimary", "FinalizeRestoreOnPrimary", "Finalizing failback on the primary site", 2),
        ),
    ),
    Kind("ReprotectReplicationGroup", "Reverse replication", (_TARGET, _ENABLE, _START_IR), restartable=True),
    Kind(
        "EnableDr",
        "Enable replication",
        (
            Task(
                "EnableProtectionPreflightChecksTask",
                "EnableProtectionPrerequisitesCheck",
                "Prerequisites check for enabling protection",
                5,
            ),
            _TARGET,
            _ENABLE,
            _START_IR,
            _DRA_STATE,
        ),
        restartable=True,
    ),
    Kind(
        "IrCompletion",
        "Finalize protection on the virtual machine",
        (
            Task("CompleteInitialReplicationTask", "CompleteInitialReplication", "Complete initial replication", 1),
            Task(
                "ReplicaConfigurationPreflightChecksTask",
                "FailWorkflowOnIRFailureTask",
                "Finalizing initial replication",
                1,
            ),
            Task(
                "ReplicaConfigurationTask",
                "ReplicaConfiguration",
                "Complete network and post-replication configuration",
                9,
            ),
            _DRA_STATE,
        ),
    ),
    Kind(
        "RestoreCompletion",
        "Complete data synchronization",
        (Task("RestoreCompletionTask", "RestoreCompletion", "Complete data synchronization", 1),),
    ),
    Kind(
        "RepairVMReplication",
        "Resynchronize",
        (Task("RepairReplicationTask", "VmRepairReplication", "Resynchronizing the virtual machine", 1),),
        restartable=True,
    ),
    Kind(
        "DisableDr",
        "Disable replication",
        (Task("DisableProtectionTask", "DisableProtection", "Disable replication", 20), _DRA_STATE),
        restartable=True,
    ),
    Kind("PurgeVm", "Remove the virtual machine", (Task("PurgeVmTask", "PurgeVm", "Removing the virtual machine", 1),)),
    Kind(
        "UpdateVmProperties",
        "Update the virtual machine",
        (Task("UpdateVmPropertiesTask", "UpdateVmProperties", "Updating the virtual machine properties", 1),),
        restartable=True,
    ),
    Kind(
        "CreateSite",
        "Create a site",
        (Task("RegisterVMMTask", "RegisterVmmTask", "Registering the server", 1),),
        "Server",
    ),
    Kind(
        "AssociateProtectionProfile",
        "Associate replication policy",
        (
            Task(
                "CloudPairingWfPreflightChecksTask",
                "CloudPairingPrerequisitesCheck",
                "Check protection prerequisites",
                1,
            ),
            Task("CloudPairingWfPrepareSiteTask", "CloudPairingPrepareSite", "Prepare the server", 4),
            Task(
                "CloudPairingWfPrepareCloudForPairingTask",
                "CloudPairingPrepareCloud",
                "Prepare for configuring protection",
                1,
            ),
            Task("CloudPairingWfPairCloudsTask", "CloudPairingPairClouds", "Configure the protection settings", 1),
        ),
        "ProtectionProfile",
        restartable=True,
    ),
    Kind(
        "RefreshVaultHealth",
        "Refresh vault health",
        (Task("RefreshFailoverHealthTask", "RefreshFailoverHealthTask", "Refreshing failover health", 1),),
        "Vault",
    ),
    Kind(
        "RestartJob",
        "Restart job",
        (Task("RemediateWfTask", "RemediateTask", "Restarting job", 1),),
    ),
    Kind(
        "ExportJobs",
        "Export jobs",
        (Task("ExportJobsTask", "ExportJobs", "Exporting jobs", 1),),
        "Vault",
        "ExportJobDetails",
    ),
    _administrative_kind("RegisterDra", "Register the Azure Site Recovery Provider", "Server"),
    _administrative_kind("UnregisterDra", "Unregister the Azure Site Recovery Provider", "Server"),
    _administrative_kind("PurgeVMM", "Remove the server", "Server"),
    _administrative_kind("RefreshFabricLayout", "Refresh the server", "Server"),
    _administrative_kind("UnregisterFabric", "Remove the site", "Server"),
    _administrative_kind("AddProtectionProfile", "Create replication policy", "ProtectionProfile"),
    _administrative_kind("ModifyProtectionProfile", "Update replication policy", "ProtectionProfile"),
    _administrative_kind("RemoveProtectionProfile", "Delete replication policy", "ProtectionProfile"),
    _administrative_kind("DissociateProtectionProfile", "Dissociate replication policy", "ProtectionProfile"),
    _administrative_kind("SaveRecoveryPlan", "Save a recovery plan", "RecoveryPlan"),
    _administrative_kind("UpdateRecoveryPlan", "Update a recovery plan", "RecoveryPlan"),
    _administrative_kind("DeleteRecoveryPlan", "Delete a recovery plan", "RecoveryPlan"),
)

_FAILBACK = (
    _FAILOVER[0],
    Task("SynchronizeDataTask", "VmSynchronizeData", "Synchronizing data", 400),
    Task("ShutdownVmOnRecovery", "VmShutdownVmOnRecovery", "Shut down the virtual machine in Azure", 20),
    Task("FailoverTask", "VmFailover", "Start failover", 100),
    Task("StartVmOnPrimary", "VmFoStartVmOnPrimary", "Start the virtual machine", 1),
)

_PLAN_VERBS = {
    "TestFailover": "Test failover",
    "TestFailoverCleanup": "Test failover cleanup",
    "PlannedFailover": "Planned failover",
    "UnplannedFailover": "Failover",
    "Failback": "Failback",
    "CommitFailover": "Commit",
    "ReverseReplication": "Reverse replication",
    "CancelFailover": "Cancel failover",
}


def _plan_kind(scenario: str, title: str) -> Kind:
    tasks = (
        Task(f"RecoveryPlan{scenario}PreflightChecksTask", "RpPrerequisitesCheck", "Prerequisites check", 1),
        Task(f"RecoveryPlan{scenario}Task", f"Rp{scenario}", "All groups", 1),
        Task("RecoveryPlanFinalizeTask", "RpFinalize", "Finalizing the recovery plan", 1),
    )
    details = {"TestFailover": "TestFailoverJobDetails", "TestFailoverCleanup": "TestFailoverJobDetails"}
    return Kind(scenario, title, tasks, "RecoveryPlan", details.get(scenario, "FailoverJobDetails"))


PLAN_KINDS = {f"Plan{scenario}": _plan_kind(scenario, title) for scenario, title in _PLAN_VERBS.items()}

KINDS = (
    PLAN_KINDS
    | {kind.scenario: kind for kind in _KINDS}
    | {
        "Failback": Kind("PlannedFailover", "Planned failover", _FAILBACK, details="FailoverJobDetails"),
    }
)
"""By our own name for the kind: the scenario, or "Failback"."""
