"""Checks of the VMs: found, highly available, and such as Azure can run. Limits are those of the support matrix."""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from shared.onboarding.preflight.check import GUIDE, MATRIX, Check, CheckLine
from shared.onboarding.preflight.facts import MachineFacts, SiteFacts
from shared.replication.settings import GUEST_CODE, GUEST_REMEDY, NAME_CODE, NAME_REMEDY, find_name_refusal
from shared.sites.cluster_vms import ClusterVm, ClusterVms, VmRefusal

OS_DISK_GB = {1: 2048, 2: 300}
DATA_DISKS, DATA_DISK_GB = 16, 4095
MAY_BE_OUTDATED = "by the support matrix as it was in 2018; managed disks take more by now: see the matrix"
"""Of a limit that a VM exceeds: Azure has raised such limits, so it is a warning, and Azure decides."""
DISK_KINDS = frozenset({"vhd", "vhdx"})
LINUX = re.compile(r"linux|ubuntu|debian|centos|red hat|rhel|suse|oracle|rocky|alma|fedora|mariner", re.IGNORECASE)
BRIDGE = re.compile(r"-control-plane-", re.IGNORECASE)
"""In the name of the Arc resource bridge's own VM (assumed)."""
READ_AGAIN = (
    "A disk that could not be read may be in use by a backup or a merge: run the preflight again when that is over."
)
type VmRule = Callable[[SiteFacts, MachineFacts], Iterator[CheckLine]]


def _for_each_vm(check_vm: VmRule, summary: str) -> Callable[[SiteFacts], Iterator[CheckLine]]:
    """A rule that checks each VM, and counts those that pass."""

    def check_vms(facts: SiteFacts) -> Iterator[CheckLine]:
        good = 0
        for node, why in facts.unread_nodes.items():
            yield CheckLine("unknown", f"the VMs of {node} could not be read: {why}")
        for machine in facts.machines:
            wrong = list(check_vm(facts, machine))
            good += not wrong
            yield from wrong
        if good:
            yield CheckLine("pass", f"{good} {'VM' if good == 1 else 'VMs'} {summary}")

    return check_vms


def check_found(facts: SiteFacts) -> Iterator[CheckLine]:
    on_cluster = {machine.name.lower() for machine in facts.machines}
    for name in facts.site.vms:
        if name.lower() not in on_cluster:
            yield CheckLine("unknown" if facts.unread_nodes else "fail", f"no node that could be read has a VM {name}")
    if on_cluster:
        yield CheckLine("pass", f"{len(on_cluster)} {'VM' if len(on_cluster) == 1 else 'VMs'} on the cluster")


def check_availability(_seen: SiteFacts, machine: MachineFacts) -> Iterator[CheckLine]:
    if not machine.highly_available:
        yield CheckLine("fail", f"{machine.name} on {machine.node} is not highly available")


def is_linux(guest: str) -> bool:
    """Whether a guest's name for itself is that of a Linux."""
    return bool(LINUX.search(guest))


def check_guest(_seen: SiteFacts, machine: MachineFacts) -> Iterator[CheckLine]:
    if not machine.guest:
        if machine.generation != 1:  # generation 1 is supported whatever runs in it
            yield CheckLine("unknown", f"{machine.name} does not report its operating system")
    elif is_linux(machine.guest) and machine.generation != 1:
        yield CheckLine("fail", f"{machine.name}: {machine.guest} on generation {machine.generation} is not supported")
    elif not is_linux(machine.guest) and "windows" not in machine.guest.lower():
        detail = f"{machine.name}: {machine.guest} is neither Windows nor a Linux that is known"
        if machine.generation == 1:
            yield CheckLine("warn", f"{detail}; the matrix leaves what runs on generation 1 to Azure")
        else:
            yield CheckLine("fail", detail)


def unread_lines_of(machine: MachineFacts) -> Iterator[CheckLine]:
    """A line for each part of the VM that its node could not read."""
    for part in machine.unread_parts:
        yield CheckLine("unknown", f"{machine.name} on {machine.node} could not be read, {part}")


def check_disk_kinds(_seen: SiteFacts, machine: MachineFacts) -> Iterator[CheckLine]:
    if machine.fibre_channel:
        yield CheckLine("fail", f"{machine.name} has a virtual Fibre Channel adapter")
    yield from unread_lines_of(machine)
    for at, disk in enumerate(machine.disks):
        if not disk.unread and disk.kind.lower() not in DISK_KINDS:
            yield CheckLine("fail", f"{machine.name}: disk {at} is {disk.kind}, only VHD and VHDX are replicated")
    if not machine.disks and not machine.unread:
        yield CheckLine("fail", f"{machine.name} has no disk")


def check_os_disk(machine: MachineFacts) -> Iterator[CheckLine]:
    most = OS_DISK_GB.get(machine.generation, OS_DISK_GB[2])
    for disk in machine.disks[:1]:
        if disk.size_gb > most:
            detail = f"its OS disk has {disk.size_gb:,.0f} GB, generation {machine.generation} may have {most:,}"
            yield CheckLine("warn", f"{machine.name}: {detail} {MAY_BE_OUTDATED}")


