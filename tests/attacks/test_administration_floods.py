"""No flood of refused requests fills the log or hides who else was refused, and nothing hostile gets into it."""

import asyncio
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.evidence.administration import MOST_ACTS, AdministrationRecord, LoggedActs
from shared.evidence.canonical import to_canonical_json
from shared.evidence.log_of_heads import LogEnd
from shared.evidence.verify import entry_name, find_log_flaws, read_json
from shared.principals import Principal
from tests.attacks.test_log_of_heads import AT, KEY
from tests.triggers.hub import Hub
from triggers.endpoint_rules import EndpointRules
from triggers.gathered_acts import ActGatherer, AnsweredRequest

RULES = EndpointRules("Dr.Read")


def request(number: int, person: str | None, **changes: Any) -> AnsweredRequest:
    caller = Principal(id=person, name=f"name of {person}") if person is not None else None
    given = {
        "function": f"put_{number}",
        "rules": RULES,
        "names": (),
        "caller": caller,
        "status": 403,
        "code": "forbidden",
    }
    return AnsweredRequest(**{**given, **changes})


async def record_of(one: ActGatherer, hub: Any) -> AdministrationRecord:
    await one.hand_over()
    (payload,) = hub.started
    return AdministrationRecord.model_validate(payload)


class Started(Hub):
    """Keeps what runs start from."""

    started: list[Any]

    async def schedule_new_orchestration(self, name: str, *, input: Any, instance_id: str) -> str:  # noqa: A002
        assert name == "record_administration"
        self.started = [*getattr(self, "started", []), input]
        return instance_id


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Started:
    monkeypatch.setenv("EVIDENCE_STORE", f"folder:{tmp_path}")
    return Started()


async def test_a_million_requests_of_nobody_are_one_line(hub: Any) -> None:
    one = ActGatherer(never_called, connect=nullcontext)
    for _ in range(20_000):
        one.note(hub, request(1, None, status=401, code="not-signed-in", names=("x" * 999,)))
    (act,) = (await record_of(one, hub)).acts
    assert (act.count, act.by_id, act.facts["names"]) == (20_000, "", [])


async def never_called(_seconds: float) -> None:
    """In place of the pause before lines are handed over: a test does that itself."""
    await asyncio.Event().wait()


async def test_who_floods_leaves_room_for_all_others(hub: Any) -> None:
    one = ActGatherer(never_called, connect=nullcontext)
    for number in range(5000):
        one.note(hub, request(number, "enemy"))
    for number in range(30):
        one.note(hub, request(number, f"person-{number}"))
    record = await record_of(one, hub)
    assert len(record.acts) <= MOST_ACTS
    assert {act.by_id for act in record.acts} == {"enemy", *(f"person-{number}" for number in range(30))}
    assert sum(act.count for act in record.acts) + record.left_out == 5030
    assert record.left_out == 0


async def test_what_finds_no_room_is_counted(hub: Any) -> None:
    one = ActGatherer(never_called, connect=nullcontext)
    for number in range(500):
        one.note(hub, request(1, f"person-{number}"))
    record = await record_of(one, hub)
    assert (len(record.acts), record.left_out) == (MOST_ACTS, 500 - MOST_ACTS)


HOSTILE = st.text(max_size=400) | st.sampled_from(["\x1b[2J", "../" * 90, "a" * 5000, "\ud800", "password=Hunter2!x"])

STATUSES = st.sampled_from([401, 403, 409, 200, 404])


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(
            st.integers(0, 300),
            st.none() | st.integers(0, 80),
            HOSTILE,
            HOSTILE,
            st.sampled_from([401, 403, 409, 200, 404]),
        ),
        min_size=1,
        max_size=300,
    )
)
async def test_whatever_is_refused_makes_one_bounded_entry(requests: list[Any]) -> None:
    one = ActGatherer(never_called, connect=nullcontext)
    hub: Any = Started()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVIDENCE_STORE", "folder:/tmp/nowhere")
        for number, person, name, code, status in requests:
            caller = None if person is None else f"person-{person}"
            one.note(hub, request(number, caller, names=(name,), code=code, status=status))
        await one.hand_over()
    refused = [request for request in requests if request[4] in {401, 403, 409} or request[3] == "principal-malformed"]
    if not refused:
        assert not getattr(hub, "started", [])
        return
    record = AdministrationRecord.model_validate(hub.started[0])
    assert sum(act.count for act in record.acts) + record.left_out == len(refused)
    content = to_canonical_json(LoggedActs.of(record, "t").to_statement(LogEnd(), AT))
    assert len(content) < 100_000
    assert b"Hunter2" not in content
    assert find_log_flaws({entry_name(1): KEY.sign(read_json(content))}, None, [KEY.public]) == []


async def test_a_flood_of_nobody_hides_no_holder_of_a_key(hub: Any) -> None:
    one = ActGatherer(never_called, connect=nullcontext)
    key = Principal(name="function key")
    for number in range(200):
        one.note(hub, request(number, None, status=401))
    one.note(hub, request(1, None)._replace(caller=key))
    for number in range(200):
        one.note(hub, request(number, None, status=401))
    acts = (await record_of(one, hub)).acts
    assert [(act.subject, act.count) for act in acts if act.by == "function key"] == [("put_1", 1)]
    assert sum(act.count for act in acts if not act.by) == 400
