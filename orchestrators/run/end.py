"""How a run on a plan ends: its outcome, kept and told."""

from typing import Any

from durabletask import task

from orchestrators.durable.cloud_events import publish_operation_event
from orchestrators.durable.steps import Steps, now
from orchestrators.run.evidence import remember_run, seal_pack
from shared.recovery.operation import Operation
from shared.recovery.outcome import Outcome
from shared.recovery.results import find_changes_in_azure, findings_on_skipped
from shared.recovery.run import Run


def end_run(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[dict[str, Any]]:
    """Say how the run ended: in its evidence, in what is remembered of its plan, to those who listen."""
    state = "aborted" if run.aborted else "failed" if run.has_failed else "succeeded"
    outcome = Outcome.model_validate(
        {"state": state, "kind": operation.kind, "plan": operation.plan, "items": run.items}
        | {"failures": run.failures, "began": run.began, "ended": now(ctx)}
        | {
            "findings": (*find_changes_in_azure(run.items), *findings_on_skipped(run), *run.findings),
            "decisions": run.decisions,
            "approvals": run.approvals,
        }
        | {"hooks": run.hooks}
    )
    outcome = yield from seal_pack(ctx, operation, run, outcome)
    yield from remember_run(ctx, operation, run, outcome)
    facts = {"vms": len(run.items), "failures": len(run.failures)}
    yield from publish_operation_event(ctx, operation, "finished", {"state": state, **facts, **outcome.facts})
    return outcome.model_dump(mode="json")
