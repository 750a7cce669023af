"""What failbacks, their commits and re-protects do."""

from datetime import timedelta

from lab.azure.simulator.answers import Json
from lab.azure.simulator.lab import Lab
from lab.azure.site_recovery.api.common import MACHINES
from lab.azure.site_recovery.api.errors import Caller
from lab.azure.site_recovery.items.items import enter_state, facts_of, item_of, target_of
from lab.azure.site_recovery.items.lifecycle import FAILBACK_SYNCED, FAILING_BACK, PROTECTED, STATES
from lab.azure.site_recovery.items.protection import start_replication
from lab.azure.site_recovery.jobs.durations import draw_duration
from lab.azure.site_recovery.jobs.jobs import KIND, begin_job, resume_suspended, resumes, when
from lab.azure.site_recovery.sites.source_machines import machine_of_item, set_power
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
def stop_for_full_download(lab: Lab, job: Json) -> None:
    """A full download reads the disks of a VM that is off."""
    if (item := item_of(lab, job)) and job["input"]["sync"] == "ForSynchronization":
        recovery_vms.set_power(lab, item, "deallocated")


@when(_BACK, "SynchronizeDataTask")
def complete_sync(lab: Lab, job: Json) -> None:
    """The child job that completes the data synchronization, as the recorded order has it."""
    if item := item_of(lab, job):
        caller = Caller(lab.new_id("client"), lab.new_id("correlation"))
        facts = facts_of(lab, item)
        begin_job(lab, item["vault"], "RestoreCompletion", target_of(item), caller, lasts=_SYNC_COMPLETION, **facts)


@when(_BACK, "Suspended")
def wait_for_person(lab: Lab, job: Json) -> None:
    """The data is synchronized: the rest waits for a person."""
    if item := item_of(lab, job):
        enter_state(lab, item, FAILBACK_SYNCED, job, "PlannedFailover")


@when(_BACK, "Resumed")
def return_to_failing_back(lab: Lab, job: Json) -> None:
    """A person has resumed the failback."""
    if item := item_of(lab, job):
        enter_state(lab, item, FAILING_BACK, job, "PlannedFailover")


@when(_BACK, "ShutdownVmOnRecovery")
def stop_in_azure(lab: Lab, job: Json) -> None:
    """A machine that was turned on meanwhile has written to the disks that were being brought back."""
    item = item_of(lab, job)
    if item is None:
        return
    recovery_vms.set_power(lab, item, "deallocated")
    if message := source_checks.find_obstacle(lab, item, job["input"]):
        job["fail"] = {"code": "539", "task": "FailoverTask", "message": message}
        lab.store.put(KIND, job["id"], job)
        _mark_corrupt(lab, item)


@when(_BACK, "Succeeded")
def complete_failback(lab: Lab, job: Json) -> None:
    """The machine runs on premises; the failback is to be committed."""
    if item := item_of(lab, job):
        source_checks.bring_home(lab, item, job["input"])
        enter_state(lab, item, STATES[job["to"]])


@when(_BACK, "Failed")
def undo_failback(lab: Lab, job: Json) -> None:
    """The machine goes on in Azure."""
    if item := item_of(lab, job):
        recovery_vms.set_power(lab, item, "running")
        enter_state(lab, item, STATES[job["from"]])


@when(_BACK, "Cancelled")
def corrupt_machine(lab: Lab, job: Json) -> None:
    """Half of the data was brought back: the machine on premises cannot be used until a failback runs through."""
    if item := item_of(lab, job):
        set_power(lab, item, "Off")
        _mark_corrupt(lab, item)
        undo_failback(lab, job)


def _mark_corrupt(lab: Lab, item: Json) -> None:
    lab.store.put(MACHINES, item["machine"], machine_of_item(lab, item) | {"corrupt": True})


@when(_FINALIZE, "Succeeded")
def finalize_failback(lab: Lab, job: Json) -> None:
    """The VM in Azure is given up, with its disks (documented); a fault leaves disks or the NIC behind."""
    if item := item_of(lab, job):
        recovery_vms.remove_vm(lab, item, test=False, leave=job.get("fault", {}).get("leave", ""))
        enter_state(lab, item, STATES[job["to"]])


@when(_REPROTECT, "Succeeded")
def complete_reprotect(lab: Lab, job: Json) -> None:
    """The machine runs on premises and replicates to Azure again."""
    if item := item_of(lab, job):
        set_power(lab, item, "On")
        enter_state(lab, item, STATES[job["to"]])
        start_replication(lab, item, "ReverseInitialReplication")


@when(_REPAIR, "Succeeded")
def complete_resync(lab: Lab, job: Json) -> None:
    """The replica is as the machine again."""
    if item := item_of(lab, job):
        enter_state(lab, item, PROTECTED)


@when(_FINALIZE, "Failed")
@when(_FINALIZE, "Cancelled")
@when(_REPROTECT, "Failed")
@when(_REPROTECT, "Cancelled")
@when(_REPAIR, "Failed")
@when(_REPAIR, "Cancelled")
def restore_state(lab: Lab, job: Json) -> None:
    """The item is in the state in which the job began."""
    if item := item_of(lab, job):
        enter_state(lab, item, STATES[job["from"]])


@resumes(_BACK)
def resume_failback(lab: Lab, job: Json) -> None:
    """Resume a failback that waits after its data synchronization: the VM in Azure stops, the rest is brought back."""
    resume_suspended(lab, job, draw_duration(_FINAL_SYNC, lab.seed, job["name"], "final-sync"))
