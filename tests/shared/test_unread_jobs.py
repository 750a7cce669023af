"""A job that cannot be read: it is looked for again, shown, and at last the item itself says what came of the verb."""

from datetime import timedelta

from shared.plans.plan import Probe
from shared.recovery import run_answers, scheduler
from shared.recovery.run import Run
from shared.recovery.run_item import RunItem
from shared.recovery.stage import Stage
from shared.recovery.status import custom_status_of
from shared.site_recovery.pacing import ANSWER_AWAITED_FOR, ITEM_FOLLOWS_WITHIN
from shared.site_recovery.views import ItemView
from tests.shared.test_scheduler import MOVE, T0, item, run_of, started, state_of, succeeded

GONE = "NotFound: no such job"
LATE = T0 + ANSWER_AWAITED_FOR
VIEW = ItemView(id="/items/sql", vm="sql", protection_state="Protected", azure_vm="sql-dr")
BUSY = VIEW.model_copy(update={"scenario": "PlannedFailover"})


def running(stage: Stage = MOVE, sql: RunItem | None = None) -> Run:
    run = run_of(sql or item("sql"), item("app", "sql"), stages=(stage,))
    return run_answers.with_start_answers(run, [started("sql")], T0)


def unread(run: Run, *minutes: int, detail: str = GONE) -> Run:
    for minute in minutes:
        run = run_answers.with_jobs_unread(run, 0, {"job-sql": detail}, T0 + timedelta(minutes=minute))
    return run


def looked(run: Run, view: ItemView | None, after: timedelta, *, proved: bool = False, ready: bool = False) -> Run:
    views = [view] if view else []
    return run_answers.with_items_read(run, views, lambda _: proved, lambda _: ready, T0 + after)


def test_one_answer_that_there_is_no_such_job_ends_nothing() -> None:
    run = unread(running(), 0)
    assert (state_of(run, "sql"), state_of(run, "app")) == ("running", "waiting")
    assert scheduler.items_to_read(run) == {}
    assert scheduler.plan_tick(run, T0).watch == {0: ("job-sql",)}


def test_what_is_waited_for_names_the_answer_and_counts_it() -> None:
    shown = custom_status_of(unread(running(), 0, 1, 2), T0)["waitingFor"]
    assert f"job of sql cannot be read, since 08:00 UTC, 3 times: {GONE}" in shown


def test_a_job_that_is_there_again_goes_on_as_if_nothing_had_been() -> None:
    run = run_answers.with_jobs_unread(unread(running(), 0, 9), 0, {}, T0)
    assert run == running()
    assert state_of(run_answers.with_jobs_ended(unread(running(), 0), [succeeded("sql")], T0), "sql") == "settling"


def test_after_ten_minutes_the_item_is_read_while_the_job_is_still_looked_for() -> None:
    run = unread(running(), 0, 10)
    assert scheduler.items_to_read(run) == {0: ("sql", "app")}  # what comes next is read with it
    tick = scheduler.plan_tick(run, LATE)
    assert (tick.watch, tick.settle) == ({0: ("job-sql",)}, {0: ("sql",)})


def test_an_item_that_shows_the_verbs_end_is_done_with_words_that_name_the_answer() -> None:
    run = looked(unread(running(), 0, 10), VIEW, ANSWER_AWAITED_FOR, proved=True)
    sql = run.items[0]
    assert (sql.state, sql.azure_vm, sql.steps[-1].outcome) == ("done", "sql-dr", "succeeded")
    assert GONE in sql.steps[-1].note
    assert scheduler.plan_tick(run, LATE).starts == {0: ("app",)}


def test_an_item_that_is_busy_is_waited_for_as_long_as_a_job() -> None:
    run = looked(unread(running(), 0, 10), BUSY, ANSWER_AWAITED_FOR)
    assert state_of(run, "sql") == "running"
    end = T0 + run.limits.patience + timedelta(seconds=1)
    sql = run_answers.with_jobs_ended(run, [], end).items[0]
    assert (sql.state, sql.failed_in) == ("failed", "running")
    assert f"job job-sql cannot be read, since 08:00 UTC, 2 times: {GONE}, after 2:00:00" in sql.detail


def test_an_item_that_could_take_the_verb_again_has_failed_but_not_at_once() -> None:
    """Its state may follow the job's end a little later."""
    run = looked(unread(running(), 0, 10), VIEW, ANSWER_AWAITED_FOR, ready=True)
    assert state_of(run, "sql") == "settling"
    run = looked(run, VIEW, ANSWER_AWAITED_FOR + ITEM_FOLLOWS_WITHIN, ready=True)
    assert state_of(run, "sql") == "settling"
    late = ANSWER_AWAITED_FOR + ITEM_FOLLOWS_WITHIN + timedelta(seconds=1)
    sql = looked(run, VIEW, late, ready=True).items[0]
    assert (sql.state, sql.steps[-1].outcome) == ("failed", "failed")
    assert (
        f"job job-sql could not be read, since 08:00 UTC, 2 times: {GONE}; the item does not show it: sql" in sql.detail
    )
    assert looked(run, VIEW, late, proved=True).items[0].state == "done"


def test_items_that_cannot_be_read_either_decide_nothing() -> None:
    run = unread(running(), 0, 10)
    after = run_answers.with_items_read(run, [], lambda _: False, lambda _: True, LATE, {0: "Azure answered 503"})
    assert after == run


def test_an_item_that_could_not_be_read_in_time_is_not_called_missing() -> None:
    run = run_answers.with_jobs_ended(running(), [succeeded("sql")], T0)
    end = T0 + MOVE.settles_within + timedelta(seconds=1)
    run = run_answers.with_items_read(run, [], lambda _: False, lambda _: True, end, {0: "Azure answered 503"})
    assert "the job succeeded, but the item cannot be read: Azure answered 503" in run.items[0].detail


def test_a_list_of_jobs_that_cannot_be_read_is_shown_and_counted_for_all_jobs_of_its_vault() -> None:
    run = run_answers.with_jobs_unread(running(), 0, "AuthorizationFailed: no", T0)
    assert "AuthorizationFailed: no" in custom_status_of(run, T0)["waitingFor"]
    assert run_answers.with_jobs_unread(running(), 1, "AuthorizationFailed: no", T0) == running()


def test_a_tested_machine_whose_job_nobody_can_read_has_the_name_that_azure_gives_it() -> None:
    sql = item("sql", probes=(Probe(port=1),)).model_copy(update={"azure_vm": "sql-dr"})
    run = unread(running(Stage(verb="TestFailover", probed=True), sql), 0, 10)
    sql = looked(run, VIEW, ANSWER_AWAITED_FOR, proved=True).items[0]
    assert (sql.state, sql.azure_vm) == ("probing", "sql-dr-test")


def test_settings_whose_job_nobody_can_read_are_compared_and_sent_anew() -> None:
    run = unread(running(Stage(verb="UpdateVmProperties", ordered=False)), 0, 10)
    run = looked(run, VIEW, ANSWER_AWAITED_FOR, ready=True)
    sql = looked(run, VIEW, ANSWER_AWAITED_FOR + 2 * ITEM_FOLLOWS_WITHIN, ready=True).items[0]
    assert (sql.state, sql.attempt, sql.job, sql.job_answer) == ("waiting", 2, "", None)
