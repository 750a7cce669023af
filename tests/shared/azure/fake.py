"""ARM as far as one test says: it answers what it was told to, and keeps what it was asked."""

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from email.utils import format_datetime
from typing import Any, NamedTuple

import pytest
from aiohttp import web

from shared.azure.clients import close_azure
from tests.listening import listening
from tests.seals import APP_SETTINGS

VAULT = "/subscriptions/s1/resourceGroups/rg-dr/providers/Microsoft.RecoveryServices/vaults/vault-dr"
ITEM = f"{VAULT}/replicationFabrics/f1/replicationProtectionContainers/c1/replicationProtectedItems/sql-01"


class Asked(NamedTuple):
    """A request as it came over the wire."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


class Reply(NamedTuple):
    """What to answer; `lost` breaks the connection instead, after the request was read; `raw` is answered as it is."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] | None = None
    lost: bool = False
    raw: bytes | None = None


class FakeArm:
    """Answers by method and end of the path; of several replies each is given once, the last one for ever."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.base = ""
        self._replies: dict[tuple[str, str], list[Reply]] = {}
        self._works: dict[tuple[str, str], Callable[[Asked], Reply]] = {}

    def says(self, method: str, ending: str, *replies: Reply) -> None:
        self._replies[method, ending.lower()] = list(replies)

    def answers_at(self, method: str, ending: str, at: datetime, reply: Reply) -> None:
        """Answer with a date of its own."""
        self.says(method, ending, reply._replace(headers={"Date": format_datetime(at, usegmt=True)}))

    def works(self, method: str, ending: str, answer: Callable[[Asked], Reply]) -> None:
        """Answer by what was asked."""
        self._works[method, ending.lower()] = answer

    def sent(self, method: str, ending: str) -> list[Asked]:
        return [one for one in self.asked if one.method == method and one.path.lower().endswith(ending.lower())]

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        raw = await request.read()
        body = json.loads(raw) if raw else None
        self.asked.append(Asked(request.method, request.path, dict(request.query), dict(request.headers), body))
        reply = self._token() if request.path == "/msi/token" else self._reply(self.asked[-1])
        if reply.lost:
            assert request.transport is not None
            request.transport.abort()
        text = "" if reply.body is None else json.dumps(reply.body)
        headers = {"Content-Type": "application/json", **(reply.headers or {})}
        body = text.encode() if reply.raw is None else reply.raw
        return web.Response(status=reply.status, body=body, headers=headers)

    def _reply(self, ask: Asked) -> Reply:
        for (method, ending), work in self._works.items():
            if method == ask.method and ask.path.lower().endswith(ending):
                return work(ask)
        for (method, ending), replies in self._replies.items():
            if method == ask.method and ask.path.lower().endswith(ending):
                return replies.pop(0) if len(replies) > 1 else replies[0]
        return Reply(501, {"error": {"code": "NotImplemented", "message": f"{ask.method} {ask.path}"}})

    @staticmethod
    def _token() -> Reply:
        expires = str(int(time.time()) + 24 * 3600)
        return Reply(200, {"access_token": "t0ken", "expires_on": expires, "resource": "r", "token_type": "Bearer"})


@asynccontextmanager
async def standing(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeArm]:
    """A fake that the product's settings point to."""
    arm = FakeArm()
    async with listening(arm.answer) as arm.base:
        point_at(arm.base, "any", monkeypatch)
        yield arm
        await close_azure()


def point_at(base: str, identity_header: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what the product reads from its environment."""
    for name in ("AZURE_CLIENT_ID", "EVENTGRID_TOPIC_ENDPOINT", "EVENTGRID_TOPIC_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in APP_SETTINGS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AZURE_RESOURCE_MANAGER_URL", base)
    monkeypatch.setenv("ARM_PACE", "1000000")  # durable time jumps: what Azure asks to wait for is over at once
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{base}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", identity_header)


def accepted(job: str) -> Reply:
    """202 as Site Recovery gives it since api-version 2022-08-01, with a signed polling URL."""
    operation = f"https://management.azure.com{VAULT}/replicationOperationStatus/{job}"
    return Reply(202, headers={"Azure-AsyncOperation": f"{operation}?api-version=2025-08-01&t=1&c=MII&s=sEcReT&h=x"})


def item(vm: str = "sql-01", **properties: Any) -> dict[str, Any]:
    """A protected item that may be failed over."""
    return {
        "id": ITEM.replace("sql-01", vm),
        "name": vm,
        "properties": {
            "friendlyName": vm,
            "protectionState": "Protected",
            "activeLocation": "Primary",
            "testFailoverState": "None",
            "allowedOperations": ["PlannedFailover", "UnplannedFailover", "DisableProtection", "TestFailover"],
            "currentScenario": {
                "scenarioName": "None",
                "jobId": f"{VAULT}/replicationJobs/None",
                "startTime": "1753-01-01T01:01:01Z",
            },
            "providerSpecificDetails": {"instanceType": "HyperVReplicaAzure", "vmId": f"guid-{vm}"},
            **properties,
        },
    }


def job(name: str, **properties: Any) -> dict[str, Any]:
    """A job as lists show it."""
    shown: dict[str, Any] = {
        "state": "InProgress",
        "startTime": "2026-11-22T10:00:00.1234567Z",
        "tasks": [],
        "customDetails": None,
    }
    return {"id": f"{VAULT}/replicationJobs/{name}", "name": name, "properties": {**shown, **properties}}


def listed(*values: Any, next_link: str | None = None) -> Reply:
    """One page of a list."""
    return Reply(200, {"value": list(values), "nextLink": next_link})
