"""The machines on premises as their nodes show them: where they are, whether they run, what room there is. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field

from shared.messages import Message
from shared.sites.node_output import unpack_json

OFF = "Off"


class SourceDisk(Message):
    """A virtual disk: how large it may become, how large its file is, and the volume that it lies on; in GB."""

    size: float
    file: float
    volume: str = ""


class SourceVm(Message):
    """A virtual machine on a node.

    Attributes:
        state: As Hyper-V says it: "Off", "Running", "Saved", "Paused" and others.
        checkpoints: How many there are; Hyper-V calls them snapshots too.
    """

    vm: str
    node: str
    state: str
    checkpoints: int = 0
    disks: tuple[SourceDisk, ...] = ()


class SourcePage(Message):
    """One run of the script read-source on one node.

    Attributes:
        room: Free GB by volume, of those that the machines lie on.
        home: The volume that new machines come to.
        next_start: Where the next page begins, None when this was the last.
    """

    node: str
    vms: tuple[SourceVm, ...] = ()
    room: dict[str, float] = Field(default_factory=dict)
    home: str = ""
    next_start: int | None = None


class SourceVms(Message):
    """What all nodes of some clusters said of some machines.

    Attributes:
        vms: Each as often as it is somewhere; one that is not here is on no node that answered.
        room: By node and volume: free GB.
        home: By node: the volume that new machines come to.
        silent: Nodes that did not say anything, and why.
    """

    vms: tuple[SourceVm, ...] = ()
    room: dict[str, dict[str, float]] = Field(default_factory=dict)
    home: dict[str, str] = Field(default_factory=dict)
    silent: dict[str, str] = Field(default_factory=dict)

    def find_vms(self, vm: str) -> tuple[SourceVm, ...]:
        """Where a machine is, by its name in any casing."""
        return tuple(one for one in self.vms if one.vm.casefold() == vm.casefold())

    @property
    def running_vms(self) -> tuple[str, ...]:
        """Those that are not off, as "sql-01: Running on hci-01-n1"."""
        return tuple(f"{one.vm}: {one.state} on {one.node}" for one in self.vms if one.state != OFF)

    @property
    def silent_nodes(self) -> tuple[str, ...]:
        """The nodes that did not answer, as "hci-01-n1: it is Disconnected"."""
        return tuple(f"{node}: {why}" for node, why in sorted(self.silent.items()))


def read_source_page(node: str, answer: Mapping[str, Any]) -> SourcePage:
    """Read what read-source said on a node.

    Raises:
        ValueError: it is not what the script says.
    """
    try:
        found = unpack_json(answer["found"])
        home, free = answer["home"]
        return SourcePage(
            node=node,
            vms=tuple(_source_vm(node, one) for one in found["machines"]),
            room={**found["room"], home: free},
            home=home,
            next_start=answer.get("next"),
        )
    except (KeyError, TypeError, IndexError, ValueError) as wrong:
        raise ValueError(f"read-source said something else on {node}: {wrong}") from wrong


def _source_vm(node: str, fields: Mapping[str, Any]) -> SourceVm:
    disks = tuple(SourceDisk(size=size, file=file, volume=volume) for size, file, volume in fields["d"])
    return SourceVm(vm=fields["n"], node=node, state=fields["s"], checkpoints=fields["k"], disks=disks)


def join_source_pages(pages: Iterable[SourcePage], silent: Mapping[str, str]) -> SourceVms:
    """All that was said, by every node that said all of it."""
    complete = [page for page in pages if page.node not in silent]
    room: dict[str, dict[str, float]] = {}
    for page in complete:
        room.setdefault(page.node, {}).update(page.room)
    return SourceVms(
        vms=tuple(vm for page in complete for vm in page.vms),
        room=room,
        home={page.node: page.home for page in complete},
        silent=dict(silent),
    )
