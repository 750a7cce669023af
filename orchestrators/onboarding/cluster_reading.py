"""What a cluster's nodes and its vault say of its VMs: for a preflight, a verification, and before VMs are enabled.

1. Run a script on each connected node, page after page, all nodes at once.
2. Keep what the nodes named: health and previews tell of it, which cannot wait for a script.
3. Read what the vault lists.
"""

import logging
from collections.abc import Mapping
from typing import NamedTuple

from orchestrators.durable.node_scripts import PagedScript, read_pages
from orchestrators.durable.steps import Context, Steps, call, call_entity, call_patiently, now, show_status
from shared.arm_ids import name_of
from shared.errors import SiteRecoveryError, Transient
from shared.healing.contract import RunScript
from shared.messages import VaultRef
from shared.onboarding.contract import READ_SITE, ReadSite
from shared.onboarding.preflight.facts import AzureFacts, HostFacts, NodeFacts, SiteFacts
from shared.onboarding.preflight.node_answers import join_node_pages, read_node_page
from shared.onboarding.preflight.virtual_machines import cluster_vms_of
from shared.operations.durable_names import CLUSTER_VMS
from shared.replication.contract import (
    READ_PROTECTABLE_ITEMS,
    READ_REPLICATED_ITEMS,
    ReadProtectableItems,
    ReadReplicatedItems,
)
from shared.replication.coverage import VaultVms, items_within
from shared.sites.cluster_vms import ClusterVms
from shared.sites.defaults import cache_storage_of
from shared.sites.node_health import disconnected_nodes
from shared.sites.operation import SiteOperation
from shared.sites.outbound import required_endpoints

_LOG = logging.getLogger(__name__)


class HostsRead(NamedTuple):
    """Each node's own view, by its name in lower case; and why a node has none, by its name."""

    hosts: Mapping[str, HostFacts]
    unread: Mapping[str, str]


def show_phase(ctx: Context, phase: str, waiting_for: str) -> None:
    """Show where the run stands."""
    show_status(ctx, {"phase": phase, "waitingFor": waiting_for, "at": now(ctx).isoformat()})


def read_azure_facts(ctx: Context, operation: SiteOperation) -> Steps[AzureFacts]:
    """What Azure shows of the site."""
    show_phase(ctx, "Azure", "the site's resources to be read")
    return (yield from call_patiently(ctx, READ_SITE, ReadSite(site=operation.document)))


def endpoints_to_try(operation: SiteOperation, azure: AzureFacts) -> str:
    """What each node should reach, as the script takes it."""
    account = name_of(cache_storage_of(operation.document)) if azure.account else ""
    return ",".join(required_endpoints(account))


def read_hosts(ctx: Context, operation: SiteOperation, azure: AzureFacts, endpoints: str = "") -> Steps[HostsRead]:
    """What each connected node says of itself and of its VMs.

    Args:
        endpoints: What each shall try to reach.
    """
    disconnected = disconnected_nodes(azure.nodes)
    connected = [node for node in azure.nodes if node.name not in disconnected]
    scripts = [_node_script(operation.id, node, endpoints) for node in connected]

    def show_page(nodes: int, page: int) -> None:
        show_phase(ctx, "Nodes", f"{nodes} nodes to answer (page {page})")

    answers = yield from read_pages(ctx, scripts, read_node_page, show_page)
    hosts = {name.lower(): join_node_pages(pages) for name, pages in answers.by_node.items()}
    return HostsRead(hosts, {**disconnected, **answers.silent})


def _node_script(operation: str, node: NodeFacts, endpoints: str) -> PagedScript:
    request = RunScript(
        machine_id=node.id,
        name=f"{operation}-read-node",
        script="read-node",
        operation=operation,
        parameters={"Endpoints": endpoints},
    )
    return PagedScript(node.name, request, later_parameters={"Endpoints": ""})  # they are tried once


def keep_cluster_vms(ctx: Context, operation: SiteOperation, facts: SiteFacts) -> Steps[ClusterVms]:
    """What the nodes named, each VM with what it would not be enabled for; kept for those who cannot run a script."""
    reading = cluster_vms_of(facts)
    try:
        kept = yield from call_entity(ctx, CLUSTER_VMS, operation.site, "keep", reading.model_dump(mode="json"))
    except Transient as silence:
        ctx.create_replay_safe_logger(_LOG).warning("what the nodes named is not kept: %s", silence)
        return reading
    return ClusterVms.model_validate(kept)


def read_cluster_vms(ctx: Context, operation: SiteOperation) -> Steps[ClusterVms]:
    """The VMs of the cluster before some are enabled; where Azure does not show its nodes, none, and why."""
    try:
        azure = yield from read_azure_facts(ctx, operation)
    except SiteRecoveryError as failure:
        return ClusterVms(unread={"the cluster": str(failure)})
    read = yield from read_hosts(ctx, operation, azure)
    return (yield from keep_cluster_vms(ctx, operation, SiteFacts(operation.document, azure, *read)))


def read_vault_vms(ctx: Context, operation: SiteOperation, azure: AzureFacts) -> Steps[VaultVms | None]:
    """What the vault lists of the site's VMs; None where there is no site in it yet.

    Raises:
        SiteRecoveryError: it could not be read.
    """
    site, vault = operation.document, VaultRef.from_id(operation.document.vault)
    if not (azure.vault and azure.vault.site_exists and azure.vault.associated):
        return None
    request = ReadProtectableItems(vault=vault, site=site.hyper_v_site, policy=site.policy_name)
    listed = yield from call(ctx, READ_PROTECTABLE_ITEMS, request)
    copies = yield from call(ctx, READ_REPLICATED_ITEMS, ReadReplicatedItems(vault=vault))
    return VaultVms(listed.machines, items_within(copies.items, listed.container))
