"""Declaring a node lost: what it takes, and what is told of it."""

from typing import Any

import pytest
from durabletask.client import OrchestrationStatus

import tests.triggers.doors
import triggers.lost_nodes
import triggers.waiting
from shared.healing.contract import NodesRead, ReadNodes
from shared.sites.lost_nodes import lost_node_sentence
from shared.sites.nodes import NodeView
from tests.triggers.doors import ALL_ROLES, Answer, door, spend_no_time
from tests.triggers.engine_states import BEGAN, state_of
from tests.triggers.hub import Hub

SENTENCE = lost_node_sentence("hci-01-n1")
GOOD = {"reason": "its board is scrap", "confirm": SENTENCE}
DECLARED = {"outcome": "declared", "lost": None}


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_ROLES", ALL_ROLES)
    monkeypatch.setattr(triggers.waiting, "sleep", spend_no_time)


def hub_that(**output: Any) -> Hub:
    return Hub(lambda name, run: (state_of(run, name, OrchestrationStatus.COMPLETED, output=output),))


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The state of the node's agent."""
    status = ["Disconnected"]

    async def read(ask: ReadNodes) -> NodesRead:
        seen = NodeView(id="/machines/hci-01-n1", name="hci-01-n1", cluster_id=ask.cluster_id, status=status[0])
        return NodesRead(nodes=(seen,), at=BEGAN)

    monkeypatch.setattr(triggers.lost_nodes, "read_nodes", read)
    return status


async def declare(monkeypatch: pytest.MonkeyPatch, hub: Hub, body: Any, **parameters: str) -> Answer:
    monkeypatch.setattr(tests.triggers.doors, "BODIES", {"declare_lost_node": body})
    return await door("declare_lost_node").answer(hub, **parameters)


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize(("outcome", "status"), [("declared", 201), ("unchanged", 200)])
async def test_a_silent_node_is_declared_lost(monkeypatch: pytest.MonkeyPatch, outcome: str, status: int) -> None:
    answer = await declare(monkeypatch, hub_that(**DECLARED | {"outcome": outcome}), GOOD, node="HCI-01-N1.corp.local")
    assert (answer.status, answer.body["outcome"]) == (status, outcome)


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "reason"),
        ({"reason": " ", "confirm": SENTENCE}, "reason"),
        ({"reason": "scrap"}, "confirm"),
        ({"reason": "scrap", "confirm": "yes"}, "confirm"),
        ({"reason": "scrap", "confirm": SENTENCE.upper()}, "confirm"),
        ({"reason": "scrap", "confirm": SENTENCE, "force": True}, "force"),
        ({"reason": "x" * 501, "confirm": SENTENCE}, "reason"),
    ],
    ids=str,
)
async def test_without_a_reason_and_the_sentence_nothing_is_done(
    monkeypatch: pytest.MonkeyPatch, body: Any, field: str
) -> None:
    hub = hub_that(**DECLARED)
    problem = (await declare(monkeypatch, hub, body)).require_problem(400)
    assert [one["field"] for one in problem["errors"]] == [field]
    assert hub.count("schedule_new_orchestration") == 0


async def test_a_node_that_answers_is_not_lost(monkeypatch: pytest.MonkeyPatch, node: list[str]) -> None:
    node[0] = "Connected"
    hub = hub_that(**DECLARED)
    assert (await declare(monkeypatch, hub, GOOD)).require_problem(409)["code"] == "node-answers"
    assert hub.count("schedule_new_orchestration") == 0


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize(("parameter", "name"), [("node", "hci-01-n9"), ("site", "mars")])
async def test_what_is_not_there_is_not_lost(monkeypatch: pytest.MonkeyPatch, parameter: str, name: str) -> None:
    (await declare(monkeypatch, hub_that(**DECLARED), GOOD, **{parameter: name})).require_problem(404)


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize("role", ["Dr.Read", "Dr.Drill", "Dr.Approve"])
async def test_it_takes_an_operators_word(monkeypatch: pytest.MonkeyPatch, role: str) -> None:
    monkeypatch.setenv("KEY_ROLES", role)
    (await declare(monkeypatch, hub_that(**DECLARED), GOOD)).require_problem(403)
    (await door("withdraw_lost_node").answer(hub_that(**DECLARED))).require_problem(403)


@pytest.mark.parametrize(("outcome", "status"), [("withdrawn", 200), ("missing", 404)])
async def test_it_is_withdrawn_without_a_look_at_azure(outcome: str, status: int) -> None:
    assert (await door("withdraw_lost_node").answer(hub_that(outcome=outcome))).status == status
