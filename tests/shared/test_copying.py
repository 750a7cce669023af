"""The scheduler of replication runs: how many start, what an answer means, and when all will be copied."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.replication.run import BATCH, ReplicationRun, ReplicationRunItem
from shared.replication.schedule import (
    MOST_RESTARTS,
    mark_starting,
    plan_tick,
    time_to_next_tick,
    with_jobs_ended,
    with_jobs_unread,
    with_replicated_items,
    with_start_answers,
)
from shared.replication.settings import Disk, ProtectableItem, ReplicatedItem
from shared.replication.status import expected_end, replication_status
from shared.site_recovery.contract import JobEnd, StartAnswer
from shared.site_recovery.pacing import ANSWER_AWAITED_FOR

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)
DISK = Disk(name="c", id="vhd-c")
MINUTE = timedelta(minutes=1)


def copy(vm: str = "a", **more: Any) -> ReplicationRunItem:
    machine = ProtectableItem(vm=vm, guid=f"guid-{vm}", id=f"/machines/{vm}", disks=(DISK,))
    return ReplicationRunItem.model_validate(
        {"vm": vm, "item_id": f"/items/{vm}", "machine": machine, "actions": ("enable",), **more}
    )


def run(*items: ReplicationRunItem, **more: Any) -> ReplicationRun:
    return ReplicationRun(items=items, began=NOW, **more)


def copied(vm: str = "a", **more: Any) -> ReplicatedItem:
    facts = {"vm": vm, "guid": f"guid-{vm}", "id": f"/ITEMS/{vm}", "state": "Protected", "disk_sizes": {"VHD-C": 0}}
    return ReplicatedItem.model_validate({**facts, **more})


def end(job: str = "j", outcome: str = "failed", **more: Any) -> JobEnd:
    return JobEnd.model_validate({"job": job, "outcome": outcome, "state": outcome.capitalize(), **more})


def only(after: ReplicationRun) -> ReplicationRunItem:
    return after.items[0]


def test_no_more_start_than_may_be_under_way() -> None:
    items = [copy("a", state="copying"), copy("b", state="running"), *(copy(f"w{at}") for at in range(9))]
    assert plan_tick(run(*items, initial_copies=5), NOW).starts == {"enable": ("w0", "w1", "w2")}
    assert plan_tick(run(*items, initial_copies=2), NOW).starts == {}


def test_no_more_start_at_once_than_fit_into_a_batch() -> None:
    crowd = run(*(copy(f"w{at}") for at in range(200)), initial_copies=200)
    assert len(plan_tick(crowd, NOW).starts["enable"]) == BATCH


def test_a_start_without_an_answer_is_asked_again_with_the_same_attempt() -> None:
    after = mark_starting(run(copy()), ["a"], NOW)
    silent = with_start_answers(after, [StartAnswer(vm="a", outcome="unanswered", detail="429")], NOW, 2 * MINUTE)
    assert plan_tick(silent, NOW + MINUTE).starts == {}
    assert plan_tick(silent, NOW + 2 * MINUTE).starts == {"enable": ("a",)}
    assert only(silent).attempt == 1


def test_a_busy_vm_is_asked_later_with_a_new_attempt_and_not_for_ever() -> None:
    after = run(copy())
    for attempt in range(2, 9):
        after = with_start_answers(after, [StartAnswer(vm="a", outcome="busy", code="busy")], NOW, timedelta(0))
        assert (only(after).state, only(after).attempt) == ("waiting", attempt)
    after = with_start_answers(after, [StartAnswer(vm="a", outcome="busy", code="busy")], NOW, timedelta(0))
    assert (only(after).state, only(after).code) == ("failed", "busy")


def test_a_vm_that_needs_nothing_is_kept_and_counts_as_unchanged() -> None:
    after = with_start_answers(
        run(copy()), [StartAnswer(vm="a", outcome="refused", code="nothing-to-do")], NOW, timedelta(0)
    )
    assert (only(after).state, only(after).changed) == ("kept", False)


def test_a_job_is_restarted_as_often_as_azure_allows_and_we_do() -> None:
    failed = end(allowed_actions=("Restart",), code="70094", remedy="Connect the host.")
    after = run(copy(state="running", job="j"))
    for restart in range(1, MOST_RESTARTS + 1):
        after = with_jobs_ended(after, [failed], NOW)
        assert (only(after).state, only(after).restarts) == ("restarting", restart)
        assert plan_tick(after, NOW).restarts == ()
        assert plan_tick(after, NOW + timedelta(hours=1)).restarts == ("a",)
        after = with_start_answers(after, [StartAnswer(vm="a", outcome="started", job="j")], NOW, timedelta(0))
    after = with_jobs_ended(after, [failed], NOW)
    assert (only(after).state, only(after).code, only(after).remedy) == ("failed", "70094", "Connect the host.")


def test_a_job_that_met_another_one_is_asked_for_again_later() -> None:
    after = with_jobs_ended(run(copy(state="running", job="j")), [end(code="532")], NOW)
    assert (only(after).state, only(after).attempt) == ("waiting", 2)


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({"vm_state": "ReplicaConfigurationInProgress"}, "copying"),
        ({"scenario": "EnableProtection"}, "copying"),
        ({"vm_state": "Protected"}, "done"),
        ({"vm_state": "Protected", "disk_sizes": {}}, "failed"),
        ({"state": "InitialReplicationInProgress", "percent": 40}, "copying"),
        ({"state": "EnablingFailed", "scenario": "EnableProtection"}, "copying"),
        ({"state": "EnablingFailed", "vm_state": ""}, "failed"),
    ],
)
def test_a_vm_is_done_when_it_is_protected_and_idle_with_all_its_disks(more: Any, state: str) -> None:
    copying = run(copy(state="copying", since=NOW, changed=True))
    after = with_replicated_items(copying, [copied(**more)], {}, NOW + MINUTE)
    assert only(after).state == state


def test_what_enabling_cannot_set_follows_as_an_update() -> None:
    copying = run(copy(state="copying", since=NOW, changed=True, actions=("enable", "update")))
    after = with_replicated_items(copying, [copied(vm_state="Protected")], {}, NOW)
    assert plan_tick(after, NOW).starts == {"update": ("a",)}


def test_an_item_that_does_not_come_is_given_up_after_a_while() -> None:
    copying = run(copy(state="copying", since=NOW))
    assert only(with_replicated_items(copying, [], {}, NOW + 14 * MINUTE)).state == "copying"
    assert only(with_replicated_items(copying, [], {}, NOW + 15 * MINUTE)).state == "failed"


def test_a_copy_that_takes_too_long_is_given_up() -> None:
    copying = run(copy(state="copying", since=NOW), patience=timedelta(hours=2))
    slow = copied(state="InitialReplicationInProgress", percent=3)
    assert only(with_replicated_items(copying, [slow], {}, NOW + timedelta(hours=1))).state == "copying"
    late = only(with_replicated_items(copying, [slow], {}, NOW + timedelta(hours=2)))
    assert (late.state, late.code) == ("failed", "too-long")


def test_the_time_left_follows_from_the_pace_so_far() -> None:
    """One VM has a fifth of its copy after ten minutes; two more wait for its place."""
    copying = run(copy(state="copying", since=NOW, percent=20), copy("b"), copy("c"), initial_copies=1)
    assert expected_end(copying, NOW + 10 * MINUTE) == NOW + (10 + 40 + 2 * 50) * MINUTE
    assert expected_end(run(copy(state="copying", since=NOW)), NOW) is None


def test_the_status_tells_each_vm_and_stays_small() -> None:
    items = [copy(f"vm-{at:04d}", state="copying", since=NOW, percent=at % 100) for at in range(1000)]
    status = replication_status(run(*items, initial_copies=500), NOW + 10 * MINUTE)
    assert len(status.model_dump_json(by_alias=True)) * 2 < 16_000
    progress = status.progress_of_vms()
    assert progress[7][:2] == ("copying", 7)
    assert progress[25].time_left == 30 * MINUTE
    assert progress[0].time_left is None


def test_a_run_of_more_vms_than_fit_leaves_the_minutes_out_and_then_the_per_cents() -> None:
    items = [copy(f"vm-{at:04d}", state="copying", since=NOW, percent=50) for at in range(2001)]
    many = replication_status(run(*items[:1001]), NOW + 10 * MINUTE).progress_of_vms()
    assert (len(many), many[0]) == (1001, ("copying", 50, None))
    most = replication_status(run(*items), NOW + 10 * MINUTE).progress_of_vms()
    assert (len(most), most[0]) == (2001, ("copying", None, None))


def test_waiting_is_short_while_jobs_run_and_longer_while_only_copies_do() -> None:
    assert time_to_next_tick(run(copy(state="running")), NOW) == timedelta(seconds=30)
    assert time_to_next_tick(run(copy(state="copying")), NOW) == timedelta(minutes=2)
    assert time_to_next_tick(run(copy(not_before=NOW + 5 * MINUTE)), NOW) == 5 * MINUTE


def test_a_job_that_cannot_be_read_leaves_it_to_the_item_how_far_it_is() -> None:
    begun = run(copy(state="running", job="j"))
    once = with_jobs_unread(begun, {"j": "NotFound: no such job"}, NOW)
    assert (once.items[0].state, once.items[0].detail) == ("running", "job j: NotFound: no such job")
    assert with_jobs_unread(once, {}, NOW).items[0].open_since is None
    late = with_jobs_unread(once, "Azure answered 503", NOW + ANSWER_AWAITED_FOR)
    assert (late.items[0].state, late.items[0].open_since) == ("copying", None)


def test_settings_whose_job_cannot_be_read_are_compared_and_sent_anew() -> None:
    begun = run(copy(state="running", job="j", actions=("update",)))
    late = with_jobs_unread(with_jobs_unread(begun, {"j": "gone"}, NOW), {"j": "gone"}, NOW + ANSWER_AWAITED_FOR)
    assert (late.items[0].state, late.items[0].attempt) == ("waiting", 2)
