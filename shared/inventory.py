"""What a drill made and what is left of it, seen in the resource groups themselves and not in a job's word. Pure."""

import hashlib
from collections.abc import Collection, Iterable
from datetime import datetime

from shared.messages import Message

MADE_BY_FAILOVERS = ("microsoft.compute/", "microsoft.network/")
"""Types by how they begin: machines, disks, cards, addresses, security groups and their rules."""


class Thing(Message):
    """An Azure resource.

    Attributes:
        type: Such as "Microsoft.Network/networkInterfaces".
        machine: Name of the virtual machine that it is, or hangs on; empty when it hangs on none.
    """

    id: str
    type: str
    machine: str = ""


class Inventory(Message):
    """What there was in some groups and networks.

    Attributes:
        at: When Azure answered, by its own clock.
        marks: One short mark for each resource that failovers may make.
        fresh: Those that were not known already, only when it was asked what was.
    """

    at: datetime
    marks: tuple[str, ...]
    fresh: tuple[Thing, ...] = ()


def mark(arm_id: str) -> str:
    """Twelve hex digits for an id in any casing: thousands of ids have to fit into what a run carries along."""
    return hashlib.sha256(arm_id.strip("/").lower().encode()).hexdigest()[:12]


def counts(resource_type: str) -> bool:
    """Whether a resource of this type may be a drill's."""
    return resource_type.lower().startswith(MADE_BY_FAILOVERS)


def leftovers(fresh: Iterable[Thing], machines: Collection[str], *, loose: bool = True) -> tuple[Thing, ...]:
    """What of the things that came since the drill began is the drill's.

    A thing on somebody else's machine is not. One that hangs on no machine is taken for the drill's: a card whose
    machine was removed says nothing of its origin.

    Args:
        fresh: What was not there before the drill.
        machines: Names of the machines that were rehearsed, on premises and in Azure.
        loose: Whether to count what hangs on no machine: not, when nobody saw what there was before.

    Source: testVmName is "<vm>-test" in recorded jobs, with a suffix where that name was taken (28175).
    """
    ours = tuple(f"{name.lower()}-test" for name in machines if name)
    return tuple(thing for thing in fresh if _is_ours(thing, ours, loose=loose))


def _is_ours(thing: Thing, ours: tuple[str, ...], *, loose: bool) -> bool:
    return thing.machine.lower().startswith(ours) if thing.machine else loose
