"""How a run on a plan ends: its outcome, kept and told."""

from typing import Any

from durabletask import task

from orchestrators.durable.cloud_events import tell
from orchestrators.durable.steps import Steps, now
from orchestrators.run.evidence import remember, seal_pack
from shared.recovery.operation import Operation
from shared.recovery.outcome import Outcome
from shared.recovery.results import findings, gone_without
from shared.recovery.run import Run


def end(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[dict[str, Any]]:
    """Say how the run ended: in its evidence, in what is remembered of its plan, to those who listen."""
    state = "aborted" if run.aborted else "failed" if run.failed else "succeeded"
    outcome = Outcome.model_validate(
        {"state": state, "kind": operation.kind, "plan": operation.plan, "items": run.items}
        | {"failures": run.failures, "began": run.began, "ended": now(ctx)}
        | {
            "findings": (*findings(run.items), *gone_without(run), *run.findings),
            "decisions": run.decisions,
            "approvals": run.approvals,
        }
        | {"hooks": run.hooks}
    )
    outcome = yield from seal_pack(ctx, operation, run, outcome)
    yield from remember(ctx, operation, run, outcome)
    facts = {"vms": len(run.items), "failures": len(run.failures)}
    yield from tell(ctx, operation, "finished", {"state": state, **facts, **outcome.facts})
    return outcome.model_dump(mode="json")
