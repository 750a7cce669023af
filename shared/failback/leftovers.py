"""What orchestrators see of the activities about things that a failover made in Azure."""

from datetime import datetime

from pydantic import Field

from shared.activity import Activity, Nothing
from shared.messages import Message


class FailoverVm(Message):
    """A machine that a failover made."""

    vm: str
    azure_vm: str
    target_group: str


class ReadVmResources(Message):
    """See what hangs on these machines in Azure: disks, cards, public addresses, and the machines themselves."""

    machines: tuple[FailoverVm, ...] = Field(max_length=50)


class VmResourcesRead(Message):
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


class Leftover(Message):
    """A thing that hung on a machine in Azure before its failback was committed.

    Attributes:
        loose: It hangs on nothing any more.
        created: When it was made, as Azure Resource Manager says; None when it does not.
    """

    id: str
    type: str
    loose: bool = False
    created: datetime | None = None


class LeftoversRead(Message):
    """Those that are."""

    leftovers: tuple[Leftover, ...]


class RemoveLeftovers(Message):
    """Remove what is left, each only if it is still loose, of a kind that failovers make, and made since then."""

    operation: str
    groups: tuple[str, ...]
    marks: tuple[str, ...]
    since: datetime


READ_VM_RESOURCES = Activity("read_azure_resources_of_vms", ReadVmResources, VmResourcesRead)
READ_LEFTOVERS = Activity("read_failback_leftovers", ReadLeftovers, LeftoversRead)
REMOVE_LEFTOVERS = Activity("remove_failback_leftovers", RemoveLeftovers, Nothing)
REMOVABLE = frozenset({"microsoft.network/networkinterfaces", "microsoft.compute/disks"})
"""What a failover itself makes beside the machine. A machine, or an address that somebody added, is never removed."""


def is_removable(leftover: Leftover, since: datetime) -> bool:
    """Whether it may be removed.

    Args:
        leftover: What is left.
        since: When the failover began that made the machine: what is older was there before.
    """
    is_newer = leftover.created is not None and leftover.created >= since
    return leftover.type.lower() in REMOVABLE and leftover.loose and is_newer
