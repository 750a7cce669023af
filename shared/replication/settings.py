"""What people ask of the replication of VMs, and what is known of each VM: messages, matching, disks. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from shared.documents import Fault, NetworkIdOrNone, Span, Whole, raise_faults, repeated_names
from shared.errors import Refused
from shared.messages import Document, Message
from shared.replication.pacing import INITIAL_COPY_PATIENCE
from shared.sites.cluster_vms import ClusterVm, VmRefusal
from shared.sites.site import AZURE_VM_NAME, AzureName, SiteDocument

ReplicationAction = Literal["enable", "update", "disable", "resynchronise"]


Address = Annotated[str, AfterValidator(lambda given: str(IPv4Address(given)) if given else "")]
"""An IPv4 address; empty for one that Azure gives."""


AzureVmName = Annotated[str, Field(pattern=f"^{AZURE_VM_NAME.pattern}$")]
GUEST_CODE = "vm-guest"
NAME_CODE = "vm-names"
"""The checks of a preflight of which the vault's list and the request alone show that a VM does not pass them."""
GUEST_REMEDY = (
    "Leave the VM out, or build it anew on generation 1. While it runs, integration services report what it runs."
)
NAME_REMEDY = (
    "1 to 63 letters, digits and hyphens, beginning and ending with a letter or digit: give the VM such an azureVm, or "
    "the site a naming."
)


class VmSettings(Document):
    """How a VM is protected and what a failover makes of it; None leaves it to the next in line, or as it is.

    Attributes:
        os_type: Needed for Linux; Azure does not know it before the VM is protected.
        os_disk: Name of the disk that it starts from, where that is not clear.
        disks: Names of the disks to replicate, with the OS disk; None for all.
        size: Azure VM size, such as "Standard_D2s_v5".
        network: ARM id for a failover; empty to connect it later.
        test_network: The same for a test failover.
        address: Its private address after a failover.
    """

    os_type: Literal["Windows", "Linux"] | None = None
    os_disk: str | None = None
    disks: tuple[str, ...] | None = None
    azure_vm: AzureVmName | None = None
    size: Annotated[str, Field(pattern=r"^\w+$")] | None = None
    network: NetworkIdOrNone | None = None
    subnet: AzureName | None = None
    test_network: NetworkIdOrNone | None = None
    test_subnet: AzureName | None = None
    address: Address | None = None
    test_address: Address | None = None
    license: Literal["NotSpecified", "NoLicenseType", "WindowsServer"] | None = None
    remote_desktop: Literal["Never", "OnlyOnTestFailover", "Always"] | None = None

    def merged_over(self, base: "VmSettings") -> "VmSettings":
        """These settings, and the base's where these say nothing."""
        own = {name: value for name in VmSettings.model_fields if (value := getattr(self, name)) is not None}
        inherited = {name: getattr(base, name) for name in VmSettings.model_fields}
        return VmSettings.model_validate(inherited | own)

    @property
    def needs_update(self) -> bool:
        """Whether enabling cannot set all of it, so that an update has to follow."""
        later = (self.test_network, self.test_subnet, self.address, self.test_address)
        return any(value is not None for value in later)


class VmRequest(VmSettings):
    """One VM, by its name or its Hyper-V id, with what is special about it."""

    vm: Annotated[str, Field(min_length=1, max_length=100)]


type VmRequestOrName = Annotated[
    VmRequest, BeforeValidator(lambda given: {"vm": given} if isinstance(given, str) else given)
]
"""A VM with what is special about it, or its name alone."""


class ReplicationRequest(Document):
    """Ask for something to be done with the replication of VMs.

    Attributes:
        vms: Names, or names with settings of their own; empty (only for "enable" and "update"): those that the site
            names, or all that are found.
        settings: For all of them.
        initial_copies: How many VMs may be copied for the first time at once.
        patience: How long the first copy of a VM may take.
        confirm: To disable: the sentence of the preview.
    """

    action: ReplicationAction = "enable"
    vms: tuple[VmRequestOrName, ...] = Field((), max_length=5000)
    settings: VmSettings = VmSettings()
    initial_copies: Annotated[Whole, Field(ge=1, le=500)] = 10
    patience: Span = INITIAL_COPY_PATIENCE
    confirm: str = Field("", max_length=1000)

    @model_validator(mode="after")
    def check_names(self) -> Self:
        """Each VM is named once."""
        twice = [
            Fault(("vms", index), "twice", f"{vm} is already vms[{first}]")
            for index, vm, first in repeated_names([one.vm for one in self.vms])
        ]
        if twice:
            raise_faults(type(self).__name__, twice, self.action)
        return self


