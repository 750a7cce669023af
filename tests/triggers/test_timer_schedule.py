"""A timer is silent once three moments of its own schedule have passed without a look that came to its end."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.operations.timer_looks import TimerLooks
from triggers.timer_schedule import EVERY_FIVE_MINUTES, find_silent_since

T0 = datetime(2026, 1, 5, 8, 0, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "third"),
    [
        (EVERY_FIVE_MINUTES, timedelta(minutes=15)),
        ("0 0 * * * *", timedelta(hours=3)),
        ("*/30 * * * * *", timedelta(seconds=90)),
        ("0 0 9 * * *", timedelta(hours=49)),
        ("00:02:00", timedelta(minutes=6)),
        ("*/10 * * * *", timedelta(minutes=30)),
    ],
)
def test_three_moments_of_the_schedule_are_waited_for(schedule: str, third: timedelta) -> None:
    looks = TimerLooks(last_ended_at=T0)
    assert find_silent_since(looks, T0 + third - timedelta(seconds=11), schedule) is None
    since = find_silent_since(looks, T0 + third + timedelta(seconds=1), schedule)
    assert since is not None
    assert T0 < since < T0 + third


def test_a_first_look_counts_from_when_somebody_asked_for_it() -> None:
    assert find_silent_since(TimerLooks(), T0) is None
    asked = TimerLooks(expected_since=T0)
    assert find_silent_since(asked, T0 + timedelta(minutes=14)) is None
    assert find_silent_since(asked, T0 + timedelta(minutes=15))


def test_the_schedule_is_the_one_of_the_app(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECONCILE_SCHEDULE", "0 0 * * * *")
    assert find_silent_since(TimerLooks(last_ended_at=T0), T0 + timedelta(hours=1)) is None
