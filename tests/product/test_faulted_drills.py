"""A few of the benchmark's faulted drills: whatever goes wrong, nothing is left and nothing is owed."""

from datetime import timedelta

from bench.drills import rehearse
from lab.servers import Servers


def test_drills_that_go_wrong_leave_nothing_behind(servers: Servers) -> None:
    seen = rehearse(servers, drills=12, seed=11)
    assert (seen.drills, seen.left, seen.owed) == (12, [], 0)
    assert seen.late <= timedelta(minutes=5)
    assert len([name for name, count in seen.wrong.items() if count]) >= 5
