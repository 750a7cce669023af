"""Refusals and reads of evidence, gathered by this process and written down together: an entry each few minutes.

1. Each adds to the line of its like: the same function, status, code and caller. Whom nobody knows is one caller.
2. A moment after the first, but minutes after the last time, all lines are handed to a run that writes them.
3. Where there are too many lines those of whoever has most become one. What then finds no room is only counted.

So nobody waits for it, and whoever sends a million requests leaves fifty lines.
"""

import asyncio
import logging
import os
import re
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import azure.durable_functions as df

from activities.durable_runs import schedule_once
from shared.errors import SiteRecoveryError
from shared.evidence.administration import MOST_ACTS, Act, ActKind, AdministrationRecord
from shared.operations.durable_names import RECORD_ADMINISTRATION
from shared.principals import Principal
from shared.redaction import redact_text
from shared.request_ids import run_id
from shared.settings import AzureSettings
from triggers.endpoint_rules import EndpointRules
from triggers.engine_client import reopened_client
from triggers.failures import ENGINE_FAILURES, details_of
from triggers.pacing import GATHERED_AT_LEAST, HANDED_OVER_EVERY

_LOG = logging.getLogger(__name__)
REFUSALS = frozenset({401, 403, 409})
NOT_EVEN_READ = "principal-malformed"
"""The code of a refusal at the door that is 400."""
ANY = "*"
"""The function and the code of lines that became one."""
NAMES_KEPT, LONGEST_CODE = 20, 100
PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""A name of a path that is kept; another one is of nobody's but the caller's making."""


type Connection = AbstractAsyncContextManager[df.DurableFunctionsClient]


class AnsweredRequest(NamedTuple):
    """What became of one request.

    Attributes:
        function: That answered it.
        names: In its path.
        caller: None where nobody knows who it was.
        code: Of the problem, or its title; empty without one.
    """

    function: str
    rules: EndpointRules
    names: tuple[str, ...]
    caller: Principal | None
    status: int
    code: str

    @property
    def act(self) -> ActKind | None:
        """As what it is written down; None where it is not."""
        if self.status in REFUSALS or self.code == NOT_EVEN_READ:
            return "refused"
        return "evidence-read" if self.rules.is_evidence and self.status == 200 else None


NOBODY = Principal(name="")


class LineKey(NamedTuple):
    """What requests of one line have in common; `person` is an id, or the name of those who have none."""

    act: ActKind
    person: str
    function: str
    status: int
    code: str


@dataclass
class Line:
    """Requests of one sort."""

    first: datetime
    last: datetime
    by: str
    by_id: str
    count: int = 0
    names: dict[str, None] = field(default_factory=dict)

    def add(self, other: "Line") -> None:
        """Take in other requests."""
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)
        self.count += other.count
        self.names = dict.fromkeys([*self.names, *other.names][:NAMES_KEPT])

    def to_act(self, key: LineKey) -> Act:
        """As an act of administration."""
        facts: dict[str, Any] = {"names": list(self.names)}
        if key.act == "refused":
            facts |= {"status": key.status, "code": key.code}
        return Act(
            act=key.act,
            subject=key.function,
            at=self.first,
            until=self.last,
            count=self.count,
            by=self.by,
            by_id=self.by_id,
            facts=facts,
        )


class ActGatherer:
    """The lines of one process, and the task that hands them over."""

    def __init__(
        self,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        connect: Callable[[df.DurableFunctionsClient], Connection] = reopened_client,
    ) -> None:
        self._pause, self._clock, self._connect = pause, clock, connect
        self._lines: dict[LineKey, Line] = {}
        self._left_out = 0
        self._unsent: AdministrationRecord | None = None
        self._handed_over_at: float | None = None
        self._client: df.DurableFunctionsClient | None = None
        self._task: asyncio.Task[None] | None = None

    def note(self, client: df.DurableFunctionsClient, answered: AnsweredRequest) -> None:
        """Take in a request, if it is one that is written down: takes no time, and waits for nothing."""
        act = answered.act
        if act is None:
            return
        caller, now = answered.caller or NOBODY, datetime.now(UTC)
        code = answered.code[:LONGEST_CODE] if act == "refused" else ""
        key = LineKey(act, caller.id or caller.name, answered.function, answered.status, code)
        names = dict.fromkeys(filter(PLAIN_NAME.fullmatch, answered.names if answered.caller else ()))
        self._add(key, Line(now, now, caller.name, caller.id, 1, names))
        self._client = client
        self._see_to_it()

    def _add(self, key: LineKey, line: Line) -> None:
        folded = LineKey(key.act, key.person, ANY, 0, ANY)
        if len(self._lines) >= MOST_ACTS and not {key, folded} & self._lines.keys() and not self._make_room():
            self._left_out += line.count
            return
        known = self._lines.get(key) or self._lines.get(folded)
        if known:
            known.add(line)
        else:
            self._lines[key] = line

    def _make_room(self) -> bool:
        """Make one line of those of whoever has most; False where everybody has one."""
        ((act, person), lines) = Counter((key.act, key.person) for key in self._lines).most_common(1)[0]
        if lines < 2:
            return False
        own = [key for key in self._lines if (key.act, key.person) == (act, person)]
        folded = self._lines.pop(own[0])
        for key in own[1:]:
            folded.add(self._lines.pop(key))
        self._lines[LineKey(act, person, ANY, 0, ANY)] = folded
        return True

    def _see_to_it(self) -> None:
        loop = asyncio.get_running_loop()
        if self._task is None or self._task.done() or self._task.get_loop() is not loop:
            self._task = loop.create_task(self._hand_over_later())

    async def _hand_over_later(self) -> None:
        while self._lines or self._left_out or self._unsent:
            await self._pause(self._seconds_to_wait())
            await self.hand_over()

    def _seconds_to_wait(self) -> float:
        pace = AzureSettings.from_environment(os.environ).arm_pace
        if self._handed_over_at is None:
            return GATHERED_AT_LEAST.total_seconds() / pace
        rest = HANDED_OVER_EVERY.total_seconds() / pace - (self._clock() - self._handed_over_at)
        return max(GATHERED_AT_LEAST.total_seconds() / pace, rest)

    async def hand_over(self) -> None:
        """Start the run that writes what was gathered; where the engine does not take it, it is kept for the next time.

        Without a store there is nothing to write, and it is forgotten.
        """
        self._handed_over_at = self._clock()
        try:
            await self._start_run()
        except (SiteRecoveryError, *ENGINE_FAILURES) as error:
            _LOG.warning("administration-waits: %s: %s", type(error).__name__, redact_text(details_of(error)))

    async def _start_run(self) -> None:
        if AzureSettings.from_environment(os.environ).evidence_store is None:
            self._lines, self._left_out, self._unsent = {}, 0, None
            return
        record = self._unsent = self._unsent or self._take_record()
        if record is None or self._client is None:
            return
        async with self._connect(self._client) as client:
            await schedule_once(client, RECORD_ADMINISTRATION, record.id, record.model_dump(mode="json"))
        self._unsent = None

    def _take_record(self) -> AdministrationRecord | None:
        """All lines as one record; None where there are none."""
        if not self._lines:
            return None
        acts = tuple(line.to_act(key) for key, line in self._lines.items())
        left_out, self._lines, self._left_out = self._left_out, {}, 0
        run = run_id("administration", "gathered", uuid.uuid4().hex)
        return AdministrationRecord(id=run, acts=acts, left_out=left_out)

    @property
    def waiting(self) -> dict[str, int]:
        """How many requests wait to be handed over, and how many of them are counted without who sent them."""
        gathered = sum(line.count for line in self._lines.values())
        unsent = sum(act.count for act in self._unsent.acts) + self._unsent.left_out if self._unsent else 0
        return {"gathered": gathered + self._left_out + unsent, "leftOut": self._left_out}


GATHERER = ActGatherer()
