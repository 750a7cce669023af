"""What failovers do until they are committed: planned, unplanned, change of recovery point, commit, cancel."""

from lab.azure.simulator.answers import Json
from lab.azure.simulator.lab import Lab
from lab.azure.site_recovery.api.common import ITEMS
from lab.azure.site_recovery.api.times import exact_time
from lab.azure.site_recovery.items import recovery_points
from lab.azure.site_recovery.items.items import enter_state, item_of
from lab.azure.site_recovery.items.lifecycle import REPLICATION_ENDED, STATES
from lab.azure.site_recovery.jobs.jobs import KIND, when
from lab.azure.site_recovery.sites.providers import is_connected
from lab.azure.site_recovery.sites.source_machines import set_power
from lab.azure.site_recovery.verbs import recovery_vms
from lab.azure.site_recovery.verbs.verbs import point_facts

_PLANNED, _UNPLANNED, _CHANGE, _COMMIT, _CANCEL = (
    "PlannedFailover",
    "UnplannedFailover",
    "ChangePit",
    "CommitFailover",
    "CancelFailover",
)


@when(_PLANNED, "ShutdownVmOnPrimary")
def shut_down_source(lab: Lab, job: Json) -> None:
    """The machine is off, and the last of its data is replicated: nothing is lost."""
    if item := item_of(lab, job):
        set_power(lab, item, "Off")
        _stop_replicating(lab, item, exact_time(lab.now()))


@when(_UNPLANNED, "ShutdownVmOnPrimary")
def try_to_shut_down(lab: Lab, job: Json) -> None:
    """Only if it was asked for and the host answers; else the machine may be running still."""
    item = item_of(lab, job)
    if item is None:
        return
    if job["input"]["source"] == "Required" and is_connected(lab, item["provider"]):
        set_power(lab, item, "Off")
    last = recovery_points.last_cycle_end(lab, item)
    _stop_replicating(lab, item, exact_time(last or lab.now()))


def _stop_replicating(lab: Lab, item: Json, last: str) -> None:
    item |= {"until": item["until"] or last, "cutOff": False}
    lab.store.put(ITEMS, item["id"], item)


@when(_PLANNED, "FailoverTask")
@when(_UNPLANNED, "FailoverTask")
def make_vm(lab: Lab, job: Json) -> None:
    """The VM in Azure runs, made from the recovery point that was chosen, or the newest."""
    item = item_of(lab, job)
    if item is None:
        return
    _use_point(lab, job, item)
    recovery_vms.create_vm(lab, job, item, test=False)
    job["details"]["protectedItemDetails"] = recovery_vms.protected_item_details(job, item, test=False)
    lab.store.put(KIND, job["id"], job)


def _use_point(lab: Lab, job: Json, item: Json) -> None:
    point = job["input"]["point"] or point_facts(recovery_points.points_of(lab, item)[-1])
    job["input"]["point"] = point
    item["point"] = point["id"]


@when(_CHANGE, "ChangePitTask")
def make_vm_again(lab: Lab, job: Json) -> None:
    """The VM is made anew from another recovery point."""
    if item := item_of(lab, job):
        recovery_vms.remove_vm(lab, item, test=False)
        make_vm(lab, job)


@when(_PLANNED, "Succeeded")
@when(_UNPLANNED, "Succeeded")
def complete_failover(lab: Lab, job: Json) -> None:
    """The item is failed over."""
    if item := item_of(lab, job):
        item["lastSuccessfulFailoverTime"] = job["starts"]
        enter_state(lab, item, STATES[job["to"]])


@when(_CHANGE, "Succeeded")
def complete_change(lab: Lab, job: Json) -> None:
    """The item has the other recovery point."""
    if item := item_of(lab, job):
        enter_state(lab, item, STATES[job["to"]])


@when(_COMMIT, "Succeeded")
def complete_commit(lab: Lab, job: Json) -> None:
    """Every recovery point is deleted but the one that was used."""
    if item := item_of(lab, job):
        used = recovery_points.find_point(lab, item, item["point"])
        kept = used and used["properties"]["recoveryPointTime"]
        item |= {"since": kept, "until": kept}
        enter_state(lab, item, STATES[job["to"]])


@when(_PLANNED, "Failed")
@when(_UNPLANNED, "Failed")
def undo_failover(lab: Lab, job: Json) -> None:
    """The machine replicates as before. One that was shut down stays off (inferred): nobody starts it but its owner."""
    if item := item_of(lab, job):
        recovery_vms.remove_vm(lab, item, test=False)
        item["until"] = None
        enter_state(lab, item, STATES[job["from"]])


@when(_CHANGE, "Failed")
@when(_CHANGE, "Cancelled")
@when(_COMMIT, "Failed")
@when(_COMMIT, "Cancelled")
@when(_CANCEL, "Failed")
@when(_CANCEL, "Cancelled")
def restore_state(lab: Lab, job: Json) -> None:
    """The item is in the state in which the job began."""
    if item := item_of(lab, job):
        enter_state(lab, item, STATES[job["from"]])


@when(_PLANNED, "Cancelled")
@when(_UNPLANNED, "Cancelled")
@when(_CANCEL, "Succeeded")
def end_replication(lab: Lab, job: Json) -> None:
    """A failover that is given up ends the replication of the machine. One that was shut down stays off (inferred)."""
    if job.get("item") and (item := item_of(lab, job)):
        recovery_vms.remove_vm(lab, item, test=False)
        item |= {"since": None, "until": None}
        enter_state(lab, item, REPLICATION_ENDED)
