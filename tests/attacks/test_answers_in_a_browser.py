"""What a browser is shown is taken as what it is, kept by nobody, and runs nothing."""

import json

import azure.functions as func
import pytest

import triggers.waiting
from tests.triggers.doors import ALL_ROLES, BODIES, DOORS, PARAMETERS, Door, spend_no_time
from tests.triggers.hub import Hub, look

RUN = PARAMETERS["id"]


async def ask(door: Door) -> func.HttpResponse:
    body = b"" if door.method in {"GET", "DELETE"} else json.dumps(BODIES.get(door.name, {})).encode()
    request = func.HttpRequest(door.method, f"/api/{door.route}", route_params=PARAMETERS, body=body)
    response: func.HttpResponse = await door.handler(request, Hub(runs={RUN: [look(RUN)]}))
    return response


@pytest.mark.parametrize("roles", [ALL_ROLES, "", "nonsense"])
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
async def test_each_answer_says_so(door: Door, roles: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_ROLES", roles)
    monkeypatch.setattr(triggers.waiting, "sleep", spend_no_time)
    response = await ask(door)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert ("Content-Security-Policy" in response.headers) == (response.mimetype == "text/html")


async def test_a_page_may_load_and_run_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_ROLES", ALL_ROLES)
    response = await ask(next(door for door in DOORS if door.route.endswith("/report")))
    assert response.mimetype == "text/html"
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    page = response.get_body().decode().lower()
    assert all(word not in page for word in ("<script", "javascript:", " onload=", " onclick=", "http-equiv"))
