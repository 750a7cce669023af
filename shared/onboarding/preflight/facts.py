"""What is known of a site: from Azure, and from the nodes of its cluster. Only what a rule needs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from pydantic import Field

from shared.messages import Message
from shared.replication.coverage import VaultVms
from shared.site_recovery.views import ProviderView
from shared.sites.cluster_vms import ClusterVm
from shared.sites.node_output import unread_parts
from shared.sites.nodes import ExtensionView
from shared.sites.quota import RegionQuota
from shared.sites.site import SiteDocument

AzurePart = Literal[
    "cluster",
    "nodes",
    "targetGroup",
    "vault",
    "policy",
    "providers",
    "roles",
    "rights",
    "locks",
    "account",
    "network",
    "quota",
    "coverage",
]
"""What of a site is read from Azure on its own, and may be refused on its own."""


class ClusterFacts(Message):
    """The cluster's resource.

    Attributes:
        version: As the cluster reported it, "10.0.20349.2582"; may lack its last part.
        principal: Object id of its managed identity, empty without one.
        nodes: Names of the nodes that the cluster reported.
    """

    location: str
    status: str
    connectivity: str
    version: str = ""
    principal: str = ""
    tenant: str = ""
    nodes: tuple[str, ...] = ()


class NodeFacts(Message):
    """A node as its Arc machine shows it.

    Attributes:
        allow: Extensions that the agent allows, "publisher/type"; empty for all.
        mode: "monitor" for an agent that takes no extensions.
        host_name: What its agent says that the host is called, empty where it does not say.
    """

    id: str
    name: str
    host_name: str = ""
    status: str
    agent_version: str = ""
    os_version: str = ""
    extensions_enabled: bool = True
    allow: tuple[str, ...] = ()
    block: tuple[str, ...] = ()
    mode: str = "full"
    extension: ExtensionView | None = None

    @property
    def host(self) -> str:
        """What the vault calls it."""
        return self.host_name or self.name


class DiskFacts(Message):
    """A disk of a VM; the first one holds the operating system.

    Attributes:
        size_gb: 0 when the disk could not be read.
        kind: "VHDX", "VHD", "Physical" for a pass-through disk, "Shared" for one that several VMs use.
        unread: Why the disk could not be read; empty when it was.
    """

    size_gb: float
    kind: str = "VHDX"
    unread: str = ""


class MachineFacts(Message):
    """A VM as its node knows it.

    Attributes:
        guest: Operating system as the guest says it, "Windows Server 2022 Datacenter"; empty when it says nothing.
        unread: Why its disks or adapters as a whole could not be read; empty when they were.
    """

    name: str
    id: str = ""
    node: str = ""
    generation: int = 2
    guest: str = ""
    highly_available: bool = True
    cpus: int = 0
    memory_mb: int = 0
    fibre_channel: bool = False
    disks: tuple[DiskFacts, ...] = ()
    unread: str = ""

    @property
    def unread_parts(self) -> tuple[str, ...]:
        """What could not be read, each with the reason: "disk 1: the file is in use"."""
        return unread_parts([disk.unread for disk in self.disks], self.unread)

    @property
    def size_gb(self) -> float:
        """Of all its disks that could be read, in gibibytes."""
        return sum(disk.size_gb for disk in self.disks)


class HostFacts(Message):
    """A node as it sees itself.

    Attributes:
        registration: What its registry says of the vault and the site that it is registered with, None without.
        reached: Whether each endpoint that was tried answered.
    """

    node: str
    os_version: str = ""
    hyper_v: bool = False
    application_control: str = "Off"
    registration: dict[str, Any] | None = None
    reached: dict[str, bool] = Field(default_factory=dict)
    machines: tuple[MachineFacts, ...] = ()


class LockFacts(Message):
    """A lock, and what it holds for."""

    on: str
    name: str
    level: str


class RightsFacts(Message):
    """What our identity may do on a scope, as pairs of actions and exceptions from them."""

    scope: str
    granted: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()


class VaultFacts(Message):
    """The vault, where it exists.

    Attributes:
        cluster_roles: Role definitions (GUIDs) that the cluster's identity has on it.
        site_exists: Whether it has the Hyper-V site; `hosts` are those registered with that.
        policy: Settings of the policy of the declared name under the service's own names, None without one.
        associated: Whether policy and site are associated.
    """

    location: str
    principal: str = ""
    cluster_roles: tuple[str, ...] = ()
    site_exists: bool = False
    hosts: tuple[ProviderView, ...] = ()
    policy: dict[str, Any] | None = None
    associated: bool = False


class AccountFacts(Message):
    """The cache storage account, where it exists.

    Attributes:
        vault_roles: Role definitions (GUIDs) that the vault's identity has on it.
    """

    location: str
    kind: str
    sku: str = ""
    access_tier: str = ""
    firewall: bool = False
    vault_roles: tuple[str, ...] = ()


class NetworkFacts(Message):
    """A virtual network, where it exists."""

    location: str
    subnets: tuple[str, ...] = ()
    peerings: int = 0


class QuotaFacts(Message):
    """Cores of the target region.

    Attributes:
        families: The quotas of all families of sizes, and the sizes of the VMs that are protected.
        vm_sizes: The size of each protected VM.
    """

    used: int
    limit: int
    families: RegionQuota | None = None
    vm_sizes: dict[str, str] = Field(default_factory=dict)


class AzureFacts(Message):
    """All that Azure shows of a site.

    Attributes:
        at: When Azure answered last, by its own clock.
        arc_vms: Names of machines that are VMs managed by Azure Arc.
        unread: What Azure refused to show, and why.
    """

    at: datetime
    cluster: ClusterFacts | None = None
    nodes: tuple[NodeFacts, ...] = ()
    arc_vms: tuple[str, ...] = ()
    locks: tuple[LockFacts, ...] = ()
    rights_vault: RightsFacts | None = None
    rights_cluster: RightsFacts | None = None
    rights_nodes: RightsFacts | None = None
    rights_target: RightsFacts | None = None
    vault: VaultFacts | None = None
    account: AccountFacts | None = None
    network: NetworkFacts | None = None
    drill_network: NetworkFacts | None = None
    target_group: str = ""
    quota: QuotaFacts | None = None
    unread: dict[AzurePart, str] = Field(default_factory=dict)


class SiteFacts(NamedTuple):
    """What the rules look at.

    Attributes:
        hosts: By node name in lower case; a node that could not be read is missing.
        unread_nodes: Why, by node name.
        vault_vms: What the vault lists of the VMs; None while it has no such site.
        cluster_vms: All VMs that the nodes named, those of silent nodes when they were last read.
    """

    site: SiteDocument
    azure: AzureFacts
    hosts: Mapping[str, HostFacts]
    unread_nodes: Mapping[str, str]
    vault_vms: VaultVms | None = None
    cluster_vms: tuple[ClusterVm, ...] = ()

    @property
    def machines(self) -> tuple[MachineFacts, ...]:
        """The VMs that are meant to be protected: those declared, else all that the nodes have; by name.

        Those that are left out on purpose are not among them.
        """
        found = sorted((m for host in self.hosts.values() for m in host.machines), key=lambda m: m.name.lower())
        wanted = {name.lower() for name in self.site.vms}
        left_out = {name.lower() for name in self.site.without_vms}
        meant = (one for one in found if one.name.lower() not in left_out)
        return tuple(machine for machine in meant if not wanted or machine.name.lower() in wanted)
