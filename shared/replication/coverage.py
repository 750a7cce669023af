"""Which VMs of a cluster nobody protects: by what the vault lists, and by what the nodes named. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from shared.arm_ids import is_within
from shared.messages import Document
from shared.replication.settings import ProtectableItem, ReplicatedItem
from shared.sites.cluster_vms import ClusterVm
from shared.sites.site import SiteDocument


class ListedItem(Protocol):
    """A protected item as any list of them has it."""

    @property
    def id(self) -> str: ...  # noqa: D102 - said above
    @property
    def vm(self) -> str: ...  # noqa: D102
    @property
    def has_failed_enabling(self) -> bool: ...  # noqa: D102


class VaultVms(NamedTuple):
    """What the vault lists of a Hyper-V site: the machines that its hosts reported, and those that replicate."""

    machines: Sequence[ProtectableItem]
    items: Sequence[ReplicatedItem]


class UnprotectedVm(Document):
    """A VM without a protected item.

    Attributes:
        node: Where it runs, empty where only the vault knows it.
    """

    vm: str
    node: str = ""


def items_within[Item: ListedItem](items: Iterable[Item], container: str) -> tuple[Item, ...]:
    """Those of a vault's items that are in a container: a vault may have several Hyper-V sites."""
    return tuple(item for item in items if is_within(item.id, above=container))


def find_unprotected(
    site: SiteDocument,
    machines: Iterable[ProtectableItem],
    items: Iterable[ListedItem],
    cluster_vms: Iterable[ClusterVm] = (),
) -> tuple[UnprotectedVm, ...]:
    """The VMs that no protected item stands for, by name; without those that the site leaves out on purpose.

    An item of which nothing was ever copied, because enabling failed, stands for none.

    Args:
        machines: What the hosts that are registered have reported to the vault.
        items: The protected items of the site.
        cluster_vms: What the nodes named, those that are not registered too.
    """
    protected = {item.id.lower(): item.vm.lower() for item in items if not item.has_failed_enabling}
    left_out = {name.lower() for name in site.without_vms}
    found, named = list[UnprotectedVm](), set(protected.values())
    nodes = {vm.name.lower(): vm.node for vm in cluster_vms}
    for machine in machines:
        named.add(machine.vm.lower())
        if machine.item_id.lower() not in protected:
            found.append(UnprotectedVm(vm=machine.vm, node=nodes.get(machine.vm.lower(), "")))
    found += [UnprotectedVm(vm=vm.name, node=vm.node) for vm in cluster_vms if vm.name.lower() not in named]
    return tuple(sorted((one for one in found if one.vm.lower() not in left_out), key=lambda one: one.vm.lower()))


def find_unplanned(site: SiteDocument, items: Iterable[ListedItem], planned: Iterable[str]) -> tuple[str, ...]:
    """The protected VMs that are in no declared plan: no verb of the app brings them to Azure.

    Args:
        planned: Names of the VMs that a plan has at this vault and Hyper-V site.
    """
    known = {name.lower() for name in (*planned, *site.without_vms)}
    return tuple(sorted({item.vm for item in items if item.vm.lower() not in known}, key=str.lower))
