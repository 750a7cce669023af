"""The app's API as the commands use it: one call each, and a refusal in words."""

import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

LONGEST_WAIT = 60.0
"""Seconds for one answer: the first one starts an app that slept."""
TRIES_OF_A_GET = 4
AGAIN = frozenset({429, 502, 503, 504})


class ApiProblem(Exception):
    """The app refused, or did not answer; the message is for people.

    Attributes:
        status: Of the answer; 0 where there was none.
        body: The problem document, where there is one.
    """

    def __init__(self, status: int, text: str, body: Mapping[str, Any] | None = None) -> None:
        super().__init__(text)
        self.status, self.body = status, body or {}


class Api:
    """An app, and who asks it."""

    def __init__(self, url: str, headers: Mapping[str, str], transport: httpx.BaseTransport | None = None) -> None:
        self.url = url
        self._client = httpx.Client(
            base_url=f"{url}/api/", headers=dict(headers), timeout=LONGEST_WAIT, transport=transport
        )

    def get(self, path: str, **query: str) -> Any:
        """Read something; what does not answer is asked again some times."""
        for attempt in range(TRIES_OF_A_GET):
            try:
                return self._ask("GET", path, query=query)
            except ApiProblem as problem:
                if attempt + 1 == TRIES_OF_A_GET or problem.status not in {0, *AGAIN}:
                    raise
                time.sleep(2.0**attempt)
        raise AssertionError

    def list_all(self, path: str, most: int = 5000, **query: str) -> list[dict[str, Any]]:
        """A list, page after page."""
        found: list[dict[str, Any]] = []
        page = self.get(path, **query)
        while True:
            found += page["value"]
            link = page.get("nextLink", "")
            if not link or len(found) >= most:
                return found
            page = self.get(str(link).removeprefix("/api/"))

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, key: str = "") -> Any:
        """Ask for something, once: with a key of its own, so that whoever sends it again begins nothing twice."""
        return self._ask("POST", path, body=body or {}, headers={"Idempotency-Key": key or uuid.uuid4().hex})

    def decide(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Say something to a run, or change a hold: these take no key, and mean the same when they are said twice."""
        return self._ask("POST", path, body=body or {})

    def put(self, path: str, body: Mapping[str, Any], if_match: str = "") -> Any:
        """Declare something."""
        return self._ask("PUT", path, body=body, headers={"If-Match": if_match} if if_match else {})

    def delete(self, path: str) -> Any:
        """Withdraw something."""
        return self._ask("DELETE", path)

    def download(self, path: str, **query: str) -> bytes:
        """What is no JSON."""
        return self._send("GET", path, query).content

    def read_text(self, path: str, **query: str) -> str:
        """The same as text."""
        return self._send("GET", path, query).text

    def _ask(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        answer = self._send(method, path, query or {}, body, headers or {})
        try:
            return answer.json() if answer.content else {}
        except ValueError:
            raise ApiProblem(answer.status_code, f"{self.url} answers no JSON: is it this app?") from None

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        try:
            answer = self._client.request(
                method, path, params=dict(query) or None, json=body, headers=dict(headers or {})
            )
        except httpx.HTTPError as silence:
            raise ApiProblem(0, f"{self.url} does not answer: {silence or type(silence).__name__}") from None
        if answer.is_success:
            return answer
        raise _problem_of(answer)


def _problem_of(answer: httpx.Response) -> ApiProblem:
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return ApiProblem(answer.status_code, f"HTTP {answer.status_code} without a word of why")
    return ApiProblem(answer.status_code, "\n".join(_lines_of(answer.status_code, body)), body)


def _lines_of(status: int, body: Mapping[str, Any]) -> Iterator[str]:
    """The refusal, then every single thing that is wrong, then what it names to look at."""
    yield f"{body.get('title', 'Refused')} ({status}): {body.get('detail', '')}"
    errors = [error for error in body.get("errors", ()) if error.get("detail") != body.get("detail")]
    for error in errors:
        yield f"  {error.get('field') or error.get('code')}: {error.get('detail')}"
    if body.get("heldBy"):
        yield f"  see it: hcidr watch {body['heldBy']}"
