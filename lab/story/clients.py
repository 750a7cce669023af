"""What the story asks: the product over its HTTP API, and the simulated Azure over its own calls."""

import time
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from lab.http_calls import Reply, Unreachable, call_server
from lab.servers import PATIENCE, LabFailed
from lab.story.proofs import Entry

READS = 10
"""How often a page is asked for before it counts as not to be had."""


class NotProven(LabFailed):
    """A step of the story did not reach its proof; the message says which."""


class Product:
    """The product's HTTP API, asked again while its host is away."""

    def __init__(self, base: str, meanwhile: Callable[[], None]) -> None:
        """`meanwhile` is called before each further try."""
        self._base, self._meanwhile, self._patience = base, meanwhile, PATIENCE

    def read_json(self, path: str, **query: str) -> Any:
        """GET under /api.

        Raises:
            NotProven: the answer is no 200.
        """
        reply = self._send_request("GET", f"/api/{path}?{urlencode(query)}", None)
        if reply.status != 200:
            raise NotProven(f"GET /api/{path} answered {reply.status}: {reply.body}")
        return reply.body

    def start_verb(self, verb: str, plan: str, body: Mapping[str, Any]) -> str:
        """Start a verb on a plan; the operation's id.

        Raises:
            NotProven: it was not accepted.
        """
        return self.begin_operation(f"plans/{plan}/{verb}", body)

    def try_verb(self, verb: str, plan: str) -> Reply:
        """Ask for a verb on a plan; whatever is answered."""
        return self._send_request("POST", f"/api/plans/{plan}/{verb}", {})

    def begin_operation(self, path: str, body: Mapping[str, Any]) -> str:
        """Start an operation by a POST under /api; its id.

        Raises:
            NotProven: it was not accepted.
        """
        reply = self._send_request("POST", f"/api/{path}", body)
        if reply.status != 202:
            raise NotProven(f"POST /api/{path} answered {reply.status}: {reply.body}")
        return str(reply.body["id"])

    def declare_document(self, path: str, document: Mapping[str, Any]) -> None:
        """PUT a document under /api.

        Raises:
            NotProven: it was refused.
        """
        reply = self._send_request("PUT", f"/api/{path}", document)
        if reply.status not in {200, 201}:
            raise NotProven(f"PUT /api/{path} answered {reply.status}: {reply.body}")

    def approve_operation(self, operation: str, token: str) -> Reply:
        """Approve a run as whoever has this token; whatever is answered."""
        headers = {"Authorization": f"Bearer {token}"}
        return self._send_request("POST", f"/api/operations/{operation}/approve", {}, headers)

    def _send_request(self, method: str, path: str, body: object, headers: Mapping[str, str] | None = None) -> Reply:
        """Ask until there is an answer; the key makes a POST that is sent again the same request."""
        end, sent = time.monotonic() + self._patience, headers or {"Idempotency-Key": uuid.uuid4().hex}
        while True:
            try:
                return self._call_host(method, path, body, sent)
            except Unreachable as failure:
                if time.monotonic() > end:
                    raise NotProven(f"the local host is away: {failure}") from failure
                self._meanwhile()
                time.sleep(0.2)

    def _call_host(self, method: str, path: str, body: object, headers: Mapping[str, str]) -> Reply:
        """Ask once; a 503 says that nothing was done and to ask again, as a lost answer does."""
        reply = call_server(self._base, method, path, body, headers=headers)
        if reply.status == 503:
            raise Unreachable(f"{method} {path} answered 503: {reply.body}")
        return reply


class Azure:
    """The simulated Azure as its operator sees it, and as any client of its resources does."""

    def __init__(self, base: str) -> None:
        self._base = base

    def now(self) -> datetime:
        """Simulated time."""
        return datetime.fromisoformat(self._send_request("GET", "/lab/clock")["now"])

    def read_ledger(self) -> list[Entry]:
        """Every mutating call that was accepted, in order."""
        entries: list[Entry] = self._send_request("GET", "/lab/ledger")
        return entries

    def count_calls(self) -> int:
        """How many ARM calls were answered so far."""
        counters = self._send_request("GET", "/lab/state")["counters"]
        return sum(sum(by_status.values()) for by_status in counters.values())

    def count_throttled(self) -> int:
        """How many ARM calls were refused so far for their number."""
        return int(self._send_request("GET", "/lab/state")["throttled"])

    def emit_event(self, event: str, node: str) -> None:
        """Have Event Grid deliver an event."""
        self._send_request("POST", "/lab/events", {"emit": event, "node": node})

    def set_faults(self, rules: list[dict[str, Any]], seed: int) -> None:
        """Have these faults happen from now on."""
        self._send_request("PUT", "/lab/faults", {"rules": rules, "seed": seed})

    def list_machines(self, group: str) -> list[str]:
        """Names of the virtual machines in a resource group, by the group's ARM id."""
        found = self._read_all(f"{group}/resources?api-version=2025-04-01")
        return [one["name"] for one in found if one["type"].lower() == "microsoft.compute/virtualmachines"]

    def read_protection(self, vault: str) -> dict[str, str]:
        """Protection state of each VM of a vault, by the vault's ARM id."""
        found = self._read_all(f"{vault}/replicationProtectedItems?api-version=2025-08-01")
        return {one["properties"]["friendlyName"]: one["properties"]["protectionState"] for one in found}

    def _read_all(self, path: str) -> list[Any]:
        page = self._read_page(path)
        found = list(page["value"])
        while link := page.get("nextLink"):
            page = self._read_page(link.removeprefix(self._base))
            found += page["value"]
        return found

    def _read_page(self, path: str) -> Any:
        """Read one page, more than once if need be: faults do not spare the story's own reads."""
        for _ in range(READS - 1):
            try:
                return self._send_request("GET", path, headers=self._fetch_token())
            except LabFailed:
                time.sleep(0.1)
        return self._send_request("GET", path, headers=self._fetch_token())

    def _fetch_token(self) -> dict[str, str]:
        query = urlencode(
            {"api-version": "2019-08-01", "resource": "https://management.azure.com", "client_id": "story"}
        )
        token = self._send_request("GET", f"/msi/token?{query}", headers={"X-IDENTITY-HEADER": "lab-identity"})
        return {"Authorization": f"Bearer {token['access_token']}"}

    def _send_request(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        try:
            reply = call_server(self._base, method, path, body, headers=headers)
        except Unreachable as failure:
            raise LabFailed(f"the simulated Azure is away: {failure}") from failure
        if reply.status >= 300:
            raise LabFailed(f"{method} {path.partition('?')[0]} of the simulated Azure: {reply.status} {reply.body}")
        return reply.body
