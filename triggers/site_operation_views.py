"""What people read of a run on a site, beside what all runs have: a preflight, a preparation, a replication, a check.

Each part is made of the run's input and of its custom status, once it has ended of the facts in its output.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from durabletask.client import OrchestrationState, OrchestrationStatus

from activities.durable_state import read_input, read_output
from shared.replication.run import ReplicationOrder, vm_view
from shared.replication.status import ReplicationStatus, VmProgress


def preparation_part(state: OrchestrationState, custom_status: Mapping[str, Any]) -> dict[str, Any]:
    """Every step and every node, with its state."""
    fields = {**custom_status, **_facts_of(state)}
    steps = fields.get("steps", [])
    completed = sum(step["state"] != "pending" for step in steps)
    view: dict[str, Any] = {key: fields[key] for key in ("verdict", "changed") if key in fields}
    progress = {"completed": completed, "total": len(steps)}
    return view | {"steps": steps, "nodes": fields.get("nodes", []), "progress": progress}


def _newest_fields(one: VmProgress) -> dict[str, Any]:
    left = one.time_left
    fields = {"state": one.state, "minutesLeft": None if left is None else left // timedelta(minutes=1)}
    return fields if one.percent is None else {**fields, "percent": one.percent}


def replication_part(state: OrchestrationState, custom_status: Mapping[str, Any]) -> dict[str, Any]:
    """Every VM with its state, the part that is copied and the time left; details are those of the last generation."""
    facts = _facts_of(state)
    if "vms" in facts:
        completed = sum(vm["state"] in {"done", "kept"} for vm in facts["vms"])
        progress = {"completed": completed, "total": len(facts["vms"])}
        outcome_fields = {name: facts[name] for name in ("verdict", "changed", "unprotected") if name in facts}
        return {"items": facts["vms"], "progress": progress, "expectedEnd": "", **outcome_fields}
    order = ReplicationOrder.model_validate(read_input(state))
    vms = [vm_view(item) for item in order.run.items] if order.run else []
    status = ReplicationStatus.model_validate(custom_status) if "codes" in custom_status else None
    newest = status.progress_of_vms() if status else ()
    if len(vms) == len(newest):
        vms = [vm | _newest_fields(one) for vm, one in zip(vms, newest, strict=True)]
    progress = {"completed": status.done if status else 0, "total": len(newest)}
    return {"action": order.request.action, "items": vms, "progress": progress}


def _facts_of(state: OrchestrationState) -> Mapping[str, Any]:
    """What the run ended with, empty while it runs."""
    if state.runtime_status != OrchestrationStatus.COMPLETED:
        return {}
    facts: Mapping[str, Any] = read_output(state).get("facts", {})
    return facts


def facts_part(*names: str) -> Callable[[OrchestrationState, Mapping[str, Any]], dict[str, Any]]:
    """A part that is some of the facts that the run ended with; nothing before its end."""
    return lambda state, _status: {name: value for name, value in _facts_of(state).items() if name in names}


SITE_PARTS: Mapping[str, Callable[[OrchestrationState, Mapping[str, Any]], dict[str, Any]]] = {
    "preflight": facts_part("checks", "counts"),
    "prepare": preparation_part,
    "replication": replication_part,
    "verify": facts_part("drift"),
}
