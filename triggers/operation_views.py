"""An operation as people read it: made of its input, of what the run says of itself, and of its output.

1. `brief_view`: what a list shows.
2. `full_view`: the same with the request, the VMs or the site's part, and how it ended.
3. `next_steps_of`: what a person can do about it now, with what it still owes.
4. `read_achieved_and_forecast`: beside it what was achieved, and what past runs took.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import azure.durable_functions as df
from durabletask.client import OrchestrationState, OrchestrationStatus
from pydantic import ValidationError

from activities.durable_state import (
    carried_by,
    describe_ending,
    ending_of,
    is_living,
    read_custom_status,
    read_entity,
    read_input,
    read_output,
    subject_field_of,
    subject_of,
    was_ended_by_app,
)
from shared.evidence.report_table import render_table
from shared.obstacle import Obstacle
from shared.onboarding import drift
from shared.onboarding.drift import Drift
from shared.onboarding.preflight import findings
from shared.onboarding.preflight.check import CheckResult
from shared.operations.durable_names import DOCUMENTS, PLAN_HISTORY
from shared.operations.kinds import PLAN_KINDS, RUNBOOK_KINDS
from shared.operations.lost_runs import describe_lost_run
from shared.operations.obligations import Obligation
from shared.plans.azure_checks import networks_of
from shared.plans.history import PlanHistory, forecast_recovery
from shared.plans.preview import Preview
from shared.plans.versions import VersionedDocument
from shared.recovery.achieved import achieved_by
from shared.recovery.guarded_change import GuardedChange
from shared.recovery.operation import Operation, Override
from shared.recovery.outcome import Outcome
from shared.recovery.people import Approval, Decision
from shared.recovery.results import find_changes_in_azure
from shared.recovery.run_item import BAD_STATES, RunItem
from shared.recovery.run_steps import RunStep, step_to_ask_again, steps_that_are_owed, steps_while_waiting
from shared.recovery.status import read_awaited_decision, read_item_states
from triggers.site_operation_views import SITE_PARTS

STATE_BY_ENGINE_STATUS = {
    OrchestrationStatus.PENDING: "pending",
    OrchestrationStatus.SUSPENDED: "waiting",
}
MOVES_TO_AZURE = frozenset({"failover", "roundtrip", "change-point"})
UNREADABLE_INPUT = "This release of the app cannot read what the run was given: most probably a newer one began it."
STATUS_FIELDS = {
    "hooks": "hooks",
    "rung": "rung",
    "timeline": "timeline",
    "eta": "expectedEnd",
    "unwritten": "evidenceUnwritten",
    "failedObservations": "failedObservations",
}
"""What a living run says of itself that is shown as it is, and under which name."""


def brief_view(state: OrchestrationState, owed: Sequence[Obligation] = ()) -> dict[str, Any]:
    """An operation in a list: what, for whom, how it stands, and what a person can do about it.

    Args:
        owed: What is owed; of this run or of others.
    """
    base = f"/api/operations/{state.instance_id}"
    custom_status = read_custom_status(state)
    awaited = read_awaited_decision(custom_status) if is_living(state) else None
    return {
        "id": state.instance_id,
        "kind": state.name,
        subject_field_of(state.name): subject_of(state),
        "state": state_of(state),
        "phase": _phase_of(state, custom_status),
        "requestedBy": read_input(state).get("requested_by", ""),
        "requesterId": read_input(state).get("requester_id", ""),
        "waitingFor": awaited.to_json() if awaited else None,
        "waitingForText": str(custom_status.get("waitingFor", "")) if is_living(state) else "",
        "progress": _brief_progress(state, custom_status),
        "nextSteps": [step.model_dump(mode="json", by_alias=True) for step in next_steps_of(state, owed)],
        "createdAt": _created_at(state),
        "updatedAt": _utc_text(state.last_updated_at),
        "links": {"self": base, "report": f"{base}/report", "evidence": f"{base}/evidence"},
    }


def _phase_of(state: OrchestrationState, custom_status: Mapping[str, Any]) -> str:
    if is_living(state):
        return str(custom_status.get("phase", ""))
    return "Refused" if _outcome_json(state).get("state") == "refused" else "Finished"


def _outcome_json(state: OrchestrationState) -> dict[str, Any]:
    """How a run ended by itself; empty for any other: whoever terminates one may say anything."""
    return read_output(state) if state.runtime_status == OrchestrationStatus.COMPLETED else {}


def _brief_progress(state: OrchestrationState, custom_status: Mapping[str, Any]) -> dict[str, int] | None:
    """How many VMs or steps are done, of how many; None where nothing is counted."""
    items = _outcome_json(state).get("items", ())
    if items:
        return {"completed": sum(item["state"] == "done" for item in items), "total": len(items)}
    if steps := custom_status.get("steps"):
        return {"completed": sum(step["state"] != "pending" for step in steps), "total": len(steps)}
    if "codes" not in custom_status:
        return None
    return {"completed": custom_status["done"], "total": custom_status.get("total", len(custom_status["codes"]))}


def next_steps_of(state: OrchestrationState, owed: Sequence[Obligation] = ()) -> list[RunStep]:
    """What a person can do about a run now, the first thing first.

    Args:
        owed: What is owed; of this run or of others.
    """
    run, kind = state.instance_id, state.name
    if is_living(state):
        custom_status = read_custom_status(state)
        awaited = read_awaited_decision(custom_status)
        return list(steps_while_waiting(run, awaited, _failures_to_decide_on(state, custom_status))) if awaited else []
    field, subject = subject_field_of(kind), subject_of(state)
    plan = subject if field == "plan" else ""
    steps = list(steps_that_are_owed(kind, plan, [one for one in owed if one.owner == run]))
    if state_of(state) != "failed":
        return steps
    outcome = _outcome_json(state)
    failures = [Obstacle.model_validate(one) for key in ("problems", "failures") for one in outcome.get(key, ())]
    if (ending := ending_of(state)) is not None:
        failures = list(describe_lost_run(kind, ending, describe_ending(state)))
    return [*steps, step_to_ask_again(kind, field, subject, failures)]


def _failures_to_decide_on(state: OrchestrationState, custom_status: Mapping[str, Any]) -> list[Obstacle]:
    """Why VMs failed on which the run waits for a decision: all of them, as they were carried over."""
    named = [Obstacle.model_validate(one) for one in custom_status.get("problems", ())]
    try:
        run = Operation.from_carried(read_input(state)).run if state.name in RUNBOOK_KINDS else None
    except ValidationError:  # `full_view` says so
        run = None
    carried = [item.failure for item in run.items if item.state == "failed"] if run else []
    return carried or named


def _created_at(state: OrchestrationState) -> str:
    """When the run was created; the engine's own time is that of the generation under way."""
    created_at = carried_by(state).created_at
    return created_at.isoformat() if created_at else _utc_text(state.created_at)


