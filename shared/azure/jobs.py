"""What the vault says of a job: whose it is, whether it has ended, and how."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Literal

from shared.azure.json_fields import Json, object_at, parse_utc, text_of
from shared.site_recovery.contract import RENAMED_CODE, ChildJob, JobEnd, RecoveryPlanJobView

TEST_IS_UP = "WaitingForStopTestFailover"
"""How a test failover ends with older api-versions: suspended until its cleanup."""
MANUAL = "ManualActionTaskDetails"
_OPEN = frozenset({"InProgress", "Suspended", "WaitingForManualAction"})


def plan_job_view(job: Json) -> RecoveryPlanJobView:
    """Read the job of a recovery plan with its tasks; all of them are null in its first moments.

    Source: groups as GroupTaskDetails with childTasks, the machines' own jobs as jobTask (specified).
    """
    end, tasks = job_end(job), list(_walk_tasks(object_at(job, "properties").get("tasks") or ()))
    children = tuple(child for task in tasks if (child := _child_job(task)))
    if end is None:
        return RecoveryPlanJobView(state="running", children=children)
    description = text_of(object_at(job, "properties").get("stateDescription"))
    if end.outcome == "suspended" and description != TEST_IS_UP:
        waits_for = next(_pending_manual_actions(tasks), "") or description or "Site Recovery waits for a person"
        return RecoveryPlanJobView(state="suspended", children=children, waits_for=waits_for)
    return RecoveryPlanJobView(state="ended", children=children, end=end)


def _walk_tasks(tasks: object) -> Iterator[Json]:
    """All tasks, those within groups too, however deep."""
    for task in tasks if isinstance(tasks, list | tuple) else ():
        yield task
        yield from _walk_tasks(object_at(task, "groupTaskCustomDetails").get("childTasks"))


def _child_job(task: Json) -> ChildJob | None:
    """The machine that a task is about, None for an action or a group."""
    details = object_at(task, "customDetails")
    own, skipped = (
        object_at(details, "jobTask"),
        text_of(details.get("skippedReasonString") or details.get("skippedReason")),
    )
    if not own and not skipped:
        return None
    return ChildJob(
        vm=text_of(own.get("targetObjectName")) or text_of(task.get("friendlyName")),
        machine=text_of(own.get("targetObjectId")) or text_of(task.get("taskId")),
        job=text_of(own.get("jobId")).rpartition("/")[2],
        note=skipped,
    )


def _pending_manual_actions(tasks: list[Json]) -> Iterator[str]:
    """Manual actions that are waited for, with what is to be done."""
    for task in tasks:
        details = object_at(task, "customDetails")
        if details.get("instanceType") == MANUAL and text_of(task.get("state")) in _OPEN:
            action = ": ".join(filter(None, (text_of(details.get("name")), text_of(details.get("instructions")))))
            yield f"the manual action {action}"


SUCCEEDED = frozenset({"Succeeded", "PartiallySucceeded", "CompletedWithInformation", "Completed"})
FAILED = frozenset({"Failed", "Cancelled", "Aborted", "RolledBack"})
_STARTED_BY = re.compile(r"(\S+) ActivityId: ")


def is_started_by(job: Json, request_id: str) -> bool:
    """Whether a request of this id started the job.

    Source: activityId = "<x-ms-client-request-id> ActivityId: <x-ms-correlation-request-id>" in 454 of 454 recorded
    jobs, all of api-version 2016-08-10.
    """
    return text_of(object_at(job, "properties").get("activityId")).lower().startswith(f"{request_id.lower()} ")


def has_request_id(job: Json) -> bool:
    """Whether the job's activityId has the recorded form; one that a list shows may be null."""
    return _STARTED_BY.match(text_of(object_at(job, "properties").get("activityId"))) is not None


class JobIndex:
    """The jobs that one look has listed: found by their starter or, of those that do not say it, by their machine."""

    def __init__(self, jobs: Iterable[Json] = ()) -> None:
        self._by_request: dict[str, list[Json]] = {}
        self._by_target: dict[str, list[Json]] = {}
        self._names: set[str] = set()
        for job in jobs:
            self._add_job(job)

    def _add_job(self, job: Json) -> None:
        self._names.add(job["name"])
        request, gap, _ = text_of(object_at(job, "properties").get("activityId")).partition(" ")
        if gap:
            self._by_request.setdefault(request.lower(), []).append(job)
        for machine in () if has_request_id(job) else _targets_of(object_at(job, "properties")):
            self._by_target.setdefault(machine, []).append(job)

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def find_by_request(self, request_id: str) -> list[Json]:
        """What a request of this id started."""
        return self._by_request.get(request_id.lower(), [])

    def find_lookalikes(self, scenarios: Collection[str], machines: Collection[str], since: datetime) -> list[Json]:
        """What may be ours although it does not say who started it; `machines` are names and GUIDs of one machine."""
        on_machine = [job for machine in machines for job in self._by_target.get(machine.lower(), ())]
        alike = [job for job in on_machine if may_be_started_by(job, scenarios, machines, since)]
        return list({job["name"]: job for job in alike}.values())


