"""The VMs of a cluster as its nodes named them when they were last read: also those of which no vault knows. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import Field

from shared.messages import Message
from shared.sites.nodes import short_host_name


class VmRefusal(Message):
    """Why a VM is not protected, though it is asked for; code and remedy are those of the check of a preflight."""

    code: str
    detail: str
    remedy: str = ""


class ClusterVm(Message):
    """A VM on a node.

    Attributes:
        refusals: What a preflight fails it for.
    """

    name: str
    node: str
    refusals: tuple[VmRefusal, ...] = ()


class ClusterVms(Message):
    """What the nodes of a cluster said.

    Attributes:
        at: When they were read; None when they never were.
        unread: Why a node said nothing this time, by its name: of it there are the VMs that it named before.
    """

    at: datetime | None = None
    vms: tuple[ClusterVm, ...] = ()
    unread: dict[str, str] = Field(default_factory=dict)

    def vms_of_nodes(self, nodes: Iterable[str]) -> tuple[ClusterVm, ...]:
        """The VMs of these nodes."""
        names = {short_host_name(node) for node in nodes}
        return tuple(vm for vm in self.vms if short_host_name(vm.node) in names)

    def refusals_by_vm(self) -> dict[str, tuple[VmRefusal, ...]]:
        """Why VMs are not protected, by name in lower case; a name that several have is refused for any of them."""
        refused: dict[str, tuple[VmRefusal, ...]] = {}
        for vm in self.vms:
            if vm.refusals:
                refused[vm.name.lower()] = (*refused.get(vm.name.lower(), ()), *vm.refusals)
        return refused


def with_new_reading(kept: ClusterVms, reading: ClusterVms) -> ClusterVms:
    """What was read now; a node that said nothing keeps the VMs that nobody names by now."""
    named = {vm.name.lower() for vm in reading.vms}
    older = (vm for vm in kept.vms_of_nodes(reading.unread) if vm.name.lower() not in named)
    return reading.model_copy(update={"vms": (*reading.vms, *older)})


def read_cluster_vms(state: Mapping[str, Any] | None) -> ClusterVms:
    """From what the entity keeps."""
    return ClusterVms.model_validate(state or {})
