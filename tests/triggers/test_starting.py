"""A run that is refused at its admission is a 409, and a caller who cannot be told yet is told so."""

import asyncio
from datetime import timedelta
from typing import Any, cast

import azure.durable_functions as df
import grpc  # type: ignore[import-untyped] # grpcio ships no types
import pytest
from durabletask.client import OrchestrationStatus

import triggers.waiting
from shared.obstacle import Obstacle
from shared.recovery.outcome import Outcome
from tests.triggers.doors import ALL_ROLES, call_error, door, spend_no_time
from tests.triggers.hub import Hub, Looks, look
from triggers.http_endpoint import HttpProblem
from triggers.pacing import ADMISSION_WITHIN, LONGEST_PAUSE
from triggers.starting import admission_response
from triggers.waiting import pauses_within

START = door("start_verb")
PENDING, COMPLETED = OrchestrationStatus.PENDING, OrchestrationStatus.COMPLETED


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_ROLES", ALL_ROLES)
    monkeypatch.setattr(triggers.waiting, "sleep", spend_no_time)


def refused_by(holder: str) -> dict[str, Any]:
    held = Obstacle(vm="sql-01", code="held", detail=f"sql-01: held by {holder}", holder=holder)
    return Outcome(state="refused", kind="drill", plan="payroll", problems=(held,)).model_dump(mode="json")


def unsettled(run: str) -> Looks:
    """Started, and then some turns of which the engine keeps a status that says nothing."""
    return (look(run, PENDING), look(run), look(run), look(run))


class FirstHolds:
    """The first run that is started gets the VMs, the others are refused some turns later."""

    def __init__(self) -> None:
        self.holder = ""

    def __call__(self, _name: str, run: str) -> Looks:
        self.holder = self.holder or run
        last = look(run, COMPLETED, output=refused_by(self.holder))
        if run == self.holder:
            last = look(run, custom_status={"phase": "TestFailover"})
        return (*unsettled(run), last)


async def test_of_four_starts_at_once_one_is_accepted_and_three_are_refused() -> None:
    begin = FirstHolds()
    hub = Hub(begin)
    answers = await asyncio.gather(*(START.answer(hub) for _ in range(4)))
    assert sorted(answer.status for answer in answers) == [202, 409, 409, 409]
    accepted = next(answer for answer in answers if answer.status == 202).body
    assert accepted == {
        "id": begin.holder,
        "statusUrl": f"/api/operations/{begin.holder}",
        "admission": "admitted",
    }
    assert {answer.body["heldBy"] for answer in answers if answer.status == 409} == {begin.holder}


async def test_one_key_sent_four_times_at_once_is_one_run() -> None:
    hub = Hub(FirstHolds())
    answers = await asyncio.gather(*(START.answer(hub, key="incident-1") for _ in range(4)))
    assert {answer.status for answer in answers} == {202}
    assert len({answer.body["id"] for answer in answers}) == 1
    assert len(hub.runs) == 1


@pytest.mark.parametrize("phase", [None, "Admission", "Queued", "Premises", "Reading"])
async def test_an_admission_that_takes_longer_is_told(phase: str | None) -> None:
    hub = Hub(lambda _name, run: (look(run, PENDING), look(run, custom_status={"phase": phase} if phase else None)))
    answer = await START.answer(hub)
    assert (answer.status, answer.body["admission"]) == (202, "pending")
    assert "not decided yet" in answer.body["detail"]


async def test_a_run_that_waits_by_itself_is_not_waited_for() -> None:
    hub = Hub(lambda _name, run: (look(run, custom_status={"phase": "Queued"}),))
    await START.answer(hub)
    looks_before_the_start = 2
    assert hub.count("get_orchestration_state") == looks_before_the_start + 1


async def test_an_engine_that_goes_away_after_the_start_leaves_the_run_accepted() -> None:
    class GoesAway(Hub):
        async def get_orchestration_state(self, run: str, *, fetch_payloads: bool = True) -> Any:
            if self.runs:
                raise call_error(grpc.StatusCode.UNAVAILABLE)
            return await super().get_orchestration_state(run, fetch_payloads=fetch_payloads)

    answer = await START.answer(GoesAway(lambda _name, run: unsettled(run)))
    assert (answer.status, answer.body["admission"]) == (202, "pending")


@pytest.mark.parametrize("was_done", [True, False])
async def test_a_start_that_was_not_confirmed_says_where_to_look_and_may_be_sent_again(*, was_done: bool) -> None:
    lost = {"schedule_new_orchestration": [call_error(grpc.StatusCode.UNAVAILABLE)]}
    done = frozenset({"schedule_new_orchestration"} if was_done else ())
    hub = Hub(FirstHolds(), errors=lost, done=done)
    unconfirmed = await START.answer(hub, key="incident-1")
    body = unconfirmed.require_problem(503)
    assert body["code"] == "engine-unreachable"
    assert body["statusUrl"] in body["detail"]
    again = await START.answer(hub, key="incident-1")
    assert (again.status, again.body["id"], len(hub.runs)) == (202, body["operation"], 1)


@pytest.mark.parametrize("name", ["start_prepare", "start_replication"])
async def test_a_run_on_a_site_is_refused_alike(name: str) -> None:
    hub = Hub(lambda _name, run: (*unsettled(run), look(run, COMPLETED, output=refused_by("prepare-1"))))
    assert (await door(name).answer(hub)).require_problem(409)["heldBy"] == "prepare-1"


async def test_a_repair_of_a_node_that_is_being_repaired_is_refused() -> None:
    hub = Hub(runs={"repair-2": [look("repair-2", COMPLETED, output=refused_by("repair-1"))]})
    with pytest.raises(HttpProblem) as caught:
        await admission_response(cast("df.DurableFunctionsClient", hub), "repair", "repair-2", "node")
    assert (caught.value.status, caught.value.title) == (409, "Node is busy")


@pytest.mark.parametrize("span", [timedelta(0), timedelta(seconds=0.07), ADMISSION_WITHIN])
def test_pauses_grow_and_last_as_long_as_they_may(span: timedelta) -> None:
    pauses = list(pauses_within(span))
    assert sum(pauses, timedelta(0)) == span
    assert pauses[:-1] == sorted(pauses[:-1])
    assert max(pauses, default=LONGEST_PAUSE) <= LONGEST_PAUSE
