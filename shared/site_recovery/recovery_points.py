"""Which recovery point a failover starts from, and how old it may be. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import Field

from shared.arm_ids import name_of
from shared.errors import Refused
from shared.messages import Message
from shared.site_recovery.verb_rules import RULES

LATEST, PROCESSED, CONSISTENT = "latest", "latestProcessed", "latestAppConsistent"
STARTS_FROM_A_POINT = frozenset(verb for verb, rule in RULES.items() if rule.starts_from_point)


class PointChoice(Message):
    """What was asked for.

    Attributes:
        rule: "latest" (what was not replicated yet is sent first, where the host can be reached), "latestProcessed",
            "latestAppConsistent", or the name or ARM id of a point.
        by_vm: Another rule for single VMs, by name in lower case.
        max_age: Nothing is started from a point older than this.
    """

    rule: str = LATEST
    by_vm: dict[str, str] = Field(default_factory=dict)
    max_age: timedelta | None = None

    def rule_for(self, vm: str) -> str:
        """The rule for one VM."""
        return self.by_vm.get(vm.lower(), self.rule)

    def may_lack_point(self, vm: str) -> bool:
        """Whether there may be no point for this VM that is as it was asked for: anything but the latest of any age."""
        return self.rule_for(vm) != LATEST or self.max_age is not None


class RecoveryPoint(Message):
    """A point as the vault lists it.

    Attributes:
        consistent: Applications were prepared for it, not only the disks.
        kind: recoveryPointType as the vault spells it, empty where it does not say.
    """

    id: str
    name: str
    at: datetime
    consistent: bool = False
    kind: str = ""


def choose_point(points: Sequence[RecoveryPoint], rule: str, max_age: timedelta | None, now: datetime) -> RecoveryPoint:
    """The point that a rule means; for "latest" the newest there is, which the failover will not be older than.

    Raises:
        Refused: there is none, or it is too old.
    """
    found = max((point for point in points if _matches_rule(point, rule)), key=lambda point: point.at, default=None)
    if found is None:
        newest = max(points, key=lambda point: point.at, default=None)
        rest = (
            f"the newest of its {len(points)} points is {_describe_point(newest, now)}"
            if newest
            else "there is none at all"
        )
        raise Refused("no-recovery-point", f"no recovery point is {rule}; {rest}")
    if max_age is not None and now - found.at > max_age:
        detail = f"the newest point that is {rule}, {_describe_point(found, now)}; at most {max_age} is wanted"
        raise Refused("recovery-point-too-old", detail)
    return found


def _describe_point(point: RecoveryPoint, now: datetime) -> str:
    age = timedelta(seconds=round((now - point.at).total_seconds()))
    return f"{point.name}{point.kind and f' ({point.kind})'}, {age} old"


def _matches_rule(point: RecoveryPoint, rule: str) -> bool:
    if rule in {LATEST, PROCESSED, CONSISTENT}:
        return point.consistent or rule != CONSISTENT
    return point.name.lower() == name_of(rule).lower()
