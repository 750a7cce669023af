"""What is other than declared: the site's document against what is there. Pure."""

from collections.abc import Iterator, Sequence

from shared.messages import Message
from shared.onboarding.preflight.azure_rights import ENOUGH, ON_ACCOUNT
from shared.onboarding.preflight.azure_target import ACCOUNT_KINDS, policy_differences, same_region
from shared.onboarding.preflight.facts import AzureFacts
from shared.onboarding.preparation import HEARTBEAT_FRESH_FOR
from shared.site_recovery.views import ItemView
from shared.sites.defaults import cache_storage_of, replication_policy_of
from shared.sites.nodes import is_item_of_site
from shared.sites.site import SiteDocument


class Drift(Message):
    """One difference.

    Attributes:
        what: Which part of the site, as in its document: "vault", "policy.replicationInterval", "nodes[hci-01-n2]".
        declared: What the site says.
        found: What is there.
    """

    what: str
    declared: str
    found: str


def drift_table(found: Sequence[Drift]) -> str:
    """The differences as text, and a last line that says how many there are."""
    lines = [f"{one.what}\n  declared  {one.declared}\n  found     {one.found}" for one in found]
    summary = f"FAILED: {len(found)} differences" if found else "SUCCEEDED: as declared"
    return "\n".join([*lines, "", summary, ""])


def find_drift(site: SiteDocument, azure: AzureFacts, items: Sequence[ItemView]) -> tuple[Drift, ...]:
    """Every difference, from the cluster to the VMs; nothing when all is as declared."""
    parts = (
        _cluster_drift(site, azure),
        _vault_drift(site, azure),
        _storage_drift(site, azure),
        _network_drift(site, azure),
    )
    return tuple(one for part in (*parts, _node_drift(site, azure), _vm_drift(site, items)) for one in part)


def _cluster_drift(site: SiteDocument, azure: AzureFacts) -> Iterator[Drift]:
    if azure.cluster is None:
        yield Drift(what="cluster", declared=site.cluster, found="nothing")
    elif not same_region(azure.cluster.location, site.region):
        yield Drift(what="region", declared=site.region, found=f"the cluster is in {azure.cluster.location}")
    if not azure.target_group:
        yield Drift(what="targetResourceGroup", declared=site.target_resource_group, found="nothing")


def _vault_drift(site: SiteDocument, azure: AzureFacts) -> Iterator[Drift]:
    vault = azure.vault
    if vault is None:
        yield Drift(what="vault", declared=site.vault, found="nothing")
        return
    if not same_region(vault.location, site.region):
        yield Drift(what="region", declared=site.region, found=f"the vault is in {vault.location}")
    if not vault.site_exists:
        yield Drift(what="hyperVSite", declared=site.hyper_v_site, found="nothing")
    if not ENOUGH & set(vault.cluster_roles):
        yield Drift(what="roles", declared="a role of the cluster's identity on the vault", found="none")
    yield from _policy_drift(site, azure)


def _policy_drift(site: SiteDocument, azure: AzureFacts) -> Iterator[Drift]:
    vault, wanted = azure.vault, site.policy_settings
    if vault is None:
        return
    if vault.policy is None:
        yield Drift(what="policy", declared=replication_policy_of(site).name, found="nothing")
        return
    for difference in policy_differences(wanted, vault.policy) if wanted else ():
        field, _, values = difference.partition(" is ")
        found, _, declared = values.partition(", the site says ")
        yield Drift(what=f"policy.{field}", declared=declared, found=found)
    if not vault.associated:
        yield Drift(what="policy", declared=f"associated with {site.hyper_v_site}", found="not associated")


def _storage_drift(site: SiteDocument, azure: AzureFacts) -> Iterator[Drift]:
    account = azure.account
    if account is None:
        yield Drift(what="cacheStorage", declared=cache_storage_of(site), found="nothing")
    elif account.kind.lower() not in ACCOUNT_KINDS:
        yield Drift(what="cacheStorage", declared="a general-purpose account", found=account.kind)
    elif not same_region(account.location, site.region):
        yield Drift(what="cacheStorage", declared=site.region, found=f"the account is in {account.location}")
    if account and azure.vault and azure.vault.principal:
        for roles in ON_ACCOUNT:
            if not roles & set(account.vault_roles):
                yield Drift(what="roles", declared="a role of the vault's identity on its cache account", found="none")


def _network_drift(site: SiteDocument, azure: AzureFacts) -> Iterator[Drift]:
    drill = site.drill_network
    wanted = [("network", site.network, site.subnet, azure.network)]
    wanted += [("drillNetwork", drill.network, drill.subnet, azure.drill_network)] if drill else []
    for what, arm_id, subnet, found in wanted:
        if arm_id and found is None:
            yield Drift(what=what, declared=arm_id, found="nothing")
        elif found and subnet and subnet.lower() not in {one.lower() for one in found.subnets}:
            yield Drift(what=what, declared=f"the subnet {subnet}", found=", ".join(found.subnets) or "no subnet")
    if drill and azure.drill_network and azure.drill_network.peerings:
        yield Drift(what="drillNetwork", declared="isolated", found=f"{azure.drill_network.peerings} peerings")


def _node_drift(site: SiteDocument, azure: AzureFacts) -> Iterator[Drift]:
    hosts = {_short_name(host.host): host for host in (azure.vault.hosts if azure.vault else ())}
    for node in azure.nodes:
        what, state = f"nodes[{node.name}]", node.extension.provisioning_state if node.extension else "nothing"
        if state != "Succeeded":
            yield Drift(what=what, declared=f"the extension {site.extension}", found=state)
        host = hosts.get(_short_name(node.name))
        if host is None:
            yield Drift(what=what, declared=f"registered with {site.hyper_v_site}", found="not registered")
        elif not host.connected or host.heartbeat is None or azure.at - host.heartbeat > HEARTBEAT_FRESH_FOR:
            yield Drift(what=what, declared="connected", found=f"last heard of {host.heartbeat or 'never'}")


def _short_name(host: str) -> str:
    return host.split(".", maxsplit=1)[0].lower()


def _vm_drift(site: SiteDocument, items: Sequence[ItemView]) -> Iterator[Drift]:
    ours = [item for item in items if is_item_of_site(site, item)]  # a vault may have several sites
    for vm in site.vms:
        named = [item for item in ours if item.vm.lower() == vm.lower()]
        item = next(iter(named), None)
        if len(named) > 1:
            yield Drift(what=f"vms[{vm}]", declared="protected", found=f"twice: {', '.join(one.id for one in named)}")
        elif item is None:
            yield Drift(what=f"vms[{vm}]", declared="protected", found="not protected")
        elif item.protection_state != "Protected":
            yield Drift(what=f"vms[{vm}]", declared="Protected", found=item.protection_state)
        elif item.target_group and item.target_group.rstrip("/").lower() != site.target_resource_group.lower():
            yield Drift(what=f"vms[{vm}]", declared=site.target_resource_group, found=item.target_group)
