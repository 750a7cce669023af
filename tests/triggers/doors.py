"""The HTTP functions as they are registered, requests for each, and engines that do not do what they are asked."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import azure.functions as func
import grpc  # type: ignore[import-untyped] # grpcio ships no types

from shared.principals import ROLES
from tests.app_functions import registered_functions
from tests.shared.samples import PAYROLL, SITE

PARAMETERS = {
    "site": "hci-01",
    "plan": "payroll",
    "policy": "production",
    "rule": "all",
    "verb": "drill",
    "id": "drill-payroll-1",
    "decision": "retry",
    "node": "hci-01-n1",
    "vm": "sql-01",
}
"""A value for each parameter of a route: a new one needs its own here."""
BODIES: Mapping[str, Any] = {
    "put_site": SITE,
    "put_plan": PAYROLL,
    "put_approval_policy": {"covers": {"vms": ["sql-01"]}},
    "put_notification_rule": {"channels": [{"kind": "teams", "url": "@kv:kv-dr/teams-url"}]},
    "change_recovery_plan": {"action": "save"},
    "declare_lost_node": {"reason": "scrap", "confirm": "yes"},
    "settle_obligation_by_hand": {"reason": "seen"},
    "abort_all_operations": {"all": True, "reason": "fire in Amsterdam"},
    "hold_everything": {"reason": "change freeze"},
    "hold_site": {"reason": "change freeze"},
}
"""Bodies of functions that do nothing without: what they are asked must reach the engine."""
WITHOUT_ENGINE: Mapping[str, int] = {
    "get_evidence": 404,
    "get_evidence_key": 404,
    "get_evidence_checkpoint": 409,
    "get_openapi": 200,
    "list_administration": 409,
    "get_me": 200,
}
"""Functions that ask nothing of the engine, and what they answer."""
PAGE_FUNCTIONS = frozenset({"get_ui", "get_ui_file"})
"""Functions that answer files of the page, to everybody: no part of the API."""


class Door(NamedTuple):
    """An HTTP function of the app."""

    name: str
    method: str
    route: str
    handler: Callable[[func.HttpRequest, Any], Any]

    async def answer(self, engine: Any, key: str = "", **parameters: str) -> "Answer":
        """What it answers with this engine, to a request with this Idempotency-Key."""
        return await self._answer(engine, {"Idempotency-Key": key} if key else {}, {}, parameters)

    async def answer_to(self, engine: Any, headers: Mapping[str, str]) -> "Answer":
        """What it answers to a request with these headers."""
        return await self._answer(engine, headers, {}, {})

    async def answer_preview(self, engine: Any, **parameters: str) -> "Answer":
        """What it answers to a request with `?preview=true`."""
        return await self._answer(engine, {}, {"preview": "true"}, parameters)

    async def _answer(
        self, engine: Any, headers: Mapping[str, str], query: Mapping[str, str], parameters: Mapping[str, str]
    ) -> "Answer":
        given = {**PARAMETERS, **parameters}
        params = {name: given[name] for name in re.findall(r"\{(\w+)\}", self.route)}
        content = json.dumps(BODIES.get(self.name, {})).encode()
        url = f"/api/{self.route}"
        request = func.HttpRequest(self.method, url, headers=headers, params=query, route_params=params, body=content)
        response = await self.handler(request, engine)
        return Answer(response.status_code, dict(response.headers), response.mimetype, response.get_body().decode())


class Answer(NamedTuple):
    """An answer, taken apart."""

    status: int
    headers: dict[str, str]
    media_type: str
    text: str

    @property
    def body(self) -> Any:
        """As JSON."""
        return json.loads(self.text)

    def require_problem(self, status: int) -> dict[str, Any]:
        """The problem document that it has to be."""
        assert (self.status, self.media_type) == (status, "application/problem+json"), self.text
        body: dict[str, Any] = self.body
        assert body["status"] == status
        assert " " in body["detail"]
        return body


def find_doors() -> list[Door]:
    """Every HTTP function of the API that the app registers."""
    functions = [(one, one.get_trigger()) for one in registered_functions()]
    return [
        Door(
            one.get_function_name(),
            str(trigger.methods[0].value),
            trigger.route,
            one.get_user_function().client_function,
        )
        for one, trigger in functions
        if trigger is not None and str(trigger.type) == "httpTrigger" and one.get_function_name() not in PAGE_FUNCTIONS
    ]


DOORS = find_doors()
ALL_ROLES = ",".join(ROLES)


def door(name: str) -> Door:
    """The HTTP function of this name."""
    return next(one for one in DOORS if one.name == name)


def call_error(status: grpc.StatusCode, details: str = "") -> grpc.aio.AioRpcError:
    """What the client raises when a call ends with this status."""
    return grpc.aio.AioRpcError(status, grpc.aio.Metadata(), grpc.aio.Metadata(), details=details)


class BrokenEngine:
    """A client whose every call fails in the same way."""

    def __init__(self, error: BaseException) -> None:
        self.error, self.calls = error, 0

    def __getattr__(self, name: str) -> Any:
        """Any call."""

        async def fail(*_args: Any, **_kwargs: Any) -> Any:
            self.calls += 1
            raise self.error

        return fail


class SilentEngine:
    """A client whose every call goes unanswered."""

    def __init__(self) -> None:
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        """Any call."""

        async def wait_forever(*_args: Any, **_kwargs: Any) -> Any:
            self.calls += 1
            await asyncio.Event().wait()

        return wait_forever


async def spend_no_time(_seconds: float) -> None:
    """In place of a pause: only let others go on."""
    await asyncio.sleep(0)
