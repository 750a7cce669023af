"""The table of states by itself."""

import pytest

from lab.azure.site_recovery.api.times import exact_time, parse_time, whole_time
from lab.azure.site_recovery.items import lifecycle
from lab.azure.site_recovery.items.lifecycle import LIFE, RESTING, STATES, allowed_operations, find_step
from lab.azure.site_recovery.jobs.durations import RECORDED, draw_duration, draw_job_duration
from lab.azure.site_recovery.jobs.kinds import KINDS


def test_every_operation_that_is_offered_leads_somewhere() -> None:
    """What an item lists it also takes; only what ends protection is outside the table."""
    for state in RESTING:
        for operation in set(allowed_operations(state)) - {"DisableProtection", "CompleteMigration"}:
            assert find_step(operation, state) is not None, (operation, state.name)


def test_reprotect_is_offered_only_after_a_committed_failback() -> None:
    """A Hyper-V machine fails back first."""
    offering = [state.name for state in STATES.values() if "ReverseReplicate" in allowed_operations(state)]
    assert offering == ["failback-committed"]


def test_nothing_but_the_cleanup_is_allowed_while_a_test_waits() -> None:
    """As the official example shows it."""
    assert allowed_operations(lifecycle.TEST_PENDING) == ["TestFailoverCleanup"]


def test_every_step_has_a_kind_of_job() -> None:
    """Also those that are not offered."""
    assert {each.scenario for each in LIFE} <= set(KINDS)


@pytest.mark.parametrize("scenario", sorted(RECORDED))
def test_durations_stay_within_what_was_recorded(scenario: str) -> None:
    """For any seed and item."""
    least, _, most = RECORDED[scenario]
    drawn = [draw_job_duration(seed, scenario, f"vm-{seed}", 1).total_seconds() for seed in range(200)]
    assert least <= min(drawn) <= max(drawn) <= most
    assert len(set(drawn)) > 100


def test_a_duration_is_the_same_for_the_same_seed_item_and_count() -> None:
    """So that a run can be told again."""
    assert draw_job_duration(7, "TestFailover", "A", 2) == draw_job_duration(7, "TestFailover", "a", 2)
    assert draw_job_duration(7, "TestFailover", "a", 2) != draw_job_duration(7, "TestFailover", "a", 3)
    assert draw_job_duration(7, "TestFailover", "a", 2) != draw_job_duration(8, "TestFailover", "a", 2)


def test_times_survive_being_written_and_read() -> None:
    """Seven decimals and whole seconds."""
    moment = parse_time("2017-09-20T13:15:03.2896486Z")
    assert exact_time(moment) == "2017-09-20T13:15:03.2896480Z"
    assert whole_time(moment) == "2017-09-20T13:15:03Z"
    assert parse_time(whole_time(moment)).microsecond == 0
    assert draw_duration((1.0, 2.0, 3.0), "x") == draw_duration((1.0, 2.0, 3.0), "x")
