"""Refusals and reads of evidence are gathered where requests are answered, and handed over without anybody waiting."""

import asyncio
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped] # grpcio ships no types
import pytest

import triggers.http_endpoint
from shared.evidence.administration import Act, AdministrationRecord
from tests.people import let_people_sign_in, object_id_of, signed_in
from tests.triggers.doors import DOORS, call_error, door
from tests.triggers.hub import Hub
from triggers.gathered_acts import ActGatherer
from triggers.pacing import GATHERED_AT_LEAST, HANDED_OVER_EVERY

ANN, BOB = object_id_of("ann"), object_id_of("bob")


class Engine(Hub):
    """Keeps what runs start from; fails first, as often as a test says."""

    def __init__(self, failures: int = 0) -> None:
        super().__init__()
        self.failures, self.tried, self.started = failures, list[str](), list[AdministrationRecord]()

    async def schedule_new_orchestration(self, name: str, *, input: Any, instance_id: str) -> str:  # noqa: A002
        if name != "record_administration":
            return await super().schedule_new_orchestration(name, input=input, instance_id=instance_id)
        self.tried.append(instance_id)
        if len(self.tried) <= self.failures:
            raise call_error(grpc.StatusCode.UNAVAILABLE)
        self.started.append(AdministrationRecord.model_validate(input))
        return instance_id


class Time:
    """Passes only in pauses."""

    def __init__(self) -> None:
        self.now, self.pauses, self.passes = 0.0, list[float](), asyncio.Event()
        self.passes.set()

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await self.passes.wait()
        await asyncio.sleep(0)
        self.now += seconds

    def clock(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def gatherer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, time: Time) -> ActGatherer:
    """With a store, and with Entra as the door."""
    monkeypatch.setenv("EVIDENCE_STORE", f"folder:{tmp_path}")
    let_people_sign_in(monkeypatch)
    one = ActGatherer(time.pause, time.clock, nullcontext)
    monkeypatch.setattr(triggers.http_endpoint, "GATHERER", one)
    return one


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def acts_of(engine: Engine) -> list[Act]:
    return [act for record in engine.started for act in record.acts]


async def test_who_is_refused_is_written_down_with_function_status_and_code(gatherer: ActGatherer) -> None:
    engine = Engine()
    for _ in range(3):
        await door("put_plan").answer_to(engine, signed_in("bob", "Dr.Read"))
    await door("list_plans").answer_to(engine, {})
    await door("list_plans").answer_to(engine, {"X-MS-CLIENT-PRINCIPAL": "!"})
    await settle()
    acts = {(act.subject, act.by_id): act for act in acts_of(engine)}
    refused = acts["put_plan", BOB]
    assert (refused.act, refused.count) == ("refused", 3)
    assert refused.facts == {"status": 403, "code": "forbidden", "names": ["payroll"]}
    nobody = [act for act in acts_of(engine) if not act.by_id]
    assert {(act.subject, act.facts["status"], act.facts["code"], act.by) for act in nobody} == {
        ("list_plans", 401, "not-signed-in", ""),
        ("list_plans", 400, "principal-malformed", ""),
    }


async def test_a_conflict_is_a_refusal_too(gatherer: ActGatherer) -> None:
    engine = Engine()
    await door("delete_site").answer_to(engine, signed_in("ann", "Dr.Admin"))
    await settle()
    (act,) = acts_of(engine)
    assert (act.subject, act.by_id, act.facts["status"], act.facts["code"]) == ("delete_site", ANN, 409, "Site in use")


async def test_what_is_answered_well_or_not_found_is_not_written_down(gatherer: ActGatherer) -> None:
    engine = Engine()
    for name in ("list_plans", "get_plan", "get_operation", "get_evidence"):
        await door(name).answer_to(engine, signed_in("ann", "Dr.Read"))
    await settle()
    assert (engine.started, gatherer.waiting) == ([], {"gathered": 0, "leftOut": 0})