def check_disk_sizes(_seen: SiteFacts, machine: MachineFacts) -> Iterator[CheckLine]:
    yield from unread_lines_of(machine)
    yield from check_os_disk(machine)
    data = machine.disks[1:]
    for at, disk in enumerate(data, start=1):
        if disk.size_gb > DATA_DISK_GB:
            detail = f"disk {at} has {disk.size_gb:,.0f} GB, at most {DATA_DISK_GB:,} are possible"
            yield CheckLine("warn", f"{machine.name}: {detail} {MAY_BE_OUTDATED}")
    if len(data) > DATA_DISKS:
        detail = f"{machine.name} has {len(data)} data disks, at most {DATA_DISKS} are possible"
        yield CheckLine("warn", f"{detail} {MAY_BE_OUTDATED}")


def check_not_arc_vm(facts: SiteFacts, machine: MachineFacts) -> Iterator[CheckLine]:
    if machine.name.lower() in {name.lower() for name in facts.azure.arc_vms}:
        yield CheckLine("fail", f"{machine.name} is an Arc VM: Site Recovery replicates none")
    elif BRIDGE.search(machine.name):
        yield CheckLine("fail" if facts.site.vms else "warn", f"{machine.name} looks like the Arc resource bridge")


def check_azure_name(facts: SiteFacts, machine: MachineFacts) -> Iterator[CheckLine]:
    if refusal := find_name_refusal(machine.name, facts.site):
        yield CheckLine("fail", refusal.detail)


class VmCheck(NamedTuple):
    """A check that looks at each VM by itself.

    Attributes:
        summary: What is said of those that pass.
        refuses: Whether a VM that fails it is not enabled either.
    """

    id: str
    title: str
    rule: VmRule
    summary: str
    remedy: str
    link: str
    refuses: bool = True


VM_CHECKS = (
    VmCheck(
        "vm-highly-available",
        "The VMs are highly available",
        check_availability,
        "highly available",
        "Make it a clustered role with its files on a cluster volume: Add-ClusterVirtualMachineRole -VMName <vm>.",
        GUIDE + "#prerequisites-and-planning",
    ),
    VmCheck(
        GUEST_CODE,
        "The guests are supported: Windows of generation 1 and 2, Linux of generation 1",
        check_guest,
        "with a supported guest",
        GUEST_REMEDY,
        GUIDE + "#supported-scenarios",
    ),
    VmCheck(
        "vm-disk-kinds",
        "The VMs have only disks that can be replicated",
        check_disk_kinds,
        "with VHD or VHDX disks only",
        "Shared, pass-through and Fibre Channel disks are not replicated: convert them, or leave the VM out. "
        + READ_AGAIN,
        MATRIX + "#azure-vm-requirements",
    ),
    VmCheck(
        "vm-disk-sizes",
        "The disks are within the limits of size and number",
        check_disk_sizes,
        "within the limits",
        "Shrink or split the disk, or exclude it from replication. " + READ_AGAIN,
        MATRIX + "#azure-vm-requirements",
    ),
    VmCheck(
        "vm-arc",
        "No VM is an Arc VM or the resource bridge",
        check_not_arc_vm,
        "neither Arc VM nor resource bridge",
        "Leave it out: name it in the site's withoutVms, or the others in its vms.",
        GUIDE + "#azure-site-recovery-with-azure-stack-hci",
    ),
    VmCheck(
        NAME_CODE,
        "The VMs' names are possible in Azure",
        check_azure_name,
        "with a possible name",
        NAME_REMEDY,
        MATRIX + "#azure-vm-requirements",
        refuses=False,  # another name may be asked for
    ),
)


def find_refusals(facts: SiteFacts, machine: MachineFacts) -> tuple[VmRefusal, ...]:
    """Why a VM is not enabled: for each check that a preflight fails it for, unless the request can mend that."""
    return tuple(
        VmRefusal(code=check.id, detail=line.text, remedy=check.remedy)
        for check in VM_CHECKS
        if check.refuses
        for line in check.rule(facts, machine)
        if line.state == "fail"
    )


def cluster_vms_of(facts: SiteFacts) -> ClusterVms:
    """All VMs that the nodes named, each with what it would not be enabled for."""
    machines = (machine for host in facts.hosts.values() for machine in host.machines)
    vms = (ClusterVm(name=one.name, node=one.node, refusals=find_refusals(facts, one)) for one in machines)
    return ClusterVms(at=facts.azure.at, vms=tuple(vms), unread=dict(facts.unread_nodes))


CHECKS = (
    Check(
        "vm-found",
        "Every VM that is to be protected is on the cluster",
        check_found,
        "Correct the site's list of VMs, or move the VM to this cluster.",
        GUIDE + "#step-2-enable-replication-of-vms",
    ),
    *(Check(one.id, one.title, _for_each_vm(one.rule, one.summary), one.remedy, one.link) for one in VM_CHECKS),
)
