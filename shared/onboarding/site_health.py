"""How healthy a site is, in a few words and numbers. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from shared.replication.coverage import UnprotectedVm
from shared.replication.pacing import DISCOVERY_TAKES
from shared.site_recovery.views import ItemView, ProviderView
from shared.sites.cluster_vms import ClusterVms
from shared.sites.node_health import has_fresh_heartbeat, is_agent_connected, is_extension_well, providers_on
from shared.sites.nodes import NodeView
from shared.wording import list_briefly


class Coverage(NamedTuple):
    """What of a cluster is protected and planned.

    Attributes:
        unplanned: Protected VMs that are in no plan.
        unread_nodes: Nodes that no vault hears of, and that were never asked for their VMs.
        nodes_read_at: When the nodes were last asked; None when they never were.
    """

    unprotected: Sequence[UnprotectedVm] = ()
    unplanned: Sequence[str] = ()
    unread_nodes: Sequence[str] = ()
    nodes_read_at: datetime | None = None


def is_newer_than_lists(read_at: datetime | None, at: datetime) -> bool:
    """Whether the nodes were read so lately that a vault may not list all yet; later on it knows better than they."""
    return read_at is not None and at - read_at < DISCOVERY_TAKES


def find_unread_nodes(unregistered: Iterable[str], kept: ClusterVms) -> tuple[str, ...]:
    """Nodes whose VMs nobody has named: the vault does not hear of them, and no script ran there."""
    return tuple(node for node in unregistered if kept.at is None or node in kept.unread)


def summarise_site(
    nodes: Sequence[NodeView],
    providers: Sequence[ProviderView],
    items: Sequence[ItemView],
    at: datetime,
    coverage: Coverage = Coverage(),  # noqa: B008 - it is immutable
) -> dict[str, Any]:
    """{state, detail, nodes: {total, well}, vms, unprotected, unplanned, …}; "well" is the good state.

    A node is well when its agent is connected, its extension succeeded, and its provider has a fresh heartbeat.
    """
    well = [node.name for node in nodes if _is_node_well(node, providers, at)]
    unwell = [node.name for node in nodes if node.name not in well]
    critical = [item.vm for item in items if item.replication_health == "Critical"]
    details = [f"{list_briefly(unwell)} not well"] if unwell else []
    details += [f"replication of {len(critical)} VMs is critical"] if critical else []
    details += [f"not protected: {list_briefly([one.vm for one in coverage.unprotected])}"] * bool(coverage.unprotected)
    unread = list_briefly(coverage.unread_nodes)
    details += [f"the VMs of {unread} may not be protected: run a preflight"] if unread else []
    details += ["no node is known"] if not nodes else []
    vms = {
        "total": len(items),
        "protected": sum(item.protection_state == "Protected" for item in items),
        "inAzure": sum(item.is_in_azure for item in items),
        "critical": len(critical),
        "unprotected": len(coverage.unprotected),
        "withoutPlan": len(coverage.unplanned),
    }
    totals = {"nodes": {"total": len(nodes), "well": len(nodes) - len(unwell)}, "vms": vms}
    return {"state": "impaired" if details else "well", "detail": "; ".join(details), **totals, **_named(coverage)}


def _is_node_well(node: NodeView, providers: Sequence[ProviderView], at: datetime) -> bool:
    fresh = any(has_fresh_heartbeat(provider, at) for provider in providers_on(node.host, providers))
    return is_agent_connected(node) and is_extension_well(node.extension) and fresh


def _named(coverage: Coverage) -> dict[str, Any]:
    return {
        "unprotected": [one.model_dump(mode="json", by_alias=True) for one in coverage.unprotected],
        "withoutPlan": list(coverage.unplanned),
        "nodesNotRead": list(coverage.unread_nodes),
        "nodesReadAt": coverage.nodes_read_at.isoformat() if coverage.nodes_read_at else None,
    }
