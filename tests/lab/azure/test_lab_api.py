"""The lab's own calls: reset, state, clock, ledger; and a simulator that is killed and started again."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lab.azure.simulator.lab import Lab, due
from lab.clock import ManualClock
from tests.lab.azure.cloud import EXTENSION, N1, N2, Cloud, Host


async def test_a_reset_declares_the_documents_to_the_host(host: Host) -> None:
    async with Cloud(scenario=None, host=host.base) as cloud:
        await cloud.control("POST", "reset", {"scenario": "default"})
    assert [(method, path) for method, path, _ in host.requests] == [
        ("POST", "/admin/lab/reset"),
        ("PUT", "/api/sites/hci-01"),
        ("PUT", "/api/plans/payroll"),
        ("PUT", "/api/notification-rules/waiting"),
    ]
    plan = host.requests[2][2]
    assert {item["vm"]: item["after"] for item in plan["items"]}["web-01"] == ["app-01", "app-02"]


async def test_a_fleet_is_spread_over_clusters_each_with_its_vault(cloud: Cloud) -> None:
    await cloud.control("POST", "reset", {"scenario": "fleet", "vms": 7, "clusters": 2})
    inventory = (await cloud.control("GET", "state"))["inventory"]
    assert inventory["asr-item"] == 7
    assert inventory["microsoft.recoveryservices/vaults"] == 2
    assert inventory["node"] == 6


async def test_a_bare_cluster_has_nodes_and_nothing_on_them(cloud: Cloud) -> None:
    await cloud.control("POST", "reset", {"scenario": "bare"})
    state = await cloud.control("GET", "state")
    assert [node["extension"] for node in state["nodes"]] == [None, None, None]
    assert "microsoft.recoveryservices/vaults" not in state["inventory"]


@pytest.mark.parametrize(
    "body", [{"scenario": "atlantis"}, {"vms": -1}, {"vms": "many"}, {"colour": "red"}, [], {"clusters": 1e9}]
)
async def test_a_wrong_reset_changes_nothing(cloud: Cloud, body: Any) -> None:
    before = await cloud.control("GET", "state")
    status, answer, _ = await cloud.call("POST", "/lab/reset", body)
    assert status == 400
    assert answer["error"]["code"] in ("UnknownScenario", "InvalidReset")
    assert (await cloud.control("GET", "state"))["inventory"] == before["inventory"]


async def test_the_clock_is_moved_by_seconds_or_by_iso_8601(cloud: Cloud) -> None:
    begin = cloud.clock.now()
    await cloud.control("POST", "clock", {"advance": 90})
    await cloud.control("POST", "clock", {"advance": "P1DT2H3M4.5S"})
    assert cloud.clock.now() - begin == timedelta(days=1, hours=2, minutes=4, seconds=34.5)


@pytest.mark.parametrize("body", [{}, {"advance": "soon"}, {"advance": -1}, {"advance": "P"}, {"advance": True}, 5])
async def test_a_wrong_move_of_the_clock_is_refused(cloud: Cloud, body: Any) -> None:
    begin = cloud.clock.now()
    status, _, _ = await cloud.call("POST", "/lab/clock", body)
    assert status == 400
    assert cloud.clock.now() == begin


async def test_the_ledger_names_what_was_accepted_and_nothing_else(cloud: Cloud) -> None:
    await cloud.call("GET", N1)
    await cloud.call("PUT", f"{N1}/extensions/x", {})
    await cloud.call("DELETE", f"{N2}/extensions/{EXTENSION}", x_ms_client_request_id="mine")
    (entry,) = await cloud.control("GET", "ledger")
    assert entry == {
        "seq": 1,
        "at": "2026-01-05T08:00:00Z",
        "method": "DELETE",
        "path": f"{N2}/extensions/{EXTENSION}",
        "verb": "extensions/delete",
        "item": EXTENSION,
        "clientRequestId": "mine",
        "status": 202,
        "job": None,
    }
    counters = (await cloud.control("GET", "state"))["counters"]
    assert counters == {"machines/read": {"200": 1}, "extensions/write": {"400": 1}, "extensions/delete": {"202": 1}}


async def test_a_killed_simulator_goes_on_where_it_stood(tmp_path: Path) -> None:
    async with Cloud(tmp_path) as cloud:
        await cloud.call("DELETE", f"{N2}/extensions/{EXTENSION}")
        left = cloud.clock.now()
        cloud.lab.store.commit = lambda: None  # type: ignore[method-assign]  # nothing is written any more: it was killed
    again = Cloud(tmp_path, scenario=None)
    again.clock.advance(left - again.clock.now() + timedelta(minutes=3))
    async with again as cloud:
        assert await cloud.extension(N2) is None
        assert len(await cloud.control("GET", "ledger")) == 1


def test_things_due_run_in_order_of_time_each_at_its_instant() -> None:
    clock, calls = ManualClock(), list[tuple[str, float]]()
    lab = Lab(clock)
    start = clock.now()

    @due("test-note")
    def note(lab: Lab, args: dict[str, Any]) -> None:
        calls.append((args["name"], (lab.now() - start).total_seconds()))
        if args["name"] == "first":
            lab.call_after(timedelta(seconds=1), "test-note", {"name": "child"})

    lab.call_after(timedelta(seconds=9), "test-note", {"name": "last"})
    lab.call_after(timedelta(seconds=3), "test-note", {"name": "first"})
    dropped = lab.call_after(timedelta(seconds=4), "test-note", {"name": "dropped"})
    assert lab.agenda.cancel(dropped)
    clock.advance(timedelta(seconds=60))
    lab.run_due()
    lab.store.close()
    assert calls == [("first", 3), ("child", 4), ("last", 9)]


def test_ids_and_randomness_are_the_same_for_the_same_seed() -> None:
    one, other = Lab(ManualClock()), Lab(ManualClock())
    for lab in (one, other):
        lab.clear_state(seed=7)
    assert [one.new_id("vm") for _ in range(3)] == [other.new_id("vm") for _ in range(3)]
    assert one.random_for("a", 1).random() == other.random_for("a", 1).random()
    other.clear_state(seed=8)
    assert one.random_for("a", 1).random() != other.random_for("a", 1).random()
    for lab in (one, other):
        lab.store.close()
