"""Whatever is lost, refused or repeated: nothing is sent twice for one attempt, and what was started is found again."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.azure.exactly_once import Attempt, ExactlyOnce, JobSignature, Send, Sent
from shared.azure.json_fields import Json
from shared.errors import Refused, Transient
from shared.obstacle import Obstacle
from shared.request_ids import client_request_id
from shared.site_recovery.contract import StartAnswer

SINCE = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
ITEM = "/subscriptions/s/resourceGroups/g/providers/Microsoft.RecoveryServices/vaults/v/replicationFabrics/f/x/sql-01"
SIGNATURE = JobSignature({"TestFailover"}, {"sql-01"}, SINCE)
Shown = Literal["with its id", "without its id", "only by the item", "never with an id"]
"""How a job can be seen: some lists name no starter, and a young job is in no list."""
Fault = Literal["", "lost before", "lost after", "throttled", "conflict", "list lost", "job lost"]
"""What goes wrong in one call: the request or its answer is lost, 429, 409, or a read goes unanswered."""


@dataclass
class Job:
    name: str
    request_id: str
    shown: Shown
    began: datetime
    state: str = "InProgress"

    def to_json(self, *, in_list: bool) -> Json:
        is_named = self.shown == "with its id" or (not in_list and self.shown != "never with an id")
        properties = {
            "activityId": f"{self.request_id} ActivityId: 1" if is_named else None,
            "scenarioName": "TestFailover",
            "targetObjectName": "sql-01",
            "startTime": self.began.isoformat(),
            "state": self.state,
        }
        return {"name": self.name, "properties": properties}


@dataclass
class Vault:
    """One item's jobs, and a fault for the call that is made now."""

    jobs: list[Job] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    fault: Fault = ""
    shown: Shown = "with its id"

    @property
    def busy_with(self) -> str:
        return next((job.name for job in reversed(self.jobs) if job.state == "InProgress"), "")

    async def list_jobs(self, since: datetime) -> list[Json]:
        assert since == SINCE
        if self.fault == "list lost":
            raise Transient("503")
        return [job.to_json(in_list=True) for job in self.jobs if job.shown != "only by the item"]

    async def find_job(self, name: str) -> Json | None:
        if self.fault == "job lost":
            raise Transient("503")
        return next((job.to_json(in_list=False) for job in self.jobs if job.name == name), None)

    async def send(self, request_id: str) -> Sent:
        if self.fault == "lost before":
            raise Transient("no connection")
        if self.fault == "throttled":
            raise Transient("429", 17)
        if self.fault == "conflict":
            raise Refused("Conflict", "409")
        self.sent.append(request_id)
        job = self.add(request_id, self.shown)
        if self.fault == "lost after":
            raise Transient("the answer was lost")
        return Sent(job.name)

    def add(self, request_id: str, shown: Shown) -> Job:
        for job in self.jobs:  # only the youngest is in no list yet
            job.shown = "without its id" if job.shown == "only by the item" else job.shown
        number = len(self.jobs)
        self.jobs.append(Job(f"j{number}", request_id, shown, SINCE + timedelta(minutes=number)))
        return self.jobs[-1]

    def end_jobs(self, state: str) -> None:
        for job in self.jobs:
            if job.state == "InProgress":
                job.state = state
                job.shown = "with its id" if job.shown in {"only by the item", "never with an id"} else job.shown


def request_id(attempt: int) -> str:
    return client_request_id("op-1", ITEM, "TestFailover", attempt)


async def run_activity(vault: Vault, ids: Sequence[str], *, only_adopt: bool = False) -> StartAnswer | None:
    """One run of an activity that would always send; None when it raised, as it does without a list of jobs."""

    def decide() -> Obstacle | Send:
        return vault.send

    attempt = Attempt(ids, SIGNATURE, decide, vault.busy_with)
    once = ExactlyOnce(vault, only_adopt=only_adopt)
    try:
        await once.list_jobs(SINCE)
    except Transient:
        return None
    return await once.start("sql-01", attempt)


FAULTS: tuple[Fault, ...] = ("", "lost before", "lost after", "throttled", "conflict", "list lost", "job lost")
SHOWN: tuple[Shown, ...] = ("with its id", "without its id", "only by the item", "never with an id")
CALLS = st.tuples(st.just("call"), st.sampled_from(FAULTS), st.sampled_from(SHOWN))
OTHERS = st.sampled_from(SHOWN[:3]).map(lambda shown: ("somebody else", "", shown))
ENDS = st.sampled_from(("Succeeded", "Failed")).map(lambda state: ("end", state, ""))
NEXT = st.just(("next attempt", "", ""))


@settings(max_examples=400)
@given(st.lists(st.one_of(CALLS, CALLS, OTHERS, ENDS, NEXT), max_size=25))
def test_nothing_is_sent_twice_for_one_attempt_and_what_was_started_is_found_again(steps: list[Any]) -> None:
    vault, attempt = Vault(), 1
    started: dict[int, str] = {}
    for kind, what, shown in steps:
        if kind == "call":
            vault.fault, vault.shown = what, shown
            answer = asyncio.run(run_activity(vault, [request_id(attempt)]))
            if answer and answer.outcome == "started":
                assert started.setdefault(attempt, answer.job) == answer.job
        elif kind == "somebody else":
            vault.add("00000000-0000-0000-0000-000000000000", shown)
        elif kind == "end":
            vault.end_jobs(what)
        else:
            vault.end_jobs("Failed")  # nobody asks for another attempt while the last one may still succeed
            attempt += 1
    assert len(vault.sent) == len(set(vault.sent))

    vault.fault = ""
    for number in range(1, attempt + 1):
        own_jobs = [job.name for job in vault.jobs if job.request_id == request_id(number)]
        found = asyncio.run(run_activity(vault, [request_id(number)], only_adopt=True))
        assert found is not None
        if own_jobs:
            assert [found.job] == own_jobs
        elif all(job.shown != "never with an id" for job in vault.jobs):  # such a one is taken for ours: safer than not
            assert found.code == "aborted"


