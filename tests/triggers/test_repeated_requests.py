"""An Idempotency-Key stands for one request: with another one it starts nothing, and says so."""

import json
from dataclasses import dataclass
from typing import Any

import azure.functions as func
import pytest
from durabletask.client import OrchestrationStatus

import triggers.waiting
from tests.people import let_people_sign_in, signed_in
from tests.triggers.doors import PARAMETERS, Answer, door, spend_no_time
from tests.triggers.engine_states import state_of
from tests.triggers.hub import Hub


@dataclass
class RememberingHub(Hub):
    """An engine that keeps what a run was started with."""

    async def schedule_new_orchestration(self, name: str, *, input: Any, instance_id: str) -> str:  # noqa: A002
        """Start a run, or find that somebody else has."""
        custom_status = {"phase": "Prepare"}
        state = state_of(instance_id, name, OrchestrationStatus.RUNNING, given=input, custom_status=custom_status)
        self.begin = lambda _name, _run: (state,)
        return await super().schedule_new_orchestration(name, input=input, instance_id=instance_id)


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    let_people_sign_in(monkeypatch)
    monkeypatch.setattr(triggers.waiting, "sleep", spend_no_time)


def principal(name: str) -> dict[str, str]:
    """The header by which the platform says who is signed in."""
    return signed_in(name, "Dr.Admin")


async def post(name: str, hub: Hub, body: Any, key: str = "k", person: str = "eve", **parameters: str) -> Answer:
    one = door(name)
    headers = {"Idempotency-Key": key} | principal(person)
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    route = PARAMETERS | parameters
    request = func.HttpRequest("POST", f"/api/{one.route}", headers=headers, route_params=route, body=content)
    response = await one.handler(request, hub)
    return Answer(response.status_code, dict(response.headers), response.mimetype, response.get_body().decode())


CASES = [
    ("start_prepare", {}, b" { } "),
    ("start_preflight", {}, b""),
    ("start_verify", {}, b"{}"),
    ("start_replication", {"action": "enable", "vms": ["sql-01"]}, b'{"vms":["sql-01"],"action":"enable"}'),
]


@pytest.mark.parametrize(("name", "body", "same"), CASES, ids=lambda value: value if isinstance(value, str) else "")
async def test_the_same_request_has_the_same_answer(name: str, body: Any, same: bytes) -> None:
    hub = RememberingHub()
    first = await post(name, hub, body)
    second = await post(name, hub, same)
    assert (first.status, second.status, second.body["id"]) == (202, 202, first.body["id"])
    assert len(hub.runs) == 1


def require_reused(answer: Answer, run: str) -> None:
    body = answer.require_problem(422)
    assert (body["code"], body["operation"], body["errors"][0]["field"]) == (
        "idempotency-key-reused",
        run,
        "Idempotency-Key",
    )


async def test_the_same_key_with_another_body_starts_nothing() -> None:
    hub = RememberingHub()
    run = (await post("start_replication", hub, {"vms": ["sql-01"]})).body["id"]
    for body in ({"vms": ["web-01"]}, {"action": "disable", "vms": ["sql-01"]}, {}):
        require_reused(await post("start_replication", hub, body), run)
    assert len(hub.runs) == 1


@pytest.mark.parametrize("name", [name for name, _, _ in CASES])
async def test_the_same_key_of_another_person_starts_nothing(name: str) -> None:
    hub = RememberingHub()
    run = (await post(name, hub, {}, person="ann")).body["id"]
    assert (await post(name, hub, {}, person="ann")).status == 202
    require_reused(await post(name, hub, {}, person="bob"), run)
    require_reused(await post(name, hub, {}), run)
    assert len(hub.runs) == 1


async def test_a_key_starts_one_run_on_a_subject_whatever_the_verb() -> None:
    hub = RememberingHub()
    run = (await post("start_prepare", hub, {})).body["id"]
    for name in ("start_verify", "start_preflight"):
        require_reused(await post(name, hub, {}), run)
    require_reused(await post("start_replication", hub, {"vms": ["sql-01"]}), run)
    assert (await post("start_prepare", hub, {})).body["id"] == run
    assert len(hub.runs) == 1


async def test_of_another_subject_a_key_names_another_run() -> None:
    hub = RememberingHub()
    hub.entities["@documents@site:hci-02"] = hub.entities["@documents@site:hci-01"]
    runs = [(await post("start_verify", hub, {}, site=site)).body["id"] for site in ("hci-01", "hci-02")]
    assert len(set(runs)) == len(hub.runs) == 2


async def test_without_a_key_each_request_is_a_run_of_its_own() -> None:
    hub = RememberingHub()
    answers = [await door("start_verify").answer_to(hub, principal("eve")) for _ in range(2)]
    assert [answer.status for answer in answers] == [202, 202]
    assert len(hub.runs) == 2


@dataclass
class LateHub(RememberingHub):
    """An engine that shows a run only once it is asked to start it again."""

    hidden: bool = True

    async def get_orchestration_state(self, run: str, *, fetch_payloads: bool = True) -> Any:
        """The run, unless it is hidden still."""
        state = await super().get_orchestration_state(run, fetch_payloads=fetch_payloads)
        return None if self.hidden else state

    async def schedule_new_orchestration(self, name: str, *, input: Any, instance_id: str) -> str:  # noqa: A002
        """Start a run."""
        self.hidden = instance_id not in self.runs
        return await super().schedule_new_orchestration(name, input=input, instance_id=instance_id)


async def test_of_two_requests_at_once_with_one_key_the_second_is_refused_if_it_is_another() -> None:
    hub = LateHub()
    await post("start_verify", hub, {}, person="ann")
    require_reused(await post("start_verify", hub, {}, person="bob"), next(iter(hub.runs)))
