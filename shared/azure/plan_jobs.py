"""What the job of a recovery plan says: of its machines' own jobs, and of what it waits for."""

from collections.abc import Iterator

from shared.azure.jobs import job_end
from shared.azure.wire import Json, part, text
from shared.outcomes import ChildJob, PlanJobSeen

TEST_IS_UP = "WaitingForStopTestFailover"
"""How a test failover ends with older api-versions: suspended until its cleanup."""
MANUAL = "ManualActionTaskDetails"
_OPEN = frozenset({"InProgress", "Suspended", "WaitingForManualAction"})


def plan_job_seen(job: Json) -> PlanJobSeen:
    """Read the job of a recovery plan with its tasks; all of them are null in its first moments.

    Source: groups as GroupTaskDetails with childTasks, the machines' own jobs as jobTask (specified).
    """
    end, tasks = job_end(job), list(_tasks(part(job, "properties").get("tasks") or ()))
    children = tuple(child for task in tasks if (child := _child(task)))
    if end is None:
        return PlanJobSeen(state="running", children=children)
    description = text(part(job, "properties").get("stateDescription"))
    if end.outcome == "suspended" and description != TEST_IS_UP:
        waits = next(_actions(tasks), "") or description or "Site Recovery waits for a person"
        return PlanJobSeen(state="suspended", children=children, waits_for=waits)
    return PlanJobSeen(state="ended", children=children, end=end)


def _tasks(tasks: object) -> Iterator[Json]:
    """All tasks, those within groups too, however deep."""
    for task in tasks if isinstance(tasks, list | tuple) else ():
        yield task
        yield from _tasks(part(task, "groupTaskCustomDetails").get("childTasks"))


def _child(task: Json) -> ChildJob | None:
    """The machine that a task is about, None for an action or a group."""
    details = part(task, "customDetails")
    own, skipped = part(details, "jobTask"), text(details.get("skippedReasonString") or details.get("skippedReason"))
    if not own and not skipped:
        return None
    return ChildJob(
        vm=text(own.get("targetObjectName")) or text(task.get("friendlyName")),
        machine=text(own.get("targetObjectId")) or text(task.get("taskId")),
        job=text(own.get("jobId")).rpartition("/")[2],
        note=skipped,
    )


def _actions(tasks: list[Json]) -> Iterator[str]:
    """Manual actions that are waited for, with what is to be done."""
    for task in tasks:
        details = part(task, "customDetails")
        if details.get("instanceType") == MANUAL and text(task.get("state")) in _OPEN:
            told = ": ".join(filter(None, (text(details.get("name")), text(details.get("instructions")))))
            yield f"the manual action {told}"
