"""A failover of many VMs, against the best that the same jobs allow, with Azure's real token buckets on.

The best possible is made of the durations that the ASR jobs of that very run had: each starts the moment those before
it end, and only the write budget (200 at once, then 10 a second) can hold it up.
"""

import heapq
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.figures import Figure
from lab.servers import Servers, free_ports
from lab.wire import call

SIZES = ((10, 60.0), (100, 40.0), (1000, 10.0), (5000, 4.0))
"""VMs, and simulated seconds a real second: slow enough that the machine's own work does not count as Azure's."""

BURST, REFILL = 200, 10.0
POLL = 0.5


def figures() -> list[Figure]:
    """Measure each size; FLEET=10,100 chooses some."""
    chosen = {int(size) for size in os.environ.get("FLEET", "").split(",") if size}
    return [figure for vms, speed in SIZES if not chosen or vms in chosen for figure in measure(vms, speed)]


def measure(vms: int, speed: float) -> list[Figure]:
    """One failover of a fleet."""
    with lab(speed) as servers:
        call(servers.azure.base, "POST", "/lab/reset", {"scenario": "fleet", "vms": vms, "clusters": 1}, timeout=120)
        plan = call(servers.host.base, "GET", "/api/plans/fleet").body
        before, cpu = counters(servers), cpu_seconds(servers.host.pid)
        began = time.monotonic()
        run = call(servers.host.base, "POST", "/api/plans/fleet/failover", {"type": "planned"}).body["id"]
        accepted = time.monotonic() - began
        shown, status_bytes, longest = follow(servers, run)
        cpu = cpu_seconds(servers.host.pid) - cpu
        return told(plan, shown, spent(before, counters(servers)), accepted, cpu, status_bytes, longest)


@contextmanager
def lab(speed: float) -> Iterator[Servers]:
    """Both servers on a state of their own."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        servers = Servers.of(Path(folder), free_ports(), speed)
        servers.start()
        try:
            yield servers
        finally:
            servers.stop()


def follow(servers: Servers, run: str) -> tuple[dict[str, Any], int, int]:
    """The operation at its end, the largest custom status and the longest history that were seen."""
    engine = f"/runtime/webhooks/durabletask/instances/{run}?showHistory=true"
    largest = longest = 0
    while True:
        status = call(servers.host.base, "GET", engine).body
        largest = max(largest, len(json.dumps(status.get("customStatus") or "").encode()))
        longest = max(longest, len(status.get("historyEvents") or ()))
        if status["runtimeStatus"] not in {"Running", "Pending"}:
            return call(servers.host.base, "GET", f"/api/operations/{run}").body, largest, longest
        time.sleep(POLL)


def counters(servers: Servers) -> Mapping[str, Mapping[str, int]]:
    counted: Mapping[str, Mapping[str, int]] = call(servers.azure.base, "GET", "/lab/state").body["counters"]
    return counted


def spent(before: Mapping[str, Mapping[str, int]], after: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Calls by status, over all verbs."""
    found: dict[str, int] = {}
    for verb, statuses in after.items():
        for status, count in statuses.items():
            found[status] = found.get(status, 0) + count - before.get(verb, {}).get(status, 0)
    return found


def cpu_seconds(pid: int | None) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def told(
    plan: Mapping[str, Any],
    shown: Mapping[str, Any],
    calls: Mapping[str, int],
    accepted: float,
    cpu: float,
    status_bytes: int,
    longest: int,
) -> list[Figure]:
    """The figures of one run."""
    took = (moment(shown["endedAt"]) - moment(shown["startedAt"])).total_seconds()
    vms = len(plan["items"])
    best = best_possible(shown["items"], {item["vm"]: tuple(item["after"]) for item in plan["items"]})
    name = f"fleet-{vms}"
    return [
        Figure(f"{name}: state", 1.0 if shown["state"] == "succeeded" else 0.0, "", "= 1", shown["state"]),
        Figure(
            f"{name}: run time over the best possible", took / best, "x", "<= 1.10", f"{took:.0f} s over {best:.0f} s"
        ),
        Figure(f"{name}: ARM calls per VM", sum(calls.values()) / vms, "", "<= 3.5", json.dumps(calls)),
        Figure(f"{name}: 429", calls.get("429", 0), "", "= 0"),
        Figure(f"{name}: accepted after", accepted, "s", "< 3"),
        Figure(f"{name}: CPU of the host", cpu, "s"),
        Figure(f"{name}: longest history", longest, "events"),
        Figure(f"{name}: custom status", status_bytes, "bytes", "<= 16384"),
    ]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def best_possible(items: Sequence[Mapping[str, Any]], after: Mapping[str, Sequence[str]]) -> float:
    """Seconds that the jobs of these items take at the least, in their order and within the write budget."""
    lasting = {item["vm"]: seconds(item["steps"][-1]) for item in items}
    left = {vm: len(before) for vm, before in after.items()}
    dependents: dict[str, list[str]] = {vm: [] for vm in after}
    for vm, before in after.items():
        for name in before:
            dependents[name].append(vm)
    able = [(0.0, vm) for vm, count in left.items() if not count]
    ends: dict[str, float] = {}
    sent: list[float] = []
    while able:
        when, vm = heapq.heappop(able)
        sent.append(max(when, allowed_at(sent)))
        ends[vm] = sent[-1] + lasting[vm]
        for name in dependents[vm]:
            left[name] -= 1
            if not left[name]:
                heapq.heappush(able, (max(ends[before] for before in after[name]), name))
    return max(ends.values())


def seconds(step: Mapping[str, Any]) -> float:
    """How long a job lasted, by its own times."""
    return (moment(step["ended"]) - moment(step["began"])).total_seconds()


def allowed_at(sent: Sequence[float]) -> float:
    """When the next write is allowed: a bucket of 200 that fills by 10 a second."""
    if len(sent) < BURST:
        return 0.0
    return sent[len(sent) - BURST] + BURST / REFILL
