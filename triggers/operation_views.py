"""An operation as people read it: made of what the engine keeps and what the run says of itself. Pure."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import azure.durable_functions as df
from durabletask.client import OrchestrationState, OrchestrationStatus

from activities.durable_state import read_entity
from shared.onboarding import drift
from shared.onboarding.drift import Drift
from shared.onboarding.preflight import findings
from shared.onboarding.preflight.check import CheckResult
from shared.operations.durable_names import PLAN_HISTORY
from shared.operations.kinds import PLAN_KINDS, SITE_KINDS
from shared.plans.history import PlanHistory, forecast_recovery
from shared.plans.preview import Preview
from shared.recovery.operation import Operation, Override
from shared.recovery.outcome import Outcome
from shared.recovery.results import find_changes_in_azure as findings_results
from shared.recovery.results import measure_achieved
from shared.recovery.run_item import RunItem
from shared.recovery.status import item_states
from shared.replication.run import ReplicationOrder, vm_view
from shared.replication.status import ReplicationStatus


async def read_achieved_and_forecast(client: df.DurableFunctionsClient, state: OrchestrationState) -> dict[str, Any]:
    """{achieved, forecast} of a run on a plan; empty for other runs, and without what is not known yet."""
    if state.name not in PLAN_KINDS:
        return {}
    operation = Operation.from_carried(state.get_input())
    achieved_view = _achieved_view(operation, state)
    plan_history = await read_entity(client, PLAN_HISTORY, operation.plan)
    began = operation.run.began if operation.run else None
    expected = forecast_recovery(PlanHistory.model_validate(plan_history), operation.kind, began)
    views = {"achieved": achieved_view, "forecast": expected}
    return {name: value for name, value in views.items() if value is not None}


def _achieved_view(operation: Operation, state: OrchestrationState) -> dict[str, Any] | None:
    """From the outcome of a run that has ended, else from what it carried along last."""
    items, began = (operation.run.items, operation.run.began) if operation.run else ((), None)
    if state.runtime_status == OrchestrationStatus.COMPLETED:
        outcome = Outcome.model_validate(state.get_output())
        items, began = outcome.items, outcome.began
    achievement = measure_achieved(items, began, operation.document.targets) if began else None
    return achievement.model_dump(mode="json", by_alias=True) if achievement else None


type SitePart = Callable[[OrchestrationState, Mapping[str, Any]], dict[str, Any]]


def _preparation_part(state: OrchestrationState, custom_status: Mapping[str, Any]) -> dict[str, Any]:
    """Every step and every node, with its state."""
    fields = {**custom_status, **_facts_of(state)}
    steps = fields.get("steps", [])
    done = sum(step["state"] != "pending" for step in steps)
    view: dict[str, Any] = {key: fields[key] for key in ("verdict", "changed") if key in fields}
    return view | {"steps": steps, "nodes": fields.get("nodes", []), "progress": {"done": done, "total": len(steps)}}


def _replication_part(state: OrchestrationState, custom_status: Mapping[str, Any]) -> dict[str, Any]:
    """Every VM with its state, the part that is copied and the time left; details are those of the last generation."""
    facts = _facts_of(state)
    if "vms" in facts:
        verdict_fields = {key: facts[key] for key in ("verdict", "changed")}
        return {"items": facts["vms"], "progress": _replication_progress(facts["vms"]), "eta": "", **verdict_fields}
    order = ReplicationOrder.model_validate(state.get_input())
    vms = [vm_view(item) for item in order.run.items] if order.run else []
    status = ReplicationStatus.model_validate(custom_status) if "codes" in custom_status else None
    vms_progress = status.progress_of_vms() if status else ()
    for vm, vm_progress in zip(vms, vms_progress if len(vms) == len(vms_progress) else (), strict=False):
        left = vm_progress.time_left
        vm["state"], vm["minutesLeft"] = vm_progress.state, None if left is None else left // timedelta(minutes=1)
        vm["percent"] = vm["percent"] if vm_progress.percent is None else vm_progress.percent
    progress = {"done": status.done if status else 0, "total": len(vms_progress)}
    return {"action": order.request.action, "items": vms, "progress": progress, "eta": status.eta if status else ""}


def _replication_progress(vms: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return {"done": sum(vm["state"] in {"done", "kept"} for vm in vms), "total": len(vms)}


def _facts_of(state: OrchestrationState) -> Mapping[str, Any]:
    """What the run ended with, empty while it runs."""
    if state.runtime_status != OrchestrationStatus.COMPLETED:
        return {}
    facts: Mapping[str, Any] = (state.get_output() or {}).get("facts", {})
    return facts


def _preflight_part(state: OrchestrationState, _status: Mapping[str, Any]) -> dict[str, Any]:
    """Every check with its evidence and remedy, and how many are in which state; nothing before the run's end."""
    return {key: value for key, value in _facts_of(state).items() if key in {"checks", "counts"}}


def _verification_part(state: OrchestrationState, _status: Mapping[str, Any]) -> dict[str, Any]:
    """What is other than declared; nothing before the run's end."""
    return {key: value for key, value in _facts_of(state).items() if key == "drift"}


SITE_PARTS: Mapping[str, SitePart] = {
    "preflight": _preflight_part,
    "prepare": _preparation_part,
    "replication": _replication_part,
    "verify": _verification_part,
}
"""By kind; each makes its part of the run's input and of its custom status, once ended of its output's facts."""


def table_of(run: Mapping[str, Any]) -> str:
    """The checks, or the differences, of a run that has them; of any other run its state and what went wrong."""
    if "checks" in run:
        return findings.results_table([CheckResult.model_validate(one) for one in run["checks"]])
    if "drift" in run:
        return drift.drift_table([Drift.model_validate(one) for one in run["drift"]])
    return "\n".join([*run["failures"], f"{run['state'].upper()}: {run['id']}", ""])


