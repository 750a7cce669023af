"""What chaos ends stays away as long as it says, and comes back once: two hosts of one name would hide much."""

import time
from typing import Any, cast

import pytest

from lab.real.servers import RealServer
from lab.real.story import Havoc
from lab.servers import Keeper, Servers


class Host(RealServer):
    """Counts how often it was started."""

    def __init__(self, name: str) -> None:
        self.name, self.starts, self.is_up = name, 1, True
        self.killed = False

    @property
    def exit_status(self) -> int | None:
        return None if self.is_up else -9

    def start(self) -> None:
        self.starts, self.is_up = self.starts + 1, True

    def kill(self) -> None:
        self.killed, self.is_up = True, False

    stop = kill

    def kill_python(self) -> None:
        """Nothing that anybody has to start again."""


@pytest.mark.parametrize("seed", range(5))
def test_what_was_ended_is_started_once_and_not_before_its_time(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("lab.real.story.monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    hosts, storage = [Host("one"), Host("two")], Host("storage")
    servers = cast("Any", Servers(Host("azure"), hosts[0], (storage,), (hosts[1],)))
    havoc = Havoc(servers, 30, seed, lambda _line: None)
    keeper = Keeper(servers, lambda _line: None)
    keeper.away = havoc.bring_back_due
    ends = 0
    while not havoc.is_over or havoc.bring_back_due():
        if any(host.is_up for host in hosts):  # while none is the story waits for an answer, and only the keeper looks
            havoc.disturb_if_due()
        keeper.check_servers()
        ends += sum(not host.is_up and host.name not in havoc.bring_back_due() for host in (*hosts, storage))
        clock[0] += 0.5
    killed = 2 * havoc.done.get("both", 0) + sum(havoc.done.get(how, 0) for how in ("host", "term", "storage"))
    assert sum(host.starts - 1 for host in (*hosts, storage)) == killed
    assert ends == 0
