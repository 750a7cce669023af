"""A hundred drills that go wrong: failing jobs, lost answers, terminated runs, a killed host. What is left of them?

Each drill is one machine of the default scenario, six at a time; what goes wrong is drawn from a seed.
"""

import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from bench.figures import Figure
from lab.http_calls import Unreachable, call_server
from lab.servers import Servers, free_ports, reset_lab

DRILLS, SEED, SPEED = 100, 7, 300
TTL = timedelta(hours=1)
MACHINES = {"dc-01": 7389, "sql-01": 7433, "app-01": 7808, "app-02": 7808, "web-01": 7880, "web-02": 7880}
SUBSCRIPTION = "/subscriptions/11111111-1111-1111-1111-111111111111"
GROUP = f"{SUBSCRIPTION}/resourceGroups/rg-dr-vms"
NETWORK = f"{SUBSCRIPTION}/resourceGroups/rg-dr-net/providers/Microsoft.Network/virtualNetworks/vnet-drill"
PATIENCE = 120.0
"""Real seconds for a round of six."""


class Drill(NamedTuple):
    """One drill: its machine, and what goes wrong with it."""

    vm: str
    run: str
    wrong: str
    due: datetime


class Seen(NamedTuple):
    """What became of all of them.

    Attributes:
        left: Resources that were there after a round and not before it.
        owed: Obligations that were still open then.
        late: By how much the latest cleanup of a run that was terminated came after its time to live; negative before.
        wrong: How many had what go wrong.
    """

    drills: int
    left: list[str]
    owed: int
    late: timedelta
    wrong: Mapping[str, int]


type Rules = list[dict[str, Any]]


def _rules(vm: str, wrong: str) -> Rules:
    """The fault rules of one drill."""
    match = {"item": vm}
    unread = {"method": "GET", "path": "*replicationProtectedItems*", "probability": 0.1}
    known: dict[str, Rules] = {
        "job fails": [{"match": {**match, "verb": "TestFailover", "times": 1}, "effect": {"job": {"fail": "28031"}}}],
        "cleanup fails": [
            {"match": {**match, "verb": "TestFailoverCleanup", "times": 1}, "effect": {"job": {"fail": "539"}}}
        ],
        "suspended": [{"match": {**match, "verb": "TestFailover"}, "effect": {"job": {"suspend": True}}}],
        "start lost": [{"match": {**match, "verb": "TestFailover", "times": 1}, "effect": {"lose": 503}}],
        "cleanup lost": [
            {"match": {**match, "verb": "TestFailoverCleanup", "times": 1}, "effect": {"lose": "connection"}}
        ],
        "reads fail": [{"match": unread, "effect": {"status": 503}}],
    }
    return known.get(wrong, [])


WRONG = ("nothing", "job fails", "cleanup fails", "suspended", "start lost", "cleanup lost", "reads fail", "terminated")


@contextmanager
def running(speed: float = SPEED) -> Iterator[Servers]:
    """A lab of its own."""
    with tempfile.TemporaryDirectory() as folder:
        servers = Servers.of(Path(folder), free_ports(), speed)
        servers.start()
        try:
            yield servers
        finally:
            servers.stop()


def rehearse(servers: Servers, drills: int, seed: int) -> Seen:
    """Run so many drills, six at a time, and look after each six at what is left of them."""
    chance = random.Random(seed)
    reset_lab(servers.azure, "default")
    _declare(servers)
    seen = Seen(0, [], 0, -TTL, {})
    while seen.drills < drills:
        vms = list(MACHINES)[: drills - seen.drills]
        seen = _add(seen, _round(servers, vms, chance))
    return seen


def _add(one: Seen, other: Seen) -> Seen:
    wrong = {name: one.wrong.get(name, 0) + other.wrong.get(name, 0) for name in {*one.wrong, *other.wrong}}
    left = one.left + other.left
    return Seen(one.drills + other.drills, left, one.owed + other.owed, max(one.late, other.late), wrong)


def _declare(servers: Servers) -> None:
    """A plan for each machine."""
    settings = {"network": NETWORK, "timeToLive": "PT1H", "sharedNetwork": True}
    for vm, port in MACHINES.items():
        items = [{"vm": vm, "probes": [{"kind": "tcp", "port": port}]}]
        _api(servers, "PUT", f"plans/{vm}", {"site": "hci-01", "items": items, "drill": settings})


def _api(servers: Servers, method: str, path: str, body: Any = None) -> Any:
    """An answer of the host, once it answers at all."""
    return _until(lambda: _answer(servers, method, path, body))