class Disk(Message):
    """A virtual disk of a machine; `is_os` as far as Azure shows it."""

    name: str
    id: str
    mb: int = 0
    is_os: bool = False


VM_MISSING_CODE = "vm-not-found"
"""Of a VM that no registered host has reported."""
ENABLING_FAILED_CODE = "enabling-failed"
"""Of a VM whose item was left behind by an enabling that failed."""


class ProtectableItem(Message):
    """A machine on a host that can be protected, or is.

    Attributes:
        id: ARM id of the protectable item.
        item_id: ARM id of its protected item, empty while it has none.
        obstacles: Why Azure does not let it be protected.
    """

    vm: str
    guid: str
    id: str
    item_id: str = ""
    generation: str = ""
    os_type: str = ""
    disks: tuple[Disk, ...] = ()
    obstacles: tuple[str, ...] = ()


class ReplicatedItem(Message):
    """A protected item, as far as its replication is concerned.

    Attributes:
        scenario: What it is busy with, "None" when idle; `job`: the name of that job.
        percent: Of the initial copy.
        disk_sizes: MB of each disk that is replicated, by its id; 0 where that is not said.
        health: Normal, Warning, Critical; `health_error`: its first health error.
        rpo: How far the replica was behind when that was last measured, and `rpo_at` when that was.
        network: ARM id of the network that a failover connects it to, empty without one.
    """

    vm: str
    guid: str
    id: str
    state: str
    vm_state: str = ""
    scenario: str = "None"
    job: str = ""
    percent: int = 0
    disk_sizes: dict[str, int] = Field(default_factory=dict)
    health: str = "None"
    health_error: str = ""
    rpo: timedelta | None = None
    rpo_at: datetime | None = None
    last_point: datetime | None = None
    policy_id: str = ""
    network: str = ""

    @property
    def is_protected(self) -> bool:
        """Whether all of it is done: a VM is called Protected already while its replica is being configured."""
        return self.state == "Protected" and self.vm_state in {"", "Protected"} and self.scenario == "None"

    @property
    def has_failed_enabling(self) -> bool:
        """Whether enabling has left an item of which nothing was ever copied (inferred: some failures leave none)."""
        return self.state == "EnablingFailed" and self.scenario == "None"


def requested_vms(
    request: ReplicationRequest,
    site: SiteDocument,
    machines: Sequence[ProtectableItem],
    cluster_vms: Sequence[ClusterVm] = (),
) -> tuple[VmRequest, ...]:
    """Which VMs are meant, each once: those of the request, else those of the site, else all that are found.

    Args:
        cluster_vms: What the nodes named: also what no host has reported to the vault.
    """
    requested = request.vms or tuple(VmRequest(vm=vm) for vm in site.vms or _all_vms(site, machines, cluster_vms))
    return tuple({vm_request.vm.lower(): vm_request for vm_request in requested}.values())


def _all_vms(
    site: SiteDocument, machines: Sequence[ProtectableItem], cluster_vms: Sequence[ClusterVm]
) -> tuple[str, ...]:
    """Every VM that is found, without those that are left out on purpose."""
    left_out = {name.lower() for name in site.without_vms}
    found = (*(machine.vm for machine in machines), *(vm.name for vm in cluster_vms))
    return tuple(vm for vm in found if vm.lower() not in left_out)


def settings_of_vm(vm_request: VmRequest, request: ReplicationRequest, site: SiteDocument) -> VmSettings:
    """What holds for a VM: its own settings, then the request's; for enabling the site's fills the gaps.

    A name that no Azure VM can have is no setting: see `find_name_refusal`.
    """
    settings = vm_request.merged_over(request.settings)
    if request.action != "enable":
        return settings
    subnet = site.subnet or None if site.network else None
    azure_vm = site.naming.azure_name_of(vm_request.vm)
    subnet = subnet if settings.network in {None, site.network} else None
    possible = azure_vm if AZURE_VM_NAME.fullmatch(azure_vm) else None
    return settings.merged_over(VmSettings(azure_vm=possible, network=site.network or None, subnet=subnet))


