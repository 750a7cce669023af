"""Versions of orchestrations: which one a new run gets, and which runs an app goes on with.

Source: VersioningSettings and TaskOrchestrationDispatcher of DurableTask.Core; seen on the extension, version 3.19.0.
"""

import re
from dataclasses import dataclass
from typing import Literal

type MatchStrategy = Literal["None", "Strict", "CurrentOrOlder"]
type FailureStrategy = Literal["Reject", "Fail"]

DOTTED = re.compile(r"\d+(\.\d+){1,3}")


@dataclass(frozen=True)
class Versions:
    """What host.json says of versions, with the defaults of the extension.

    Attributes:
        default: Of each new run that is started without one, and of the app itself; an app without one goes on with
            all. A child gets none by itself.
        match: Which runs the app goes on with.
        failure: What becomes of the others: they are left to another app, or they fail.
    """

    default: str | None = None
    match: MatchStrategy = "CurrentOrOlder"
    failure: FailureStrategy = "Reject"

    def is_ours(self, version: str | None) -> bool:
        """Whether this app goes on with a run of a version."""
        if not self.default or self.match == "None":
            return True
        if self.match == "Strict":
            return version == self.default
        return compare_versions(version, self.default) <= 0


def compare_versions(one: str | None, other: str | None) -> int:
    """Below zero when the first is older; none at all is the oldest, and what is no number is compared as text."""
    if not one or not other:
        return bool(one) - bool(other)
    if DOTTED.fullmatch(one) and DOTTED.fullmatch(other):
        numbers, others = _numbers_of(one), _numbers_of(other)
        return (numbers > others) - (numbers < others)
    return (one.lower() > other.lower()) - (one.lower() < other.lower())


def _numbers_of(version: str) -> list[int]:
    """A number that is missing is less than any, as in a .NET Version."""
    numbers = [int(part) for part in version.split(".")]
    return [*numbers, *[-1] * (4 - len(numbers))]
