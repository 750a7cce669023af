"""A site: one HCI cluster that is joined to one vault, as people declare it."""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from shared.arm_ids import name_of
from shared.documents import (
    TEXT_OF_DURATION,
    ClusterId,
    Fault,
    GroupId,
    NetworkId,
    NetworkIdOrNone,
    Number,
    Span,
    StorageIdOrNone,
    VaultId,
    VmName,
    Whole,
    digest_of,
    raise_faults,
    repeated_names,
)
from shared.messages import Document, VaultRef

_NAME = r"[\w(][\w.() \-]*"  # it becomes a segment of a URL
AzureName = Annotated[str, StringConstraints(max_length=90, pattern=f"^{_NAME}$")]
DiskName = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^/\\<>|*?]+$")]
AZURE_VM_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
"""Names of Azure VMs: 1 to 63 letters, digits and hyphens, a letter or digit first and last (documented)."""
AzureNameOrNone = Annotated[str, StringConstraints(max_length=90, pattern=f"^({_NAME})?$")]
Region = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]+$")]
ACCOUNT_NAME = re.compile(r"[a-z0-9]{3,24}")
VM_PLACEHOLDER = "{vm}"


def _check_prefix(given: str) -> str:
    """An IPv4 network in CIDR notation, of at least 8 addresses: Azure keeps five of a subnet to itself.

    Raises:
        ValueError: it is none, or has bits set beyond its mask.
    """
    network = ipaddress.IPv4Network(given)
    if network.prefixlen > 29:
        raise ValueError("a subnet in Azure is a /29 or larger")
    return str(network)


def _check_name_pattern(given: str) -> str:
    if given.count(VM_PLACEHOLDER) != 1 or not re.fullmatch(r"[A-Za-z0-9\-]*", given.replace(VM_PLACEHOLDER, "")):
        raise ValueError("a name of letters, digits and - that contains {vm} once")
    return given


class ReplicationPolicy(Document):
    """How VMs are replicated. Limits: retention of 24 h at the most, snapshots hourly at the most often.

    Attributes:
        recovery_point_hours: How far back recovery points are kept; 0 keeps the latest only.
        app_consistent_hours: Hours between application-consistent points; 0 for none.
        interval_seconds: How often changes are sent.
    """

    name: AzureName
    recovery_point_hours: Annotated[Whole, Field(ge=0, le=24)] = 24
    app_consistent_hours: Annotated[Whole, Field(ge=0, le=12)] = 4
    interval_seconds: Literal[30, 300] = 300

    @property
    def interval(self) -> timedelta:
        """How often changes are sent."""
        return timedelta(seconds=self.interval_seconds)


def _read_policy(given: Any, _handler: ValidatorFunctionWrapHandler) -> str | ReplicationPolicy:
    """A name or settings, each with its own faults: a union would report those of both."""
    if isinstance(given, str):
        return _POLICY_NAME.validate_python(given)
    return ReplicationPolicy.model_validate(given)


_POLICY_NAME: TypeAdapter[str] = TypeAdapter(AzureNameOrNone)
PolicyOrName = Annotated[str | ReplicationPolicy, WrapValidator(_read_policy)]


class Naming(Document):
    """How things that are made for the site are called.

    Attributes:
        azure_vm: Name of the Azure VM that a failover makes; "{vm}" stands for the VM's own name.
    """

    azure_vm: Annotated[str, AfterValidator(_check_name_pattern)] = VM_PLACEHOLDER

    def azure_name_of(self, vm: str) -> str:
        """What the VM will be called in Azure."""
        return self.azure_vm.replace(VM_PLACEHOLDER, vm)


class IsolatedNetwork(Document):
    """A network without peerings, for test failovers, that prepare makes if it is not there."""

    network: NetworkId
    subnet: AzureName = "apps"
    address_prefix: Annotated[str, AfterValidator(_check_prefix)] = "10.255.0.0/24"


class Capacity(Document):
    """What only people know of the load: the way to Azure, and how much the VMs write.

    Attributes:
        link_mbps: Megabits a second of the link to Azure that replication may use; None when nobody knows.
        churn: Megabytes a second that a VM writes on average, by VM name; those not named write `default_churn`.
        copy_within: The initial copy should be done in this time.
    """

    link_mbps: Annotated[Number, Field(gt=0)] | None = None
    default_churn: Annotated[Number, Field(ge=0)] | None = None
    churn: dict[str, Annotated[Number, Field(ge=0)]] = Field(default_factory=dict)
    copy_within: Annotated[timedelta, Field(gt=timedelta(0)), TEXT_OF_DURATION] = timedelta(days=7)

    def churn_of(self, vm: str) -> float | None:
        """Megabytes a second that this VM writes, None when it is not declared."""
        named = {name.lower(): value for name, value in self.churn.items()}
        return named.get(vm.lower(), self.default_churn)


Grace = Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=1)), TEXT_OF_DURATION]
Notice = Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=7)), TEXT_OF_DURATION]


