"""Faults by rule: what they match, how often they fire, and what they do to a call."""

import asyncio
from typing import Any

import aiohttp
import pytest

from lab.azure.compute import virtual_machines
from lab.azure.simulator.faults import Faults
from lab.azure.simulator.store import Store
from tests.lab.azure.cloud import EXTENSION, N1, N2, Cloud

DELETE = ("DELETE", f"{N2}/extensions/{EXTENSION}")


async def fired(cloud: Cloud) -> list[int]:
    return [rule["fired"] for rule in await cloud.control("GET", "faults")]


async def test_a_status_is_answered_instead_of_the_work(cloud: Cloud) -> None:
    effect = {"status": 503, "headers": {"Retry-After": 7}, "body": {"error": {"code": "Busy"}}}
    await cloud.control("PUT", "faults", [{"match": {"method": "DELETE", "times": 1}, "effect": effect}])
    status, body, headers = await cloud.call(*DELETE)
    assert (status, body["error"]["code"], headers["Retry-After"]) == (503, "Busy", "7")
    assert await cloud.control("GET", "ledger") == []
    assert (await cloud.call(*DELETE))[0] == 202
    assert await fired(cloud) == [1]


@pytest.mark.parametrize(
    ("effect", "done"), [({"reset": "before"}, 0), ({"reset": "after"}, 1), ({"lose": "connection"}, 1)]
)
async def test_a_dropped_connection_comes_before_or_after_the_work(
    cloud: Cloud, effect: dict[str, Any], done: int
) -> None:
    await cloud.control("PUT", "faults", [{"match": {"verb": "deallocate"}, "effect": effect}])
    vm = virtual_machines.create_vm(cloud.lab, "rg-dr-vms", "sql-01", virtual_machines.VmSettings())
    with pytest.raises(aiohttp.ClientConnectionError):
        await cloud.call("POST", f"{vm}/deallocate", version="2025-04-01")  # the client sends no POST twice by itself
    assert len(await cloud.control("GET", "ledger")) == done


async def test_a_lost_answer_is_a_503_after_the_work_was_done(cloud: Cloud) -> None:
    await cloud.control("PUT", "faults", [{"match": {"verb": "extensions/*"}, "effect": {"lose": 503}}])
    assert (await cloud.call(*DELETE))[0] == 503
    (entry,) = await cloud.control("GET", "ledger")
    assert entry["status"] == 202


@pytest.mark.parametrize(("worked", "done"), [(False, 0), (True, 1)])
async def test_raw_bytes_are_answered_instead_of_the_work_or_after_it(cloud: Cloud, worked: bool, done: int) -> None:
    raw = {"text": "<html>é", "encoding": "latin-1", "type": "text/html; charset=latin-1", "worked": worked}
    await cloud.control("PUT", "faults", [{"match": {"verb": "extensions/*"}, "effect": {"raw": raw}}])
    status, body, headers = await cloud.call(*DELETE)
    assert (status, body, headers["Content-Type"]) == (200, "<html>é", "text/html; charset=latin-1")
    assert len(await cloud.control("GET", "ledger")) == done


async def test_a_slow_call_waits_on_the_simulated_clock(cloud: Cloud) -> None:
    await cloud.control("PUT", "faults", [{"match": {"method": "GET"}, "effect": {"slow": 300}}])
    call = asyncio.ensure_future(cloud.call("GET", N1))
    while await fired(cloud) == [0]:  # noqa: ASYNC110 - the simulator is met over HTTP
        await asyncio.sleep(0)
    cloud.pass_time(seconds=299)
    assert not call.done()
    cloud.pass_time(seconds=1)
    assert (await call)[0] == 200


async def test_the_clock_can_jump_within_a_call(cloud: Cloud) -> None:
    await cloud.control("PUT", "faults", [{"match": {"nth": 2, "verb": "machines/read"}, "effect": {"clock": 3600}}])
    begin = cloud.clock.now()
    await cloud.call("GET", N1)
    assert cloud.clock.now() == begin
    await cloud.call("GET", N1)
    assert (cloud.clock.now() - begin).total_seconds() == 3600


async def test_a_chance_with_a_seed_falls_the_same_each_time(cloud: Cloud) -> None:
    rule = {"match": {"method": "GET", "probability": 0.5}, "effect": {"status": 500}}
    runs = []
    for seed in (3, 3, 4):
        await cloud.control("PUT", "faults", {"rules": [rule], "seed": seed})
        runs.append([(await cloud.call("GET", N1))[0] for _ in range(20)])
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
    assert {200, 500} == set(runs[0])


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"effect": {}},
        {"effect": {"status": 503, "slow": 1}},
        {"effect": {"status": "many"}},
        {"effect": {"reset": "maybe"}},
        {"effect": {"raw": "<html>"}},
        {"effect": {"raw": {"encoding": "klingon"}}},
        {"effect": {"raw": {"json": {}}}},
        {"effect": {"job": {}}},
        {"effect": {"slow": -1}},
        {"effect": {"status": 500}, "match": {"colour": "red"}},
        {"effect": {"status": 500}, "when": "now"},
        {"effect": {"status": 500}, "match": 5},
        {"effect": {"status": 500}, "match": {"nth": 0}},
        {"effect": {"status": 500}, "match": {"times": True}},
        {"effect": {"status": 500}, "match": {"probability": 2}},
        {"effect": {"status": 500}, "match": {"verb": 7}},
        "rule",
    ],
)
async def test_a_wrong_rule_is_named_and_leaves_the_old_ones(cloud: Cloud, rule: Any) -> None:
    good = {"effect": {"status": 500}, "match": {"verb": "nothing"}}
    await cloud.control("PUT", "faults", [good])
    status, body, _ = await cloud.call("PUT", "/lab/faults", [good, rule])
    assert (status, body["error"]["code"]) == (400, "InvalidFaultRule")
    assert "rules[1]" in body["error"]["message"]
    assert len(await cloud.control("GET", "faults")) == 1


def test_a_job_is_told_its_fate_once() -> None:
    store = Store()
    faults = Faults(store)
    faults.replace_rules(
        [{"match": {"verb": "testFailover", "item": "SQL-*", "times": 1}, "effect": {"job": {"fail": "28031"}}}]
    )
    assert faults.job_effect("testFailover", "dc-01") is None
    assert faults.job_effect("testFailover", "sql-01") == {"fail": "28031"}
    assert faults.job_effect("testFailover", "sql-02") is None
    store.close()
