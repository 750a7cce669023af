"""What failbacks, their commits and re-protects do."""

from datetime import timedelta

from lab.azure.simulator.answers import Json
from lab.azure.simulator.lab import Lab
from lab.azure.site_recovery.api.common import MACHINES
from lab.azure.site_recovery.api.errors import Asker
from lab.azure.site_recovery.items.items import enter, facts_of, item_of, target_of
from lab.azure.site_recovery.items.lifecycle import FAILBACK_SYNCED, FAILING_BACK, PROTECTED, STATES
from lab.azure.site_recovery.items.protection import replicate
from lab.azure.site_recovery.jobs.durations import draw
from lab.azure.site_recovery.jobs.jobs import KIND, begin, resume, resumes, when
from lab.azure.site_recovery.sites.source_machines import of_item, set_power
from lab.azure.site_recovery.verbs import recovery_vms, source_checks

_BACK, _FINALIZE, _REPROTECT, _REPAIR = (
    "Failback",
    "FinalizeFailback",
    "ReprotectReplicationGroup",
    "RepairVMReplication",
)
_FINAL_SYNC = (60.0, 150.0, 240.0)
_SYNC_COMPLETION = timedelta(seconds=20)


@when(_BACK, "PlannedFailoverPreflightChecksTask")
def _stop_for_full_download(lab: Lab, job: Json) -> None:
    """A full download reads the disks of a VM that is off."""
    if (item := item_of(lab, job)) and job["input"]["sync"] == "ForSynchronization":
        recovery_vms.set_power(lab, item, "deallocated")


@when(_BACK, "SynchronizeDataTask")
def _synced(lab: Lab, job: Json) -> None:
    """The child job that completes the data synchronization, as the recorded order has it."""
    if item := item_of(lab, job):
        who = Asker(lab.new_id("client"), lab.new_id("correlation"))
        facts = facts_of(lab, item)
        begin(lab, item["vault"], "RestoreCompletion", target_of(item), who, lasts=_SYNC_COMPLETION, **facts)


@when(_BACK, "Suspended")
def _wait_for_person(lab: Lab, job: Json) -> None:
    if item := item_of(lab, job):
        enter(lab, item, FAILBACK_SYNCED, job, "PlannedFailover")


@when(_BACK, "Resumed")
def _go_on(lab: Lab, job: Json) -> None:
    if item := item_of(lab, job):
        enter(lab, item, FAILING_BACK, job, "PlannedFailover")


@when(_BACK, "ShutdownVmOnRecovery")
def _stop_in_azure(lab: Lab, job: Json) -> None:
    """A machine that was turned on meanwhile has written to the disks that were being brought back."""
    item = item_of(lab, job)
    if item is None:
        return
    recovery_vms.set_power(lab, item, "deallocated")
    if message := source_checks.obstacle(lab, item, job["input"]):
        job["fail"] = {"code": "539", "task": "FailoverTask", "message": message}
        lab.store.put(KIND, job["id"], job)
        _corrupt(lab, item)


@when(_BACK, "Succeeded")
def _failed_back(lab: Lab, job: Json) -> None:
    if item := item_of(lab, job):
        source_checks.bring_home(lab, item, job["input"])
        enter(lab, item, STATES[job["to"]])


@when(_BACK, "Failed")
def _still_in_azure(lab: Lab, job: Json) -> None:
    if item := item_of(lab, job):
        recovery_vms.set_power(lab, item, "running")
        enter(lab, item, STATES[job["from"]])


@when(_BACK, "Cancelled")
def _corrupted(lab: Lab, job: Json) -> None:
    """Half of the data was brought back: the machine on premises cannot be used until a failback runs through."""
    if item := item_of(lab, job):
        set_power(lab, item, "Off")
        _corrupt(lab, item)
        _still_in_azure(lab, job)


def _corrupt(lab: Lab, item: Json) -> None:
    lab.store.put(MACHINES, item["machine"], of_item(lab, item) | {"corrupt": True})


@when(_FINALIZE, "Succeeded")
def _finalized(lab: Lab, job: Json) -> None:
    """The VM in Azure is given up, with its disks (documented); a fault leaves disks or the NIC behind."""
    if item := item_of(lab, job):
        recovery_vms.remove(lab, item, test=False, leave=job.get("wish", {}).get("leave", ""))
        enter(lab, item, STATES[job["to"]])


@when(_REPROTECT, "Succeeded")
def _reprotected(lab: Lab, job: Json) -> None:
    if item := item_of(lab, job):
        set_power(lab, item, "On")
        enter(lab, item, STATES[job["to"]])
        replicate(lab, item, "ReverseInitialReplication")


@when(_REPAIR, "Succeeded")
def _resynchronized(lab: Lab, job: Json) -> None:
    if item := item_of(lab, job):
        enter(lab, item, PROTECTED)


@when(_FINALIZE, "Failed")
@when(_FINALIZE, "Cancelled")
@when(_REPROTECT, "Failed")
@when(_REPROTECT, "Cancelled")
@when(_REPAIR, "Failed")
@when(_REPAIR, "Cancelled")
def _as_before(lab: Lab, job: Json) -> None:
    if item := item_of(lab, job):
        enter(lab, item, STATES[job["from"]])


@resumes(_BACK)
def go_on(lab: Lab, job: Json) -> None:
    """Resume a failback that waits after its data synchronization: the VM in Azure stops, the rest is brought back."""
    resume(lab, job, draw(_FINAL_SYNC, lab.seed, job["name"], "final-sync"))
