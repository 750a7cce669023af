"""Disks that a VM has at home and that are not replicated: Site Recovery takes in none that is added later. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from shared.obstacle import Obstacle
from shared.replication.coverage import VaultVms
from shared.replication.settings import Disk, ProtectableItem
from shared.sites.site import SiteDocument


def find_unreplicated_disks(
    machine: ProtectableItem, replicated: Mapping[str, int], site: SiteDocument | None
) -> tuple[str, ...]:
    """Its disks of which not all is replicated, each in words; without those that the site leaves out on purpose.

    Args:
        replicated: MB of the disks of its protected item, by id; 0 where that is not said.
        site: None where it is not known.
    """
    sizes = {disk_id.lower(): mb for disk_id, mb in replicated.items()}
    left_out = names_left_out(machine.vm, site)
    meant = [disk for disk in machine.disks if disk.name.lower() not in left_out]
    return tuple(words for disk in meant if (words := describe_difference(disk, sizes.get(disk.id.lower()))))


def list_unreplicated(
    machines: Iterable[ProtectableItem], replicated: Mapping[str, Mapping[str, int]], site: SiteDocument
) -> Iterator[tuple[ProtectableItem, tuple[str, ...]]]:
    """The machines of a site of whose disks not all is replicated, each with these disks.

    Args:
        replicated: MB of each disk, of the protected items that are of interest, by their ARM id in lower case.
    """
    for machine in machines:
        sizes = replicated.get(machine.item_id.lower())
        if sizes is not None and (disks := find_unreplicated_disks(machine, sizes, site)):
            yield machine, disks


def unreplicated_disks(site: SiteDocument, vault_vms: VaultVms | None) -> list[tuple[str, tuple[str, ...]]]:
    """The protected VMs of a site of whose disks not all is replicated, by name, each with these disks."""
    if vault_vms is None:
        return []
    sizes = {item.id.lower(): item.disk_sizes for item in vault_vms.items if item.is_protected}
    return sorted((machine.vm, disks) for machine, disks in list_unreplicated(vault_vms.machines, sizes, site))


def describe_difference(disk: Disk, replicated_mb: int | None) -> str:
    """Why not all of a disk is replicated; empty where it is."""
    if replicated_mb is None:
        return disk.name
    if disk.mb and replicated_mb and disk.mb != replicated_mb:
        return f"{disk.name} ({disk.mb / 1024:.0f} GiB, and {replicated_mb / 1024:.0f} GiB are replicated)"
    return ""


def names_left_out(vm: str, site: SiteDocument | None) -> frozenset[str]:
    """The disks of a VM that its site does not replicate on purpose, in lower case."""
    by_vm: Mapping[str, Sequence[str]] = site.without_disks if site else {}
    return frozenset(disk.lower() for name, disks in by_vm.items() if name.lower() == vm.lower() for disk in disks)


def unreplicated_obstacles(vm: str, disks: Sequence[str]) -> Iterator[Obstacle]:
    """What speaks against a failover of a VM whose disks do not all replicate."""
    if disks:
        detail = (
            f"{vm} has disks that are not replicated: {', '.join(disks)}; disable its replication and enable it again, "
            "or name them in withoutDisks of the site"
        )
        yield Obstacle(vm=vm, code="disk-not-replicated", detail=detail)