def _utc_text(moment: datetime) -> str:
    """The engine's own times are naive UTC."""
    return moment.replace(tzinfo=UTC).isoformat()


def state_of(state: OrchestrationState) -> str:
    """pending, running, waiting, succeeded, failed or aborted."""
    if state.runtime_status == OrchestrationStatus.RUNNING:
        return "waiting" if read_awaited_decision(read_custom_status(state)) else "running"
    if ending_of(state):
        return "aborted" if was_ended_by_app(state) else "failed"
    if state.runtime_status != OrchestrationStatus.COMPLETED:
        return STATE_BY_ENGINE_STATUS[state.runtime_status]
    ended = (state.get_output() or {}).get("state") or read_output(state).get("state")
    return ended if ended in {"succeeded", "aborted"} else "failed"


def _parts_of_kind(state: OrchestrationState, custom_status: Mapping[str, Any]) -> dict[str, Any]:
    if state.name == "change":
        return _change_part(state)
    if state.name in SITE_PARTS:
        return SITE_PARTS[state.name](state, custom_status)
    return {} if state.name in {"repair", "mirror"} else _items_part(state, custom_status)


def _change_part(state: OrchestrationState) -> dict[str, Any]:
    """What it does once it is approved, and the digest that an approval may name."""
    change = GuardedChange.model_validate(read_input(state))
    view: dict[str, Any] = {"detail": change.detail, "changedFields": list(change.changed_fields)}
    view |= {"digest": change.digest}
    if change.document and change.document.action == "put":
        view["document"] = change.document.document
    return view