def site_part(state: OrchestrationState, custom_status: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a kind; nothing for one that has none."""
    part = SITE_PARTS.get(state.name)
    return part(state, custom_status) if part else {}


STATE_BY_ENGINE_STATUS = {
    OrchestrationStatus.PENDING: "pending",
    OrchestrationStatus.SUSPENDED: "waiting",
    OrchestrationStatus.TERMINATED: "aborted",
    OrchestrationStatus.FAILED: "failed",
}
STATUS_FIELDS = ("phase", "waitingFor", "waits", "problems", "failures", "hooks", "rung", "timeline", "queue", "eta")
"""What a living run says of itself that is shown as it is."""


def brief_view(state: OrchestrationState) -> dict[str, Any]:
    """An operation in a list: what, for whom, how it stands."""
    kind, subject = kind_and_subject(state)
    return {
        "id": state.instance_id,
        "kind": kind,
        _subject_field(kind): subject,
        "state": state_of(state),
        "createdAt": utc_text(state.created_at),
        "updatedAt": utc_text(state.last_updated_at),
        "links": links_of(state.instance_id),
    }


def _subject_field(kind: str) -> str:
    return "node" if kind == "repair" else "site" if kind in SITE_KINDS else "plan"


def utc_text(moment: datetime) -> str:
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
        return STATE_BY_ENGINE_STATUS[state.runtime_status]
    ended = (state.get_output() or {}).get("state")
    return ended if ended in {"succeeded", "aborted"} else "failed"


def links_of(run: str) -> dict[str, str]:
    """Where to look further."""
    base = f"/api/operations/{run}"
    return {"self": base, "report": f"{base}/report", "evidence": f"{base}/evidence"}


def full_view(state: OrchestrationState) -> dict[str, Any]:
    """An operation with all that is known of each of its VMs."""
    view = brief_view(state) | {"phase": "", "waitingFor": "", "problems": [], "failures": [], "items": []}
    custom_status = state.get_custom_status() or {}
    view |= {key: custom_status[key] for key in STATUS_FIELDS if key in custom_status}
    view |= _request_part(state) | _items_part(state, custom_status)
    if state.runtime_status == OrchestrationStatus.COMPLETED:
        view |= _outcome_view(Outcome.model_validate(state.get_output()))
    elif state.runtime_status == OrchestrationStatus.FAILED and state.failure_details:
        view |= {"failures": [f"{state.failure_details.error_type}: {state.failure_details.message}"]}
    return view


def _request_part(state: OrchestrationState) -> dict[str, Any]:
    operation_input: Any = state.get_input()
    view: dict[str, Any] = {}
    if operation_input.get("override"):
        view["override"] = Override.model_validate(operation_input["override"]).model_dump(mode="json")
    awaited = (state.get_custom_status() or {}).get("waits") or {}
    if awaited.get("for") == "approval" and operation_input.get("preview"):
        view["preview"] = Preview.model_validate(operation_input["preview"]).model_dump(mode="json", by_alias=True)
    return {"requestedBy": operation_input["requested_by"], **view}


def _items_part(state: OrchestrationState, custom_status: Mapping[str, Any]) -> dict[str, Any]:
    """Details are those of the last generation of the run; the states are the newest."""
    if state.name in {"repair", "mirror"}:
        return {}
    if state.name in SITE_KINDS:
        return site_part(state, custom_status)
    operation = Operation.from_carried(state.get_input())
    names = [item.vm for item in (operation.run or operation.document).items]
    items_by_vm = {item.vm: item for item in operation.run.items} if operation.run else {}
    states = item_states(custom_status.get("codes", "w" * len(names)))
    if len(states) != len(names):  # a cleanup that has just begun: what is not protected any more has no state
        names, states = names[: len(states)], ["waiting"] * min(len(states), len(names))
    items = [
        item_view(items_by_vm.get(vm, RunItem(vm=vm, id="")), item_state)
        for vm, item_state in zip(names, states, strict=True)
    ]
    request_view = operation.verb_parameters.model_dump(mode="json", by_alias=True)
    view = {
        "request": request_view,
        "items": items,
        "progress": _run_progress(custom_status, len(names)),
        **_started_at(operation),
    }
    return view | (
        {"findings": [*findings_results(operation.run.items), *operation.run.results.findings]} if operation.run else {}
    )


def _run_progress(custom_status: Mapping[str, Any], total: int) -> dict[str, int]:
    stage, stages = custom_status.get("stage", 1), custom_status.get("stages", 1)
    return {"done": custom_status.get("done", 0), "total": total, "stage": stage, "stages": stages}


def _started_at(operation: Operation) -> dict[str, Any]:
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


def _outcome_view(outcome: Outcome) -> dict[str, Any]:
    view: dict[str, Any] = {
        "phase": "Ended" if outcome.state != "refused" else "Refused",
        "waitingFor": "",
        "problems": [obstacle.model_dump() for obstacle in outcome.problems],
        "failures": list(outcome.failures),
        "findings": list(outcome.findings),
        "facts": outcome.facts,
        "hooks": [hook.model_dump(mode="json") for hook in outcome.hooks],
        "decisions": [decision.model_dump(mode="json") for decision in outcome.decisions],
        "approvals": [approval.model_dump(mode="json") for approval in outcome.approvals],
    }
    if outcome.items:
        view["items"] = [item_view(item, item.state) for item in outcome.items]
    if outcome.began and outcome.ended:
        view |= {"startedAt": outcome.began.isoformat(), "endedAt": outcome.ended.isoformat()}
    return view
