"""Jobs: how one begins, goes through its tasks on the simulated clock, and ends.

A job is a record in the store; what it shows at an instant is made from it in `job_documents`. What a kind of job does
to the rest of the vault hangs on it by `when`: at the end of a task, or when the job succeeds, fails, is cancelled,
suspended or resumed.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from lab.azure.simulator.answers import Json
from lab.azure.simulator.lab import Lab, due
from lab.azure.site_recovery.api.errors import Caller, job_error
from lab.azure.site_recovery.api.times import exact_time, parse_time, whole_time
from lab.azure.site_recovery.jobs.durations import REFUSED_FAILS_AFTER, STARTS_AFTER, draw_duration, draw_job_duration
from lab.azure.site_recovery.jobs.kinds import KINDS

KIND = "asr-job"

type Moment = Literal["Succeeded", "Failed", "Cancelled", "Suspended", "Resumed"]
type Hook = Callable[[Lab, Json], None]

OPEN = ("InProgress", "Suspended")
HOOKS: dict[tuple[str, str], list[Hook]] = {}
RESUMERS: dict[str, Hook] = {}
RESTARTERS: dict[str, Callable[[Lab, Json, Caller], Json]] = {}
EVERY: dict[Moment, list[Hook]] = {}


class Target(NamedTuple):
    """What a job is about: its own id (a machine's GUID) and name, and the ARM id of the resource that was asked."""

    id: str
    name: str
    resource: str


class Failure(NamedTuple):
    """How a job fails: the code, what its message names, and after how long (drawn if not said)."""

    code: str
    names: Json = {}  # noqa: RUF012 - never changed
    after: timedelta | None = None


def when(kind: str, moment: str) -> Callable[[Hook], Hook]:
    """Register what happens when a job of a kind reaches a moment, or when the task of that id ends."""

    def register_hook(hook: Hook) -> Hook:
        HOOKS.setdefault((kind, moment), []).append(hook)
        return hook

    return register_hook


def whenever(moment: Moment) -> Callable[[Hook], Hook]:
    """Register what happens when any job reaches a moment, after what its kind does."""

    def register_hook(hook: Hook) -> Hook:
        EVERY.setdefault(moment, []).append(hook)
        return hook

    return register_hook


def resumes(kind: str) -> Callable[[Hook], Hook]:
    """Register how a suspended job of a kind goes on."""

    def register_resumer(hook: Hook) -> Hook:
        RESUMERS[kind] = hook
        return hook

    return register_resumer


def job_id(vault: str, name: str) -> str:
    """The id of a job; "None" names no job, as in an idle item."""
    return f"{vault}/replicationJobs/{name}"


def begin_job(
    lab: Lab,
    vault: str,
    kind: str,
    target: Target,
    caller: Caller,
    *,
    lasts: timedelta | None = None,
    queued: timedelta | None = None,
    **facts: Any,
) -> Json:
    """Begin a job; gives its record.

    Args:
        lab: The lab.
        vault: The vault's id as Site Recovery writes it.
        kind: A key of KINDS.
        target: What it is about.
        caller: Quoted in activityId.
        lasts: How long it runs once started; drawn from the recorded durations if not said.
        queued: How long until it starts; drawn if not said.
        facts: What else the record keeps: `item`, `details`, `affected`, `input`; how it goes: `fail`, `suspend`,
            `never`, `driven` for one that somebody else takes through its tasks.
    """
    name = lab.new_id("job")
    began = lab.now()
    starts = began + (draw_duration(STARTS_AFTER, lab.seed, name, "queued") if queued is None else queued)
    job: Json = {
        "id": job_id(vault, name),
        "name": name,
        "vault": vault,
        "kind": kind,
        "activityId": caller.activity_id,
        "target": target.id,
        "targetName": target.name,
        "resource": target.resource,
        "created": exact_time(began),
        "starts": exact_time(starts),
        "ends": _task_ends(kind, starts, _draw_duration(lab, kind, target) if lasts is None else lasts),
        "state": "InProgress",
        "stateDescription": "InProgress",
        "ended": None,
        "errors": [],
        "failedTask": None,
        **facts,
    }
    if job.get("never") or job.get("driven"):
        job["ends"] = [None] * len(job["ends"])
    warn_as_faulted(lab, job)
    _schedule_task(lab, job, 0)
    return lab.store.put(KIND, job["id"], job)


def begin_job_again(lab: Lab, job: Json, caller: Caller) -> Json:
    """Begin a job like one that has ended badly: restarted."""
    if restart := RESTARTERS.get(job["kind"]):
        return restart(lab, job, caller)
    facts = {key: job[key] for key in ("item", "affected", "input", "details") if key in job}
    target = Target(job["target"], job["targetName"], job["resource"])
    return begin_job(lab, job["vault"], job["kind"], target, caller, **facts)


def begin_failing_job(
    lab: Lab,
    vault: str,
    kind: str,
    target: Target,
    caller: Caller,
    failure: Failure,
    **facts: Any,
) -> Json:
    """Begin a job that fails before its first task has done anything."""
    lasts = failure.after or draw_duration(REFUSED_FAILS_AFTER, lab.seed, target.id, kind, lab.now())
    job = begin_job(lab, vault, kind, target, caller, lasts=lasts, never=True, **facts)
    job["fail"] = {"code": failure.code, "names": failure.names, "harmless": True}
    lab.call_at(parse_time(job["starts"]) + lasts, "asr.refuse", {"job": job["id"]})
    return job


def _draw_duration(lab: Lab, kind: str, target: Target) -> timedelta:
    counter = lab.store.get("asr-count", f"{target.id}/{kind}") or {"count": 0}
    counter["count"] += 1
    lab.store.put("asr-count", f"{target.id}/{kind}", counter)
    return draw_job_duration(lab.seed, kind, target.id, counter["count"])


def _task_ends(kind: str, starts: datetime, lasts: timedelta) -> list[str | None]:
    tasks = KINDS[kind].tasks
    total, done, ends = sum(task.share for task in tasks), 0.0, []
    for task in tasks:
        done += task.share
        ends.append(exact_time(starts + lasts * (done / total)))
    return list(ends)


def _schedule_task(lab: Lab, job: Json, index: int) -> None:
    """Have the next task that matters wake us: one with something to do, or one where the job fails or ends."""
    if job.get("never") or job.get("driven"):
        return
    tasks = KINDS[job["kind"]].tasks
    while index < len(tasks) - 1 and not _task_matters(job, index):
        index += 1
    lab.call_at(parse_time(job["ends"][index]), "asr.task", {"job": job["id"], "task": index})


def _task_matters(job: Json, index: int) -> bool:
    task = KINDS[job["kind"]].tasks[index].id
    stops = (job.get("suspend", {}).get("task"), job.get("fail", {}).get("task"))
    return task in stops or (job["kind"], task) in HOOKS


@due("asr.task")
def end_task(lab: Lab, args: Json) -> None:
    """A task ends: the job goes on to the next, is suspended, fails or succeeds."""
    job = lab.store.get(KIND, args["job"])
    if job is None or job["state"] != "InProgress" or job.get("never"):
        return
    index, tasks = args["task"], KINDS[job["kind"]].tasks
    task = tasks[index].id
    if (failure := job.get("fail")) and failure.get("task", tasks[-1].id) == task:
        fail_job(lab, job, index)
        return
    _call_hooks(lab, job, task)
    if job.get("suspend", {}).get("task") == task:
        suspend_job(lab, job, index)
    elif index == len(job["ends"]) - 1:
        succeed_job(lab, job)
    else:
        _schedule_task(lab, job, index + 1)


@due("asr.refuse")
def refuse_job(lab: Lab, args: Json) -> None:
    """A job that could not work fails."""
    job = lab.store.get(KIND, args["job"])
    if job and job["state"] == "InProgress":
        fail_job(lab, job, None if job["fail"]["code"] == "532" else 0)


def _call_hooks(lab: Lab, job: Json, moment: str) -> None:
    for hook in HOOKS.get((job["kind"], moment), []):
        hook(lab, job)


def _reach_moment(lab: Lab, job: Json, moment: Moment) -> None:
    lab.store.put(KIND, job["id"], job)
    if not job.get("fail", {}).get("harmless"):
        _call_hooks(lab, job, moment)
    for hook in EVERY.get(moment, []):
        hook(lab, job)


def _set_ended(lab: Lab, job: Json, state: str, description: str) -> None:
    job |= {"state": state, "stateDescription": description, "ended": whole_time(lab.now())}


def succeed_job(lab: Lab, job: Json) -> None:
    """End a job well; warnings in its errors stay, and it may have been found to end with less than Succeeded."""
    state = job.get("fault", {}).get("end", job.get("endsAs", "Succeeded"))
    _set_ended(lab, job, state, "Completed" if state == "Succeeded" else state)
    _reach_moment(lab, job, "Succeeded")


def advance_job(lab: Lab, job: Json, task: int) -> None:
    """Say of a driven job that its tasks up to this one have ended."""
    for index in range(task + 1):
        job["ends"][index] = job["ends"][index] or exact_time(lab.now())
    lab.store.put(KIND, job["id"], job)


def finish_job(lab: Lab, job: Json, state: str) -> None:
    """End a driven job as it was found to have ended: Succeeded, PartiallySucceeded or Failed."""
    advance_job(lab, job, len(job["ends"]) - 1)
    _set_ended(lab, job, state, "Completed" if state == "Succeeded" else state)
    _reach_moment(lab, job, "Failed" if state == "Failed" else "Succeeded")


def fail_job(lab: Lab, job: Json, task: int | None) -> None:
    """End a job with the failure that it carries, at a task or, with None, at none: then all its tasks are skipped."""
    failure = job["fail"]
    names = {"vm": job["targetName"]} | failure.get("names", {})
    error = job_error(
        failure["code"],
        activity=job["activityId"],
        error_id=lab.new_id("error"),
        created=exact_time(lab.now()),
        **names,
    )
    if failure.get("message"):
        _set_message(error, failure["message"])
    error["taskId"] = None if task is None else KINDS[job["kind"]].tasks[task].id
    job["errors"].append(error)
    job["failedTask"] = -1 if task is None else task
    _set_ended(lab, job, "Failed", "Failed")
    _reach_moment(lab, job, "Failed")


def _set_message(error: Json, message: str) -> None:
    """Word an error: where the provider refused, what it said is the provider's, as in recorded errors with 539."""
    if error["providerErrorDetails"]["errorCode"]:
        error["providerErrorDetails"]["errorMessage"] = message
    else:
        error["serviceErrorDetails"]["message"] = message


def add_warning(lab: Lab, job: Json, code: str, **names: str) -> None:
    """Add a warning; the job still succeeds."""
    values = {"vm": job["targetName"]} | names
    activity, created = job["activityId"], exact_time(lab.now())
    values = {"renamed": f"{values['vm']}-{lab.new_id('renamed')}"} | values
    error = job_error(code, activity=activity, error_id=lab.new_id("error"), created=created, level="Warning", **values)
    job["errors"].append(error)
    lab.store.put(KIND, job["id"], job)


def warn_as_faulted(lab: Lab, job: Json) -> None:
    """Add the warning that a fault rule wants of the job, of whatever kind that is."""
    if "warn" in job.get("fault", {}):
        add_warning(lab, job, str(job["fault"]["warn"]))


def suspend_job(lab: Lab, job: Json, task: int) -> None:
    """Have a job wait for a person; the tasks after this one wait with it."""
    job |= {"state": "Suspended", "stateDescription": job["suspend"]["description"], "suspendedAt": task}
    job["ends"][task + 1 :] = [None] * (len(job["ends"]) - task - 1)
    _reach_moment(lab, job, "Suspended")


def resume_suspended(lab: Lab, job: Json, lasts: timedelta) -> None:
    """Go on with a suspended job for so long."""
    left = len(job["ends"]) - job["suspendedAt"] - 1
    job |= {"state": "InProgress", "stateDescription": "InProgress", "suspend": {}}
    for index in range(left):
        job["ends"][-left + index] = exact_time(lab.now() + lasts * ((index + 1) / left))
    _reach_moment(lab, job, "Resumed")
    if left:
        _schedule_task(lab, job, job["suspendedAt"] + 1)
    else:
        lab.call_at(lab.now() + lasts, "asr.finish", {"job": job["id"]})


@due("asr.finish")
def finish_resumed(lab: Lab, args: Json) -> None:
    """A job that was resumed after its last task succeeds."""
    job = lab.store.get(KIND, args["job"])
    if job and job["state"] == "InProgress":
        succeed_job(lab, job)


def begin_cancelling(lab: Lab, job: Json) -> None:
    """Begin to cancel a job; it is Cancelled a little later."""
    job |= {"stateDescription": "Cancelling", "cancelledFrom": job["state"], "state": "Cancelling"}
    lab.store.put(KIND, job["id"], job)
    lab.call_after(timedelta(seconds=10), "asr.cancelled", {"job": job["id"]})


@due("asr.cancelled")
def end_cancelled(lab: Lab, args: Json) -> None:
    """A job that was being cancelled is Cancelled."""
    job = lab.store.get(KIND, args["job"])
    if job and job["state"] == "Cancelling":
        _set_ended(lab, job, "Cancelled", "Cancelled")
        _reach_moment(lab, job, "Cancelled")
