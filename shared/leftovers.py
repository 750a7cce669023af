"""What is left in Azure of machines that came home, and what of it may be removed. Pure."""

from datetime import datetime

from shared.messages import Message

REMOVABLE = frozenset({"microsoft.network/networkinterfaces", "microsoft.compute/disks"})
"""What a failover itself makes beside the machine. A machine, or an address that somebody added, is never removed."""


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


def may_go(thing: Leftover, since: datetime) -> bool:
    """Whether it may be removed.

    Args:
        thing: What is left.
        since: When the failover began that made the machine: what is older was there before.
    """
    return thing.type.lower() in REMOVABLE and thing.loose and thing.created is not None and thing.created >= since
