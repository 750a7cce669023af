"""The HTTP server: what happens to a request before and after its provider's handler."""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from email.utils import format_datetime
from urllib.parse import parse_qsl

from aiohttp import web

from lab.azure import inbox, key_vault, lab_api, providers
from lab.azure.arm import event_grid, permissions, resources, tokens
from lab.azure.arm.envelope import check_envelope
from lab.azure.arm.routing import Route, Router
from lab.azure.compute import virtual_machines
from lab.azure.simulator.answers import Answer, ArmError, bad_request, not_simulated
from lab.azure.simulator.fault_effects import Lost, after_work, before_work
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import ArmRequest, NotedQuery
from lab.clock import LabClock

log = logging.getLogger(__name__)

LONGEST_STEP = 0.05
"""Real seconds between two looks at the agenda."""

type Outside = Callable[["Server", web.BaseRequest, bytes], Awaitable[Answer]]


class Server:
    """Serves a lab on 127.0.0.1; `port` 0 asks the system for one."""

    def __init__(self, lab: Lab, port: int = 0) -> None:
        self.lab, self.port = lab, port
        self.router = Router(providers.PROVIDERS)
        self.requests = 0
        self._runner: web.ServerRunner | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> str:
        """Listen, and run the agenda; gives the base URL."""
        providers.install_providers(self.lab)
        self._runner = web.ServerRunner(web.Server(self._serve_request, access_log=None))
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.lab.place.base = f"http://127.0.0.1:{self.port}"
        virtual_machines.restore_guests(self.lab)
        self._tasks = [
            asyncio.create_task(self._step_for_ever()),
            asyncio.create_task(event_grid.Courier(self.lab).run()),
        ]
        return self.lab.place.base

    async def stop(self) -> None:
        """Finish what is being answered, and close the port and the state."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._runner:
            await self._runner.cleanup()
        self.lab.guests.close_all()
        self.lab.store.close()

    async def _step_for_ever(self) -> None:
        while True:
            self.lab.catch_up()
            if isinstance(self.lab.clock, LabClock):
                self.lab.clock.touch()
            due = self.lab.agenda.next_due()
            wait = self.lab.clock.real_seconds(due) if due else LONGEST_STEP
            await asyncio.sleep(min(max(wait, 0.001), LONGEST_STEP))

    async def _serve_request(self, http_request: web.BaseRequest) -> web.StreamResponse:
        self.requests += 1
        raw = await http_request.read()
        try:
            answer = await self._answer_request(http_request, raw)
        except ArmError as refusal:
            answer = refusal.to_answer()
        except Lost:
            if http_request.transport:
                http_request.transport.abort()
            answer = Answer(503)
        except Exception as failure:
            log.exception("%s %s failed", http_request.method, http_request.path_qs)
            answer = ArmError(500, "InternalServerError", f"The lab itself failed: {failure!r}").to_answer()
        self.lab.store.commit()
        return _to_response(answer)

    async def _answer_request(self, http_request: web.BaseRequest, raw: bytes) -> Answer:
        path = http_request.path.lower()
        if path.startswith("/lab/"):
            return await lab_api.answer_call(self.lab, http_request, raw)
        if path == "/msi/token":
            return tokens.managed_identity(dict(http_request.query), _lower_headers(http_request))
        if path.endswith("/oauth2/v2.0/token") and http_request.method == "POST":
            return tokens.client_credentials(raw.decode())
        if path.startswith("/eventgrid/"):
            return await lab_api.receive_events(self.lab, http_request, raw)
        if path.startswith(("/inbox/", "/communication/")):
            query, headers = dict(http_request.query), _lower_headers(http_request)
            return inbox.answer_call(self.lab, http_request.method, http_request.path, query, headers, raw)
        if path.startswith("/keyvault/"):
            query, headers = dict(http_request.query), _lower_headers(http_request)
            return key_vault.answer_call(self.lab, http_request.method, http_request.path, query, headers, raw)
        return await self._answer_arm(http_request, raw)

    async def _answer_arm(self, http_request: web.BaseRequest, raw: bytes) -> Answer:
        self.lab.catch_up()
        request = self._to_arm_request(http_request, raw)
        common = {"x-ms-request-id": request.request_id, "x-ms-correlation-request-id": request.correlation_id}
        common["Date"] = format_datetime(self.lab.now(), usegmt=True)  # clients judge the age of a heartbeat by it
        common["x-ms-routing-request-id"] = f"WESTEUROPE:{request.at:%Y%m%dT%H%M%SZ}:{request.request_id}"
        if request.headers.get("x-ms-return-client-request-id", "").lower() == "true":
            common["x-ms-client-request-id"] = request.client_request_id
        try:
            answer = await self._admit_request(request, raw, common)
        except ArmError as refusal:
            answer = refusal.to_answer()
        except Lost:
            raise
        except Exception as failure:
            log.exception("%s %s failed", request.method, request.path)
            answer = self._answer_broken(request, failure)
        self.lab.ledger.count_answer(request.verb or request.method, answer.status)
        return Answer(answer.status, answer.body, common | answer.headers)

    async def _admit_request(self, request: ArmRequest, raw: bytes, headers: dict[str, str]) -> Answer:
        """Authentication, the route, its api-version, the buckets, the body: in the order in which ARM refuses."""
        audiences = (*tokens.ARM_AUDIENCES, self.lab.place.base)
        request.principal = tokens.principal_of(request.headers.get("authorization", ""), audiences)
        route, request.params = self.router.find_route(request.method, request.path)
        request.verb = route.verb
        route.provider.require_version(request.query.get("api-version"), _type_of(route))
        headers |= self.lab.throttle.admit_request(request)
        permissions.require_permission(self.lab, request)
        _require_unlocked(self.lab, request)
        request.body = _parse_json(raw)
        check_envelope(request)
        permissions.require_condition(self.lab, request)
        request.item = list(request.params.values())[-1] if request.params else ""
        if route.provider.describe:
            request.verb, request.item = route.provider.describe(self.lab, request)
        return await self._do_work(request, route)

    def _answer_broken(self, request: ArmRequest, failure: Exception) -> Answer:
        """500 for a call in which the lab itself broke: what it had done by then stays, so the ledger has the call."""
        if request.is_mutating:
            self.lab.ledger.add_entry(request, 500)
        return ArmError(500, "InternalServerError", f"The lab itself failed: {failure!r}").to_answer()

    async def _do_work(self, request: ArmRequest, route: Route) -> Answer:
        effects = self.lab.faults.call_effects(request)
        if (instead := await before_work(self.lab, effects)) is not None:
            return instead
        request.at = self.lab.now()
        answer = route.handler(self.lab, request)
        if isinstance(request.query, NotedQuery) and not request.is_mutating and answer.status < 400:
            for ignored in request.query.list_ignored():
                raise not_simulated(f"{ignored} of {request.method} {request.path}")
        if request.is_mutating and answer.status < 400:
            self.lab.ledger.add_entry(request, answer.status)
            self.lab.store.commit()
        return after_work(answer, effects)

    def _to_arm_request(self, http_request: web.BaseRequest, raw: bytes) -> ArmRequest:
        headers = _lower_headers(http_request)
        return ArmRequest(
            method=http_request.method,
            path="/" + http_request.rel_url.raw_path.strip("/"),
            query=NotedQuery(
                {name.lower(): value for name, value in parse_qsl(http_request.rel_url.raw_query_string, True)}
            ),
            headers=headers,
            body=raw,
            base=f"http://{headers.get('host', '')}",
            at=self.lab.now(),
            request_id=self.lab.fixed_id("request", str(time.time_ns()), str(self.requests)),
            correlation_id=headers.get("x-ms-correlation-request-id")
            or self.lab.fixed_id("correlation", str(time.time_ns()), str(self.requests)),
        )


def _require_unlocked(lab: Lab, request: ArmRequest) -> None:
    """A lock binds every call on what is below it; only locks and roles themselves can be changed all the same.

    Raises:
        ArmError: 409 ScopeLocked.
    """
    if request.is_mutating and "/providers/microsoft.authorization/" not in request.path.lower():
        resources.require_unlocked(lab, request.path, deleting=request.method == "DELETE")


def _lower_headers(http_request: web.BaseRequest) -> dict[str, str]:
    return {name.lower(): value for name, value in http_request.headers.items()}


def _parse_json(raw: bytes) -> object:
    if not raw.strip():
        return None
    try:
        return json.loads(raw)
    except ValueError as error:
        message = f"The request content was invalid and could not be deserialized: '{error}'."
        raise bad_request("InvalidRequestContent", message) from error


def _type_of(route: Route) -> str:
    kinds = [segment for segment in route.template.split("/") if segment and not segment.startswith("{")]
    return "/".join(kinds[-1:])


def _to_response(answer: Answer) -> web.Response:
    if answer.body is None:
        return web.Response(status=answer.status, headers=answer.headers)
    if isinstance(answer.body, bytes):
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)
    if isinstance(answer.body, str):
        return web.Response(status=answer.status, headers=answer.headers, text=answer.body)
    body = json.dumps(answer.body, separators=(",", ":")).encode()
    return web.Response(
        status=answer.status, headers=answer.headers | {"Content-Type": "application/json; charset=utf-8"}, body=body
    )
