"""A failover of many VMs, against the best that the same jobs allow, with Azure's real token buckets on.

The best possible is made of the durations that the ASR jobs of that very run had: each starts the moment those before
it end, and only the write budget (200 at once, then 10 a second) can hold it up.
"""

import heapq
import json
import math
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from bench import alternatives
from bench.figures import Figure
from lab.http_calls import call_server
from lab.servers import Servers, free_ports

SIZES = ((10, 30.0), (100, 30.0), (1000, 6.0), (5000, 3.0))
"""VMs, and simulated seconds a real second: slow enough that the machine's own work does not count as Azure's."""

LARGE, LARGEST = 1000, 5000
"""Sizes whose cost for a VM is compared."""
BURST, REFILL = 200, 10.0
POLL = 0.5
"""Real seconds between two looks at a run of 1,000 VMs, and more for more: each look costs the host, too."""
ALTERNATIVES: Mapping[int, Mapping[str, float]] = {
    100: {"sdk-pollers": 40.0, "asr-recovery-plan": 40.0},
    1000: {"sdk-pollers": 30.0},
}
"""What people use instead, at which sizes and how fast: ASR's own plan takes 100 VMs at the most."""
WAYS = {"sdk-pollers": alternatives.pollers, "asr-recovery-plan": alternatives.recovery_plan}
ASKER = {"Authorization": "Bearer lab-ann"}
"""Who asks for what others have to approve."""
ACCEPTS = 20
"""Requests whose answer is timed, one after the other."""


RUNS: list[dict[str, Any]] = []
"""What bench/results.json holds: a record for each run that was measured."""


def figures() -> list[Figure]:
    """Measure each size, and what people use instead; FLEET=10,100 chooses some sizes."""
    chosen = {int(size) for size in os.environ.get("FLEET", "").split(",") if size}
    for vms, speed in SIZES:
        if not chosen or vms in chosen:
            RUNS.append(measure(vms, speed))
            RUNS.extend(instead(vms, way, pace) for way, pace in ALTERNATIVES.get(vms, {}).items())
    return [*(figure for run in RUNS for figure in told(run)), *linear(RUNS)]


