"""An operation as people read it, once it has ended."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from durabletask.client import OrchestrationState, OrchestrationStatus
from durabletask.task import FailureDetails

from shared.evidence.report import render_report
from shared.obstacle import Obstacle
from shared.recovery.operation import Operation
from shared.recovery.outcome import Outcome
from shared.recovery.status import AwaitedDecision
from tests.failures import failure_texts
from tests.orchestrators.test_runbooks import SITE, plan
from tests.triggers.hub import Hub, look
from triggers.operation_views import UNREADABLE_INPUT, full_view, read_achieved_and_forecast


def test_a_run_that_was_refused_waits_for_nobody_any_more() -> None:
    """The engine keeps the last custom status: that of the approval, when nobody approved in time."""
    document = plan(approvals={"count": 1})
    operation = Operation(
        id="failover-1",
        kind="failover",
        plan="payroll",
        requested_by="ann",
        digest=document.digest,
        document=document,
        sites={"hci-01": SITE},
    )
    expired = Obstacle(code="approval-expired", detail="not approved in time")
    outcome = Outcome(state="refused", kind="failover", plan="payroll", problems=(expired,))
    awaited = AwaitedDecision(kind="approval", approvals_needed=1)
    at = datetime(2026, 1, 5, 8, tzinfo=UTC).replace(tzinfo=None)
    state = OrchestrationState(
        "failover-1",
        "failover",
        OrchestrationStatus.COMPLETED,
        at,
        at,
        operation.model_dump_json(),
        outcome.model_dump_json(),
        f'{{"phase": "Approval", "waits": {awaited.model_dump_json(by_alias=True, exclude_unset=True)}}}',
        None,
    )
    view = full_view(state)
    assert (view["state"], view["phase"], view["waitingFor"], view["waitingForText"]) == ("failed", "Refused", None, "")
    assert view["obstacles"][0]["code"] == "approval-expired"


@pytest.mark.parametrize("tells", ["details", "output"])
def test_a_run_that_broke_off_says_with_what_on_either_engine(tells: str) -> None:
    """Microsoft's engine gives no details, and an output that is no JSON."""
    document = plan()
    operation = Operation(
        id="drill-1",
        kind="drill",
        plan="payroll",
        requested_by="ann",
        digest=document.digest,
        document=document,
        sites={"hci-01": SITE},
    )
    details = FailureDetails("no luck at https://x.example/hook?sig=s3cret", "builtins.ValueError", None)
    state = OrchestrationState(
        "drill-1",
        "drill",
        OrchestrationStatus.FAILED,
        datetime(2026, 1, 5, 8, tzinfo=UTC).replace(tzinfo=None),
        datetime(2026, 1, 5, 9, tzinfo=UTC).replace(tzinfo=None),
        operation.model_dump_json(),
        f"{details.error_type}: {details.message}" if tells == "output" else None,
        "null",
        details if tells == "details" else None,
    )
    view = full_view(state)
    assert view["state"] == "failed"
    said, failure = (one["detail"] for one in view["failures"])
    assert said.startswith("The run did not come to its own end: the engine could not go on with it.")
    assert failure.startswith("builtins.ValueError: no luck at https://x.example/hook")
    assert "s3cret" not in failure


@pytest.mark.parametrize(
    ("output", "state", "failures"),
    [
        ({"state": "aborted", "detail": "it makes way for a failover"}, "aborted", 0),
        ({"state": "succeeded"}, "failed", 2),
        (None, "failed", 2),
    ],
)
def test_only_a_run_that_the_app_itself_terminated_was_aborted(
    output: dict[str, Any] | None, state: str, failures: int
) -> None:
    ended = look("drill-1", OrchestrationStatus.TERMINATED, output=output)
    view = full_view(ended)
    assert (view["state"], view["phase"], len(failure_texts(view))) == (state, "Finished", failures)


@pytest.mark.parametrize("text", ["enough", "{", "[1]", '"aborted"', ""])
def test_whatever_reason_a_run_was_terminated_for_it_is_shown(text: str) -> None:
    ended = replace(look("drill-1", OrchestrationStatus.TERMINATED), serialized_output=text)
    view = full_view(ended)
    assert (view["state"], view["failures"][1]["detail"]) == ("failed", text or "the engine does not say why")


@pytest.mark.parametrize("status", [OrchestrationStatus.RUNNING, OrchestrationStatus.TERMINATED])
async def test_a_run_that_a_newer_release_was_asked_for_is_shown_as_far_as_it_can_be_read(
    status: OrchestrationStatus,
) -> None:
    state = look("drill-1", status, custom_status={"phase": "TestFailover", "stage": 1})
    given = json.loads(state.serialized_input or "")
    given["document"]["newField"] = 1
    state = replace(state, serialized_input=json.dumps(given))
    view = full_view(state) | await read_achieved_and_forecast(cast("Any", Hub()), state)
    assert (view["plan"], view["state"]) == ("payroll", "running" if status.name == "RUNNING" else "failed")
    assert view["limitations"] == [UNREADABLE_INPUT]
    assert UNREADABLE_INPUT in render_report(view)
