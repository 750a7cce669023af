"""Names in a path that nothing can have are answered as names that nothing has, on each route."""

import asyncio
import json
from typing import Any

import azure.functions as func
import pytest

import triggers.waiting
from tests.triggers.doors import ALL_ROLES, BODIES, DOORS, PARAMETERS, Door, spend_no_time
from tests.triggers.hub import Hub

NAMED = [door for door in DOORS if "{" in door.route]
ODD = ["a@b", "@", "@holds@holds", " ", "ä", "a:b", "..", "%", "a" * 300, "\n", "\x00"]


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_ROLES", ALL_ROLES)
    monkeypatch.setattr(triggers.waiting, "sleep", spend_no_time)


def ask(door: Door, name: str) -> tuple[int, Any]:
    """The answer to each name in the path being the same odd one; what has to be chosen from a list stays."""
    names = {key: value if key in {"verb", "decision"} else name for key, value in PARAMETERS.items()}
    body = b"" if door.method in {"GET", "DELETE"} else json.dumps(BODIES.get(door.name, {})).encode()
    request = func.HttpRequest(door.method, f"/api/{door.route}", route_params=names, body=body)
    response = asyncio.run(door.handler(request, Hub()))
    return response.status_code, json.loads(response.get_body())


@pytest.mark.parametrize("name", ODD, ids=ascii)
@pytest.mark.parametrize("door", NAMED, ids=lambda door: door.name)
def test_an_odd_name_is_not_found_or_refused(door: Door, name: str) -> None:
    status, body = ask(door, name)
    assert status in {400, 404}, body
