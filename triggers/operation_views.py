"""An operation as people read it: made of what the engine keeps and what the run says of itself. Pure."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import azure.durable_functions as df
from durabletask.client import OrchestrationState, OrchestrationStatus

from activities.durable_state import read_entity
from shared.onboarding import drift
from shared.onboarding.drift import Drift
from shared.onboarding.preflight import findings
from shared.onboarding.preflight.check import Finding
from shared.operations.durable_names import PLAN_HISTORY
from shared.operations.kinds import PLAN_KINDS, SITE_KINDS
from shared.plans.history import Track, forecast
from shared.plans.preview import Preview
from shared.recovery.operation import Operation, Override
from shared.recovery.outcome import Outcome
from shared.recovery.results import achieved
from shared.recovery.results import findings as findings_results
from shared.recovery.run import RunItem
from shared.recovery.status import item_states
from shared.replication.schedule import STATE_OF, ReplicationOrder, read_minutes, shown


async def insight(client: df.DurableFunctionsClient, state: OrchestrationState) -> dict[str, Any]:
    """{achieved, forecast} of a run on a plan; empty for other runs, and without what is not known yet."""
    if state.name not in PLAN_KINDS:
        return {}
    operation = Operation.carried(state.get_input())
    seen = _achieved(operation, state)
    known = await read_entity(client, PLAN_HISTORY, operation.plan)
    began = operation.run.began if operation.run else None
    expected = forecast(Track.model_validate(known), operation.kind, began)
    told = {"achieved": seen, "forecast": expected}
    return {name: value for name, value in told.items() if value is not None}


def _achieved(operation: Operation, state: OrchestrationState) -> dict[str, Any] | None:
    """From the outcome of a run that has ended, else from what it carried along last."""
    items, began = (operation.run.items, operation.run.began) if operation.run else ((), None)
    if state.runtime_status == OrchestrationStatus.COMPLETED:
        outcome = Outcome.model_validate(state.get_output())
        items, began = outcome.items, outcome.began
    seen = achieved(items, began, operation.document.targets) if began else None
    return seen.model_dump(mode="json", by_alias=True) if seen else None


type Part = Callable[[OrchestrationState, Mapping[str, Any]], dict[str, Any]]


def _preparation(state: OrchestrationState, status: Mapping[str, Any]) -> dict[str, Any]:
    """Every step and every node, with its state."""
    now = {**status, **_facts(state)}
    steps = now.get("steps", [])
    done = sum(step["state"] != "pending" for step in steps)
    told: dict[str, Any] = {key: now[key] for key in ("verdict", "changed") if key in now}
    return told | {"steps": steps, "nodes": now.get("nodes", []), "progress": {"done": done, "total": len(steps)}}


def _replication(state: OrchestrationState, status: Mapping[str, Any]) -> dict[str, Any]:
    """Every VM with its state, the part that is copied and the time left; details are those of the last generation."""
    facts = _facts(state)
    if "vms" in facts:
        told = {key: facts[key] for key in ("verdict", "changed")}
        return {"items": facts["vms"], "progress": _progress(facts["vms"]), "eta": "", **told}
    order = ReplicationOrder.model_validate(state.get_input())
    vms = [shown(item) for item in order.run.items] if order.run else []
    codes, percents, minutes = (status.get(key, "") for key in ("codes", "percents", "minutes"))
    for at, vm in enumerate(vms if len(vms) == len(codes) else []):
        vm |= {"state": STATE_OF[codes[at]]}
        if percents:
            vm["percent"] = int(percents[2 * at : 2 * at + 2])
        left = read_minutes(minutes[3 * at : 3 * at + 3]) if minutes else None
        vm |= {"minutesLeft": None if left is None else int(left.total_seconds() // 60)}
    done = {"done": status.get("done", 0), "total": len(codes)}
    return {"action": order.request.action, "items": vms, "progress": done, "eta": status.get("eta", "")}


def _progress(vms: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return {"done": sum(vm["state"] in {"done", "kept"} for vm in vms), "total": len(vms)}


def _facts(state: OrchestrationState) -> Mapping[str, Any]:
    """What the run ended with, empty while it runs."""
    if state.runtime_status != OrchestrationStatus.COMPLETED:
        return {}
    facts: Mapping[str, Any] = (state.get_output() or {}).get("facts", {})
    return facts


def _preflight(state: OrchestrationState, _status: Mapping[str, Any]) -> dict[str, Any]:
    """Every check with its evidence and remedy, and how many are in which state; nothing before the run's end."""
    return {key: value for key, value in _facts(state).items() if key in {"checks", "counts"}}


def _verify(state: OrchestrationState, _status: Mapping[str, Any]) -> dict[str, Any]:
    """What is other than declared; nothing before the run's end."""
    return {key: value for key, value in _facts(state).items() if key == "drift"}


PARTS: Mapping[str, Part] = {
    "preflight": _preflight,
    "prepare": _preparation,
    "replication": _replication,
    "verify": _verify,
}
"""By kind; each makes its part of the run's input and of its custom status, once ended of its output's facts."""


def table_of(run: Mapping[str, Any]) -> str:
    """The checks, or the differences, of a run that has them; of any other run its state and what went wrong."""
    if "checks" in run:
        return findings.as_table([Finding.model_validate(one) for one in run["checks"]])
    if "drift" in run:
        return drift.as_table([Drift.model_validate(one) for one in run["drift"]])
    return "\n".join([*run["failures"], f"{run['state'].upper()}: {run['id']}", ""])


def site_part(state: OrchestrationState, status: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a kind; nothing for one that has none."""
    part = PARTS.get(state.name)
    return part(state, status) if part else {}


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
    told = {"request": asked, "items": items, "progress": _progress_views(status, len(names)), **_began(operation)}
    return told | (
        {"findings": [*findings_results(operation.run.items), *operation.run.findings]} if operation.run else {}
    )


def _progress_views(status: Mapping[str, Any], total: int) -> dict[str, int]:
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
