"""A request that carries what its route does not know does nothing, on the routes of tomorrow neither."""

import json
from typing import Any

import azure.functions as func
import grpc  # type: ignore[import-untyped] # grpcio ships no types
import pytest

from tests.triggers.doors import ALL_ROLES, BODIES, DOORS, PARAMETERS, Answer, BrokenEngine, Door, call_error, door
from tests.triggers.hub import Hub, look, operation
from triggers.request_checks import LARGEST_BODY, LONGEST_KEY

each_door = pytest.mark.parametrize("one", DOORS, ids=lambda one: one.name)
POSTS = [one for one in DOORS if one.method == "POST"]
each_post = pytest.mark.parametrize("one", POSTS, ids=lambda one: one.name)


class NoEngine:
    """A client that nothing may be asked of."""

    def __getattr__(self, name: str) -> Any:
        """Any call."""
        raise AssertionError(f"the engine was asked: {name}")


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_ROLES", ALL_ROLES)


async def ask(
    one: Door,
    engine: Any,
    query: str = "",
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    **parameters: str,
) -> Answer:
    """A request as the host hands it on: no parameter without a value, and one of each name."""
    pairs = [part.partition("=") for part in query.split("&") if part]
    request = func.HttpRequest(
        one.method,
        f"https://app.example/api/{one.route}" + (f"?{query}" if query else ""),
        headers=headers or {},
        params={name: value for name, _, value in pairs if value},
        route_params=PARAMETERS | parameters,
        body=json.dumps(BODIES.get(one.name, {})).encode() if body is None else body,
    )
    response = await one.handler(request, engine)
    return Answer(response.status_code, dict(response.headers), response.mimetype, response.get_body().decode())


def fields_of(answer: Answer) -> dict[str, str]:
    """What is wrong, by field."""
    return {error["field"]: error["detail"] for error in answer.require_problem(400)["errors"]}


@each_door
@pytest.mark.parametrize("name", ["Preview", "prevew", "preview1", "dryRun", "what-if", "x", "api-version"])
async def test_a_parameter_that_the_route_does_not_know_is_refused(one: Door, name: str) -> None:
    errors = fields_of(await ask(one, NoEngine(), f"{name}=true"))
    assert list(errors) == [name]
    if one.method == "POST" and name not in {"x", "api-version"}:
        assert errors[name].endswith("Did you mean preview?")


@each_post
@pytest.mark.parametrize("query", ["preview", "preview=", "preview=1", "preview=yes", "preview=true&preview=false"])
async def test_a_preview_that_is_not_clearly_asked_for_is_refused(one: Door, query: str) -> None:
    assert list(fields_of(await ask(one, NoEngine(), query))) == ["preview"]


@pytest.mark.parametrize("one", [one for one in DOORS if one.method != "POST"], ids=lambda one: one.name)
async def test_what_has_no_preview_refuses_to_be_previewed(one: Door) -> None:
    assert list(fields_of(await ask(one, NoEngine(), "preview=true"))) == ["preview"]


@pytest.mark.parametrize("name", ["code", "Code", "clientId", "subscription-key"])
async def test_what_the_platform_takes_for_itself_is_none_of_our_parameters(name: str) -> None:
    assert (await ask(door("get_hold"), Hub(), f"{name}=abc")).status == 200


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("list_operations", "state=odd"),
        ("list_operations", "kind=odd"),
        ("list_operations", "top=0"),
        ("list_operations", "plan="),
        ("list_operations", "after=yesterday"),
        ("list_obligations", "settled=maybe"),
        ("get_report", "format=pdf"),
        ("get_evidence", "format=tar"),
    ],
)
async def test_a_value_that_means_nothing_is_refused(name: str, query: str) -> None:
    assert list(fields_of(await ask(door(name), NoEngine(), query))) == [query.partition("=")[0]]


@each_door
@pytest.mark.parametrize(
    "headers",
    [
        {"Idempotency-Key": ""},
        {"Idempotency-Key": "  "},
        {"Idempotency-Key": "k" * (LONGEST_KEY + 1)},
        {"Idempotency-Key": "clé"},
        {"X-Idempotency-Key": "k"},
        {"IdempotencyKey": "k"},
        {"Idempotence-Key": "k"},
        {"X-Hci-Preview": "true"},
        {"If_Match": '"1"'},
    ],
    ids=lambda headers: "-".join(f"{name}={value[:4]}" for name, value in headers.items()),
)
async def test_a_header_of_ours_that_is_wrong_is_refused(one: Door, headers: dict[str, str]) -> None:
    errors = fields_of(await ask(one, NoEngine(), headers=headers))
    assert [name.lower() for name in errors] == [name.lower() for name in headers]


CONDITIONAL = {"put_site", "put_plan", "delete_site", "delete_plan", "change_recovery_plan"}
CONDITIONAL |= {"put_approval_policy", "delete_approval_policy", "put_notification_rule", "delete_notification_rule"}


