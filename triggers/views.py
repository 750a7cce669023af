"""An operation as people read it: made of what the engine keeps and what the run says of itself. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from durabletask.client import OrchestrationState, OrchestrationStatus

from shared.findings import findings
from shared.messages import RunItem
from shared.operations import SITE_KINDS, Operation, Outcome, Override
from shared.preview import Preview
from shared.status import item_states
from triggers.site_views import site_part

BY_ENGINE = {
    OrchestrationStatus.PENDING: "pending",
    OrchestrationStatus.SUSPENDED: "waiting",
    OrchestrationStatus.TERMINATED: "aborted",
    OrchestrationStatus.FAILED: "failed",
}

SHOWN = ("phase", "waitingFor", "waits", "problems", "failures", "hooks", "rung", "timeline", "queue", "eta")
"""What a living run says of itself that is shown as it is."""


def brief(state: OrchestrationState) -> dict[str, Any]:
    """An operation in a list: what, for whom, how it stands."""
    kind, subject = kind_and_subject(state)
    return {
        "id": state.instance_id,
        "kind": kind,
        _about(kind): subject,
        "state": state_of(state),
        "createdAt": utc(state.created_at),
        "updatedAt": utc(state.last_updated_at),
        "links": links(state.instance_id),
    }


def _about(kind: str) -> str:
    return "node" if kind == "repair" else "site" if kind in SITE_KINDS else "plan"


def utc(moment: datetime) -> str:
    """The engine's own times are naive UTC."""
    return moment.replace(tzinfo=UTC).isoformat()


def kind_and_subject(state: OrchestrationState) -> tuple[str, str]:
    """A run's id is its kind, its subject and eight or more digits that make it unique."""
    return state.name, state.instance_id.removeprefix(f"{state.name}-").rpartition("-")[0]


def state_of(state: OrchestrationState) -> str:
    """pending, running, waiting, succeeded, failed or aborted."""
    if state.runtime_status == OrchestrationStatus.RUNNING:
        return "waiting" if (state.get_custom_status() or {}).get("waits") else "running"
    if state.runtime_status != OrchestrationStatus.COMPLETED:
        return BY_ENGINE[state.runtime_status]
    ended = (state.get_output() or {}).get("state")
    return ended if ended in {"succeeded", "aborted"} else "failed"


def links(run: str) -> dict[str, str]:
    """Where to look further."""
    base = f"/api/operations/{run}"
    return {"self": base, "report": f"{base}/report", "evidence": f"{base}/evidence"}


def full(state: OrchestrationState) -> dict[str, Any]:
    """An operation with all that is known of each of its VMs."""
    shown = brief(state) | {"phase": "", "waitingFor": "", "problems": [], "failures": [], "items": []}
    status = state.get_custom_status() or {}
    shown |= {key: status[key] for key in SHOWN if key in status}
    shown |= _asked(state) | _items(state, status)
    if state.runtime_status == OrchestrationStatus.COMPLETED:
        shown |= _ended(Outcome.model_validate(state.get_output()))
    elif state.runtime_status == OrchestrationStatus.FAILED and state.failure_details:
        shown |= {"failures": [f"{state.failure_details.error_type}: {state.failure_details.message}"]}
    return shown


def _asked(state: OrchestrationState) -> dict[str, Any]:
    asked: Any = state.get_input()
    said: dict[str, Any] = {}
    if asked.get("override"):
        said["override"] = Override.model_validate(asked["override"]).model_dump(mode="json")
    waits = (state.get_custom_status() or {}).get("waits") or {}
    if waits.get("for") == "approval" and asked.get("preview"):
        said["preview"] = Preview.model_validate(asked["preview"]).model_dump(mode="json", by_alias=True)
    return {"requestedBy": asked["requested_by"], **said}


def _items(state: OrchestrationState, status: Mapping[str, Any]) -> dict[str, Any]:
    """Details are those of the last generation of the run; the states are the newest."""
    if state.name in {"repair", "mirror"}:
        return {}
    if state.name in SITE_KINDS:
        return site_part(state, status)
    operation = Operation.carried(state.get_input())
    names = [item.vm for item in (operation.run or operation.document).items]
    known = {item.vm: item for item in operation.run.items} if operation.run else {}
    states = item_states(status.get("codes", "w" * len(names)))
    if len(states) != len(names):  # a cleanup that has just begun: what is not protected any more has no state
        names, states = names[: len(states)], ["waiting"] * min(len(states), len(names))
    items = [item_view(known.get(vm, RunItem(vm=vm, id="")), now_in) for vm, now_in in zip(names, states, strict=True)]
    asked = operation.asked.model_dump(mode="json", by_alias=True)
    told = {"request": asked, "items": items, "progress": _progress(status, len(names)), **_began(operation)}
    return told | ({"findings": [*findings(operation.run.items), *operation.run.findings]} if operation.run else {})


def _progress(status: Mapping[str, Any], total: int) -> dict[str, int]:
    stage, stages = status.get("stage", 1), status.get("stages", 1)
    return {"done": status.get("done", 0), "total": total, "stage": stage, "stages": stages}


def _began(operation: Operation) -> dict[str, Any]:
    return {"startedAt": operation.run.began.isoformat()} if operation.run else {}


def item_view(item: RunItem, state: str) -> dict[str, Any]:
    """One VM of a run."""
    steps = [step.model_dump(mode="json") for step in item.steps]
    return {
        "vm": item.vm,
        "state": state,
        "detail": item.detail,
        "azureVm": item.azure_vm,
        "address": item.address,
        "job": item.job,
        "recoveryPoint": item.point,
        "steps": steps,
    }


def _ended(outcome: Outcome) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "phase": "Ended" if outcome.state != "refused" else "Refused",
        "waitingFor": "",
        "problems": [problem.model_dump() for problem in outcome.problems],
        "failures": list(outcome.failures),
        "findings": list(outcome.findings),
        "facts": outcome.facts,
        "hooks": [hook.model_dump(mode="json") for hook in outcome.hooks],
        "decisions": [decision.model_dump(mode="json") for decision in outcome.decisions],
        "approvals": [approval.model_dump(mode="json") for approval in outcome.approvals],
    }
    if outcome.items:
        shown["items"] = [item_view(item, item.state) for item in outcome.items]
    if outcome.began and outcome.ended:
        shown |= {"startedAt": outcome.began.isoformat(), "endedAt": outcome.ended.isoformat()}
    return shown
