"""Checks of the VMs: found, highly available, and such as Azure can run. Limits are those of the support matrix."""

import re
from collections.abc import Callable, Iterator

from shared.onboarding.preflight.check import GUIDE, MATRIX, Check, Line
from shared.onboarding.preflight.facts import MachineFacts, Seen

OS_DISK_GB = {1: 2048, 2: 300}
DATA_DISKS, DATA_DISK_GB = 16, 4095
DISK_KINDS = frozenset({"vhd", "vhdx"})
LINUX = re.compile(r"linux|ubuntu|debian|centos|red hat|rhel|suse|oracle|rocky|alma|fedora|mariner", re.IGNORECASE)
AZURE_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
BRIDGE = re.compile(r"-control-plane-", re.IGNORECASE)
"""In the name of the Arc resource bridge's own VM (assumed)."""
type Look = Callable[[Seen, MachineFacts], Iterator[Line]]


def _each(look: Look, well: str) -> Callable[[Seen], Iterator[Line]]:
    """A rule that looks at each VM, and sums up those against which nothing stands."""

    def rule(seen: Seen) -> Iterator[Line]:
        good = 0
        for node, why in seen.unread.items():
            yield Line("unknown", f"the VMs of {node} were not seen: {why}")
        for machine in seen.machines:
            wrong = list(look(seen, machine))
            good += not wrong
            yield from wrong
        if good:
            yield Line("pass", f"{good} {'VM' if good == 1 else 'VMs'} {well}")

    return rule


def _found(seen: Seen) -> Iterator[Line]:
    there = {machine.name.lower() for machine in seen.machines}
    for name in seen.site.vms:
        if name.lower() not in there:
            yield Line("unknown" if seen.unread else "fail", f"no node that was asked has a VM {name}")
    if there:
        yield Line("pass", f"{len(there)} {'VM' if len(there) == 1 else 'VMs'} on the cluster")


def _available(_seen: Seen, machine: MachineFacts) -> Iterator[Line]:
    if not machine.highly_available:
        yield Line("fail", f"{machine.name} on {machine.node} is not highly available")


def is_linux(guest: str) -> bool:
    """Whether a guest's name for itself is that of a Linux."""
    return bool(LINUX.search(guest))


def _guest(_seen: Seen, machine: MachineFacts) -> Iterator[Line]:
    if not machine.guest:
        if machine.generation != 1:  # generation 1 is supported whatever runs in it
            yield Line("unknown", f"{machine.name} does not tell its operating system")
    elif is_linux(machine.guest) and machine.generation != 1:
        yield Line("fail", f"{machine.name}: {machine.guest} on generation {machine.generation} is not supported")
    elif not is_linux(machine.guest) and "windows" not in machine.guest.lower():
        yield Line("fail", f"{machine.name}: {machine.guest} is neither Windows nor a Linux that is known")


def _disk_kinds(_seen: Seen, machine: MachineFacts) -> Iterator[Line]:
    if machine.fibre_channel:
        yield Line("fail", f"{machine.name} has a virtual Fibre Channel adapter")
    for at, disk in enumerate(machine.disks):
        if disk.kind.lower() not in DISK_KINDS:
            yield Line("fail", f"{machine.name}: disk {at} is {disk.kind}, only VHD and VHDX are replicated")
    if not machine.disks:
        yield Line("fail", f"{machine.name} has no disk")


def _disk_sizes(_seen: Seen, machine: MachineFacts) -> Iterator[Line]:
    system, data = machine.disks[:1], machine.disks[1:]
    most = OS_DISK_GB.get(machine.generation, OS_DISK_GB[2])
    for disk in system:
        if disk.size_gb > most:
            said = f"its OS disk has {disk.size_gb:,.0f} GB, generation {machine.generation} may have {most:,}"
            yield Line("fail", f"{machine.name}: {said}")
    for at, disk in enumerate(data, start=1):
        if disk.size_gb > DATA_DISK_GB:
            yield Line(
                "fail", f"{machine.name}: disk {at} has {disk.size_gb:,.0f} GB, at most {DATA_DISK_GB:,} are possible"
            )
    if len(data) > DATA_DISKS:
        yield Line("fail", f"{machine.name} has {len(data)} data disks, at most {DATA_DISKS} are possible")


def _arc(seen: Seen, machine: MachineFacts) -> Iterator[Line]:
    if machine.name.lower() in {name.lower() for name in seen.azure.arc_vms}:
        yield Line("fail", f"{machine.name} is an Arc VM: Site Recovery replicates none")
    elif BRIDGE.search(machine.name):
        yield Line("fail" if seen.site.vms else "warn", f"{machine.name} looks like the Arc resource bridge")


def _names(seen: Seen, machine: MachineFacts) -> Iterator[Line]:
    name = seen.site.naming.of_vm(machine.name)
    if not AZURE_NAME.fullmatch(name):
        yield Line("fail", f"{name!r} cannot be the name of an Azure VM")


CHECKS = (
    Check(
        "vm-found",
        "Every VM that is to be protected is on the cluster",
        _found,
        "Correct the site's list of VMs, or move the VM to this cluster.",
        GUIDE + "#step-2-enable-replication-of-vms",
    ),
    Check(
        "vm-highly-available",
        "The VMs are highly available",
        _each(_available, "highly available"),
        "Make it a clustered role with its files on a cluster volume: Add-ClusterVirtualMachineRole -VMName <vm>.",
        GUIDE + "#prerequisites-and-planning",
    ),
    Check(
        "vm-guest",
        "The guests are supported: Windows of generation 1 and 2, Linux of generation 1",
        _each(_guest, "with a supported guest"),
        "Leave the VM out, or build it anew on generation 1. While it runs, integration services tell what it runs.",
        GUIDE + "#supported-scenarios",
    ),
    Check(
        "vm-disk-kinds",
        "The VMs have only disks that can be replicated",
        _each(_disk_kinds, "with VHD or VHDX disks only"),
        "Shared, pass-through and Fibre Channel disks are not replicated: convert them, or leave the VM out.",
        MATRIX + "#azure-vm-requirements",
    ),
    Check(
        "vm-disk-sizes",
        "The disks are within the limits of size and number",
        _each(_disk_sizes, "within the limits"),
        "Shrink or split the disk, or exclude it from replication.",
        MATRIX + "#azure-vm-requirements",
    ),
    Check(
        "vm-arc",
        "No VM is an Arc VM or the resource bridge",
        _each(_arc, "neither Arc VM nor resource bridge"),
        "Leave it out: name the others in the site's list of VMs.",
        GUIDE + "#azure-site-recovery-with-azure-stack-hci",
    ),
    Check(
        "vm-names",
        "The VMs' names are possible in Azure",
        _each(_names, "with a possible name"),
        "1 to 63 letters, digits and hyphens, beginning and ending with a letter or digit: see the site's naming.",
        MATRIX + "#azure-vm-requirements",
    ),
)
