"""How a run on a plan ends: its outcome, kept as evidence, remembered with its plan, and published."""

from datetime import datetime
from typing import Any

from orchestrators.durable.cloud_events import publish_operation_event
from orchestrators.durable.steps import Context, Steps, now
from orchestrators.run.evidence import remember_run, seal_pack
from orchestrators.run.runbook import Runbook
from shared.recovery.operation import Operation
from shared.recovery.outcome import Outcome
from shared.recovery.results import find_changes_in_azure, findings_on_skipped
from shared.recovery.run import Run
from shared.recovery.timeline import timeline_of


def outcome_of(operation: Operation, run: Run, ended: datetime) -> Outcome:
    """How a run went that is over."""
    looks = run.observations.summary
    return Outcome(
        state="aborted" if run.people.aborted else "failed" if run.has_failed else "succeeded",
        kind=operation.kind,
        plan=operation.plan,
        items=tuple(item.as_ended() for item in run.items),
        left_out=tuple(one.why for one in run.left_out),
        failures=run.results.failures,
        findings=(
            *find_changes_in_azure(run.items),
            *findings_on_skipped(run),
            *run.results.findings,
            *run.chain.findings,
        ),
        decisions=run.people.decisions,
        approvals=run.people.approvals,
        hooks=run.results.hooks,
        failed_observations=looks.model_dump(mode="json", by_alias=True) if looks else None,
        began=run.began,
        ended=ended,
    )


def end_run(ctx: Context, operation: Operation, runbook: Runbook, run: Run) -> Steps[dict[str, Any]]:
    """Say how the run ended: in its evidence, in what is remembered of its plan, to those who listen."""
    outcome = yield from seal_pack(ctx, operation, runbook, run, outcome_of(operation, run, now(ctx)))
    yield from remember_run(ctx, operation, runbook, run, outcome)
    facts = {"state": outcome.state, "vms": len(run.items), "failures": len(run.results.failures), **outcome.facts}
    timeline = timeline_of(operation, run, outcome)
    yield from publish_operation_event(ctx, operation, "finished", facts, timeline=timeline)
    return outcome.model_dump(mode="json")
