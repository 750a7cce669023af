"""What is shown of a run on a site besides what every run shows. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from durabletask.client import OrchestrationState, OrchestrationStatus

from shared.copying import STATE_OF, ReplicationOrder, read_minutes, shown
from shared.preflight import drift, verdict
from shared.preflight.checks import Finding
from shared.preflight.drift import Drift

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
        return verdict.as_table([Finding.model_validate(one) for one in run["checks"]])
    if "drift" in run:
        return drift.as_table([Drift.model_validate(one) for one in run["drift"]])
    return "\n".join([*run["failures"], f"{run['state'].upper()}: {run['id']}", ""])


def site_part(state: OrchestrationState, status: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a kind; nothing for one that has none."""
    part = PARTS.get(state.name)
    return part(state, status) if part else {}
