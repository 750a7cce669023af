"""What orchestrators see of the activities about things that a failover made in Azure."""

from datetime import datetime

from pydantic import Field

from activities.contract import Activity, Nothing
from shared.leftovers import Leftover
from shared.messages import Message


class Belonging(Message):
    """A machine that a failover made."""

    vm: str
    azure_vm: str
    target_group: str


class ReadBelongings(Message):
    """See what hangs on these machines in Azure: disks, cards, public addresses, and the machines themselves."""

    machines: tuple[Belonging, ...] = Field(max_length=50)


class BelongingsRead(Message):
    """By name on premises: a mark for each thing; a machine that is not there has none."""

    marks: dict[str, tuple[str, ...]]


class ReadLeftovers(Message):
    """See which of these things are still in the groups.

    Attributes:
        groups: ARM ids of resource groups.
        marks: Of the things.
    """

    groups: tuple[str, ...]
    marks: tuple[str, ...]


class LeftoversRead(Message):
    """Those that are."""

    left: tuple[Leftover, ...]


class RemoveLeftovers(Message):
    """Remove what is left, each only if it is still loose, of a kind that failovers make, and made since then."""

    operation: str
    groups: tuple[str, ...]
    marks: tuple[str, ...]
    since: datetime


READ_BELONGINGS = Activity("read_belongings", ReadBelongings, BelongingsRead)
READ_LEFTOVERS = Activity("read_leftovers", ReadLeftovers, LeftoversRead)
REMOVE_LEFTOVERS = Activity("remove_leftovers", RemoveLeftovers, Nothing)
