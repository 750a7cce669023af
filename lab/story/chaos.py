"""Trouble on purpose: the host is killed at random instants, and Azure loses answers and doubles events."""

import random
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from lab.servers import Server

GAPS = (0.2, 1.5)
"""Real seconds between the host's return and its next end: least and most."""

PARTS = 4
"""Parts of a story that the kills are spread over; the last one is too short for its share."""

FAULTS: list[dict[str, Any]] = [
    {
        "match": {"method": "POST", "path": "*/replicationProtectedItems/*", "probability": 0.25},
        "effect": {"lose": 503},
    },
    {"match": {"method": "POST", "probability": 0.15}, "effect": {"lose": "connection"}},
    {"match": {"method": "POST", "probability": 0.1}, "effect": {"status": 503}},
    {"match": {"method": "PUT", "probability": 0.3}, "effect": {"lose": 503}},
    {"match": {"method": "DELETE", "probability": 0.3}, "effect": {"lose": 503}},
    {"match": {"method": "GET", "probability": 0.03}, "effect": {"status": 503}},
    {"match": {"method": "GET", "probability": 0.02}, "effect": {"reset": "before"}},
    {"match": {"method": "GET", "probability": 0.02}, "effect": {"slow": 20}},
    {"effect": {"event": "duplicate"}},
]
"""Whatever goes wrong here, a second try cures: none of it excuses a verb that is sent twice."""


class Killer:
    """Kills a host so many times in a story, at instants drawn from a seed."""

    def __init__(self, hosts: Sequence[Server], kills: int, seed: int, say: Callable[[str], None]) -> None:
        self._hosts, self._kills, self._say = hosts, kills, say
        self._random = random.Random(seed)
        self._allowed = self.done = 0
        self._next = 0.0

    @property
    def is_through(self) -> bool:
        """Whether all kills were done."""
        return self.done >= self._kills

    def begin_part(self) -> None:
        """Allow the kills of one more part, with those that earlier parts were too short for."""
        self._allowed += -(-self._kills // PARTS)
        self._draw_next()

    def kill_if_due(self) -> None:
        """Kill a host if it is time; whoever keeps it up starts it again."""
        if self.done >= min(self._allowed, self._kills) or monotonic() < self._next:
            return
        host = self._random.choice(self._hosts)
        if host.is_healthy():
            self.done += 1
            self._say(f"  killing the {host.name}: {self.done} of {self._kills}")
            host.kill()
        self._draw_next()

    def _draw_next(self) -> None:
        self._next = monotonic() + self._random.uniform(*GAPS)
