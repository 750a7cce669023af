"""Several recovery plans in one run: whose turn it is, and what is held back."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.messages import VaultRef
from shared.recovery.people import Decision
from shared.recovery.recovery_plan_runs import (
    arrange_plan_runs,
    block_plan_runs,
    mark_plan_requested,
    plan_runs_to_start,
    vms_left_to_plans,
    with_plan_job,
    with_plan_start_answer,
)
from shared.recovery.run import Limits, RecoveryPlanRun, Run
from shared.recovery.run_item import RunItem
from shared.recovery.scheduler import apply_decision
from shared.recovery.stage import Stage, StageProgress
from shared.recovery.stages import enter_stage
from shared.site_recovery.contract import ChildJob, JobEnd, PlanActionEnd, RecoveryPlanJobView, StartAnswer

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)
ENDED = RecoveryPlanJobView(
    state="ended", end=JobEnd(job="j", outcome="failed", state="Failed", code="499", detail="no quota")
)


def run(ordered: bool = True, turned: bool = False, **changes: Any) -> Run:
    """Two recovery plans of two machines each; "c" comes after "b"."""
    items = tuple(
        RunItem(vm=vm, id=f"/items/{vm}", after=after) for vm, after in (("a", ()), ("b", ()), ("c", ("b",)), ("d", ()))
    )
    verb: Any = "PlannedFailover" if ordered else "Commit"
    parts = (RecoveryPlanRun(name="p-1-of-2", vms=("a", "b")), RecoveryPlanRun(name="p-2-of-2", vms=("c", "d")))
    made = Run(
        operation="op",
        vaults=(VaultRef(subscription_id="s", resource_group="g", vault="v"),),
        items=items,
        plan_runs=parts,
        began=NOW,
        progress=StageProgress(stages=(Stage(verb=verb, ordered=ordered, order_reversed=turned),), began=NOW),
        **changes,
    )
    return enter_stage(made, NOW)


def put(made: Run, **states: str) -> Run:
    items = (i.model_copy(update={"state": states[i.vm]}) if i.vm in states else i for i in made.items)
    return made.model_copy(update={"items": tuple(items)})


def part(made: Run, at: int, **update: Any) -> Run:
    parts = list(made.plan_runs)
    parts[at] = parts[at].model_copy(update=update)
    return made.model_copy(update={"plan_runs": tuple(parts)})


def test_one_begins_once_the_machines_of_the_one_before_are_up_and_proven() -> None:
    assert plan_runs_to_start(run(), NOW) == (0,)
    over = part(put(run(), a="done", b="probing"), 0, state="ended")
    assert plan_runs_to_start(over, NOW) == ()
    assert plan_runs_to_start(put(over, b="done"), NOW) == (1,)


def test_where_no_order_matters_all_begin_at_once_and_on_the_way_home_the_last_begins() -> None:
    assert plan_runs_to_start(run(ordered=False), NOW) == (0, 1)
    assert plan_runs_to_start(run(turned=True), NOW) == (1,)


@pytest.mark.parametrize(
    ("policy", "failed", "states"),
    [
        ("stop", "a", {"c": "blocked", "d": "blocked"}),
        ("continue", "a", {"c": "waiting", "d": "waiting"}),
        ("continue", "b", {"c": "blocked", "d": "blocked"}),
        ("ask", "b", {"c": "waiting", "d": "waiting"}),
    ],
)
def test_a_recovery_plan_starts_all_of_its_machines_or_none(policy: Any, failed: str, states: dict[str, str]) -> None:
    over = part(put(run(limits=Limits(on_failure=policy)), a="done", b="done"), 0, state="ended")
    held = block_plan_runs(put(over, **{failed: "failed"}))
    assert {item.vm: item.state for item in held.items if item.vm in states} == states
    assert plan_runs_to_start(arrange_plan_runs(held), NOW) == (
        () if "waiting" not in states.values() or policy == "ask" else (1,)
    )


def test_of_which_not_all_take_part_is_left_apart_and_of_which_none_does_is_closed() -> None:
    assert [p.state for p in arrange_plan_runs(put(run(), a="done")).plan_runs] == ["apart", "waiting"]
    assert [p.state for p in arrange_plan_runs(put(run(), a="done", b="skipped")).plan_runs] == ["ended", "waiting"]


def test_what_is_not_answered_is_asked_for_again_and_what_is_refused_fails_its_machines() -> None:
    asking = mark_plan_requested(run(), 0, NOW, NOW)
    assert all(item.since for item in asking.items[:2])
    lost = with_plan_start_answer(asking, 0, StartAnswer(vm="p", outcome="unanswered", detail="503"), NOW)
    assert (plan_runs_to_start(lost, NOW), plan_runs_to_start(lost, NOW + timedelta(minutes=1))) == ((), (0,))
    no = with_plan_start_answer(asking, 0, StartAnswer(vm="p", outcome="refused", code="x", detail="y"), NOW)
    assert [item.detail for item in no.items[:2]] == ["planned failover: y"] * 2


def test_machines_go_on_with_their_own_jobs_by_name_or_by_id() -> None:
    going = part(run(), 0, state="running", job="j", since=NOW)
    children = (ChildJob(vm="A", job="j-a"), ChildJob(machine="B", job="j-b"))
    view = with_plan_job(going, 0, RecoveryPlanJobView(state="running", children=children), NOW)
    assert [(item.state, item.job) for item in view.items[:2]] == [("running", "j-a"), ("running", "j-b")]


def test_a_job_that_ends_without_coming_to_a_machine_fails_it_with_what_azure_said() -> None:
    over = with_plan_job(part(run(), 0, state="running", job="j", since=NOW), 0, ENDED, NOW)
    assert over.plan_runs[0].state == "ended"
    assert "ended without coming to it (no quota)" in over.items[0].detail
    assert over.items[0].code == "499"


@pytest.mark.parametrize(("optional", "failures"), [((), 1), (("dns - failover",), 0)])
def test_what_became_of_a_plan_s_actions_is_kept_and_what_failed_is_a_failure(optional: Any, failures: int) -> None:
    actions = (
        PlanActionEnd(name="dns - failover", kind="runbook", state="failed", detail="The zone is locked."),
        PlanActionEnd(name="call - failover", kind="manual", state="passed"),
        PlanActionEnd(name="old", kind="script", state="skipped"),
    )
    begun = part(run(), 0, state="running", job="j", since=NOW, optional_actions=optional)
    over = with_plan_job(begun, 0, ENDED.model_copy(update={"actions": actions}), NOW)
    told = [(hook.name, hook.kind, hook.moment, hook.state, hook.required) for hook in over.results.hooks]
    assert told == [
        ("dns - failover", "runbook", "recovery-plan", "failed", not optional),
        ("call - failover", "manual", "recovery-plan", "passed", True),
        ("old", "run-command", "recovery-plan", "skipped", True),
    ]
    assert len(over.results.failures) == failures
    assert all("The zone is locked." in failure.detail for failure in over.results.failures)


def test_one_that_met_another_operation_is_tried_again_under_the_next_number() -> None:
    busy = ENDED.model_copy(update={"end": JobEnd(job="j", outcome="failed", state="Failed", code="532")})
    again = with_plan_job(part(run(), 0, state="running", job="j", since=NOW), 0, busy, NOW).plan_runs[0]
    assert (again.state, again.attempt, again.job) == ("waiting", 2, "")


def test_one_that_outlasts_all_patience_is_given_up() -> None:
    late = part(run(), 0, state="running", job="j", since=NOW, groups=2)
    running = RecoveryPlanJobView(state="running")
    assert with_plan_job(late, 0, running, NOW + timedelta(hours=4)).plan_runs[0].state == "running"
    over = with_plan_job(late, 0, running, NOW + timedelta(hours=4, minutes=1))
    assert {item.state for item in over.items[:2]} == {"failed"}


@pytest.mark.parametrize(("given_up", "state"), [("running", "running"), ("starting", "starting")])
def test_a_retry_of_what_a_plan_was_given_up_for_goes_on_with_the_plan_and_not_with_a_verb_of_its_own(
    given_up: Any, state: str
) -> None:
    """Its job may yet come to each of its machines: another verb would be a second one for the same machine."""
    late = put(part(run(limits=Limits(on_failure="ask")), 0, state="ended", job="j", given_up=given_up), a="done")
    lost = late.with_items_changed(
        {"b": late.items[1].as_failed(late.progress.number, "not-started", "no start within 2:00:00")}
    )
    again = apply_decision(lost, Decision(verdict="retry", by="ann", at=NOW, vms=("b",)))
    assert (again.plan_runs[0].state, again.plan_runs[0].since, again.plan_runs[0].given_up) == (state, NOW, "")
    assert [(item.state, item.attempt) for item in again.items[:2]] == [("done", 1), ("waiting", 1)]
    assert {"a", "b"} <= vms_left_to_plans(again)


def test_a_plan_that_was_only_busy_is_not_gone_on_with() -> None:
    asking = mark_plan_requested(run(), 0, NOW, NOW)
    over = with_plan_start_answer(
        asking, 0, StartAnswer(vm="p", outcome="busy", detail="busy"), NOW + timedelta(hours=3)
    )
    assert (over.plan_runs[0].state, over.plan_runs[0].given_up) == ("ended", "")
    silent = with_plan_start_answer(
        asking, 0, StartAnswer(vm="p", outcome="unanswered", detail="503"), NOW + timedelta(hours=3)
    )
    assert (silent.plan_runs[0].state, silent.plan_runs[0].given_up) == ("ended", "starting")