def linear(runs: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """How much more a VM of the largest fleet costs than one of 1,000, where both were measured: 1 is linear.

    What is left above it is Azure's own: whatever is looked for, all pages of a vault's items are listed.
    """
    costs = {run["vms"]: run["cpu_seconds"] / run["vms"] for run in runs if run["name"].startswith("fleet-")}
    if not {LARGE, LARGEST} <= costs.keys():
        return []
    what = f"CPU of the host per VM, {LARGEST:,} over {LARGE:,}"
    return [Figure(what, costs[LARGEST] / costs[LARGE], "x", "<= 1.25", "1 is linear")]


def measure(vms: int, speed: float) -> dict[str, Any]:
    """One failover of a fleet."""
    with lab(vms, speed) as servers:
        plan = call_server(servers.host.base, "GET", "/api/plans/fleet").body
        accepted = accepts(servers, plan)
        before, cpu = counters(servers), cpu_seconds(servers.host.pid)
        run = call_server(servers.host.base, "POST", "/api/plans/fleet/failover", {"type": "planned"}).body["id"]
        shown, status_bytes, longest = follow(servers, run, max(POLL, POLL * vms / 1000))
        took = (moment(shown["endedAt"]) - moment(shown["startedAt"])).total_seconds()
        best = best_possible(shown["items"], {item["vm"]: tuple(item["after"]) for item in plan["items"]})
        return record(f"fleet-{vms}", vms, took, best, spent(before, counters(servers))) | {
            "state": shown["state"],
            "accepted_seconds": round(percentile(accepted, 0.95), 3),
            "cpu_seconds": round(cpu_seconds(servers.host.pid) - cpu, 2),
            "max_history_events": longest,
            "custom_status_bytes": status_bytes,
        }


def accepts(servers: Servers, plan: Mapping[str, Any]) -> list[float]:
    """Seconds until each of some failovers was admitted; a plan that wants an approval, so that nothing is sent."""
    guarded = {"site": plan["site"], "items": plan["items"], "approvals": {"count": 1}}
    call_server(servers.host.base, "PUT", "/api/plans/guarded", guarded)
    took = []
    for _ in range(ACCEPTS):
        began = time.monotonic()
        body = {"type": "planned"}
        answer = call_server(servers.host.base, "POST", "/api/plans/guarded/failover", body, headers=ASKER)
        took.append(time.monotonic() - began)
        if answer.status != HTTPStatus.ACCEPTED:
            raise RuntimeError(f"a failover was not accepted: {answer.status} {answer.body}")
        end(servers, answer.body["id"])
    return took


def end(servers: Servers, run: str) -> None:
    """End a run by the engine, and wait until it has."""
    engine = f"/runtime/webhooks/durabletask/instances/{run}"
    call_server(servers.host.base, "POST", f"{engine}/terminate?reason=measured")
    while call_server(servers.host.base, "GET", engine).body["runtimeStatus"] in {"Running", "Pending"}:
        time.sleep(POLL / 10)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that this share of all does not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


def instead(vms: int, name: str, speed: float) -> dict[str, Any]:
    """The same fleet, moved by what people use instead; the best possible is that of their own jobs."""
    with lab(vms, speed) as servers:
        plan = call_server(servers.host.base, "GET", "/api/plans/fleet").body
        after = {item["vm"]: tuple(item["after"]) for item in plan["items"]}
        before = counters(servers)
        cpu = time.process_time()
        took = WAYS[name](servers, waves_of(after), speed)
        cpu = time.process_time() - cpu
        best = best_possible(alternatives.moved(servers), after)
        cost = {"cpu_seconds": round(cpu, 2), "max_history_events": 0, "custom_status_bytes": 0}
        return record(f"{name}-{vms}", vms, took, best, spent(before, counters(servers))) | cost


def waves_of(after: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """The graph cut into waves, as both alternatives need it."""
    depth: dict[str, int] = {}
    for vm, before in after.items():  # the plan lists each VM behind those that it waits for
        depth[vm] = 1 + max((depth[name] for name in before), default=-1)
    return [[vm for vm in after if depth[vm] == level] for level in range(max(depth.values()) + 1)]


def record(name: str, vms: int, took: float, best: float, calls: Mapping[str, int]) -> dict[str, Any]:
    """What can be said of every way of moving a fleet."""
    return {
        "name": name,
        "vms": vms,
        "run_seconds": round(took),
        "best_seconds": round(best),
        "overhead": round(took / best, 3),
        "calls_per_vm": round(sum(calls.values()) / vms, 3),
        "http_429": calls.get("429", 0),
    }


@contextmanager
def lab(vms: int, speed: float) -> Iterator[Servers]:
    """Both servers on a state of their own, with a fleet of so many VMs in one vault."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        servers = Servers.of(Path(folder), free_ports(), speed)
        servers.start()
        fleet = {"scenario": "fleet", "vms": vms, "clusters": 1}
        try:
            call_server(servers.azure.base, "POST", "/lab/reset", fleet, timeout=120)
            yield servers
        finally:
            servers.stop()


def follow(servers: Servers, run: str, every: float = POLL) -> tuple[dict[str, Any], int, int]:
    """The operation at its end, the largest custom status (bytes of UTF-16) and the longest history that were seen."""
    engine = f"/runtime/webhooks/durabletask/instances/{run}?showHistory=true"
    largest = longest = 0
    while True:
        status = call_server(servers.host.base, "GET", engine).body
        told = json.dumps(status.get("customStatus") or "", ensure_ascii=False)
        largest = max(largest, len(told.encode("utf-16-le")))
        longest = max(longest, len(status.get("historyEvents") or ()))
        if status["runtimeStatus"] not in {"Running", "Pending"}:
            return call_server(servers.host.base, "GET", f"/api/operations/{run}").body, largest, longest
        time.sleep(every)


def counters(servers: Servers) -> Mapping[str, Mapping[str, int]]:
    counted: Mapping[str, Mapping[str, int]] = call_server(servers.azure.base, "GET", "/lab/state").body["counters"]
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


def told(run: Mapping[str, Any]) -> list[Figure]:
    """A run for the table; the bounds are ours alone, and most of them are for 1,000 VMs."""
    ours, bounded = run["name"].startswith("fleet-"), run["vms"] <= LARGE
    cpu = "CPU of the host" if ours else "CPU"
    shown = [
        ("run time over the best possible", "overhead", "x", "<= 1.10" if ours and bounded else ""),
        ("ARM calls per VM", "calls_per_vm", "", "<= 3.5" if ours and run["vms"] >= LARGE else ""),
        ("429", "http_429", "", "= 0" if ours else ""),
        (f"accepted after, 95th percentile of {ACCEPTS}", "accepted_seconds", "s", "< 3" if bounded else ""),
        (cpu, "cpu_seconds", "s", ""),
        (f"{cpu} per VM", "cpu_per_vm", "s", ""),
        ("longest history", "max_history_events", "events", ""),
        ("custom status", "custom_status_bytes", "bytes", "<= 16384"),
    ]
    note = f"{run['run_seconds']} s over {run['best_seconds']} s"
    run = {**run, "cpu_per_vm": run["cpu_seconds"] / run["vms"]}
    return [
        Figure(f"{run['name']}: {what}", run[key], unit, bound, note if key == "overhead" else "")
        for what, key, unit, bound in shown
        if key in run
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
    tokens, at = float(BURST), 0.0
    while able:
        when, vm = heapq.heappop(able)
        now = max(when, at)
        tokens = min(float(BURST), tokens + (now - at) * REFILL) - 1
        at = now + max(0.0, -tokens / REFILL)
        tokens = max(tokens, 0.0)
        ends[vm] = at + lasting[vm]
        for name in dependents[vm]:
            left[name] -= 1
            if not left[name]:
                heapq.heappush(able, (max(ends[before] for before in after[name]), name))
    return max(ends.values())


def seconds(step: Mapping[str, Any]) -> float:
    """How long a job lasted, by its own times."""
    return (moment(step["endedAt"]) - moment(step["startedAt"])).total_seconds()
