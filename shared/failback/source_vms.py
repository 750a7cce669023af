"""The machines on premises as their nodes show them: where they are, whether they run, what room there is. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field

from shared.messages import Message
from shared.sites.node_output import Page, read_page, unpack_json, unread_parts

OFF = "Off"


class SourceDisk(Message):
    """A virtual disk: how large it may become, how large its file is, and the volume that it lies on; in GB.

    Attributes:
        unread: Why it could not be read; empty when it was. The rest is then not known.
    """

    size: float
    file: float
    volume: str = ""
    unread: str = ""


class SourceVm(Message):
    """A virtual machine on a node.

    Attributes:
        state: As Hyper-V says it: "Off", "Running", "Saved", "Paused" and others.
        checkpoints: How many there are; Hyper-V calls them snapshots too.
        unread: Why its disks or checkpoints as a whole could not be read; empty when they were.
    """

    vm: str
    node: str
    state: str
    checkpoints: int = 0
    disks: tuple[SourceDisk, ...] = ()
    unread: str = ""

    @property
    def unread_parts(self) -> tuple[str, ...]:
        """What could not be read, each with the reason: "disk 1: the file is in use"."""
        return unread_parts([disk.unread for disk in self.disks], self.unread)


class SourcePart(Message):
    """A page of what one node says.

    Attributes:
        room: Free GB by volume, of those that the machines lie on.
        home: The volume that new machines come to; empty when it could not be read, and
        home_unread: why.
    """

    node: str
    vms: tuple[SourceVm, ...] = ()
    room: dict[str, float] = Field(default_factory=dict)
    home: str = ""
    home_unread: str = ""


class SourceVms(Message):
    """What the nodes of some clusters say of some machines.

    Attributes:
        vms: Each as often as it is somewhere; one that is not here is on no node that answered.
        room: By node and volume: free GB.
        home: By node: the volume that new machines come to.
        home_unread: By node: why that volume could not be read.
        silent: Nodes that did not answer, and why.
    """

    vms: tuple[SourceVm, ...] = ()
    room: dict[str, dict[str, float]] = Field(default_factory=dict)
    home: dict[str, str] = Field(default_factory=dict)
    home_unread: dict[str, str] = Field(default_factory=dict)
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


def read_source_page(node: str, output: Mapping[str, Any]) -> Page[SourcePart]:
    """Read what read-source wrote on a node.

    Raises:
        ValueError: it is not what the script writes.
    """
    return read_page("read-source", node, output, _read_part)


def _source_vm_of(node: str, fields: Mapping[str, Any]) -> SourceVm:
    return SourceVm(
        vm=fields["n"],
        node=node,
        state=fields["s"],
        checkpoints=fields["k"],
        disks=tuple(
            SourceDisk(size=size, file=file, volume=volume, unread=" ".join(unread))
            for size, file, volume, *unread in fields["d"]
        ),
        unread=fields.get("e") or "",
    )


def _read_part(node: str, output: Mapping[str, Any]) -> SourcePart:
    found = unpack_json(output["found"])
    home, free = output["home"]
    vms = tuple(_source_vm_of(node, fields) for fields in found["machines"])
    room = {**found["room"], home: free} if home else found["room"]
    return SourcePart(node=node, vms=vms, room=room, home=home, home_unread=output.get("homeUnread") or "")


def join_source_parts(parts: Iterable[SourcePart], silent: Mapping[str, str]) -> SourceVms:
    """What the nodes say, as one.

    Args:
        parts: Of nodes that answered every page.
        silent: The others, and why they did not.
    """
    complete = list(parts)
    room: dict[str, dict[str, float]] = {}
    for part in complete:
        room.setdefault(part.node, {}).update(part.room)
    return SourceVms(
        vms=tuple(vm for part in complete for vm in part.vms),
        room=room,
        home={part.node: part.home for part in complete},
        home_unread={part.node: part.home_unread for part in complete if part.home_unread},
        silent=dict(silent),
    )
