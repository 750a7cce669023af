"""A run begins only what the app has started, in each generation; what goes on is sealed, and loses no event."""

import asyncio
import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from durabletask.entities import EntityContext

from activities import seals
from orchestrators.durable.entities import ENTITIES
from orchestrators.durable.generations import with_generations
from orchestrators.durable.own_runs import only_own
from orchestrators.durable.steps import Context, Steps, call_entity, sleep, wait_for_any_event
from orchestrators.registry import ORCHESTRATORS
from shared.azure.clients import close_azure
from shared.operations.contract import CheckBegin, CheckSeal
from shared.operations.durable_names import DECLARE_DOCUMENT, EVENT_COUNTS
from shared.operations.kinds import OPERATION_KINDS
from shared.operations.payloads import Carried, pack_document, with_carried
from shared.operations.seals import SEAL, SEALED, facts_of, seal_input, with_seal
from shared.settings import WrongSettings
from tests.driver import Driver, Result, guarded, whole
from tests.seals import SEAL_KEY, sealed_as_asked
from tests.triggers.hub import Entity

RUN = "failover-payroll-1"
OTHER_KEY = b"another key of thirty-two bytes.."
DOCUMENT = {"plan": "payroll", "left": 2, "taken": []}
ENDED = {"state": "succeeded", "kind": "failover"}


