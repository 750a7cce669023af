"""What the vault says of a job: whether it has ended, and how; and how far the job of a recovery plan is."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from shared.arm_ids import name_of
from shared.azure.exactly_once import FAILED
from shared.azure.json_fields import Json, message_of, object_at, parse_utc, text_of
from shared.site_recovery.contract import RENAMED_CODE, ChildJob, JobEnd, PlanActionEnd, RecoveryPlanJobView

HOST_REGISTRATION = "RegisterDra"
"""scenarioName of the job by which a host registers with the vault."""
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
        first_action = next((f"the manual action {action}" for action in list_manual_actions(tasks)), "")
        waits_for = first_action or description or "Site Recovery waits for a person"
        return RecoveryPlanJobView(state="suspended", children=children, waits_for=waits_for)
    actions = tuple(action for task in tasks if (action := _action_end(task)))
    return RecoveryPlanJobView(state="ended", children=children, actions=actions, end=end)


_ACTIONS: Mapping[str, Literal["manual", "runbook", "script"]] = {
    MANUAL: "manual",
    "AutomationRunbookTaskDetails": "runbook",
    "ScriptActionTaskDetails": "script",
}


def _action_end(task: Json) -> PlanActionEnd | None:
    """The action that a task is about, None for a machine or a group; one that never began was skipped."""
    details, state = object_at(task, "customDetails"), text_of(task.get("state"))
    kind = _ACTIONS.get(text_of(details.get("instanceType")))
    if kind is None:
        return None
    errors = [_code_and_message(error)[1] for error in task.get("errors") or ()]
    return PlanActionEnd(
        name=text_of(details.get("name")) or text_of(task.get("friendlyName")),
        kind=kind,
        state="passed" if state in SUCCEEDED else "failed" if state in FAILED else "skipped",
        detail=errors[0] if errors else "" if state in SUCCEEDED else state,
        began=parse_utc(task.get("startTime")),
        ended=parse_utc(task.get("endTime")),
    )


def list_manual_actions(tasks: Iterable[Json]) -> Iterator[str]:
    """Name and instructions of each manual action that a job waits at."""
    for task in tasks:
        details = object_at(task, "customDetails")
        if text_of(task.get("state")) in _OPEN and details.get("instanceType") == MANUAL:
            yield ": ".join(filter(None, (text_of(details.get("name")), message_of(details.get("instructions")))))


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
        message_of(details.get("skippedReasonString") or details.get("skippedReason")),
    )
    if not own and not skipped:
        return None
    return ChildJob(
        vm=text_of(own.get("targetObjectName")) or text_of(task.get("friendlyName")),
        machine=text_of(own.get("targetObjectId")) or text_of(task.get("taskId")),
        job=name_of(text_of(own.get("jobId"))),
        note=skipped,
    )


SUCCEEDED = frozenset({"Succeeded", "PartiallySucceeded", "CompletedWithInformation", "Completed"})


def job_end(job: Json) -> JobEnd | None:
    """How a job ended; None while it runs, and for a state that is not known."""
    properties = object_at(job, "properties")
    outcome = _outcome_of(text_of(properties.get("state")))
    if outcome is None:
        return None
    errors = [error for error in properties.get("errors") or () if not _is_warning(error)]
    code, detail = _code_and_message(errors[0]) if errors else ("", message_of(properties.get("stateDescription")))
    warnings = [_code_and_message(error) for error in properties.get("errors") or () if _is_warning(error)]
    items = object_at(properties, "customDetails").get("protectedItemDetails") or ()  # the machine's name is only here
    points = (parse_utc(item.get("recoveryPointTime")) for item in items)
    task_ends = (parse_utc(task.get("endTime")) for task in properties.get("tasks") or ())
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
        azure_vm=next((text_of(item.get("testVmName")) for item in items if item.get("testVmName")), ""),
        point=next((point for point in points if point), None),
        began=parse_utc(properties.get("startTime")),
        ended=parse_utc(properties.get("endTime")) or max(filter(None, task_ends), default=None),  # none if suspended
    )


def scenario_of(job: Json) -> str:
    """What the job does, by its scenarioName."""
    return text_of(object_at(job, "properties").get("scenarioName"))


def start_time_of(job: Json) -> str:
    """When it began, as the vault writes it: earlier times come first; empty before it has begun."""
    return text_of(object_at(job, "properties").get("startTime"))


def is_suspended(job: Json) -> bool:
    """Whether the job waits for somebody to resume it."""
    return _outcome_of(text_of(object_at(job, "properties").get("state"))) == "suspended"


def _outcome_of(state: str) -> Literal["succeeded", "failed", "suspended"] | None:
    if state in SUCCEEDED | FAILED:
        return "succeeded" if state in SUCCEEDED else "failed"
    return "suspended" if state == "Suspended" or state.startswith("WaitingFor") else None


def _first_advice(errors: Sequence[Json], key: str) -> str:
    """The first error's advice under this key; the provider on the host knows more than the service."""
    first: Json = next(iter(errors), {})
    texts = (object_at(first, "providerErrorDetails").get(key), object_at(first, "serviceErrorDetails").get(key))
    return next((message_of(one) for one in texts if one), "")


def _is_warning(error: Json) -> bool:
    return text_of(error.get("errorLevel")).lower() == "warning"


def _code_and_message(error: Json) -> tuple[str, str]:
    """Code and sentence of an error; 539 and 559 only point to the error of the host's provider, so that is added."""
    service, provider = object_at(error, "serviceErrorDetails"), object_at(error, "providerErrorDetails")
    code = text_of(service.get("code")) or text_of(provider.get("errorCode"))
    sentences = (service.get("message"), provider.get("errorMessage"), service.get("recommendedAction"))
    return code, " ".join(message_of(sentence) for sentence in sentences if sentence)