def may_be_started_by(job: Json, scenarios: Collection[str], machines: Collection[str], since: datetime) -> bool:
    """Whether the job may be ours although it does not say who started it.

    Only for a job that does not name its starter and has not failed; `machines` are names and GUIDs of one machine.
    """
    properties = object_at(job, "properties")
    began = parse_utc(properties.get("startTime"))
    return (
        not has_request_id(job)
        and properties.get("scenarioName") in scenarios
        and not _targets_of(properties).isdisjoint(machine.lower() for machine in machines)
        and began is not None
        and began >= since
        and properties.get("state") not in FAILED
    )


def _targets_of(properties: Json) -> frozenset[str]:
    return frozenset(text_of(properties.get(key)).lower() for key in ("targetObjectId", "targetObjectName"))


def job_end(job: Json) -> JobEnd | None:
    """How a job ended; None while it runs, and for a state that nobody has told of."""
    properties = object_at(job, "properties")
    outcome = _outcome_of(text_of(properties.get("state")))
    if outcome is None:
        return None
    errors = [error for error in properties.get("errors") or () if not _is_warning(error)]
    code, detail = _code_and_message(errors[0]) if errors else ("", text_of(properties.get("stateDescription")))
    warnings = [_code_and_message(error) for error in properties.get("errors") or () if _is_warning(error)]
    return JobEnd(
        job=job["name"],
        outcome=outcome,
        state=text_of(properties.get("state")),
        code=code,
        detail=detail,
        cause=_first_advice(errors, "possibleCauses"),
        remedy=_first_advice(errors, "recommendedAction"),
        allowed_actions=tuple(properties.get("allowedActions") or ()),
        warnings=tuple(": ".join(warning) for warning in warnings),
        renamed=any(code == RENAMED_CODE for code, _ in warnings),
        azure_vm=_test_vm_name(properties),
        point=_recovery_point_time(properties),
        began=parse_utc(properties.get("startTime")),
        ended=parse_utc(properties.get("endTime")) or _last_task_end(properties),
    )


def is_suspended(job: Json) -> bool:
    """Whether the job waits for somebody to resume it."""
    return _outcome_of(text_of(object_at(job, "properties").get("state"))) == "suspended"


def _outcome_of(state: str) -> Literal["succeeded", "failed", "suspended"] | None:
    if state in SUCCEEDED:
        return "succeeded"
    if state in FAILED:
        return "failed"
    return "suspended" if state == "Suspended" or state.startswith("WaitingFor") else None


def _first_advice(errors: Sequence[Json], key: str) -> str:
    """What the first error says under this key; the provider on the host knows more than the service."""
    first: Json = next(iter(errors), {})
    texts = (object_at(first, "providerErrorDetails").get(key), object_at(first, "serviceErrorDetails").get(key))
    return next((text_of(one).strip() for one in texts if one), "")


def _is_warning(error: Json) -> bool:
    return text_of(error.get("errorLevel")).lower() == "warning"


def _code_and_message(error: Json) -> tuple[str, str]:
    """Code and sentence of an error; 539 and 559 only point to what the host's provider said, so that is added."""
    service, provider = object_at(error, "serviceErrorDetails"), object_at(error, "providerErrorDetails")
    code = text_of(service.get("code")) or text_of(provider.get("errorCode"))
    sentences = (service.get("message"), provider.get("errorMessage"), service.get("recommendedAction"))
    return code, " ".join(text_of(sentence).strip() for sentence in sentences if sentence)


def _last_task_end(properties: Json) -> datetime | None:
    """When the last of its tasks ended: a job that is suspended has no end of its own."""
    ends = (parse_utc(one.get("endTime")) for one in properties.get("tasks") or ())
    return max((end for end in ends if end), default=None)


def _recovery_point_time(properties: Json) -> datetime | None:
    """When the data was current that the failover used: of the recovery point that the job's details name."""
    items = object_at(properties, "customDetails").get("protectedItemDetails") or ()
    return next((point for item in items if (point := parse_utc(item.get("recoveryPointTime")))), None)


def _test_vm_name(properties: Json) -> str:
    """The machine that a test failover made: named in the job's own details, and only there."""
    items = object_at(properties, "customDetails").get("protectedItemDetails") or ()
    return next((text_of(item.get("testVmName")) for item in items if item.get("testVmName")), "")