@each_door
async def test_a_condition_that_nobody_looks_at_is_refused(one: Door) -> None:
    if one.name in CONDITIONAL:
        assert list(fields_of(await ask(one, NoEngine(), headers={"If-Match": " "}))) == ["If-Match"]
    else:
        assert list(fields_of(await ask(one, NoEngine(), headers={"If-Match": '"1"'}))) == ["If-Match"]
    if one.method != "GET":
        assert list(fields_of(await ask(one, NoEngine(), headers={"If-None-Match": "*"}))) == ["if-none-match"]


@each_post
@pytest.mark.parametrize(
    "body",
    [b"nonsense", b"[]", b"7", b'"text"', b"null", b"\xff\xfe", b'{"nobodyKnows": 1}', b'{"a": ', b"[" * 5000],
    ids=["words", "list", "number", "text", "null", "bytes", "field", "half", "deep"],
)
@pytest.mark.parametrize("query", ["", "preview=true"])
async def test_a_body_that_is_none_is_refused_and_starts_nothing(one: Door, body: bytes, query: str) -> None:
    hub = Hub()
    fields_of(await ask(one, hub, query, body))
    assert hub.count("schedule_new_orchestration") == hub.count("raise_orchestration_event") == 0


@each_post
async def test_a_body_beyond_a_megabyte_is_refused_unread(one: Door) -> None:
    body = b'{"reason": "' + b"x" * LARGEST_BODY + b'"}'
    assert list(fields_of(await ask(one, NoEngine(), body=body))) == ["body"]


@pytest.mark.parametrize(
    ("name", "body", "field"),
    [
        ("start_replication", {"initialCopies": "10"}, "initialCopies"),
        ("start_replication", {"initialCopies": True}, "initialCopies"),
        ("start_replication", {"patience": 7}, "patience"),
        ("start_replication", {"action": "disable", "vms": "sql-01"}, "vms"),
        ("start_replication", {"vms": [7]}, "vms[0]"),
        ("start_replication", {"confirm": ["Disable"]}, "confirm"),
        ("start_verb", {"override": 7}, "override"),
        ("start_verb", {"maxAge": 7}, "maxAge"),
        ("hold_everything", {"reason": "x", "until": 7}, "until"),
        ("hold_everything", {"reason": ["x"]}, "reason"),
        ("decide_operation", {"vms": {"sql-01": True}}, "vms"),
        ("declare_lost_node", {"reason": "x", "confirm": False}, "confirm"),
        ("settle_obligation_by_hand", {"reason": "x", "vms": "sql-01"}, "vms"),
        ("change_recovery_plan", {"action": "destroy"}, "action"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else value,
)
@pytest.mark.parametrize("query", ["", "preview=true"])
async def test_a_value_of_another_type_is_refused(name: str, body: dict[str, Any], field: str, query: str) -> None:
    assert list(fields_of(await ask(door(name), Hub(), query, json.dumps(body).encode()))) == [field]


ROLE_LATER = {"start_verb", "repair_node", "declare_lost_node", "settle_obligation_by_hand"}
"""Their role is asked for once it is known what they are about."""
RUN = PARAMETERS["id"]
WAITING = {"kind": "decision", "instructions": "look", "vms": ["sql-01"], "choices": ["retry", "skip", "abort"]}


def waiting_run(vms: tuple[str, ...]) -> Hub:
    """A run whose VM sql-01 failed, and that waits for a person."""
    codes = "".join("f" if vm == "sql-01" else "w" for vm in vms)
    return Hub(runs={RUN: [look(RUN, custom_status={"phase": "TestFailover", "waits": WAITING, "codes": codes})]})


@pytest.mark.parametrize("decision", ["retry", "skip", "abort"])
async def test_a_preview_of_a_decision_says_which_vms_it_reaches(decision: str) -> None:
    vms = operation().vm_names
    hub = waiting_run(vms)
    answer = await ask(door("decide_operation"), hub, "preview=true", b"{}", decision=decision)
    assert (answer.status, answer.body["operation"], answer.body["decision"]) == (200, RUN, decision)
    assert answer.body["vms"] == (list(vms) if decision == "abort" else ["sql-01"])
    assert hub.count("raise_orchestration_event") == 0
    assert (await ask(door("decide_operation"), hub, "", b"{}", decision=decision)).status == 202
    assert hub.count("raise_orchestration_event") == 1


async def test_a_preview_of_a_decision_is_refused_as_the_decision_would_be() -> None:
    hub = waiting_run(operation().vm_names)
    for query in ("", "preview=true"):
        body = (await ask(door("decide_operation"), hub, query, b"{}", decision="resume")).require_problem(409)
        assert body["title"] == "Not waiting"
        wrong = await ask(door("decide_operation"), hub, query, b'{"vms": ["dc-01"]}', decision="retry")
        assert list(fields_of(wrong)) == ["vms[0]"]


@each_post
async def test_who_may_read_may_look_and_not_act(one: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_ROLES", "Dr.Read")
    looking = await ask(one, BrokenEngine(call_error(grpc.StatusCode.UNAVAILABLE)), "preview=true")
    assert looking.status == 503, "it gets as far as the engine"
    if one.name not in {"start_verify", *ROLE_LATER}:
        assert (await ask(one, NoEngine())).status == 403