EVIDENCE = {"get_evidence", "get_evidence_checkpoint", "get_report", "list_administration"}


def test_which_routes_answer_with_evidence() -> None:
    rules = {one.name: getattr(one.handler, "rules", None) for one in DOORS}
    assert {name for name, rule in rules.items() if rule and rule.is_evidence} == EVIDENCE


async def test_who_reads_evidence_is_written_down_and_reading_that_makes_no_end_of_it(
    gatherer: ActGatherer, time: Time
) -> None:
    engine = Engine()
    time.passes.clear()
    for _ in range(500):
        await door("list_administration").answer_to(engine, signed_in("ann", "Dr.Read"))
        await door("get_evidence_checkpoint").answer_to(engine, signed_in("ann", "Dr.Read"))
    assert gatherer.waiting == {"gathered": 1000, "leftOut": 0}
    time.passes.set()
    await settle()
    assert {(act.act, act.by_id, act.subject, act.count) for act in acts_of(engine)} == {
        ("evidence-read", ANN, "get_evidence_checkpoint", 500),
        ("evidence-read", ANN, "list_administration", 500),
    }


async def test_lines_are_handed_over_a_moment_after_the_first_and_minutes_after_the_last_time(
    gatherer: ActGatherer, time: Time
) -> None:
    engine = Engine()
    for _ in range(3):
        await door("list_plans").answer_to(engine, {})
        await settle()
    soon, often = GATHERED_AT_LEAST.total_seconds(), HANDED_OVER_EVERY.total_seconds()
    assert time.pauses == [soon, often, often]
    assert len(engine.started) == 3


async def test_what_the_engine_does_not_take_is_handed_over_later_under_the_same_id(
    gatherer: ActGatherer, time: Time
) -> None:
    engine = Engine(failures=2)
    await door("list_plans").answer_to(engine, {})
    await settle()
    assert len(engine.tried) == 3
    assert len(set(engine.tried)) == 1
    assert [act.count for act in acts_of(engine)] == [1]
    assert gatherer.waiting["gathered"] == 0


async def test_a_flood_while_the_engine_is_away_stays_bounded(gatherer: ActGatherer, time: Time) -> None:
    engine = Engine(failures=10)
    for number in range(2000):
        await door("list_plans").answer_to(engine, signed_in(f"p{number}", "Dr.Nothing"))
    await settle()
    for _ in range(20):
        await settle()
    assert all(len(record.acts) <= 50 for record in engine.started)
    counted = sum(act.count for act in acts_of(engine)) + sum(record.left_out for record in engine.started)
    assert counted == 2000


async def test_without_a_store_nothing_is_started(gatherer: ActGatherer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVIDENCE_STORE")
    engine = Engine()
    await door("list_plans").answer_to(engine, {})
    await settle()
    assert (engine.started, gatherer.waiting) == ([], {"gathered": 0, "leftOut": 0})


async def test_keys_are_nobody_in_particular(gatherer: ActGatherer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TENANT_ID", "AUDIENCE", "WEBSITE_AUTH_ENABLED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOOR", "keys")
    monkeypatch.setenv("KEY_ROLES", "Dr.Read")
    engine = Engine()
    assert (await door("put_plan").answer(engine)).status == 403
    await settle()
    (act,) = acts_of(engine)
    assert (act.by, act.by_id) == ("function key", "")


async def test_nobody_waits_for_what_is_gathered(gatherer: ActGatherer) -> None:
    """The engine never takes it, and the answer is there at once."""

    class Stuck(Engine):
        async def schedule_new_orchestration(self, name: str, *, input: Any, instance_id: str) -> str:  # noqa: A002
            await asyncio.Event().wait()
            return f"{name} {input} {instance_id}"

    answer = await asyncio.wait_for(door("put_site").answer_to(Stuck(), {}), 5)
    assert answer.status == 401
