"""Aborting many runs at once: who is meant, what becomes of each, and that nobody is left out without a word."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import grpc  # type: ignore[import-untyped] # grpcio ships no types
import pytest
from durabletask.client import OrchestrationState, OrchestrationStatus

import tests.triggers.doors
from shared.operations.kinds import DECIDABLE_KINDS, OPERATION_KINDS, SITE_KINDS
from shared.operations.payloads import Carried, pack_input
from tests.shared.samples import SITE
from tests.triggers.doors import ALL_ROLES, Answer, call_error, door
from tests.triggers.engine_states import BEGAN, state_of
from tests.triggers.hub import Hub, look, operation

NAME = "abort_all_operations"
MACHINE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.HybridCompute/machines/hci-01-n1"
ALL = {"all": True, "reason": "fire in Amsterdam"}


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_ROLES", ALL_ROLES)


def run_of(kind: str, plan: str = "payroll", site: str = "hci-01", number: int = 1) -> OrchestrationState:
    """A living run of a kind: on a plan, a site or a node."""
    sites = {site: SITE}
    base: dict[str, Any] = {"id": f"{kind}-{number}", "kind": kind, "requested_by": "ann"}
    if kind in SITE_KINDS:
        return state_of(f"{kind}-{site}-{number}", kind, given={**base, "site": site})
    if kind == "repair":
        return state_of(f"repair-n1-{number}", kind, given={**base, "machine_id": MACHINE, "sites": sites})
    if kind == "change":
        return state_of(f"change-{plan}-{number}", kind, given={**base, "subject": f"plans/{plan}", "sites": [site]})
    given = operation(kind).model_dump(mode="json") | {"plan": plan, "sites": sites} if kind != "mirror" else base
    return state_of(f"{kind}-{plan}-{number}", kind, given={**given, "plan": plan, "sites": sites})


def hub_with(*runs: OrchestrationState, **changes: Any) -> Hub:
    return Hub(runs={run.instance_id: [run] for run in runs}, **changes)


async def abort(monkeypatch: pytest.MonkeyPatch, hub: Hub, body: Any, *, preview: bool = False) -> Answer:
    monkeypatch.setattr(tests.triggers.doors, "BODIES", {NAME: body})
    return await (door(NAME).answer_preview(hub) if preview else door(NAME).answer(hub))


def outcomes_of(answer: Answer) -> dict[str, str]:
    assert answer.status == 200, answer.text
    return {one["id"]: one["outcome"] for one in answer.body["operations"]}


async def test_every_living_run_is_listed_and_those_that_take_it_are_aborted(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [run_of(kind) for kind in OPERATION_KINDS]
    ended = look("failover-payroll-9", OrchestrationStatus.COMPLETED, output={"state": "succeeded"})
    hub = hub_with(*runs, ended)
    answer = await abort(monkeypatch, hub, ALL)
    assert outcomes_of(answer) == {
        run.instance_id: "aborting" if run.name in DECIDABLE_KINDS else "takes-no-abort" for run in runs
    }
    assert all(one["detail"] for one in answer.body["operations"])
    assert {run for run, _, _ in hub.events} == {run.instance_id for run in runs if run.name in DECIDABLE_KINDS}
    assert {(event, data["verdict"], data["comment"]) for _, event, data in hub.events} == {
        ("decide", "abort", "fire in Amsterdam")
    }


async def test_a_preview_shows_the_same_runs_and_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_ROLES", "Dr.Read")
    hub = hub_with(*[run_of(kind) for kind in OPERATION_KINDS])
    shown = outcomes_of(await abort(monkeypatch, hub, ALL, preview=True))
    assert set(shown.values()) == {"abortable", "takes-no-abort"}
    assert (len(shown), hub.events) == (len(OPERATION_KINDS), [])
    (await abort(monkeypatch, hub, ALL)).require_problem(403)
    assert hub.events == []


EARLY = replace(run_of("drill"), created_at=(BEGAN - timedelta(hours=3)).replace(tzinfo=None))
RUNS = (
    EARLY,
    run_of("failover", plan="orders"),
    run_of("drill", plan="payroll-eu", site="hci-02"),
    run_of("prepare", site="hci-02"),
    run_of("repair"),
)


@pytest.mark.parametrize(
    ("which", "meant"),
    [
        ({"plan": "payroll"}, ["drill-payroll-1"]),
        ({"plan": "nobody"}, []),
        ({"kind": "drill"}, ["drill-payroll-1", "drill-payroll-eu-1"]),
        ({"site": "hci-02"}, ["drill-payroll-eu-1", "prepare-hci-02-1"]),
        ({"site": "hci-01"}, ["drill-payroll-1", "failover-orders-1", "repair-n1-1"]),
        ({"site": "hci-01", "kind": "failover"}, ["failover-orders-1"]),
        ({"startedBefore": (BEGAN - timedelta(hours=1)).isoformat()}, ["drill-payroll-1"]),
        ({"startedBefore": (BEGAN - timedelta(hours=3)).isoformat()}, []),
    ],
    ids=lambda one: str(one) if isinstance(one, dict) else "",
)
async def test_a_filter_means_those_that_fit(
    monkeypatch: pytest.MonkeyPatch, which: dict[str, Any], meant: list[str]
) -> None:
    answer = await abort(monkeypatch, hub_with(*RUNS), {**which, "reason": "stop"})
    assert sorted(outcomes_of(answer)) == meant


async def test_when_a_run_began_its_first_generation_says(monkeypatch: pytest.MonkeyPatch) -> None:
    carried = Carried(created_at=BEGAN - timedelta(days=1))
    run = state_of("drill-payroll-1", "drill", given=pack_input(operation().model_dump(mode="json"), carried))
    body = {"startedBefore": (BEGAN - timedelta(hours=1)).isoformat(), "reason": "stop"}
    assert set(outcomes_of(await abort(monkeypatch, hub_with(run), body))) == {"drill-payroll-1"}


async def test_a_repair_that_has_found_its_node_is_at_one_site(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"machine_id": MACHINE, "sites": {"hci-01": SITE, "hci-02": SITE}, "progress": {"site": "hci-02"}}
    run = state_of("repair-n1-1", "repair", given={**given, "requested_by": "timer"})
    for site, found in (("hci-01", set()), ("hci-02", {"repair-n1-1"})):
        answer = await abort(monkeypatch, hub_with(run), {"site": site, "reason": "stop"}, preview=True)
        assert set(outcomes_of(answer)) == found


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"reason": "stop"}, "all"),
        ({"reason": "stop", "all": False}, "all"),
        ({"reason": "stop", "all": True, "plan": "payroll"}, "all"),
        ({"reason": "stop", "all": "true"}, "all"),
        ({"all": True}, "reason"),
        ({"all": True, "reason": "  "}, "reason"),
        ({"kind": "failovers", "reason": "stop"}, "kind"),
        ({"startedBefore": "2026-01-01T00:00:00", "reason": "stop"}, "startedBefore"),
        ({"startedBefore": 1767225600, "reason": "stop"}, "startedBefore"),
        ({"plans": "payroll", "reason": "stop"}, "plans"),
    ],
    ids=str,
)
async def test_what_is_not_clear_aborts_nothing(monkeypatch: pytest.MonkeyPatch, body: Any, field: str) -> None:
    hub = hub_with(*RUNS)
    problem = (await abort(monkeypatch, hub, body)).require_problem(400)
    assert field in [one["field"] for one in problem["errors"]]
    assert hub.events == []


async def test_a_run_that_ends_just_now_is_listed_so(monkeypatch: pytest.MonkeyPatch) -> None:
    errors: dict[str, list[BaseException]] = {
        "raise_orchestration_event": [call_error(grpc.StatusCode.FAILED_PRECONDITION, "ended")]
    }
    hub = hub_with(run_of("drill"), run_of("failover", plan="orders"), errors=errors)
    outcomes = outcomes_of(await abort(monkeypatch, hub, ALL))
    assert sorted(outcomes.values()) == ["aborting", "ended"]


async def test_one_run_that_cannot_be_reached_keeps_the_others_from_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    errors: dict[str, list[BaseException]] = {
        "raise_orchestration_event": [call_error(grpc.StatusCode.UNAVAILABLE, "away")]
    }
    hub = hub_with(*[run_of("drill", plan=f"plan-{number}") for number in range(30)], errors=errors)
    problem = (await abort(monkeypatch, hub, ALL)).require_problem(503)
    outcomes = [one["outcome"] for one in problem["operations"]]
    assert (outcomes.count("unanswered"), outcomes.count("aborting")) == (1, 29)
    assert "second abort changes nothing" in problem["detail"]
    assert len(hub.events) == 30