def _answer(servers: Servers, method: str, path: str, body: Any) -> Any:
    try:
        reply = call_server(servers.host.base, method, f"/api/{path}", body)
    except Unreachable:
        return None
    return reply.body if reply.status < 500 else None


def _until[T](look: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if (seen := look()) is not None:
            return seen
        time.sleep(0.05)
    raise TimeoutError("a round of drills did not come to its end")


def _round(servers: Servers, vms: list[str], chance: random.Random) -> Seen:
    before = set(_left(servers))
    wrong = {vm: chance.choice(WRONG) for vm in vms}
    call_server(servers.azure.base, "PUT", "/lab/faults", [rule for vm in vms for rule in _rules(vm, wrong[vm])])
    begun = [_begin(servers, vm, wrong[vm]) for vm in vms]
    killed = chance.random() < 0.5
    for drill in begun:
        if drill.wrong == "terminated":
            _until(lambda run=drill.run: _dies(servers, run, chance))  # type: ignore[misc]
    if killed:
        time.sleep(chance.uniform(0, 2))
        servers.host.kill()
        servers.host.start()
    late = _settled(servers, begun)
    told = {name: list(wrong.values()).count(name) for name in set(wrong.values())} | {"host killed": int(killed)}
    owed = sum(len(_api(servers, "GET", f"obligations?plan={vm}")["value"]) for vm in vms)
    return Seen(len(vms), sorted(set(_left(servers)) - before), owed, late, told)


def _begin(servers: Servers, vm: str, wrong: str) -> Drill:
    run = _until(lambda: (_api(servers, "POST", f"plans/{vm}/drill", {}) or {}).get("id"))
    return Drill(vm, str(run), wrong, _now(servers) + TTL)


def _dies(servers: Servers, run: str, chance: random.Random) -> bool | None:
    """Terminate a run at some moment of its life."""
    time.sleep(chance.uniform(0, 0.5))
    reply = call_server(
        servers.host.base, "POST", f"/runtime/webhooks/durabletask/instances/{run}/terminate?reason=bench", {}
    )
    return True if reply.status < 500 else None


def _now(servers: Servers) -> datetime:
    told: str = call_server(servers.azure.base, "GET", "/lab/clock").body["now"]
    return datetime.fromisoformat(told)


def _settled(servers: Servers, begun: list[Drill]) -> timedelta:
    """Wait until nothing runs and nothing is owed: how late the latest cleanup of a terminated run was."""
    late, open_drills = -TTL, list(begun)

    def look() -> bool | None:
        nonlocal late, open_drills
        still = [drill for drill in open_drills if not _is_over(servers, drill)]
        for drill in set(open_drills) - set(still):
            if drill.wrong == "terminated":
                late = max(late, _now(servers) - drill.due)
        open_drills = still
        return None if still else True

    _until(look)
    return late


def _is_over(servers: Servers, drill: Drill) -> bool:
    state = _api(servers, "GET", f"operations/{drill.run}")["state"]
    if state not in {"succeeded", "failed", "aborted"}:
        return False
    return not _api(servers, "GET", f"obligations?plan={drill.vm}")["value"]


def _left(servers: Servers) -> list[str]:
    """Ids of all that the target group holds, asked of the simulated Azure and not of the product."""
    token = call_server(
        servers.azure.base,
        "GET",
        "/msi/token?resource=https://management.azure.com&api-version=2019-08-01",
        headers={"X-IDENTITY-HEADER": "lab-identity"},
    ).body["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    reply = call_server(servers.azure.base, "GET", f"{GROUP}/resources?api-version=2025-04-01", headers=headers)
    return [one["id"] for one in reply.body["value"]]


def figures() -> list[Figure]:
    """The figures."""
    with running() as servers:
        began = time.monotonic()
        seen = rehearse(servers, DRILLS, SEED)
        took = time.monotonic() - began
    wrong = ", ".join(f"{count} {name}" for name, count in sorted(seen.wrong.items()))
    minutes = seen.late / timedelta(minutes=1)
    return [
        Figure("faulted drills", seen.drills, "", "", wrong),
        Figure("resources left behind", len(seen.left), "", "= 0", f"seed {SEED}"),
        Figure("obligations left open", seen.owed, "", "= 0"),
        Figure("latest cleanup of a terminated run, after its time to live", minutes, "min", "<= 5"),
        Figure("real time", took, "s"),
    ]
