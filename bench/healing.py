"""Healing: one cluster of sixteen nodes and ten of them, a storm with kills, locks in faulted runs, event to proof."""

import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.figures import Figure
from lab.http_calls import Unreachable, call_server
from lab.servers import Servers, free_ports, stopped_at_the_end
from tests.orchestrators.azure.nodes import LOCK
from tests.orchestrators.benches import repair_with_faults

SIZE = 16
CLUSTERS = 10
SPEED = 30.0
"""Slow enough that the two servers keep up with ten clusters on two cores: a wait that is computing is no wait."""
STORM, NODES, KILLS = 1000, 10, 3
FAULTED = 50
PATIENCE = 1800.0
WEBHOOK = "/runtime/webhooks/eventgrid?functionName=on_azure_event"


class Bench:
    """A lab of its own."""

    def __init__(self, servers: Servers) -> None:
        self.servers = servers

    def azure(self, method: str, path: str, body: object = None) -> Any:
        return call_server(self.servers.azure.base, method, f"/lab/{path}", body, timeout=120).body

    def host(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Any:
        return call_server(self.servers.host.base, method, path, body, headers=headers, timeout=120).body

    def now(self) -> datetime:
        return datetime.fromisoformat(self.azure("GET", "clock")["now"])

    def repairs(self) -> list[dict[str, Any]]:
        try:
            found: list[dict[str, Any]] = self.host("GET", "/api/operations?kind=repair&top=500")["value"]
        except Unreachable:
            return []  # it is being started again
        return found

    def ended(self, count: int) -> list[dict[str, Any]]:
        """All repairs, once there are so many and none goes on."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            found = self.repairs()
            if len(found) >= count and all(run["state"] in {"succeeded", "failed", "aborted"} for run in found):
                return [self.host("GET", f"/api/operations/{run['id']}") for run in found]
            time.sleep(1)
        raise TimeoutError(f"{count} repairs have not ended: {self.repairs()}")

    def count(self, verb: str) -> int:
        return sum(1 for entry in self.azure("GET", "ledger") if entry["verb"] == verb)


@contextmanager
def fresh(speed: float) -> Iterator[Bench]:
    with tempfile.TemporaryDirectory() as folder:
        servers = Servers.of(Path(folder), free_ports(), speed)
        with stopped_at_the_end(servers):
            servers.start()
            yield Bench(servers)


def race(clusters: int) -> dict[str, float]:
    """All nodes of so many clusters install at the same moment: how long until the last one is healed."""
    with fresh(SPEED) as bench:
        bench.azure("POST", "reset", {"scenario": "certificate-race", "clusters": clusters, "nodes": SIZE})
        began, expected = bench.now(), clusters * (SIZE - 1)
        views = bench.ended(expected)
        failed_again = sum(1 for view in views if "failed-again" in json.dumps(view["failures"]))
        return {
            "hours": (bench.now() - began).total_seconds() / 3600,
            "healed": sum(1 for view in views if view["facts"].get("healed")),
            "own": float(failed_again),
            "removals": bench.count("extensions/delete"),
        }


def storm() -> dict[str, float]:
    """Events for ten nodes, duplicated and shuffled, while the host is killed now and then."""
    with fresh(100) as bench:
        bench.azure("POST", "reset", {"scenario": "certificate-race", "nodes": NODES + 1})
        while len(bench.repairs()) < NODES:
            time.sleep(0.2)
        subjects = _subjects(bench)
        for number, subject in enumerate(subjects):
            if number in range(STORM // KILLS // 2, STORM, STORM // KILLS):
                bench.servers.host.kill()
                bench.servers.host.start()
                bench.servers.host.await_healthy()
            _deliver(bench, subject, number)
        views = bench.ended(NODES)
        return {
            "repairs": len(views),
            "healed": sum(1 for view in views if view["facts"].get("healed")),
            "removals": bench.count("extensions/delete"),
        }


def _subjects(bench: Bench) -> list[str]:
    names = {run["node"] for run in bench.repairs()}
    group = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg-hci-arc"
    machines = f"{group}/providers/Microsoft.HybridCompute/machines"
    subjects = [f"{machines}/{name}/extensions/AzureSiteRecovery" for name in sorted(names)] * (STORM // NODES)
    random.Random(1).shuffle(subjects)
    return [subject.upper() if number % 2 else subject for number, subject in enumerate(subjects)]


def _deliver(bench: Bench, subject: str, number: int) -> None:
    event = {
        "id": f"event-{number % 300}",
        "topic": subject.partition("/resourceGroups/")[0],
        "subject": subject,
        "eventType": "Microsoft.Resources.ResourceWriteFailure",
        "eventTime": bench.now().isoformat(),
        "data": {"correlationId": f"{number % 300:08d}-0000-0000"},
        "dataVersion": "2",
    }
    bench.host("POST", WEBHOOK, [event], {"aeg-event-type": "Notification"})


def event_to_proof() -> float:
    """Simulated minutes from the event of the default scenario to the top of its proof."""
    with fresh(SPEED) as bench:
        bench.azure("POST", "reset", {"scenario": "default"})
        began = bench.now()
        bench.azure("POST", "events", {"emit": "extension-failure", "node": "hci-01-n2"})
        view = bench.ended(1)[0]
        if not view["facts"].get("healed"):
            raise RuntimeError(f"not healed: {view}")
        return (datetime.fromisoformat(view["endedAt"]) - began).total_seconds() / 60


def locks_back() -> int:
    """In how many of the faulted runs the locks are back."""
    benches = map(repair_with_faults, range(FAULTED))
    return sum(1 for bench in benches if bench.azure.nodes.locks == [LOCK] and not bench.list_states("obligations"))


def figures() -> list[Figure]:
    """All of them; some twenty minutes."""
    found = [
        Figure("event to proof, scenario default", event_to_proof(), "simulated min", "<= 15"),
        Figure(
            "locks back in faulted runs", locks_back(), "runs", f"= {FAULTED}", "lost answers, every other run ended"
        ),
    ]
    found += _storm_figures(storm())
    one, ten = race(1), race(CLUSTERS)
    found += [*_race_figures(1, one), *_race_figures(CLUSTERS, ten)]
    return [*found, Figure("ten clusters over one", ten["hours"] / one["hours"], "", "<= 1.2", "in parallel")]


def _storm_figures(seen: Mapping[str, float]) -> list[Figure]:
    note = f"{STORM} events for {NODES} nodes, {KILLS} kills"
    names: Mapping[str, Callable[[], float]] = {
        "repairs started": lambda: seen["repairs"],
        "nodes healed": lambda: seen["healed"],
        "extensions removed": lambda: seen["removals"],
    }
    return [Figure(f"storm: {what}", value(), "", f"= {NODES}", note) for what, value in names.items()]


def _race_figures(clusters: int, seen: Mapping[str, float]) -> list[Figure]:
    count, what = clusters * (SIZE - 1), f"{clusters} x {SIZE} nodes at once"
    return [
        Figure(f"{what}: healed", seen["healed"], "nodes", f"= {count}", f"{seen['removals']:.0f} extensions removed"),
        Figure(f"{what}: failures by our own cure", seen["own"], "", "= 0"),
        Figure(f"{what}: until the last is healed", seen["hours"], "simulated h"),
    ]
