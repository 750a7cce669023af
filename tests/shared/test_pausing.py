"""What a run that waits for a person says of itself, and what lets it go on."""

from datetime import timedelta
from typing import Any

from shared.recovery import run_answers, scheduler
from shared.recovery.pacing import WHILE_UNDECIDED
from shared.recovery.pauses import resume_when_due, with_jobs_resumed
from shared.recovery.people import Decision
from shared.recovery.run import Limits, Run
from shared.recovery.stage import Stage
from shared.recovery.stages import enter_stage, leave_stage
from shared.recovery.status import custom_status_of
from shared.site_recovery.contract import JobEnd, JobResumed, StartAnswer
from shared.site_recovery.pacing import RESUME_TAKES_HOLD
from tests.shared.test_scheduler import T0, item, run_of, started, state_of

SUSPENDED = JobEnd(job="job-sql", outcome="suspended", state="Suspended", detail="WaitingForUserInputAfterDataSync")
FAILBACK = Stage(verb="Failback", settles=True)


def at_rest(*names: str, **more: Any) -> Run:
    """A failback whose machine "sql" waits after its synchronisation; the others run."""
    run = run_of(*(item(vm) for vm in ("sql", *names)), stages=(FAILBACK,), **more)
    run = run_answers.with_start_answers(run, [started(vm) for vm in ("sql", *names)], T0)
    return run_answers.with_jobs_ended(run, [SUSPENDED], T0)


def at_stage(run: Run, number: int) -> Run:
    return run.with_progress(run.progress.model_copy(update={"number": number}))


def resume(*vms: str) -> Decision:
    return Decision(verdict="resume", by="ann", at=T0, vms=vms)


def test_a_failed_machine_waits_for_a_decision_at_once_while_others_go_on() -> None:
    run = run_of(item("sql"), item("app"), limits=Limits(on_failure="ask"))
    refused = StartAnswer(vm="sql", outcome="refused", code="x", detail="y")
    run = run_answers.with_start_answers(run, [refused, started("app")], T0)
    shown = custom_status_of(run, T0)
    assert (shown["waits"]["vms"], shown["waits"]["choices"]) == (["sql"], ["retry", "skip", "abort"])
    assert shown["waitingFor"] == "a decision on sql: retry, skip, abort; job of app"


def test_a_machine_that_waits_is_told_although_others_still_run() -> None:
    waits = custom_status_of(at_rest("app"), T0)["waits"]
    assert (waits["kind"], waits["vms"], waits["choices"]) == ("resume", ["sql"], ["resume", "abort"])


def test_a_failed_machine_and_one_that_waits_are_told_together() -> None:
    run = at_rest("app", limits=Limits(on_failure="ask"))
    bad = JobEnd(job="job-app", outcome="failed", state="Failed", code="539", detail="no")
    waits = custom_status_of(run_answers.with_jobs_ended(run, [bad], T0), T0)["waits"]
    assert (waits["vms"], waits["choices"]) == (["app", "sql"], ["retry", "skip", "resume", "abort"])


def test_a_job_that_was_resumed_and_still_looks_suspended_is_not_asked_about_again() -> None:
    run = scheduler.apply_decision(at_rest(), resume())
    assert scheduler.plan_tick(run, T0).resume == {0: ("sql",)}
    run = with_jobs_resumed(run, [JobResumed(vm="sql", outcome="resumed")], T0)
    assert state_of(run_answers.with_jobs_ended(run, [SUSPENDED], T0 + timedelta(seconds=30)), "sql") == "running"
    assert state_of(run_answers.with_jobs_ended(run, [SUSPENDED], T0 + RESUME_TAKES_HOLD), "sql") == "paused"


def test_an_answer_that_is_lost_leaves_the_resuming_to_the_next_look() -> None:
    run = scheduler.apply_decision(at_rest(), resume())
    lost = with_jobs_resumed(run, [JobResumed(vm="sql", outcome="unanswered", detail="503")], T0)
    assert scheduler.plan_tick(lost, T0).resume == {0: ("sql",)}
    refused = with_jobs_resumed(run, [JobResumed(vm="sql", outcome="refused", detail="no: not now")], T0)
    assert (state_of(refused, "sql"), refused.items[0].detail) == ("paused", "no: not now")


def test_a_stage_that_begins_with_a_pause_starts_nothing_until_somebody_says_so() -> None:
    stages = (Stage(verb="PlannedFailover"), FAILBACK.model_copy(update={"pause": "a word to come home"}))
    run = run_of(item("sql"), stages=stages)
    run = run_answers.with_start_answers(run, [started("sql")], T0)
    run = run_answers.with_jobs_ended(run, [JobEnd(job="job-sql", outcome="succeeded", state="Succeeded")], T0)
    run = leave_stage(run, T0)
    tick = scheduler.plan_tick(run, T0)
    assert (tick.starts, tick.over, scheduler.time_to_next_tick(run, T0)) == ({}, False, WHILE_UNDECIDED)
    assert custom_status_of(run, T0)["waitingFor"] == "a word to come home: resume, abort"
    assert scheduler.plan_tick(scheduler.apply_decision(run, resume()), T0).starts == {0: ("sql",)}
    assert scheduler.apply_decision(run, resume("sql")).people.pause is not None


def test_a_pause_with_a_time_ends_then_and_the_next_look_is_no_later() -> None:
    until = T0 + timedelta(hours=1)
    stages = (FAILBACK.model_copy(update={"pause": "the evening", "pause_until": until}),)
    run = run_of(item("sql"), stages=stages)
    assert scheduler.time_to_next_tick(run, T0) == timedelta(hours=1)
    assert resume_when_due(run, until - timedelta(seconds=1)).people.pause is not None
    assert resume_when_due(run, until).people.pause is None


def test_the_way_back_turns_the_order_round_and_the_way_out_turns_it_again() -> None:
    stages = (Stage(verb="PlannedFailover"), FAILBACK.model_copy(update={"order_reversed": True}), Stage(verb="Commit"))
    run = run_of(item("sql"), item("app", "sql"), stages=stages)
    back = enter_stage(at_stage(run, 1), T0)
    assert {one.vm: one.after for one in back.items} == {"sql": ("app",), "app": ()}
    again = enter_stage(at_stage(back, 2), T0)
    assert {one.vm: one.after for one in again.items} == {"sql": (), "app": ("sql",)}


def test_what_an_item_showed_at_the_beginning_says_nothing_of_a_verb_that_comes_again() -> None:
    stages = (Stage(verb="Commit"), FAILBACK, Stage(verb="Commit"))
    one = item("sql").model_copy(update={"verbs_done_before": ("Commit",)})
    run = run_of(one, stages=stages)
    assert state_of(run, "sql") == "done"
    assert state_of(enter_stage(at_stage(run, 2), T0), "sql") == "waiting"


def test_a_word_that_was_said_twice_is_no_word_on_the_next_pause() -> None:
    stages = tuple(FAILBACK.model_copy(update={"pause": f"pause {number}"}) for number in (1, 2))
    first = run_of(item("sql"), stages=stages)
    assert first.people.pause
    word = resume().model_copy(update={"about": first.people.pause.mark})
    assert scheduler.apply_decision(first, word).people.pause is None
    second = enter_stage(at_stage(first, 1), T0 + timedelta(hours=1))
    assert scheduler.apply_decision(second, word).people.pause == second.people.pause
    assert scheduler.apply_decision(second, resume()).people.pause is None