def full_view(state: OrchestrationState, owed: Sequence[Obligation] = ()) -> dict[str, Any]:
    """An operation with all that is known of each of its VMs.

    Args:
        owed: What is owed; of this run or of others.
    """
    custom_status = read_custom_status(state)
    view = brief_view(state, owed) | {"obstacles": [], "items": [], "decisions": [], "approvals": []}
    view |= {name: custom_status[key] for key, name in STATUS_FIELDS.items() if key in custom_status}
    view["failures"] = [*custom_status.get("problems", ()), *custom_status.get("failures", ())]
    if queue := custom_status.get("queue"):
        view["waitingForBudget"] = {"vmCount": queue["vms"], "until": queue["until"]}
    view |= _readable_parts(state, custom_status)
    if state.runtime_status == OrchestrationStatus.COMPLETED:
        view |= _outcome_view(Outcome.model_validate(read_output(state)))
    elif (ending := ending_of(state)) and not was_ended_by_app(state):
        lost = describe_lost_run(state.name, ending, describe_ending(state))
        view["failures"] = [failure.to_json() for failure in lost]
    return view


def _readable_parts(state: OrchestrationState, custom_status: Mapping[str, Any]) -> dict[str, Any]:
    """The request, and what its kind of run has; of a run of a newer release this one may not know every field."""
    try:
        return _request_part(state, custom_status) | _parts_of_kind(state, custom_status)
    except ValidationError:
        return {"limitations": [UNREADABLE_INPUT]}


def _request_part(state: OrchestrationState, custom_status: Mapping[str, Any]) -> dict[str, Any]:
    """Who asked, why all the same, and what the run waits for; with the preview that is to be approved."""
    operation_input = read_input(state)
    view: dict[str, Any] = {}
    if operation_input.get("override"):
        override = Override.model_validate(operation_input["override"])
        view["override"] = override.model_dump(mode="json", by_alias=True)
    awaited = read_awaited_decision(custom_status)
    if awaited and awaited.kind == "approval" and operation_input.get("preview"):
        preview = Preview.model_validate(operation_input["preview"])
        view["preview"] = preview.model_dump(mode="json", by_alias=True)
    return view


def _progress_of(custom_status: Mapping[str, Any], total: int) -> dict[str, Any]:
    stages = {"currentStage": custom_status.get("stage", 1), "stageCount": custom_status.get("stages", 1)}
    return {"completed": custom_status.get("done", 0), "total": total, **stages}


def _items_part(state: OrchestrationState, custom_status: Mapping[str, Any]) -> dict[str, Any]:
    """Details are those of the last generation of the run; the states are the newest."""
    operation = Operation.from_carried(read_input(state))
    run = operation.run
    items_by_vm = {item.vm: item for item in run.items} if run else {}
    states = read_item_states(custom_status, operation.vm_names)
    newest = {failure["vm"]: failure for failure in custom_status.get("problems", ())}
    view: dict[str, Any] = {
        "options": operation.options.model_dump(mode="json", by_alias=True),
        "items": [
            _living_item_view(
                _with_newest_failure(items_by_vm.get(vm, RunItem(vm=vm, id="")), one, newest.get(vm)), one
            )
            for vm, one in states.items()
        ],
        "leftOut": custom_status.get("leftOut", []),
        "planDigest": operation.digest,
        "networks": _networks_of(operation),
        "progress": _progress_of(custom_status, len(states)),
    }
    if run:
        view["startedAt"] = run.began.isoformat()
        view["decisions"] = [_person_view(decision) for decision in run.people.decisions]
        view["approvals"] = [_person_view(approval) for approval in run.people.approvals]
        view["leftOut"] = [one.why.to_json() for one in run.left_out]
        view["limitations"] = [*find_changes_in_azure(run.items), *run.results.findings, *run.chain.findings]
    return view


def _living_item_view(item: RunItem, state: str) -> dict[str, Any]:
    """One VM of a run that goes on; of one that failed before its cleanup why, as it is at the end."""
    if state != "failed-before":
        return item_view(item, state)
    failure = item.failed_earlier
    known = {"code": failure.code, "detail": failure.detail} if failure else {}
    return item_view(item.model_copy(update=known), "failed")


def _networks_of(operation: Operation) -> list[str]:
    """ARM ids of the networks that its VMs come into in Azure."""
    if operation.kind == "drill":
        return [operation.document.drill.network] if operation.document.drill else []
    return list(networks_of(operation.requested_part, operation.sites)) if operation.kind in MOVES_TO_AZURE else []


