"""Whatever is asked for: a preview has nothing begun, and neither has a request that is refused."""

import asyncio
import json
from typing import Any

import azure.functions as func
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import triggers.waiting
from shared.azure.clients import Azure
from shared.errors import Transient
from tests.triggers.doors import ALL_ROLES, BODIES, DOORS, PARAMETERS, Door, spend_no_time
from tests.triggers.hub import Hub, look

RUN = PARAMETERS["id"]
WRITES = [one for one in DOORS if one.method != "GET"]
CHANGES = ("schedule_new_orchestration", "raise_orchestration_event", "terminate_orchestration")
NAMES = ["preview", "Preview", "prevew", "dryRun", "code", "settled", "x"]
VALUES = ["true", "True", "false", "1", "yes", ""]
FIELDS = st.sampled_from(
    ["action", "vms", "settings", "confirm", "reason", "until", "type", "override", "comment", "drill", "patience"]
)
FIELD_VALUES = st.sampled_from(
    [
        *(
            "enable",
            "disable",
            "update",
            "save",
            "remove",
            "adopt",
            "planned",
            "unplanned",
            "yes",
            "clean-up-first",
            "P1D",
        ),
        *(["sql-01"], ["nobody"], {"size": "Standard_B2s"}, {}, [], 7, True, None, "2999-01-01T00:00:00Z"),
    ]
)
HEADERS = st.sampled_from([{}, {}, {"Idempotency-Key": "k"}, {"Idempotency-Key": " "}, {"If-Match": '"1"'}])
VERBS = ["drill", "failover", "commit", "cancel", "change-point", "failback", "reprotect", "roundtrip", "explode"]
DECISIONS = ["approve", "reject", "retry", "skip", "resume", "abort", "explode"]


@st.composite
def requests(draw: st.DrawFn) -> tuple[Door, func.HttpRequest]:
    """A request that somebody may send: near what is right, and often not quite."""
    one = draw(st.sampled_from(WRITES))
    query = draw(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES), max_size=2))
    usual = BODIES.get(one.name, {}) if draw(st.booleans()) else {}
    document = usual | draw(st.dictionaries(FIELDS, FIELD_VALUES, max_size=3))
    body = draw(st.sampled_from([json.dumps(document).encode(), b"", b"[]", b"nonsense"]))
    choices = {"verb": draw(st.sampled_from(VERBS)), "decision": draw(st.sampled_from(DECISIONS))}
    url = f"/api/{one.route}?{'&'.join(f'{name}={value}' for name, value in query.items())}"
    params = {name: value for name, value in query.items() if value}
    return one, func.HttpRequest(
        one.method, url, headers=draw(HEADERS), params=params, route_params=PARAMETERS | choices, body=body
    )


@pytest.fixture(autouse=True, scope="module")
def _settings() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEY_ROLES", ALL_ROLES)
        patch.setattr(triggers.waiting, "sleep", spend_no_time)
        patch.setattr(Azure, "_get_or_make", _azure_is_away)
        yield


def _azure_is_away(*_given: Any) -> Any:
    raise Transient("Azure is not asked here")


def count_changes(one: Door, request: func.HttpRequest) -> tuple[int, int]:
    """The status of the answer, and what the engine was asked to do."""
    hub = Hub(runs={RUN: [look(RUN, custom_status={"phase": "TestFailover"})]})
    response = asyncio.run(one.handler(request, hub))
    return response.status_code, sum(map(hub.count, CHANGES))


@settings(max_examples=400, deadline=None)
@given(requests())
def test_a_preview_and_a_refused_request_have_nothing_begun(asked: tuple[Door, func.HttpRequest]) -> None:
    one, request = asked
    status, changes = count_changes(one, request)
    if request.params.get("preview", "").lower() == "true" or 400 <= status < 500:
        assert changes == 0, (one.name, request.url, request.get_body(), status)


@pytest.mark.parametrize("name", ["hold_everything", "start_verify", "start_verb", "delete_plan"])
def test_the_same_requests_without_a_preview_do_begin_something(name: str) -> None:
    """The test above would see it."""
    one = next(one for one in WRITES if one.name == name)
    body = json.dumps(BODIES.get(name, {})).encode()
    request = func.HttpRequest(one.method, f"/api/{one.route}", route_params=PARAMETERS, body=body)
    assert count_changes(one, request)[1] == 1
