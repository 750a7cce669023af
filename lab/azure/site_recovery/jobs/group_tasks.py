"""How the job of a recovery plan shows its groups as tasks, with their machines and actions as children.

That groups show as GroupTaskDetails with their children is specified; names and titles of the tasks are inferred.
"""

from lab.azure.simulator.answers import Json
from lab.azure.site_recovery.api.times import NOT_SET

MANUAL = "ManualActionDetails"
_GROUP = "RecoveryPlanGroupTaskDetails"
_SHUTDOWN_GROUP = "RecoveryPlanShutdownGroupTaskDetails"
_STATES = {None: "NotStarted", "InProgress": "InProgress", "Succeeded": "Completed", "Other": "Skipped"}


def group_tasks_of(job: Json) -> list[Json]:
    """The groups as tasks of the plan's job."""
    return [_group_task(at, group) for at, group in enumerate(job["groups"])]


def _group_task(at: int, group: Json) -> Json:
    kind = _SHUTDOWN_GROUP if group["type"] == "Shutdown" else _GROUP
    details = {"instanceType": kind, "groupId": f"{group['type']}{at}", "name": group["title"]}
    details |= {"rpGroupType": group["type"], "childTasks": [_child_task(child) for child in group["children"]]}
    return _task_document(group | {"id": f"RecoveryPlan{group['type']}Group{at}"}, "GroupTaskDetails", None) | {
        "groupTaskCustomDetails": details
    }


def _child_task(child: Json) -> Json:
    details = _machine_details(child) if "item" in child else _action_details(child)
    return _task_document(child, details["instanceType"], details)


def _machine_details(child: Json) -> Json:
    """The machine's own job, by its name."""
    details = {"jobTask": child["job"], "skippedReason": None, "skippedReasonString": None}
    return {"instanceType": "VirtualMachineTaskDetails"} | details


def _action_details(child: Json) -> Json:
    given, name = child["action"]["customDetails"], child["title"]
    on_primary = given.get("fabricLocation") == "Primary"
    if given["instanceType"] == MANUAL:
        details = {"instructions": given.get("description"), "observation": child.get("comments")}
        return {"instanceType": "ManualActionTaskDetails", "name": name} | details
    if given["instanceType"] == "ScriptActionDetails":
        details = {"path": given.get("path"), "output": None, "isPrimarySideScript": on_primary}
        return {"instanceType": "ScriptActionTaskDetails", "name": name} | details
    runbook = given.get("runbookId")
    details = {"runbookId": runbook, "runbookName": runbook and runbook.rpartition("/")[2]}
    return {"instanceType": "AutomationRunbookTaskDetails", "name": name, "isPrimarySideScript": on_primary} | details


def _task_document(each: Json, kind: str, details: Json | None) -> Json:
    state = each["state"]
    return {
        "taskId": each["id"],
        "name": each["title"],
        "startTime": each["began"] or NOT_SET,
        "endTime": each["ended"] or NOT_SET,
        "allowedActions": [],
        "friendlyName": each["title"],
        "state": state or "NotStarted",
        "stateDescription": _STATES.get(state, state),
        "taskType": kind,
        "customDetails": details,
        "groupTaskCustomDetails": None,
        "errors": each.get("errors", []),
    }