async def test_what_stands_in_the_way_is_told_only_after_a_look_for_our_own_job() -> None:
    """The item is busy, with our own job: that is no obstacle."""
    vault = Vault()

    def decide() -> Obstacle | Send:
        return Obstacle(code="item-busy", detail="it is busy", passing=True)

    attempt = Attempt([request_id(1)], SIGNATURE, decide)
    once = ExactlyOnce(vault)
    assert (await once.start("sql-01", attempt)).outcome == "busy"
    vault.add(request_id(1), "with its id")
    await once.list_jobs(SINCE)
    assert (await once.start("sql-01", attempt)).job == "j0"
    assert vault.sent == []


@pytest.mark.parametrize(
    ("shown", "minutes_before", "found"),
    [
        ("with its id", 4, "j0"),
        ("without its id", 4, "j0"),  # only the job itself says that it is ours
        ("without its id", 0, "j0"),
        ("never with an id", 4, ""),  # somebody else's, for all that we know
        ("never with an id", 0, "j0"),
    ],
)
async def test_a_job_that_began_before_our_clock_says_it_was_asked_for_is_found(
    shown: Shown, minutes_before: int, found: str
) -> None:
    """Our clock is ahead of Azure's."""
    vault = Vault()
    vault.add(request_id(1), shown).began -= timedelta(minutes=minutes_before)
    once = ExactlyOnce(vault, only_adopt=True)
    await once.list_jobs(SINCE)
    answer = await once.start("sql-01", Attempt([request_id(1)], SIGNATURE, lambda: vault.send))
    assert answer.job == found


async def test_what_is_not_about_to_pass_is_refused() -> None:
    once = ExactlyOnce(Vault())
    attempt = Attempt([request_id(1)], SIGNATURE, lambda: Obstacle(code="gone", detail="it is gone"))
    answer = await once.start("sql-01", attempt)
    assert (answer.outcome, answer.code, answer.detail) == ("refused", "gone", "it is gone")
    with pytest.raises(Refused, match="gone: it is gone"):
        await once.require_sent(attempt)


async def test_once_the_vault_throttles_what_follows_is_not_sent() -> None:
    vault = Vault(fault="throttled")
    once = ExactlyOnce(vault)
    first = await once.start("sql-01", Attempt([request_id(1)], SIGNATURE, lambda: vault.send))
    vault.fault = ""
    second = await once.start("sql-02", Attempt([request_id(2)], SIGNATURE, lambda: vault.send))
    assert [(answer.outcome, answer.code) for answer in (first, second)] == [
        ("unanswered", ""),
        ("unanswered", "throttled"),
    ]
    assert (once.retry_after, vault.sent) == (timedelta(seconds=17), [])


async def test_a_job_of_a_machine_below_the_job_of_its_recovery_plan_is_not_taken_for_it() -> None:
    vault = Vault()
    vault.add(request_id(1), "with its id")  # works on sql-01
    once = ExactlyOnce(vault, only_adopt=True)
    await once.list_jobs(SINCE, target="payroll")
    attempt = Attempt([request_id(1)], SIGNATURE._replace(targets={"payroll"}), lambda: vault.send)
    assert (await once.start("payroll", attempt)).code == "aborted"


class QueuedVault:
    """Jobs that have just been queued: a list shows nothing of them, and each says who started it once it is read."""

    def __init__(self, *request_ids: str) -> None:
        self.request_ids, self.read = request_ids, list[str]()

    async def list_jobs(self, _since: datetime) -> list[Json]:
        blank = {"activityId": None, "scenarioName": None, "targetObjectName": None, "state": "NotStarted"}
        return [{"name": f"job-{number}", "properties": blank} for number in range(len(self.request_ids))]

    async def find_job(self, name: str) -> Json | None:
        self.read.append(name)
        request_id = self.request_ids[int(name.removeprefix("job-"))]
        return {"name": name, "properties": {"activityId": f"{request_id} ActivityId: 1", "state": "NotStarted"}}


@pytest.mark.parametrize("reads_queued", [True, False])
async def test_a_job_that_was_just_queued_is_found_where_nothing_else_names_it(*, reads_queued: bool) -> None:
    """And where something does, not one of the many that others have queued is read."""
    vault, sent = QueuedVault("other-1", "ours", "other-2"), list[str]()

    async def send(request_id: str) -> Sent:
        sent.append(request_id)
        return Sent("new")

    once = ExactlyOnce(vault)
    await once.list_jobs(SINCE)
    job = (await once.require_sent(Attempt(["ours"], SIGNATURE, lambda: send, reads_queued=reads_queued))).job
    assert (job, sent) == (("job-1", []) if reads_queued else ("new", ["ours"]))
    assert len(vault.read) == (3 if reads_queued else 0)