class HealingRules(Document):
    """How far the app may go when it heals a node.

    Attributes:
        allow_lock_removal: Take locks off that stand in the way, and put them back afterwards.
        diagnose: Run the read-only script also on a node whose failure nothing explains.
        reboot_grace: How long after a reboot a node is left alone.
        notice_after: How long a node must look unwell before the timer repairs it, where no event reported it.
        max_attempts: Failures in a row before the node is left alone until a person asks.
        pause: Before the second attempt; each further one waits four times as long.
    """

    allow_lock_removal: bool = False
    diagnose: bool = False
    reboot_grace: Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=1)), TEXT_OF_DURATION] = timedelta(
        minutes=15
    )
    notice_after: Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=7)), TEXT_OF_DURATION] = timedelta(
        hours=1
    )
    max_attempts: Annotated[Whole, Field(ge=1, le=10)] = 3
    pause: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=1)), TEXT_OF_DURATION] = timedelta(minutes=15)


class SiteDocument(Document):
    """Where the machines of a cluster go in a disaster.

    Attributes:
        hyper_v_site: Name of the Hyper-V site (fabric) in the vault that the nodes are registered with.
        policy: The replication policy: its settings, or only its name where another one looks after it.
        cache_storage: ARM id of the cache storage account; empty to let prepare name one.
        target_resource_group: ARM id of the group that a failover creates its machines in.
        network: ARM id of the production network of a failover; empty when each protected item names its own.
        drill_network: An isolated network that prepare makes for test failovers; None when plans bring their own.
        extension: Name of the ASR extension on the cluster's Arc machines.
        install: Node after node, or with the cluster-wide extension, whose nodes race for their certificates.
        vms: The VMs that are meant to be protected: preflight and verify look at these; empty for those that are found.
        without_vms: VMs of the cluster that are not protected on purpose: nobody enables them, or misses them.
        without_disks: For some VMs the names of disks that are left out of replication on purpose.
        healing: Whether a failed extension is repaired without being asked.
        healing_rules: How far a repair may go.
        orphans: What becomes of a test failover that no run of this app knows of: "clean" cleans it up.
        orphan_after: How old it must be by then.
    """

    cluster: ClusterId
    vault: VaultId
    hyper_v_site: AzureName
    policy: PolicyOrName = ""
    cache_storage: StorageIdOrNone = ""
    target_resource_group: GroupId
    network: NetworkIdOrNone = ""
    subnet: AzureNameOrNone = ""
    drill_network: IsolatedNetwork | None = None
    region: Region
    naming: Naming = Naming()
    extension: AzureName = "AzureSiteRecovery"
    install: Literal["nodes", "cluster"] = "nodes"
    capacity: Capacity = Capacity()
    vms: tuple[VmName, ...] = ()
    without_vms: tuple[VmName, ...] = ()
    without_disks: dict[VmName, Annotated[tuple[DiskName, ...], Field(max_length=64)]] = Field(default_factory=dict)
    healing: bool = True
    healing_rules: HealingRules = HealingRules()
    orphans: Literal["leave", "clean"] = "leave"
    orphan_after: Span = timedelta(hours=4)

    @model_validator(mode="after")
    def check_fields_together(self) -> Self:
        """Faults that only several fields together have."""
        if faults := list(_cross_field_faults(self)):
            raise_faults(type(self).__name__, faults, self.hyper_v_site)
        return self

    @property
    def vault_name(self) -> str:
        """The vault's own name: the registry of a node calls it ResourceName."""
        return name_of(self.vault)

    @property
    def policy_name(self) -> str:
        """The policy's name, empty when none is declared."""
        return self.policy if isinstance(self.policy, str) else self.policy.name

    @property
    def policy_settings(self) -> ReplicationPolicy | None:
        """The policy's settings, None where only its name is declared."""
        return None if isinstance(self.policy, str) else self.policy

    @property
    def digest(self) -> str:
        """Names this content."""
        return digest_of(self)


def vaults_of_sites(sites: Iterable[SiteDocument]) -> tuple[VaultRef, ...]:
    """The sites' vaults, each once."""
    refs = (VaultRef.from_id(site.vault) for site in sites)
    return tuple({ref.key: ref for ref in refs}.values())


def _cross_field_faults(site: SiteDocument) -> Iterator[Fault]:
    """What no single field can know."""
    if site.subnet and not site.network:
        yield Fault(("subnet",), "no_network", "a subnet needs its network")
    if site.drill_network and site.drill_network.network.lower() == site.network.lower():
        yield Fault(("drillNetwork", "network"), "not_isolated", "the network of a failover is not an isolated one")
    account = name_of(site.cache_storage)
    if account and not ACCOUNT_NAME.fullmatch(account):
        yield Fault(("cacheStorage",), "account_name", "a storage account has a name of 3 to 24 of a-z and 0-9")
    policy = site.policy_settings
    if policy and policy.app_consistent_hours > policy.recovery_point_hours:
        detail = "snapshots further apart than points are kept would never be there"
        yield Fault(("policy", "appConsistentHours"), "too_rare", detail)
    for index, vm, first in repeated_names(site.vms):
        yield Fault(("vms", index), "twice", f"{vm} is already vms[{first}]")
    left_out = {name.lower() for name in site.without_vms}
    for index, vm in enumerate(site.vms):
        if vm.lower() in left_out:
            yield Fault(("vms", index), "left_out", f"{vm} is in withoutVms as well")
