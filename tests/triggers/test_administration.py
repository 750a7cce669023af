"""Acts of administration are listed for readers: newest first, in pages, narrowed by kind, person and time."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import azure.functions as func
import pytest

from activities.administration_log import log_acts
from shared.evidence.administration import Act, AdministrationRecord
from shared.evidence.contract import LogActs
from shared.evidence.verify import entry_name
from tests.people import object_id_of
from tests.triggers.doors import door
from tests.triggers.hub import Hub

AT = datetime(2025, 3, 1, 3, tzinfo=UTC)
ANN, BOB = object_id_of("ann"), object_id_of("bob")


@pytest.fixture(autouse=True)
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("KEY_ROLES", "Dr.Read")
    monkeypatch.setenv("EVIDENCE_STORE", f"folder:{tmp_path / 'store'}")
    return tmp_path / "store"


async def ask(**query: str) -> func.HttpResponse:
    request = func.HttpRequest("GET", "/api/evidence/administration", params=query, body=b"")
    response: func.HttpResponse = await door("list_administration").handler(request, Hub())
    return response


def body_of(response: func.HttpResponse) -> Any:
    return json.loads(response.get_body())


async def fill() -> None:
    for number in range(6):
        person = ANN if number % 2 else BOB
        at = AT + timedelta(hours=number)
        act = Act(act="changed" if number < 4 else "refused", subject=f"plans/p{number}", at=at, by="x", by_id=person)
        record = AdministrationRecord(id=f"administration-{number}", acts=(act,))
        await log_acts(LogActs(record=record, after=0))


@pytest.mark.parametrize(
    ("query", "subjects"),
    [
        ({}, [5, 4, 3, 2, 1, 0]),
        ({"act": "refused"}, [5, 4]),
        ({"person": ANN.upper()}, [5, 3, 1]),
        ({"person": BOB, "act": "changed"}, [2, 0]),
        ({"since": "2025-03-01T06:00:00Z"}, [5, 4, 3]),
        ({"until": "2025-03-01T05:30:00+01:00"}, [1, 0]),
        ({"before": "3"}, [1, 0]),
        ({"code": "the-function-key"}, [5, 4, 3, 2, 1, 0]),
    ],
)
async def test_a_list_is_narrowed(query: dict[str, str], subjects: list[int]) -> None:
    await fill()
    body = body_of(await ask(**query))
    assert [one["subject"] for one in body["value"]] == [f"plans/p{number}" for number in subjects]
    assert body["integrityErrors"] == []
    assert "nextLink" not in body


async def test_pages_follow_one_another_and_repeat_the_question_without_the_key() -> None:
    await fill()
    found, query = list[str](), {"top": "2", "person": "x", "code": "the-function-key"}
    while True:
        body = body_of(await ask(**query))
        found += [one["subject"] for one in body["value"]]
        if "nextLink" not in body:
            break
        assert "the-function-key" not in body["nextLink"]
        query = {name: values[0] for name, values in parse_qs(urlsplit(body["nextLink"]).query).items()}
    assert found == [f"plans/p{number}" for number in range(5, -1, -1)]


@pytest.mark.parametrize(
    "query",
    [
        {"act": "nothing"},
        {"since": "yesterday"},
        {"since": "2025-03-01T06:00:00"},
        {"until": "9" * 400},
        {"top": "0"},
        {"top": "501"},
        {"top": "x"},
        {"before": "-1"},
        {"before": "9" * 400},
        {"person": "x" * 201},
        {"other": "1"},
    ],
)
async def test_what_cannot_be_asked_is_a_400_that_names_it(query: dict[str, str]) -> None:
    response = await ask(**query)
    assert response.status_code == 400
    assert next(iter(query)) in body_of(response)["errors"][0]["field"]


async def test_a_log_that_was_changed_says_where(store: Path) -> None:
    await fill()
    (store / entry_name(3)).write_bytes(b"{}")
    body = body_of(await ask())
    assert [line.split(" ")[0] for line in body["integrityErrors"]] == [entry_name(4), entry_name(3)]
    assert len(body["value"]) == 5


async def test_without_a_store_a_reader_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVIDENCE_STORE")
    response = await ask()
    assert (response.status_code, body_of(response)["code"]) == (409, "evidence-store-missing")
