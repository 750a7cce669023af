"""What orchestrators see of the activities about recovery points: whether they are fit, and their lists as evidence."""

from datetime import timedelta

from pydantic import Field

from activities.contract import Activity
from shared.budget import Calls
from shared.messages import Message, VaultRef
from shared.operations import Problem
from shared.recovery_points import LATEST


class PointsOf(Message):
    """A protected item, and the point that it is to start from: a rule, a name or an ARM id."""

    vm: str
    item_id: str
    rule: str = LATEST


class CheckPoints(Message):
    """See whether each of these items has the point that it is to start from; one list an item."""

    vault: VaultRef
    items: tuple[PointsOf, ...] = Field(max_length=50)
    max_age: timedelta | None = None


class PointsChecked(Message):
    """What is wrong, a problem for each item that has no such point; and the requests that it took."""

    problems: tuple[Problem, ...] = ()
    calls: Calls = Calls()


class KeepPoints(Message):
    """Keep the lists of these items' recovery points as evidence, before a commit deletes them.

    Attributes:
        keep: Where in the store: one file for all of them.
    """

    vault: VaultRef
    items: tuple[PointsOf, ...] = Field(max_length=50)
    keep: str


class PointsKept(Message):
    """How many points each item had, by VM; empty where nothing is kept. And the requests that it took."""

    counts: dict[str, int] = Field(default_factory=dict)
    calls: Calls = Calls()


CHECK_POINTS = Activity("check_points", CheckPoints, PointsChecked)
KEEP_POINTS = Activity("keep_points", KeepPoints, PointsKept)
