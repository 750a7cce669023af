"""The way out and home while all goes wrong: answers are lost after the work, the host dies, requests come many times.

Over HTTP, against the simulated Azure, with a host that is killed. SEEDS says how many; three unless it does.
"""

import json
import os
import random
import sqlite3
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from lab.http_calls import Reply, Unreachable, call_server
from lab.story.chaos import FAULTS
from tests.deep import cases
from tests.failures import failure_texts
from tests.product.conftest import Lab

SEEDS = int(os.environ.get("SEEDS", "3"))
VMS = ("dc-01", "sql-01")
PLAN = {"site": "hci-01", "commit": "automatic", "items": [{"vm": VMS[0]}, {"vm": VMS[1], "after": [VMS[0]]}]}
WAY = ("failover", "failback", "reprotect")
SENT = ["plannedFailover", "failoverCommit", "plannedFailover", "failoverCommit", "reProtect"]
DEFINED = {"succeeded", "failed", "aborted"}
PATIENCE = 60.0


def ask(lab: Lab, method: str, path: str, body: Any = None, key: str = "") -> Reply:
    """An answer of the host, however often it dies before it gives one."""
    deadline = time.monotonic() + PATIENCE
    said: object = None
    while time.monotonic() < deadline:
        try:
            headers = {"Idempotency-Key": key} if key else {}
            reply = call_server(lab.servers.host.base, method, f"/api/{path}", body, headers=headers, timeout=30)
        except Unreachable as away:
            said = away
            time.sleep(0.1)
            continue
        if reply.status < 500:
            return reply
        said = reply
    raise AssertionError(f"no answer to {method} {path}: {said}")


def ended(lab: Lab, run: str) -> Any:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        shown = ask(lab, "GET", f"operations/{run}").body
        if shown["state"] in DEFINED:
            return shown
        time.sleep(0.1)
    raise AssertionError(f"{run} came to no end: {shown}")


def begin(lab: Lab, verb: str, key: str, chance: random.Random) -> tuple[str, str]:
    """Ask five times at once, three of them with one key, while the host dies: the one run that came of it, its key."""
    keys = [key, key, key, f"{key}-other", f"{key}-another"]
    with ThreadPoolExecutor(len(keys)) as pool:
        asked = [pool.submit(ask, lab, "POST", f"plans/small/{verb}", {}, one) for one in keys]
        die(lab, chance.uniform(0, 0.6))  # in this thread: a server ends with the one that started it
    answers = [one.result() for one in asked]
    begun = {(answer.body["id"], one) for answer, one in zip(answers, keys, strict=True) if answer.status == 202}
    assert len(begun) == 1, [(answer.status, answer.body) for answer in answers]
    refused = [answer.body for answer in answers if answer.status != 202]
    assert {body["heldBy"] for body in refused if body["title"] == "Plan is busy"} <= {run for run, _ in begun}
    return begun.pop()


def die(lab: Lab, after: float) -> None:
    """Kill the host in a while, and have it back."""
    time.sleep(after)
    lab.servers.host.kill()
    lab.servers.host.start()
    lab.servers.host.await_healthy()


def owed(lab: Lab) -> set[str]:
    return {one["kind"] for one in ask(lab, "GET", "obligations?plan=small").body["value"]}


def held(lab: Lab) -> list[str]:
    """The VMs that are leased, read where the host keeps it: the API shows no lease of a run that has ended."""
    folder = lab.servers.host.log.parent
    with closing(sqlite3.connect(f"file:{folder / 'host.sqlite'}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT state FROM entities WHERE id LIKE '@leases@%'").fetchall()
        assert rows
        return [one for (state,) in rows for one in json.loads(state)["value"] or () if one.startswith("vm:")]


@pytest.mark.parametrize("seed", cases(range(SEEDS), {0}))
def test_each_verb_is_sent_once_whatever_goes_wrong_on_the_way_out_and_home(lab: Lab, seed: int) -> None:
    chance = random.Random(seed)
    lab.api("DELETE", "plans/payroll")  # its drill of every morning would hold the same VMs
    lab.api("PUT", "plans/small", PLAN)
    lab.azure("PUT", "faults", {"rules": FAULTS, "seed": seed})
    for verb in WAY:
        run, key = begin(lab, verb, f"{verb}-{seed}", chance)
        die(lab, chance.uniform(0, 1.5))
        shown = ended(lab, run)
        assert shown["state"] == "succeeded", failure_texts(shown)
        assert owed(lab) == (set() if verb == "reprotect" else {"reprotect"})
        again = ask(lab, "POST", f"plans/small/{verb}", {}, key)
        assert (again.status, again.body["id"]) == (202, run)
    mine = Counter((call["item"], call["verb"]) for call in lab.azure("GET", "ledger") if call["item"] in VMS)
    assert mine == Counter((vm, verb) for vm in VMS for verb in SENT)
    assert held(lab) == []
    assert sum(rule["fired"] for rule in lab.azure("GET", "faults") if "lose" in rule["effect"]) > 0
    lab.azure("PUT", "faults", [])
    assert ask(lab, "POST", "plans/small/failover?preview=true", {}).body["blockers"] == []
