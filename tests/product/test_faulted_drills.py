"""A few of the benchmark's faulted drills: whatever goes wrong, nothing is left and nothing is owed."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from bench.drills import rehearse
from lab.servers import Servers
from tests.product.conftest import SPEED, Lab


@pytest.fixture
def slow(servers: Servers) -> Iterator[Servers]:
    """At a pace at which an hour to live is half a minute: a busy machine cleans up that late and no later."""
    clock = Lab(servers)
    clock.azure("POST", "clock", {"speed": 120})
    yield servers
    clock.azure("POST", "clock", {"speed": SPEED})


def test_drills_that_go_wrong_leave_nothing_behind(slow: Servers) -> None:
    seen = rehearse(slow, drills=12, seed=11)
    assert (seen.drills, seen.left, seen.owed) == (12, [], 0)
    assert seen.late <= timedelta(minutes=5)
    assert len([name for name, count in seen.wrong.items() if count]) >= 5
