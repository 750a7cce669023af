"""What the vault says of a job: whose it is, whether it has ended, and how."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Literal

from shared.azure.json_fields import Json, part, text, utc
from shared.site_recovery.contract import ChildJob, JobEnd, PlanJobSeen

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


SUCCEEDED = frozenset({"Succeeded", "PartiallySucceeded", "CompletedWithInformation", "Completed"})
FAILED = frozenset({"Failed", "Cancelled", "Aborted", "RolledBack"})
_STARTED_BY = re.compile(r"(\S+) ActivityId: ")


def started_by(job: Json, request_id: str) -> bool:
    """Whether a request of this id started the job.

    Source: activityId = "<x-ms-client-request-id> ActivityId: <x-ms-correlation-request-id>" in 454 of 454 recorded
    jobs, all of api-version 2016-08-10.
    """
    return text(part(job, "properties").get("activityId")).lower().startswith(f"{request_id.lower()} ")


def names_its_starter(job: Json) -> bool:
    """Whether the job's activityId has the recorded form; one that a list shows may be null."""
    return _STARTED_BY.match(text(part(job, "properties").get("activityId"))) is not None


class JobBook:
    """The jobs that one look has listed: found by their starter or, of those that do not say it, by their machine."""

    def __init__(self, jobs: Iterable[Json] = ()) -> None:
        self._started: dict[str, list[Json]] = {}
        self._nameless: dict[str, list[Json]] = {}
        self._names: set[str] = set()
        for job in jobs:
            self._add(job)

    def _add(self, job: Json) -> None:
        self._names.add(job["name"])
        request, gap, _ = text(part(job, "properties").get("activityId")).partition(" ")
        if gap:
            self._started.setdefault(request.lower(), []).append(job)
        for machine in () if names_its_starter(job) else _target(part(job, "properties")):
            self._nameless.setdefault(machine, []).append(job)

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def started_by(self, request_id: str) -> list[Json]:
        """What a request of this id started."""
        return self._started.get(request_id.lower(), [])

    def looking_started_by(self, scenarios: Collection[str], machines: Collection[str], since: datetime) -> list[Json]:
        """What may be ours although it does not say who started it; `machines` are names and GUIDs of one machine."""
        about = [job for machine in machines for job in self._nameless.get(machine.lower(), ())]
        alike = [job for job in about if looks_started_by(job, scenarios, machines, since)]
        return list({job["name"]: job for job in alike}.values())


def looks_started_by(job: Json, scenarios: Collection[str], machines: Collection[str], since: datetime) -> bool:
    """Whether the job may be ours although it does not say who started it.

    Only for a job that does not name its starter and has not failed; `machines` are names and GUIDs of one machine.
    """
    properties = part(job, "properties")
    began = utc(properties.get("startTime"))
    return (
        not names_its_starter(job)
        and properties.get("scenarioName") in scenarios
        and not _target(properties).isdisjoint(machine.lower() for machine in machines)
        and began is not None
        and began >= since
        and properties.get("state") not in FAILED
    )


def _target(properties: Json) -> frozenset[str]:
    return frozenset(text(properties.get(key)).lower() for key in ("targetObjectId", "targetObjectName"))


def job_end(job: Json) -> JobEnd | None:
    """How a job ended; None while it runs, and for a state that nobody has told of."""
    properties = part(job, "properties")
    outcome = _outcome(text(properties.get("state")))
    if outcome is None:
        return None
    errors = [error for error in properties.get("errors") or () if not _is_warning(error)]
    code, detail = _said(errors[0]) if errors else ("", text(properties.get("stateDescription")))
    return JobEnd(
        job=job["name"],
        outcome=outcome,
        state=text(properties.get("state")),
        code=code,
        detail=detail,
        cause=_advice(errors, "possibleCauses"),
        remedy=_advice(errors, "recommendedAction"),
        allowed_actions=tuple(properties.get("allowedActions") or ()),
        warnings=tuple(": ".join(_said(error)) for error in properties.get("errors") or () if _is_warning(error)),
        azure_vm=_azure_vm(properties),
        point=_point(properties),
        began=utc(properties.get("startTime")),
        ended=utc(properties.get("endTime")) or _last_task(properties),
    )


def is_suspended(job: Json) -> bool:
    """Whether the job waits for somebody to resume it."""
    return _outcome(text(part(job, "properties").get("state"))) == "suspended"


def _outcome(state: str) -> Literal["succeeded", "failed", "suspended"] | None:
    if state in SUCCEEDED:
        return "succeeded"
    if state in FAILED:
        return "failed"
    return "suspended" if state == "Suspended" or state.startswith("WaitingFor") else None


def _advice(errors: Sequence[Json], key: str) -> str:
    """What the first error says under this key; the provider on the host knows more than the service."""
    first: Json = next(iter(errors), {})
    told = (part(first, "providerErrorDetails").get(key), part(first, "serviceErrorDetails").get(key))
    return next((text(one).strip() for one in told if one), "")


def _is_warning(error: Json) -> bool:
    return text(error.get("errorLevel")).lower() == "warning"


def _said(error: Json) -> tuple[str, str]:
    """Code and sentence of an error; 539 and 559 only point to what the host's provider said, so that is added."""
    service, provider = part(error, "serviceErrorDetails"), part(error, "providerErrorDetails")
    code = text(service.get("code")) or text(provider.get("errorCode"))
    sentences = (service.get("message"), provider.get("errorMessage"), service.get("recommendedAction"))
    return code, " ".join(text(sentence).strip() for sentence in sentences if sentence)


def _last_task(properties: Json) -> datetime | None:
    """When the last of its tasks ended: a job that is suspended has no end of its own."""
    ends = (utc(one.get("endTime")) for one in properties.get("tasks") or ())
    return max((end for end in ends if end), default=None)


def _point(properties: Json) -> datetime | None:
    """When the data was current that the failover used: of the recovery point that the job's details name."""
    items = part(properties, "customDetails").get("protectedItemDetails") or ()
    return next((point for item in items if (point := utc(item.get("recoveryPointTime")))), None)


def _azure_vm(properties: Json) -> str:
    """The machine that a test failover made: named in the job's own details, and only there."""
    items = part(properties, "customDetails").get("protectedItemDetails") or ()
    return next((text(item.get("testVmName")) for item in items if item.get("testVmName")), "")
