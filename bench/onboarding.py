"""Enabling the replication of 500 VMs at once within Azure's token buckets, on a cluster that had nothing."""

import tempfile
import time
from pathlib import Path
from typing import Any

from bench.figures import Figure
from bench.fleet import counters, follow, moment, spent
from lab.http_calls import call_server
from lab.servers import Servers, free_ports
from lab.story.onboarding import NAME, SITE

VMS = 500
FAST, SLOW = 200.0, 30.0
"""Simulated seconds a real second: for the nodes, and for the VMs, where our own work must not count as Azure's."""


def figures() -> list[Figure]:
    """Prepare quickly, then enable all VMs with nothing but the write budget to hold them up."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        servers = Servers.of(Path(folder), free_ports(), FAST)
        servers.start()
        try:
            return _figures(servers)
        finally:
            servers.stop()


def _figures(servers: Servers) -> list[Figure]:
    call_server(servers.azure.base, "POST", "/lab/reset", {"scenario": "bare", "vms": VMS})
    call_server(servers.host.base, "PUT", f"/api/sites/{NAME}", SITE)
    prepared, _ = _done(servers, "prepare", {})
    call_server(servers.azure.base, "POST", "/lab/clock", {"speed": SLOW})
    before = counters(servers)
    shown, status_bytes = _done(servers, "replication", {"initialCopies": VMS})
    calls = spent(before, counters(servers))
    ledger = call_server(servers.azure.base, "GET", "/lab/ledger").body
    enabled = [one["path"] for one in ledger if one["verb"] == "replicationProtectedItems/write"]
    took = (moment(shown["endedAt"]) - moment(shown["startedAt"])).total_seconds() / 60
    return [
        Figure("the cluster is prepared", _minutes(prepared), "min", "", prepared["state"]),
        Figure("VMs Protected", shown["progress"]["completed"], "VMs", f"= {VMS}", shown["state"]),
        Figure("from the request to the last of them", took, "min", "", "copies take 5 to 30 minutes in the lab"),
        Figure("VMs that were enabled twice", len(enabled) - len(set(enabled)), "VMs", "= 0"),
        Figure("ARM calls for a VM", sum(calls.values()) / VMS, "calls", "", "reads, writes, jobs and lists"),
        Figure("answers 429", calls.get("429", 0), "answers", "= 0"),
        Figure("longest custom status", status_bytes / 1024, "kB", "<= 16"),
        Figure("an answer that tells how far each VM is", _reading(servers, shown["id"]), "s", ""),
    ]


def _done(servers: Servers, step: str, body: dict[str, Any]) -> tuple[dict[str, Any], int]:
    run = call_server(servers.host.base, "POST", f"/api/sites/{NAME}/{step}", body).body["id"]
    shown, status_bytes, _ = follow(servers, run)
    return shown, status_bytes


def _minutes(shown: dict[str, Any]) -> float:
    return (moment(shown["endedAt"]) - moment(shown["startedAt"])).total_seconds() / 60


def _reading(servers: Servers, run: str) -> float:
    began = time.monotonic()
    call_server(servers.host.base, "GET", f"/api/operations/{run}")
    return time.monotonic() - began
