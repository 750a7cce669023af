"""What a fault rule makes of a job, as the job keeps it."""

from typing import Any

from lab.azure.simulator.answers import Json
from lab.azure.site_recovery.jobs.kinds import KINDS

_LEGACY_SUSPENSION = {"task": "BootTestProtectedEntitiesTask", "description": "WaitingForStopTestFailover"}


def facts_of_fault(effect: Json | None, kind: str) -> dict[str, Any]:
    """The facts that make a job of a kind go as the effect says; a task that the kind has not is its last one."""
    if effect is None:
        return {}
    if effect.get("never"):
        return {"never": True}
    if "fail" in effect:
        return {"fail": _failure_facts(effect, kind)}
    if effect.get("suspend") and kind == "TestFailover":
        return {"suspend": _LEGACY_SUSPENSION}
    return {"fault": effect}


def _failure_facts(effect: Json, kind: str) -> Json:
    failure = {"code": str(effect["fail"])}
    if effect.get("task") in [task.id for task in KINDS[kind].tasks]:
        failure["task"] = effect["task"]
    if "message" in effect:
        failure["message"] = effect["message"]
    return failure