def count_down(ctx: Context, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Three generations; each takes what came, and waits for one event more."""
    taken = list(payload["taken"])
    wait = ctx.wait_for_external_event("decide")
    while not wait.is_complete and len(taken) < 3 - payload["left"]:
        yield from wait_for_any_event(ctx, [wait], timedelta(hours=1))
    while wait.is_complete:
        taken.append(wait.get_result()["number"])
        wait = ctx.wait_for_external_event("decide")
    if payload["left"]:
        ctx.continue_as_new({**payload, "left": payload["left"] - 1, "taken": taken}, save_events=True)
        return None
    yield from sleep(ctx, timedelta(minutes=1))
    return {"taken": taken}


class FakeClient:
    """The engine's client, as far as the look at a seal needs it."""

    def __init__(self, runs: tuple[str, ...]) -> None:
        self.history = {"past_runs": [{"run": run} for run in runs]}

    async def get_entity(self, entity: Any) -> Any:
        """What is remembered of the plan payroll."""
        return Entity(entity, {"value": self.history}) if entity.key == "payroll" else None


def look(payload: dict[str, Any], *, ended: tuple[str, ...] = ()) -> dict[str, Any]:
    """As the app looks at a seal."""

    async def look_once() -> dict[str, Any]:
        try:
            answer = await seals.check_begin(FakeClient(ended), CheckBegin.model_validate(payload))  # type: ignore[arg-type]
        finally:
            await close_azure()
        return answer.model_dump(mode="json")

    return asyncio.run(look_once())


def run_of(payload: Any, ended: tuple[str, ...] = (), name: str = "failover", instance: str = RUN) -> Result:
    driver = Driver({"check_begin": lambda asked: look(asked, ended=ended)})
    for number in range(3):
        driver.say(timedelta(minutes=number), "decide", {"number": number})
    return driver.run(whole(only_own(name, with_generations(count_down)), name), payload, instance)


def sealed(document: dict[str, Any] = DOCUMENT, name: str = "failover", run: str = RUN, **facts: Any) -> dict[str, Any]:
    return seal_input(SEAL_KEY, name, run, pack_document(document), facts_of(document) | facts)


def is_refused(result: Result) -> bool:
    output = result.output or {}
    return output.get("state") == "refused" and output["problems"][0]["code"] == "not-started-here"


def test_what_the_app_has_started_goes_through_all_generations() -> None:
    result = run_of(sealed())
    assert (result.output, result.generations) == ({"taken": [0, 1, 2]}, 3)


def test_a_large_input_is_sealed_as_it_is_kept() -> None:
    result = run_of(sealed(DOCUMENT | {"text": "x" * 100_000}))
    assert result.output == {"taken": [0, 1, 2]}


FORGED: dict[str, Callable[[], Any]] = {
    "nothing": lambda: None,
    "a list": lambda: [DOCUMENT],
    "a text": lambda: "x",
    "no seal": lambda: DOCUMENT,
    "an empty seal": lambda: DOCUMENT | {SEALED: {}},
    "a seal that is no object": lambda: DOCUMENT | {SEALED: "0" * 64},
    "a seal that is no text": lambda: DOCUMENT | {SEALED: {SEAL: 1}},
    "a seal with letters of no code": lambda: DOCUMENT | {SEALED: {SEAL: "ä" * 64}},
    "an invented seal": lambda: DOCUMENT | {SEALED: {SEAL: "0" * 64}},
    "another key": lambda: seal_input(OTHER_KEY, "failover", RUN, DOCUMENT, facts_of(DOCUMENT)),
    "another run": lambda: sealed(run="failover-payroll-2"),
    "another runbook": lambda: sealed(name="drill"),
    "a field more": lambda: sealed() | {"approvals": []},
    "a field changed": lambda: sealed() | {"left": 1},
    "packed beside": lambda: sealed() | pack_document(DOCUMENT | {"text": "x" * 100_000}),
    "a later generation": lambda: sealed() | with_carried({}, Carried(created_at=datetime(2026, 1, 5, tzinfo=UTC))),
    "an outcome": lambda: sealed() | with_carried({}, Carried(outcome=ENDED)),
    "it says that it ends": lambda: {**sealed(), SEALED: {**sealed()[SEALED], "ends": True}},
    "the plan left out": lambda: {**sealed(), SEALED: {SEAL: sealed()[SEALED][SEAL]}},
    "a decision's seal": lambda: (
        DOCUMENT | {SEALED: {SEAL: with_seal(SEAL_KEY, RUN, "begin failover", DOCUMENT)[SEAL]}}
    ),
    "a bomb": lambda: {"packed": "x" * 1000, SEALED: {SEAL: "0" * 64}},
    "a time that is none": lambda: sealed() | {SEALED: sealed()[SEALED] | {"until": "soon"}},
    "deep": lambda: {"x": _deep(200), SEALED: {SEAL: "0" * 64}},
    "too late": lambda: sealed(until="2026-01-01T00:00:00+00:00"),
}


def _deep(levels: int) -> Any:
    return [_deep(levels - 1)] if levels else []


@pytest.mark.parametrize("made", FORGED.values(), ids=FORGED)
def test_what_the_app_has_not_started_does_nothing(made: Callable[[], Any]) -> None:
    result = run_of(made())
    assert is_refused(result), result
    assert len(result.episodes) <= 2


def test_a_run_that_is_no_operation_fails() -> None:
    result = run_of(DOCUMENT, name=DECLARE_DOCUMENT, instance="declare-1")
    assert "not started this run" in result.failure


def test_what_begins_in_time_begins() -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert run_of(sealed(until=later)).output == {"taken": [0, 1, 2]}


def test_an_ended_run_does_not_begin_again_with_what_it_was_given() -> None:
    assert is_refused(run_of(sealed(), ended=(RUN,)))
    assert run_of(sealed(), ended=("failover-payroll-0",)).output == {"taken": [0, 1, 2]}


def test_a_run_whose_evidence_is_sealed_does_not_begin_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVIDENCE_STORE", f"folder:{tmp_path}")
    assert run_of(sealed()).output == {"taken": [0, 1, 2]}
    (tmp_path / RUN).mkdir()
    (tmp_path / RUN / "manifest.json").write_text("{}")
    assert is_refused(run_of(sealed()))


def test_a_store_that_does_not_answer_holds_no_run_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(_pack: str) -> bool:
        await asyncio.Event().wait()
        return True

    monkeypatch.setattr(seals, "is_pack_sealed", hang)
    monkeypatch.setattr(seals, "LOOKED_AT_WITHIN", 0.01)
    assert run_of(sealed()).output == {"taken": [0, 1, 2]}


def test_an_old_generation_of_an_ended_run_does_not_begin_again() -> None:
    second = next(one for one in run_of(sealed()).episodes[1:] if not one.before)
    given = next(event.executionStarted.input.value for event in second.new if event.HasField("executionStarted"))
    assert not is_refused(run_of(json.loads(given)))
    assert is_refused(run_of(json.loads(given), ended=(RUN,)))
    assert is_refused(run_of(json.loads(given), instance="failover-payroll-2"))


@pytest.mark.parametrize("late", [True, False], ids=("after the answer", "before the answer"))
def test_an_event_that_comes_while_the_next_input_is_sealed_is_for_the_next_generation(*, late: bool) -> None:
    driver, said = Driver(), list[int]()

    def seal_content(asked: dict[str, Any]) -> dict[str, Any]:
        if len(said) < 2:
            said.append(len(said) + 1)
            driver.say(timedelta(0) if late else timedelta(microseconds=-1), "decide", {"number": said[-1]})
        return sealed_as_asked(asked)

    driver.activities = {"check_begin": look, "seal_content": seal_content}
    driver.say(timedelta(0), "decide", {"number": 0})
    result = driver.run(whole(only_own("failover", with_generations(count_down)), "failover"), sealed(), RUN)
    assert result.output == {"taken": [0, 1, 2]}


def test_a_run_waits_for_a_key_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    away = [True] * 12

    def look_later(asked: dict[str, Any]) -> dict[str, Any]:
        if away:
            away.pop()
            raise RuntimeError("MAC_KEY: not base64: is it a Key Vault reference that could not be read?")
        return look(asked)

    driver = Driver({"check_begin": look_later})
    for number in range(3):
        driver.say(timedelta(minutes=number), "decide", {"number": number})
    result = driver.run(whole(only_own("failover", with_generations(count_down)), "failover"), sealed(), RUN)
    assert sorted(result.output["taken"]) == [0, 1, 2]


def test_a_run_waits_for_an_entity_that_cannot_read_the_key() -> None:
    away = [True] * 20

    def add(ctx: EntityContext, message: Any) -> Any:
        if away:
            away.pop()
            raise WrongSettings("MAC_KEY: Field required")
        return ENTITIES[EVENT_COUNTS](ctx, message)

    def count(ctx: Context, _payload: dict[str, Any]) -> Steps[dict[str, Any]]:
        yield from call_entity(ctx, EVENT_COUNTS, "events", "add", "one")
        return {}

    driver = Driver(entities={EVENT_COUNTS: add})
    assert driver.run(count, {}).output == {}
    assert driver.states["@event_counts@events"] == {"one": 1}


def test_what_was_sealed_by_the_key_before_is_believed_as_long_as_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAC_KEY", base64.b64encode(OTHER_KEY).decode())
    assert is_refused(run_of(sealed()))
    monkeypatch.setenv("MAC_KEY_BEFORE", base64.b64encode(SEAL_KEY).decode())
    assert not is_refused(run_of(sealed()))
    decision = with_seal(SEAL_KEY, RUN, "decide", {"verdict": "abort"})
    request = CheckSeal(run=RUN, name="decide", payload=decision)
    assert asyncio.run(seals.check_seal(request)).is_own


@pytest.mark.parametrize("name", ORCHESTRATORS)
def test_no_runbook_begins_without_a_seal(name: str) -> None:
    result = Driver({"check_begin": look}).run(guarded(ORCHESTRATORS[name]), {"plan": "payroll"}, RUN)
    assert is_refused(result) if name in OPERATION_KINDS else "not started this run" in result.failure