def _with_newest_failure(item: RunItem, state: str, failure: Mapping[str, Any] | None) -> RunItem:
    """The item as it was carried over; one that has failed since with the reason that the run gives."""
    if state not in BAD_STATES or item.state in BAD_STATES or failure is None:
        return item
    return item.model_copy(update={"code": failure["code"], "detail": failure["detail"]})


def _person_view(said: Decision | Approval) -> dict[str, Any]:
    """Who has decided or approved what, and when."""
    return said.model_dump(mode="json")


def item_view(item: RunItem, state: str) -> dict[str, Any]:
    """One VM of a run."""
    steps = [
        {
            "verb": step.verb,
            "jobId": step.job,
            "outcome": step.outcome,
            "startedAt": step.began.isoformat() if step.began else None,
            "endedAt": step.ended.isoformat() if step.ended else None,
            "probedAt": step.probed.isoformat() if step.probed else None,
            "recoveryPointTime": step.point.isoformat() if step.point else None,
            "detail": step.note,
        }
        for step in item.steps
    ]
    return {
        "vm": item.vm,
        "state": state,
        "code": item.code,
        "detail": item.detail,
        "azureVm": item.azure_vm,
        "privateIp": item.address,
        "jobId": item.job,
        "recoveryPoint": item.point,
        "steps": steps,
    }


def _outcome_view(outcome: Outcome) -> dict[str, Any]:
    view: dict[str, Any] = {
        "obstacles": [obstacle.to_json() for obstacle in outcome.problems],
        "failures": [failure.to_json() for failure in outcome.failures],
        "limitations": list(outcome.findings),
        "facts": outcome.facts,
        "hooks": [hook.model_dump(mode="json", by_alias=True) for hook in outcome.hooks],
        "failedObservations": outcome.failed_observations,
        "decisions": [_person_view(decision) for decision in outcome.decisions],
        "approvals": [_person_view(approval) for approval in outcome.approvals],
    }
    if outcome.left_out:
        view["leftOut"] = [obstacle.to_json() for obstacle in outcome.left_out]
    if outcome.items:
        view["items"] = [item_view(item, item.state) for item in outcome.items]
    if outcome.began and outcome.ended:
        view |= {"startedAt": outcome.began.isoformat(), "endedAt": outcome.ended.isoformat()}
    return view


def table_of(view: Mapping[str, Any]) -> str:
    """The report as text; checks and differences read as they do in a pipeline."""
    texts = {}
    if view.get("checks"):
        texts["Checks"] = findings.results_table([CheckResult.model_validate(one) for one in view["checks"]])
    if view.get("drift"):
        texts["Drift"] = drift.drift_table([Drift.model_validate(one) for one in view["drift"]])
    return render_table(view, texts)


async def read_plan_version(client: df.DurableFunctionsClient, view: Mapping[str, Any]) -> dict[str, Any]:
    """{planVersion}: which version of its plan the run went by; None of one that is not remembered any more."""
    if not view.get("planDigest"):
        return {}
    state = await read_entity(client, DOCUMENTS, f"plan:{view['plan']}")
    history = VersionedDocument.model_validate(state).history if state else ()
    fitting = [one.version for one in history if one.digest == view["planDigest"]]
    return {"planVersion": fitting[-1] if fitting else None}


async def read_achieved_and_forecast(client: df.DurableFunctionsClient, state: OrchestrationState) -> dict[str, Any]:
    """{achieved, forecast} of a run on a plan; empty for other runs, and without what is not known yet.

    What was achieved is taken from the outcome of a run that has ended, else from what it carried along last.
    """
    if state.name not in PLAN_KINDS:
        return {}
    try:
        operation = Operation.from_carried(read_input(state))
    except ValidationError:  # `full_view` says so
        return {}
    items, began = (operation.run.items, operation.run.began) if operation.run else ((), None)
    plan_history = PlanHistory.model_validate(await read_entity(client, PLAN_HISTORY, operation.plan))
    forecast = forecast_recovery(plan_history, operation.kind, began)
    if is_over := state.runtime_status == OrchestrationStatus.COMPLETED:
        outcome = Outcome.model_validate(read_output(state))
        items, began = outcome.items, outcome.began
    is_over = is_over or ending_of(state) is not None
    achieved = achieved_by(operation, items, began, is_over=is_over) if began else None
    views = {"achieved": achieved, "forecast": forecast}
    return {name: view.model_dump(mode="json", by_alias=True) for name, view in views.items() if view is not None}
