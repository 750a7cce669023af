"""What an Event Grid event of Azure Resource Manager tells of a node: pure, and patient with whatever is sent."""

import re
from datetime import datetime
from typing import Any, Literal, NamedTuple

FAILURES = frozenset(f"microsoft.resources.resource{deed}failure" for deed in ("write", "delete", "action"))
LONGEST_ID = 1000
_GROUP = r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers"
_MACHINE = re.compile(
    rf"(?P<about>{_GROUP}/Microsoft\.HybridCompute/machines/[^/]+)/(?P<kind>extensions|runCommands)/(?P<name>[^/]+)",
    re.IGNORECASE,
)
_CLUSTER = re.compile(
    rf"(?P<about>{_GROUP}/Microsoft\.AzureStackHCI/clusters/[^/]+)/arcSettings/[^/]+/(?P<kind>extensions)/(?P<name>[^/]+)",
    re.IGNORECASE,
)
_CORRELATION = re.compile(r"[0-9A-Fa-f-]{8,64}")


class Tidings(NamedTuple):
    """Something failed on a machine or a cluster.

    Attributes:
        about: ARM id of the machine or the cluster, in the casing it came in.
        name: Of the extension or the run command.
        cause: The event's correlation id, empty where it has none that looks like one.
    """

    kind: Literal["extension", "run-command", "cluster-extension"]
    about: str
    name: str
    cause: str
    at: datetime

    @property
    def subscription(self) -> str:
        """In lower case."""
        return self.about.split("/")[2].lower()


def read(event_type: Any, subject: Any, at: datetime | None, data: Any) -> Tidings | str:
    """What an event tells, or in a word why it tells nothing. What is given may be anything."""
    if not isinstance(event_type, str) or not isinstance(subject, str) or len(subject) > LONGEST_ID:
        return "malformed"
    if event_type.lower() not in FAILURES:
        return "not-a-failure"
    if at is None or at.tzinfo is None:
        return "malformed"
    found = _MACHINE.fullmatch(subject) or _CLUSTER.fullmatch(subject)
    if found is None:
        return "not-a-node"
    return Tidings(_kind(found), found["about"], found["name"], _correlation(data), at)


def _kind(found: re.Match[str]) -> Literal["extension", "run-command", "cluster-extension"]:
    if found.re is _CLUSTER:
        return "cluster-extension"
    return "extension" if found["kind"].lower() == "extensions" else "run-command"


def _correlation(data: Any) -> str:
    """It becomes part of a filter later on: anything that is not plainly an id is dropped."""
    given = str(data.get("correlationId") or "") if isinstance(data, dict) else ""
    return given if _CORRELATION.fullmatch(given) else ""
