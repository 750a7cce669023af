"""What is other than declared: the site's document against what is there. Pure."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from shared.messages import Message
from shared.onboarding.preflight.azure_rights import ENOUGH, ON_ACCOUNT
from shared.onboarding.preflight.azure_target import ACCOUNT_KINDS, policy_differences, same_region
from shared.onboarding.preflight.facts import AzureFacts
from shared.replication.coverage import VaultVms, find_unprotected
from shared.replication.disks import unreplicated_disks
from shared.site_recovery.views import ItemView
from shared.sites.cluster_vms import ClusterVms
from shared.sites.defaults import cache_storage_of, replication_policy_of
from shared.sites.node_health import has_fresh_heartbeat, is_extension_well, providers_on
from shared.sites.nodes import is_item_of_site
from shared.sites.site import SiteDocument


class Drift(Message):
    """One difference.

    Attributes:
        part: Which part of the site, as in its document: "vault", "policy.replicationInterval", "nodes[hci-01-n2]".
        declared: As in the site's document.
        found: What is there.
    """

    part: str
    declared: str
    found: str


class SiteVms(NamedTuple):
    """The VMs of a site.

    Attributes:
        items: The protected items of its vault.
        vault_vms: What the vault lists of its Hyper-V site; None while it has no such site.
        cluster_vms: What the nodes named.
    """

    items: Sequence[ItemView]
    vault_vms: VaultVms | None = None
    cluster_vms: ClusterVms = ClusterVms()


def drift_table(found: Sequence[Drift]) -> str:
    """The differences as text, and a last line that says how many there are."""
    lines = [f"{one.part}\n  declared  {one.declared}\n  found     {one.found}" for one in found]
    summary = f"FAILED: {len(found)} differences" if found else "SUCCEEDED: as declared"
    return "\n".join([*lines, "", summary, ""])


def cluster_drift(site: SiteDocument, azure: AzureFacts) -> Iterator[Drift]:
    """The cluster, and the group that a failover creates machines in."""
    if azure.cluster is None:
        yield Drift(part="cluster", declared=site.cluster, found="nothing")
    elif not same_region(azure.cluster.location, site.region):
        yield Drift(part="region", declared=site.region, found=f"the cluster is in {azure.cluster.location}")
    if not azure.target_group:
        yield Drift(part="targetResourceGroup", declared=site.target_resource_group, found="nothing")


def vault_drift(site: SiteDocument, azure: AzureFacts) -> Iterator[Drift]:
    """The vault, its Hyper-V site, and the right of the cluster's identity on it."""
    vault = azure.vault
    if vault is None:
        yield Drift(part="vault", declared=site.vault, found="nothing")
        return
    if not same_region(vault.location, site.region):
        yield Drift(part="region", declared=site.region, found=f"the vault is in {vault.location}")
    if not vault.site_exists:
        yield Drift(part="hyperVSite", declared=site.hyper_v_site, found="nothing")
    if not ENOUGH & set(vault.cluster_roles):
        yield Drift(part="roles", declared="a role of the cluster's identity on the vault", found="none")


def policy_drift(site: SiteDocument, azure: AzureFacts) -> Iterator[Drift]:
    """The replication policy and its association."""
    vault, wanted = azure.vault, site.policy_settings
    if vault is None:
        return
    if vault.policy is None:
        yield Drift(part="policy", declared=replication_policy_of(site).name, found="nothing")
        return
    for field, found, declared in policy_differences(wanted, vault.policy) if wanted else ():
        yield Drift(part=f"policy.{field}", declared=str(declared), found=str(found))
    if not vault.associated:
        yield Drift(part="policy", declared=f"associated with {site.hyper_v_site}", found="not associated")


def storage_drift(site: SiteDocument, azure: AzureFacts) -> Iterator[Drift]:
    """The cache storage account, and the rights of the vault's identity on it."""
    account = azure.account
    if account is None:
        yield Drift(part="cacheStorage", declared=cache_storage_of(site), found="nothing")
    elif account.kind.lower() not in ACCOUNT_KINDS:
        yield Drift(part="cacheStorage", declared="a general-purpose account", found=account.kind)
    elif not same_region(account.location, site.region):
        yield Drift(part="cacheStorage", declared=site.region, found=f"the account is in {account.location}")
    if account and azure.vault and azure.vault.principal:
        for roles in ON_ACCOUNT:
            if not roles & set(account.vault_roles):
                yield Drift(part="roles", declared="a role of the vault's identity on its cache account", found="none")