def find_name_refusal(vm: str, site: SiteDocument) -> VmRefusal | None:
    """Why the VM cannot be enabled under the name that the site gives it; None where it can."""
    name = site.naming.azure_name_of(vm)
    if AZURE_VM_NAME.fullmatch(name):
        return None
    return VmRefusal(code=NAME_CODE, detail=f"{name!r} cannot be the name of an Azure VM", remedy=NAME_REMEDY)


def find_protectable_item(vm_request: VmRequest, machines: Iterable[ProtectableItem]) -> ProtectableItem:
    """The machine that is meant, by id or by name in any casing.

    Raises:
        Refused: there is none, or the name is that of several.
    """
    wanted = vm_request.vm.lower()
    found = [machine for machine in machines if wanted in {machine.guid.lower(), machine.vm.lower()}]
    if not found:
        detail = (
            f"no registered host of the site has a VM {vm_request.vm}: is it on a cluster node, and highly available?"
        )
        raise Refused(VM_MISSING_CODE, detail)
    if len(found) > 1:
        ids = ", ".join(machine.guid for machine in found)
        raise Refused("name-not-unique", f"{len(found)} VMs are called {vm_request.vm}: ask by id, one of {ids}")
    return found[0]


def pick_disks(machine: ProtectableItem, settings: VmSettings) -> ProtectableItem:
    """The machine with only those disks that are replicated, its OS disk marked and first.

    Raises:
        Refused: a disk is not there, or nobody can tell which the OS disk is.
    """
    system = _system_disk(machine, settings)
    wanted = None if settings.disks is None else {name.lower() for name in settings.disks}
    if wanted is not None and (unknown := wanted - {disk.name.lower() for disk in machine.disks}):
        raise Refused(
            "disk-not-found", f"{machine.vm} has no disk {', '.join(sorted(unknown))}; {_disks_in_words(machine)}"
        )
    data = [
        disk.model_copy(update={"is_os": False})
        for disk in machine.disks
        if disk.id != system.id and (wanted is None or disk.name.lower() in wanted)
    ]
    return machine.model_copy(update={"disks": (system.model_copy(update={"is_os": True}), *data)})


def _system_disk(machine: ProtectableItem, settings: VmSettings) -> Disk:
    """The one that was named, that Azure marks, that is alone, or that is called like its VM; in this order."""
    if not machine.disks:
        raise Refused("no-disks", f"Azure lists no disk of {machine.vm}: refresh the host's provider and try again")
    named = (settings.os_disk or machine.vm).lower()
    called = [disk for disk in machine.disks if disk.name.lower().removesuffix(".vhdx") == named.removesuffix(".vhdx")]
    if settings.os_disk:
        candidates = called
    else:
        marked = [disk for disk in machine.disks if disk.is_os]
        candidates = marked or (list(machine.disks) if len(machine.disks) == 1 else called)
    if len(candidates) != 1:
        raise Refused("os-disk-unknown", f"name the osDisk of {machine.vm}: {_disks_in_words(machine)}")
    return candidates[0]


def _disks_in_words(machine: ProtectableItem) -> str:
    return f"it has {', '.join(disk.name for disk in machine.disks)}"


def require_protectable(machine: ProtectableItem, settings: VmSettings) -> None:
    """Let a machine pass that Azure can protect.

    Raises:
        Refused: Azure declines, or its guest is one that Site Recovery does not take.

    Source: Linux in a generation 2 machine is not among what the vendor lists as supported.
    """
    if machine.obstacles:
        raise Refused("not-ready", f"{machine.vm} cannot be protected: {'; '.join(machine.obstacles)}")
    if (settings.os_type or machine.os_type) == "Linux" and machine.generation == "2":
        raise Refused(GUEST_CODE, f"{machine.vm} runs Linux as a generation 2 VM, which is not supported")
