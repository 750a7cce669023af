"""A request to ARM, and what its body must hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from lab.azure.simulator.answers import Json, bad_request

READS = frozenset({"GET", "HEAD"})


class NotedQuery(dict[str, str]):
    """A query that notes which of its names were looked at: what nobody looked at was not understood."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self._read: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:  # noqa: D102 - as of any mapping
        self._read.add(name)
        return super().get(name, default)

    def __getitem__(self, name: str) -> str:
        self._read.add(name)
        return super().__getitem__(name)

    def list_ignored(self) -> list[str]:
        """OData's options that nobody looked at."""
        return sorted(name for name in self if name.startswith("$") and name not in self._read)


@dataclass
class ArmRequest:
    """One request to ARM.

    Attributes:
        path: as sent, without the query; with a leading and no trailing slash.
        query: names in lower case ("$filter", "api-version", "$expand").
        headers: names in lower case.
        body: parsed JSON; None where there was none.
        base: "http://127.0.0.1:7080", for links in answers.
        at: the simulated instant at which it arrived.
        principal: who the bearer token was issued to.
        verb: "testFailover" for an action, "extensions/write" or "extensions/delete" for the rest.
        item: the name of what it is about; a provider's `describe` may say it better, as may the handler.
        job: the job it started, for the ledger; handlers set it.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    base: str
    at: datetime
    principal: str = ""
    params: dict[str, str] = field(default_factory=dict)
    request_id: str = ""
    correlation_id: str = ""
    verb: str = ""
    item: str = ""
    job: str | None = None

    @property
    def is_mutating(self) -> bool:
        """Whether the ledger would name it."""
        return self.method not in READS

    @property
    def api_version(self) -> str:
        """The api-version that was sent; known to the provider by the time that a handler sees it."""
        return self.query.get("api-version", "")

    @property
    def client_request_id(self) -> str:
        """x-ms-client-request-id as sent, or empty."""
        return self.headers.get("x-ms-client-request-id", "")

    @cached_property
    def subscription(self) -> str | None:
        """The subscription in the path, as sent."""
        segments = self.path.split("/", 3)
        return segments[2] if len(segments) > 2 and segments[1].lower() == "subscriptions" else None

    def id_up_to(self, up_to: str) -> str:
        """The id of what is named by the path's segment `up_to` ("vaults" -> ".../vaults/vault-dr")."""
        segments = self.path.split("/")
        lowered = [segment.lower() for segment in segments]
        return "/".join(segments[: lowered.index(up_to.lower()) + 2])

    def require_object(self) -> Json:
        """The body as a JSON object.

        Raises:
            ArmError: 400 InvalidRequestContent for anything else.
        """
        if not isinstance(self.body, dict):
            raise bad_request("InvalidRequestContent", "The request content was invalid: a JSON object is required.")
        return self.body


def require_field(document: Any, *path: str) -> Any:
    """The value at `path` inside a body.

    Raises:
        ArmError: 400 InvalidRequestContent that names the field that is missing or null.
    """
    value = document
    for depth, key in enumerate(path):
        value = value.get(key) if isinstance(value, dict) else None
        if value is None:
            missing = ".".join(path[: depth + 1])
            raise bad_request("InvalidRequestContent", f"The request content was invalid: '{missing}' is required.")
    return value
