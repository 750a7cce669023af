"""What is kept for a plan, a site or a node does not grow with the years, whatever is done and however runs die."""

import random
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter

from shared.healing.cluster_queue import JoinQueue, Queue, QueueTurn, join_queue
from shared.healing.node_record import BeginRepair, EndRepair, LastRepair, begin_repair, end_repair, save_extension
from shared.operations.entity_messages import DoneMessage, MessageMemory, MessageStamp
from shared.operations.leases import Claim, LeaseTable, grant_claim
from shared.operations.timer_looks import DutyFailure, LookEnded, TimerLooks, end_look
from shared.plans.history import PastRun, PlanHistory, with_run_ended
from shared.plans.versions import Declaration, VersionedDocument, declare_document
from shared.site_recovery.request_budget import Buckets, CallRequest, grant_calls
from shared.sites.nodes import ExtensionView

BEGAN, DAY = datetime(2026, 1, 5, 8, tzinfo=UTC), timedelta(days=1)
DAYS, SETTLED_AFTER = 1500, 300
"""Four years; after ten months nothing grows any more."""
type Story = Callable[[random.Random], Iterator[Any]]
SIZE = TypeAdapter(Any)


def leases_of_runs_that_die(chance: random.Random) -> Iterator[LeaseTable]:
    """Each day a run holds VMs that are there for some weeks only, and dies."""
    table: LeaseTable = {}
    for day in range(DAYS):
        now = BEGAN + day * DAY
        keys = tuple(f"vm-{day // 30}-{number}" for number in chance.sample(range(50), 5))
        table, _ = grant_claim(table, Claim(owner=f"drill-{day:05d}", keys=keys, now=now, until=now + DAY))
        yield table


def runs_of_a_plan(chance: random.Random) -> Iterator[PlanHistory]:
    """Drills that succeed or not, of a plan that changes."""
    history = PlanHistory()
    for day in range(DAYS):
        began, state = BEGAN + day * DAY, chance.choice(["succeeded", "failed"])
        grounds = {f"VM vm-{number:02d}": {"size of disks": str(1000 + day % 100)} for number in range(20)}
        run = PastRun(run=f"drill-{day:05d}", kind="drill", state=state, began=began, ended=began + DAY / 24)
        history = with_run_ended(history, run.model_copy(update={"digest": f"{day // 50:03d}", "grounds": grounds}))
        yield history


def versions_of_a_document(chance: random.Random) -> Iterator[VersionedDocument | None]:
    """A document that is declared each day."""
    current: VersionedDocument | None = None
    for day in range(DAYS):
        document, at = {"site": chance.choice(["hci-01", "hci-02"])}, BEGAN + day * DAY
        declaration = Declaration(
            document_kind="plan", name="p", action="put", document=document, digest=f"{day:09d}", by="a", at=at
        )
        current, _ = declare_document(current, declaration)
        yield current


def failures_of_the_timer(chance: random.Random) -> Iterator[TimerLooks]:
    """Looks that cannot do many things, mostly others than the day before."""
    looks = TimerLooks()
    for day in range(DAYS):
        subjects = chance.sample(range(10_000), 100)
        failures = tuple(DutyFailure(duty="heal nodes", about=f"node {one:05d}", detail="away") for one in subjects)
        looks, _ = end_look(looks, LookEnded(at=BEGAN + day * DAY, failures=failures))
        yield looks


def _extension(day: int) -> ExtensionView:
    return ExtensionView(id="asr", name="ASR", provisioning_state="Failed", settings={"a": f"{day:05d}"})


def repairs_of_a_node(chance: random.Random) -> Iterator[Any]:
    """Repairs that end in each way, or die."""
    record = None
    for day in range(DAYS):
        at, run = BEGAN + day * DAY, f"repair-{day:05d}"
        before = (record.run,) if record else ()
        record, _ = begin_repair(record, BeginRepair(run=run, node="n1", cluster="c", machine_id="m", ended=before))
        record = save_extension(record, _extension(day))
        if chance.random() < 0.7:
            ending = chance.choice(["healed", "well", "finding", "deferred", "failed"])
            record = end_repair(record, EndRepair(last=LastRepair(run=run, ending=ending, at=at)))
        yield record


def turns_of_a_cluster(_chance: random.Random) -> Iterator[Queue]:
    """Repairs that die while they have their turn: the next one has seen that."""
    queue: Queue = ()
    for day in range(DAYS):
        turn = QueueTurn(run=f"repair-{day:05d}", node="n1", since=BEGAN + day * DAY)
        queue, _ = join_queue(queue, JoinQueue(turn=turn, ended=tuple(one.run for one in queue)))
        yield queue


def requests_of_a_subscription(chance: random.Random) -> Iterator[Buckets]:
    """Runs that ask for some requests each day."""
    buckets = Buckets()
    for day in range(DAYS):
        request = CallRequest(now=BEGAN + day * DAY, reads=chance.randrange(400), writes=chance.randrange(400))
        buckets, _ = grant_calls(buckets, request)
        yield buckets


def messages_of_an_entity(chance: random.Random) -> Iterator[MessageMemory]:
    """Messages of runs of which none comes twice."""
    memory = MessageMemory()
    for day in range(DAYS):
        stamp = MessageStamp(sender=f"drill-{day:05d}", number=chance.randrange(10, 99), at=BEGAN + day * DAY)
        memory = memory.with_done(DoneMessage(stamp=stamp, operation="claim", answer={"granted": True}), 16)
        yield memory


STORIES: Mapping[str, Story] = {
    story.__name__.replace("_", "-"): story
    for story in (
        leases_of_runs_that_die,
        runs_of_a_plan,
        versions_of_a_document,
        failures_of_the_timer,
        repairs_of_a_node,
        turns_of_a_cluster,
        requests_of_a_subscription,
        messages_of_an_entity,
    )
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", STORIES)
def test_what_is_kept_is_no_larger_after_years_than_after_months(name: str, seed: int) -> None:
    sizes = [len(SIZE.dump_json(state)) for state in STORIES[name](random.Random(seed))]
    assert len(sizes) == DAYS
    assert max(sizes[SETTLED_AFTER:]) <= 1.1 * max(sizes[:SETTLED_AFTER])
