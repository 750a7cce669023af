"""What only the lab's engine does as documented, on a clock that the tests drive."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from lab.clock import ManualClock
from lab.host.engine.instances import FAILED, PENDING, RUNNING, SUSPENDED, TERMINATED, Exists, Unfit
from lab.host.engine.moments import to_micros
from tests.engine import runbooks
from tests.engine.backends import lab_engine
from tests.lab.host.engine.driver import Driver

HOUR = timedelta(hours=1)


@pytest.fixture
async def drive(tmp_path: Path) -> AsyncIterator[Driver]:
    clock = ManualClock()
    async with lab_engine(tmp_path / "engine.sqlite", clock) as engine:
        yield Driver(engine, clock)


async def test_a_timer_fires_at_its_instant(drive: Driver) -> None:
    began = drive.clock.now()
    fired = await drive.run("waiting", 3600)
    assert drive.clock.now() == began + HOUR
    assert fired == (began + HOUR).replace(tzinfo=None).isoformat()


async def test_a_timer_does_not_fire_before_its_instant(drive: Driver) -> None:
    run = drive.start("waiting", 3600)
    await drive.settle()
    await drive.pass_time(HOUR - timedelta(microseconds=1))
    assert drive.read(run).status == RUNNING
    await drive.pass_time(timedelta(microseconds=1))
    assert drive.read(run).finished


async def test_a_child_may_take_days(drive: Driver) -> None:
    began = drive.clock.now()
    await drive.run("slow_child", 3 * 86_400)
    assert drive.clock.now() - began == timedelta(days=3)


async def test_a_timer_left_over_by_continue_as_new_does_not_fire_in_the_next_run(drive: Driver) -> None:
    began = drive.clock.now()
    await drive.run("leaving_a_timer", 1)
    assert drive.clock.now() - began == 8 * HOUR


async def test_an_answer_that_comes_after_the_end_changes_nothing(drive: Driver) -> None:
    run = drive.start("not_waiting", "late")
    await drive.settle()
    ended = drive.kinds(run)
    await drive.settle()
    assert drive.read(run).finished
    assert drive.kinds(run) == ended
    assert ended[-2:] == ["executionCompleted", "orchestratorCompleted"]


async def test_a_delayed_start_waits_for_its_instant(drive: Driver) -> None:
    at = drive.clock.now() + HOUR
    run = drive.start("sequence", ["a"], at=to_micros(at))
    await drive.settle()
    assert drive.read(run).status == PENDING
    await drive.end_of(run)
    assert drive.clock.now() == at


async def test_an_event_does_not_begin_a_delayed_start_early(drive: Driver) -> None:
    run = drive.start("collecting", 1, at=to_micros(drive.clock.now() + HOUR))
    drive.raise_event(run, "word", "early")
    await drive.settle()
    assert drive.read(run).status == PENDING
    assert json.loads((await drive.end_of(run)).output or "") == ["early"]


async def test_the_id_of_a_finished_run_may_be_used_again(drive: Driver) -> None:
    await drive.run("sequence", ["a"], id="once")
    assert await drive.run("sequence", ["b"], id="once") == ["B"]


async def test_the_id_of_a_suspended_run_is_taken(drive: Driver) -> None:
    run = drive.start("collecting", 1)
    drive.engine.control.suspend(run, None)
    await drive.settle()
    with pytest.raises(Exists, match="Suspended"):
        drive.start("sequence", ["a"], id=run)


async def test_a_parent_is_told_the_type_of_its_child_s_error(drive: Driver) -> None:
    run = drive.start("parent_of_failing_once", "child-error")
    failure = (await drive.end_of(run)).failure_details
    assert failure is not None
    child = drive.engine.instances.list_children(run)[0].failure_details
    assert child is not None
    assert child.innerFailure.errorType == "ConnectionError"


async def test_an_activity_s_error_has_the_bare_name_of_its_type(drive: Driver) -> None:
    run = drive.start("failing_once", "bare-name")
    failure = (await drive.end_of(run)).failure_details
    assert failure is not None
    assert (failure.innerFailure.errorType, failure.innerFailure.errorMessage) == ("ConnectionError", "not yet")


async def test_termination_reaches_the_children(drive: Driver) -> None:
    run = drive.start("slow_child", 3600)
    await drive.settle()
    drive.engine.control.terminate(run, '"enough"', recursive=True)
    (child,) = drive.engine.instances.list_children(run)
    assert (drive.read(run).status, child.status) == (TERMINATED, TERMINATED)


async def test_termination_alone_lets_the_children_go_on(drive: Driver) -> None:
    run = drive.start("slow_child", 3600)
    await drive.settle()
    drive.engine.control.terminate(run, None, recursive=False)
    (child,) = drive.engine.instances.list_children(run)
    assert (await drive.end_of(child.id)).output is not None


async def test_a_suspended_run_can_be_terminated(drive: Driver) -> None:
    run = drive.start("collecting", 1)
    drive.engine.control.suspend(run, None)
    await drive.settle()
    drive.engine.control.terminate(run, None, recursive=True)
    assert drive.read(run).status == TERMINATED


async def test_a_timer_that_fires_during_a_suspension_is_taken_afterwards(drive: Driver) -> None:
    run = drive.start("waiting", 3600)
    await drive.settle()
    drive.engine.control.suspend(run, "audit")
    await drive.pass_time(2 * HOUR)
    assert drive.read(run).status == SUSPENDED
    drive.engine.control.resume(run, None)
    await drive.settle()
    assert drive.read(run).finished


async def test_messages_are_taken_in_the_order_in_which_they_came(drive: Driver) -> None:
    """The timer was set first, but the suspension comes before it fires."""
    run = drive.start("waiting", 3600)
    await drive.settle()
    drive.engine.control.suspend(run, None)
    drive.clock.advance(HOUR)
    drive.engine.agenda.release_due()
    await drive.settle()
    assert drive.read(run).status == SUSPENDED


async def test_a_resumption_of_what_is_not_suspended_is_refused(drive: Driver) -> None:
    run = drive.start("collecting", 1)
    with pytest.raises(Unfit):
        drive.engine.control.resume(run, None)
    drive.raise_event(run, "word", "a")
    assert json.loads((await drive.end_of(run)).output or "") == ["a"]


async def test_nothing_reaches_a_finished_run(drive: Driver) -> None:
    await drive.run("sequence", [], id="over")
    with pytest.raises(Unfit):
        drive.raise_event("over", "word")
    with pytest.raises(Unfit):
        drive.engine.control.terminate("over", None, recursive=True)


async def test_only_a_failed_run_is_rewound(drive: Driver) -> None:
    await drive.run("sequence", [], id="fine")
    with pytest.raises(Unfit, match="failed"):
        drive.engine.control.rewind("fine", None)


async def test_a_rewound_run_still_gets_what_was_open_when_it_failed(drive: Driver) -> None:
    run = drive.start("failing_beside_others", "beside-others")
    assert (await drive.end_of(run)).status == FAILED
    drive.engine.control.rewind(run, "mended")
    assert (await drive.end_of(run)).failure_details is None


async def test_a_running_instance_is_not_restarted_under_its_own_id(drive: Driver) -> None:
    run = drive.start("collecting", 1)
    with pytest.raises(Unfit, match="still running"):
        drive.engine.control.restart(run, new_id=False)


async def test_purging_reaches_the_children_if_asked(drive: Driver) -> None:
    await drive.run("parent", [["a"], ["b"]], id="family")
    assert drive.engine.control.purge(["family"], recursive=True) == 3


async def test_an_outsider_waits_while_an_entity_is_locked(drive: Driver) -> None:
    run = drive.start("holding", "locked")
    await drive.settle()
    drive.signal("locked", "add", 100)
    await drive.settle()
    assert drive.state("locked") is None
    drive.raise_event(run, "go")
    assert json.loads((await drive.end_of(run)).output or "") == [0, 0]
    await drive.settle()
    assert drive.state("locked") == 100


async def test_what_was_asked_of_an_entity_before_it_was_locked_comes_first(drive: Driver) -> None:
    drive.signal("before", "add", 7)
    run = drive.start("holding", "before")
    await drive.settle()
    drive.raise_event(run, "go")
    assert json.loads((await drive.end_of(run)).output or "") == [7, 7]


async def test_the_end_of_its_holder_frees_an_entity(drive: Driver) -> None:
    first = drive.start("holding", "orphan")
    await drive.settle()
    second = drive.start("holding", "orphan")
    await drive.settle()
    assert (drive.read(first).custom, drive.read(second).custom) == ('"holding"', "null")
    drive.engine.control.terminate(first, None, recursive=True)
    await drive.settle()
    assert drive.read(second).custom == '"holding"'


async def test_locks_are_granted_in_the_order_of_their_requests(drive: Driver) -> None:
    runs, held = [], []
    for _ in range(3):
        runs.append(drive.start("holding", "queue"))
        await drive.settle()
    for run in runs:
        await drive.settle()
        held.append([drive.read(each).custom == '"holding"' for each in runs])
        drive.raise_event(run, "go")
    assert held == [[True, False, False], [True, True, False], [True, True, True]]


async def test_who_ends_while_waiting_for_a_lock_does_not_get_it(drive: Driver) -> None:
    runs = []
    for _ in range(3):
        runs.append(drive.start("holding", "left"))
        await drive.settle()
    first, second, third = runs
    drive.engine.control.terminate(second, None, recursive=True)
    drive.raise_event(first, "go")
    await drive.settle()
    assert drive.read(third).custom == '"holding"'


async def test_a_signal_comes_at_its_instant(drive: Driver) -> None:
    await drive.run("later", "in-an-hour")
    assert drive.state("in-an-hour") is None
    await drive.pass_time(HOUR)
    assert drive.state("in-an-hour") == 1


async def test_who_calls_an_entity_that_is_not_there_is_told(drive: Driver) -> None:
    assert "doesn't exist" in await drive.run("asking_nobody", "x")


async def test_a_child_does_not_take_the_id_of_one_that_runs(drive: Driver) -> None:
    taken = drive.start("collecting", 1)
    await drive.settle()
    assert "already exists" in await drive.run("parent_of_taken", taken)
    assert drive.read(taken).status == RUNNING


async def test_an_entity_s_signal_to_itself_comes_at_its_instant(drive: Driver) -> None:
    at = drive.clock.now() + HOUR
    drive.signal("later", "remind", at.isoformat())
    await drive.settle()
    assert drive.state("later") is None
    await drive.pass_time(HOUR)
    assert drive.state("later") == 1


async def test_an_entity_starts_an_orchestration(drive: Driver) -> None:
    drive.signal("starter", "start", "x")
    await drive.settle()
    assert drive.read("by-entity-x").output == '["X"]'


async def test_an_entity_without_a_state_is_gone(drive: Driver) -> None:
    drive.signal("brief", "add", 1)
    await drive.settle()
    assert drive.state("brief") == 1
    drive.signal("brief", "vanish")
    await drive.settle()
    assert drive.engine.queries.find_entity("@counter@brief") is None


async def test_a_run_and_its_child_have_their_versions_and_tags(drive: Driver) -> None:
    assert await drive.run("versioned", None, id="two", version="2.0", tags={"plan": "payroll"}) == ["2.0", "1.0"]
    assert drive.read("two").tag_map == {"plan": "payroll"}


async def test_an_unknown_orchestrator_fails_its_instance(drive: Driver) -> None:
    failure = (await drive.end_of(drive.start("nobody"))).failure_details
    assert failure is not None
    assert "doesn't exist" in failure.errorMessage


async def test_thousands_of_activities_at_once(drive: Driver) -> None:
    assert await drive.run("fan_out", 5000) == 5000 * 4999


async def test_a_history_of_more_than_4_mb(drive: Driver) -> None:
    assert await drive.run("big", 2000) == 2000 * 2500


async def test_a_reset_forgets_everything(drive: Driver) -> None:
    run = drive.start("slow_child", 3600)
    drive.signal("gone", "add", 1)
    await drive.settle()
    await drive.engine.clear()
    assert drive.engine.instances.find(run) is None
    assert drive.state("gone") is None
    assert drive.engine.agenda.next_due is None
    assert await drive.run("sequence", ["a"]) == ["A"]


async def test_a_late_result_of_before_a_reset_is_dropped(drive: Driver) -> None:
    drive.start("sequence", ["late"], id="same")
    while not (rows := drive.engine.store.rows("SELECT seq FROM activities")):
        await drive.engine.runner.lanes["orchestration"].tasks()[0]
    late = drive.engine.tasks.find_activity(rows[0]["seq"])
    assert late is not None
    await drive.engine.clear()
    assert await drive.run("sequence", ["new"], id="same") == ["NEW"]
    drive.engine.tasks.complete_activity(late, '"LATE"')
    await drive.settle()
    assert drive.read("same").output == '["NEW"]'


async def test_all_goes_on_after_the_process_was_lost(tmp_path: Path) -> None:
    """The engine is left as a kill leaves it, in the middle of everything, and opened again from its file."""
    clock, path = ManualClock(), tmp_path / "engine.sqlite"
    async with lab_engine(path, clock) as engine:
        drive = Driver(engine, clock)
        timer, lock = drive.start("waiting", 3600), drive.start("holding", "kept")
        await drive.settle()
        fresh = drive.start("sequence", ["a", "b"])  # it has not had its first turn
    clock.advance(2 * HOUR)
    async with lab_engine(path, clock) as engine:
        drive = Driver(engine, clock)
        assert (await drive.end_of(fresh)).output == '["A", "B"]'
        assert (await drive.end_of(timer)).finished
        drive.raise_event(lock, "go")
        assert (await drive.end_of(lock)).output == "[0, 0]"


async def test_an_activity_whose_result_was_lost_runs_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is lost between the end of the activity and the moment at which its result is kept."""
    clock, path = ManualClock(), tmp_path / "engine.sqlite"
    async with lab_engine(path, clock) as engine:
        monkeypatch.setattr(engine.tasks, "complete_activity", lambda *_: None)
        drive = Driver(engine, clock)
        run = drive.start("sequence", ["lost-result"])
        await drive.settle()
        assert not drive.read(run).finished
    async with lab_engine(path, clock) as engine:
        assert (await Driver(engine, clock).end_of(run)).output == '["LOST-RESULT"]'
    assert runbooks.attempts["shout lost-result"] == 2


async def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "engine.sqlite"
    async with lab_engine(path, ManualClock()) as engine:
        engine.store.run("PRAGMA user_version = 99")
    with pytest.raises(ValueError, match="version 99"):
        async with lab_engine(path, ManualClock()):
            pass
