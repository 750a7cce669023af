"""What test failovers and their cleanups do."""

from datetime import timedelta

from lab.azure.simulator.answers import Json
from lab.azure.simulator.lab import Lab
from lab.azure.site_recovery.api.common import ITEMS
from lab.azure.site_recovery.api.times import whole_time
from lab.azure.site_recovery.items import recovery_points
from lab.azure.site_recovery.items.items import enter_state, item_of
from lab.azure.site_recovery.items.lifecycle import PROTECTED, TEST_PENDING
from lab.azure.site_recovery.jobs.jobs import KIND, resume_suspended, resumes, when
from lab.azure.site_recovery.verbs import recovery_vms
from lab.azure.site_recovery.verbs.verbs import point_facts

_TEST, _CLEANUP = "TestFailover", "TestFailoverCleanup"
_ENDING = timedelta(seconds=170)


@when(_TEST, "BeginTestFailoverTask")
def choose_point(lab: Lab, job: Json) -> None:
    """Take the recovery point that was asked for, or the newest."""
    item = item_of(lab, job)
    if item is None:
        return
    point = job["input"]["point"] or point_facts(recovery_points.points_of(lab, item)[-1])
    job["input"]["point"] = point
    item["point"] = point["id"]
    lab.store.put(ITEMS, item["id"], item)


@when(_TEST, "PrepareTestProtectedEntitiesTask")
def make_vm(lab: Lab, job: Json) -> None:
    """The test VM runs."""
    item = item_of(lab, job)
    if item is None:
        return
    recovery_vms.create_vm(lab, job, item, test=True)
    job["details"]["protectedItemDetails"] = recovery_vms.protected_item_details(job, item, test=True)
    lab.store.put(KIND, job["id"], job)


@when(_TEST, "Suspended")
@when(_TEST, "Succeeded")
def wait_for_cleanup(lab: Lab, job: Json) -> None:
    """The test waits for its cleanup, unless it was being ended."""
    item = item_of(lab, job)
    if item is None:
        return
    if job.get("ending"):
        _end_test(lab, job, item)
        return
    item |= {"lastSuccessfulTestFailoverTime": job["starts"], "testJob": job["id"]}
    enter_state(lab, item, TEST_PENDING, job)


@when(_TEST, "Failed")
def fail_test(lab: Lab, job: Json) -> None:
    """A VM that was made stays until it is cleaned up; a job that failed before that leaves nothing."""
    if item := item_of(lab, job):
        if item.get("testVm"):
            enter_state(lab, item, TEST_PENDING, job)
        else:
            enter_state(lab, item, PROTECTED)


@when(_TEST, "Resumed")
def mark_ending(lab: Lab, job: Json) -> None:
    """Resuming a suspended test failover ends it: the cleanup happens within the job."""
    job["ending"] = True
    lab.store.put(KIND, job["id"], job)


@when(_TEST, "Cancelled")
def cancel_test(lab: Lab, job: Json) -> None:
    """A test that is cancelled is cleaned up."""
    if item := item_of(lab, job):
        _end_test(lab, job, item)


def _end_test(lab: Lab, job: Json, item: Json) -> None:
    recovery_vms.remove_vm(lab, item, test=True, leave=job.get("fault", {}).get("leave", ""))
    item["tested"] = "MarkedForDeletion"
    enter_state(lab, item, PROTECTED)


@when(_CLEANUP, "CleanupTestProtectedEntitiesTask")
def remove_vm(lab: Lab, job: Json) -> None:
    """The test VM is removed."""
    if item := item_of(lab, job):
        recovery_vms.remove_vm(lab, item, test=True, leave=job.get("fault", {}).get("leave", ""))


@when(_CLEANUP, "Succeeded")
def complete_cleanup(lab: Lab, job: Json) -> None:
    """The test is over, and the item is protected as before."""
    item = item_of(lab, job)
    if item is None:
        return
    _complete_test(lab, item)
    item["tested"] = "MarkedForDeletion"
    enter_state(lab, item, PROTECTED)


def _complete_test(lab: Lab, item: Json) -> None:
    """Let the test failover's own job say that the test is over."""
    job = lab.store.get(KIND, item.get("testJob") or "")
    if job is None:
        return
    job["details"]["testFailoverStatus"] = "Completed"
    if job["state"] == "Suspended":
        job |= {"ending": False, "state": "Succeeded", "stateDescription": "Completed", "ended": whole_time(lab.now())}
    lab.store.put(KIND, job["id"], job)


@when(_CLEANUP, "Failed")
@when(_CLEANUP, "Cancelled")
def return_to_pending(lab: Lab, job: Json) -> None:
    """The test still waits for its cleanup."""
    if item := item_of(lab, job):
        enter_state(lab, item, TEST_PENDING, job, _TEST)


@resumes(_TEST)
def end_test(lab: Lab, job: Json) -> None:
    """Resume a test failover that waits for its end."""
    resume_suspended(lab, job, _ENDING)
