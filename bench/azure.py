"""How many requests a second the simulated Azure answers, with 1,000 protected items and 200 jobs under way."""

import asyncio
import multiprocessing
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import aiohttp

from bench.figures import Figure

SUBSCRIPTION = "/subscriptions/11111111-1111-1111-1111-111111111111"
VAULTS = [
    f"{SUBSCRIPTION}/resourceGroups/rg-dr/providers/Microsoft.RecoveryServices/vaults/vault-dr{suffix}"
    for suffix in ("", "-02", "-03", "-04")
]
VERSION = {"api-version": "2025-08-01"}
READS = 6000
LISTS = 200
CALLERS = 16
TEST = {
    "properties": {
        "failoverDirection": "PrimaryToRecovery",
        "networkType": "NoNetworkAttachAsInput",
        "providerSpecificDetails": {"instanceType": "HyperVReplicaAzure"},
    }
}

type Call = tuple[str, str, Any]


def figures() -> list[Figure]:
    """Measure with the caller in a process of its own, as in the lab: both share the cores of this machine."""
    with multiprocessing.get_context("spawn").Pool(1) as caller:
        return caller.apply(_measure)


def _measure() -> list[Figure]:
    with _simulator() as base:
        return asyncio.run(_figures(base))


@contextmanager
def _simulator() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as state:
        command = [sys.executable, "-m", "lab.azure", "--port", "0", "--state", state, "--speed", "500"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            found = re.match(r"listening on (\S+)", process.stdout.readline() if process.stdout else "")
            if found is None:
                raise RuntimeError("the simulated Azure did not start")
            yield found[1]
            process.terminate()


async def _figures(base: str) -> list[Figure]:
    async with aiohttp.ClientSession(base, connector=aiohttp.TCPConnector(limit=CALLERS)) as session:
        async with session.post("/lab/reset", json={"scenario": "fleet", "vms": 1000, "clusters": 4}) as answer:
            answer.raise_for_status()
        session.headers["Authorization"] = f"Bearer {await _token(session)}"
        items = [item["id"] for vault in VAULTS for item in await _list(session, f"{vault}/replicationProtectedItems")]
        started = await _rate(session, [("POST", f"{item}/testFailover", TEST) for item in items[::5]])
        jobs = [job["name"] for vault in VAULTS for job in await _list(session, f"{vault}/replicationJobs")]
        read = await _rate(session, [("GET", items[at % len(items)], None) for at in range(READS)])
        listed = await _rate(session, [("GET", f"{VAULTS[at % 4]}/replicationJobs", None) for at in range(LISTS)])
    note = f"{len(items)} items, {len(jobs)} jobs; the caller, in Python too, has one of the cores"
    return [
        Figure("one protected item read", read, "requests/s", ">= 1,000", note, firm=False),
        Figure("a verb taken", started, "requests/s", "", "as above; each makes a job and is written to disk"),
        Figure("a vault's jobs listed", listed, "requests/s", "", "as above; some 50 jobs in each answer"),
    ]


async def _token(session: aiohttp.ClientSession) -> str:
    query = {"api-version": "2019-08-01", "resource": "https://management.azure.com"}
    async with session.get("/msi/token", params=query, headers={"X-IDENTITY-HEADER": "lab-identity"}) as answer:
        return str((await answer.json())["access_token"])


async def _list(session: aiohttp.ClientSession, path: str) -> list[dict[str, Any]]:
    async with session.get(path, params=VERSION) as answer:
        return list((await answer.json())["value"])


async def _rate(session: aiohttp.ClientSession, calls: Sequence[Call]) -> float:
    """Calls a second with all callers at work."""

    async def work(share: Sequence[Call]) -> None:
        for method, path, body in share:
            async with session.request(method, path, params=VERSION, json=body) as answer:
                answer.raise_for_status()
                await answer.read()

    began = time.perf_counter()
    await asyncio.gather(*(work(calls[at::CALLERS]) for at in range(CALLERS)))
    return len(calls) / (time.perf_counter() - began)