def network_drift(site: SiteDocument, azure: AzureFacts) -> Iterator[Drift]:
    """The networks of a failover and of a drill."""
    drill = site.drill_network
    wanted = [("network", site.network, site.subnet, azure.network)]
    wanted += [("drillNetwork", drill.network, drill.subnet, azure.drill_network)] if drill else []
    for part, arm_id, subnet, found in wanted:
        if arm_id and found is None:
            yield Drift(part=part, declared=arm_id, found="nothing")
        elif found and subnet and subnet.lower() not in {one.lower() for one in found.subnets}:
            yield Drift(part=part, declared=f"the subnet {subnet}", found=", ".join(found.subnets) or "no subnet")
    if drill and azure.drill_network and azure.drill_network.peerings:
        yield Drift(part="drillNetwork", declared="isolated", found=f"{azure.drill_network.peerings} peerings")


def node_drift(site: SiteDocument, azure: AzureFacts) -> Iterator[Drift]:
    """The extension and the provider of each node."""
    for node in azure.nodes:
        part = f"nodes[{node.name}]"
        if not is_extension_well(node.extension):
            found = node.extension.provisioning_state if node.extension else "nothing"
            yield Drift(part=part, declared=f"the extension {site.extension}", found=found)
        elif node.extension and node.extension.name.lower() != site.extension.lower():
            yield Drift(part=part, declared=f"the extension {site.extension}", found=f"called {node.extension.name}")
        providers = providers_on(node.host, azure.vault.hosts if azure.vault else ())
        if not providers:
            yield Drift(part=part, declared=f"registered with {site.hyper_v_site}", found="not registered")
        elif not any(has_fresh_heartbeat(provider, azure.at) for provider in providers):
            last = max((provider.heartbeat for provider in providers if provider.heartbeat), default=None)
            yield Drift(part=part, declared="connected", found=f"last heartbeat: {last or 'never'}")


def vm_drift(site: SiteDocument, items: Sequence[ItemView]) -> Iterator[Drift]:
    """The VMs that are meant to be protected."""
    ours = [item for item in items if is_item_of_site(site, item)]  # a vault may have several sites
    for vm in site.vms:
        named = [item for item in ours if item.vm.lower() == vm.lower()]
        item = next(iter(named), None)
        if len(named) > 1:
            yield Drift(part=f"vms[{vm}]", declared="protected", found=f"twice: {', '.join(one.id for one in named)}")
        elif item is None:
            yield Drift(part=f"vms[{vm}]", declared="protected", found="not protected")
        elif item.protection_state != "Protected":
            yield Drift(part=f"vms[{vm}]", declared="Protected", found=item.protection_state)
        elif item.target_group and item.target_group.rstrip("/").lower() != site.target_resource_group.lower():
            yield Drift(part=f"vms[{vm}]", declared=site.target_resource_group, found=item.target_group)


AZURE_PARTS = (cluster_drift, vault_drift, policy_drift, storage_drift, network_drift, node_drift)


def unprotected_drift(site: SiteDocument, vms: SiteVms) -> Iterator[Drift]:
    """The VMs that nothing protects, where the site does not say itself which are meant: see `vm_drift` for those."""
    if site.vms:
        return
    listed = vms.vault_vms or VaultVms((), ())
    for one in find_unprotected(site, listed.machines, listed.items, vms.cluster_vms.vms):
        found = f"not protected, on {one.node}" if one.node else "not protected"
        yield Drift(part=f"vms[{one.vm}]", declared="protected, or named in withoutVms", found=found)


def disk_drift(site: SiteDocument, vms: SiteVms) -> Iterator[Drift]:
    """The disks that VMs have at home and that are not replicated."""
    for vm, disks in unreplicated_disks(site, vms.vault_vms):
        declared = "each disk replicated, or named in withoutDisks"
        yield Drift(part=f"vms[{vm}]", declared=declared, found=f"not replicated: {', '.join(disks)}")


def find_drift(site: SiteDocument, azure: AzureFacts, vms: SiteVms) -> tuple[Drift, ...]:
    """Every difference, from the cluster to the VMs; nothing when all is as declared."""
    of_azure = (one for find in AZURE_PARTS for one in find(site, azure))
    of_vms = (*vm_drift(site, vms.items), *unprotected_drift(site, vms), *disk_drift(site, vms))
    return (*of_azure, *of_vms)
