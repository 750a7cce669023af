"""A verb that Azure does not take now: it is sent again in a while, shown, and refused at last in Azure's words."""

from datetime import timedelta

from shared.errors import Refused
from shared.recovery import run_answers, scheduler
from shared.recovery.budgeting import with_batch_answered
from shared.recovery.pacing import LATER
from shared.recovery.people import Decision
from shared.recovery.run import Run
from shared.recovery.stage import Stage
from shared.recovery.status import custom_status_of
from shared.site_recovery.contract import StartAnswer
from shared.site_recovery.pacing import ANSWER_AWAITED_FOR
from tests.shared.test_scheduler import T0, item, run_of, started

CONFLICT = StartAnswer(vm="sql", outcome="put-off", code="Conflict", detail="still processing")
LOST = StartAnswer(vm="sql", outcome="unanswered", detail="Azure answered 503")


def answered(run: Run, answer: StartAnswer, after: timedelta = timedelta(0)) -> Run:
    run = run_answers.mark_requested(run, ["sql"], T0 + after, T0)
    return run_answers.with_start_answers(run, [answer], T0 + after)


def test_a_conflict_is_asked_again_after_a_pause_by_the_same_attempt() -> None:
    run = answered(run_of(item("sql")), CONFLICT)
    sql = run.items[0]
    assert (sql.state, sql.attempt, sql.not_before, sql.jobs_since) == ("waiting", 1, T0 + LATER, T0)
    assert scheduler.plan_tick(run, T0).starts == {}
    assert scheduler.plan_tick(run, T0 + LATER).starts == {0: ("sql",)}
    assert answered(run, started("sql")).items[0].verb_answer is None


def test_what_was_only_put_off_has_begun_nothing() -> None:
    sql = answered(run_of(item("sql")), CONFLICT).items[0]
    assert (sql.is_touched, sql.was_moved) == (False, False)


def test_what_is_waited_for_names_the_conflict_and_counts_it() -> None:
    run = answered(answered(run_of(item("sql")), CONFLICT), CONFLICT, LATER)
    assert (
        "sql to be taken, since 08:00 UTC, 2 times: Conflict: still processing"
        in (custom_status_of(run, T0)["waitingFor"])
    )


def test_a_conflict_that_lasts_ten_minutes_is_a_refusal_in_azures_words() -> None:
    run = answered(answered(run_of(item("sql")), CONFLICT), CONFLICT, ANSWER_AWAITED_FOR)
    sql = run.items[0]
    assert (sql.state, sql.is_touched) == ("failed", False)
    assert sql.detail == "planned failover: still processing (since 08:00 UTC, 2 times)"


def test_a_cleanup_that_is_not_taken_for_long_is_left_to_the_item() -> None:
    run = run_of(item("sql"), stages=(Stage(verb="TestFailoverCleanup", ordered=False, settles=True),))
    assert answered(answered(run, CONFLICT), CONFLICT, ANSWER_AWAITED_FOR).items[0].state == "settling"


def test_an_earlier_request_that_is_unanswered_stays_so() -> None:
    sql = answered(answered(run_of(item("sql")), LOST), CONFLICT, LATER).items[0]
    assert (sql.state, sql.unanswered, sql.is_touched) == ("starting", True, True)


def test_an_abort_ends_the_wait_at_once() -> None:
    run = answered(run_of(item("sql")), CONFLICT)
    run = scheduler.apply_decision(run, Decision(verdict="abort", by="ann", at=T0))
    assert (run.items[0].state, scheduler.plan_tick(run, T0).over) == ("blocked", True)


def test_an_abort_leaves_a_cleanup_that_has_to_wait_as_it_is() -> None:
    stage = Stage(verb="TestFailoverCleanup", ordered=False, settles=True, after="touched")
    run = answered(run_of(item("sql"), stages=(stage,)), CONFLICT)
    aborted = scheduler.apply_decision(run, Decision(verdict="abort", by="ann", at=T0))
    assert (aborted.people.aborted, aborted.items) == (True, run.items)
    assert scheduler.plan_tick(aborted, T0 + LATER).starts == {0: ("sql",)}
    again = Decision(verdict="abort", by="bob", at=T0 + LATER, comment="once more")
    assert scheduler.apply_decision(aborted, again) == aborted


def test_an_abort_does_not_wait_until_a_vault_that_throttles_may_be_asked() -> None:
    run = answered(run_of(item("sql")), LOST)
    run = run.with_budget(run.budget.model_copy(update={"retry_until": T0 + timedelta(minutes=15)}))
    assert scheduler.plan_tick(run, T0).starts == {}
    run = scheduler.apply_decision(run, Decision(verdict="abort", by="ann", at=T0))
    assert scheduler.plan_tick(run, T0).starts == {0: ("sql",)}, "only to be adopted"


def test_a_batch_whose_reads_are_declined_has_sent_nothing() -> None:
    run = run_answers.mark_requested(run_of(item("sql")), ["sql"], T0, T0)
    no = Refused("AuthorizationFailed", "no rights")
    sql = with_batch_answered(run, 0, ["sql"], no, T0).items[0]
    assert (sql.state, sql.is_touched) == ("waiting", False)
    sql = with_batch_answered(answered(run, LOST), 0, ["sql"], no, T0).items[0]
    assert (sql.state, sql.is_touched, sql.verb_answer) == ("starting", True, None)
