"""How healthy a site is, in a few words and numbers. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from shared.onboarding.preparation import HEARTBEAT_FRESH_FOR
from shared.site_recovery.views import ItemView, ProviderView
from shared.sites.nodes import NodeView, same_host


def summarise_site(
    nodes: Sequence[NodeView], providers: Sequence[ProviderView], items: Sequence[ItemView], at: datetime
) -> dict[str, Any]:
    """{state, detail, nodes: {total, well}, vms: {total, protected, inAzure, critical}}; "well" is the good state.

    A node is well when its agent is connected, its extension succeeded, and the vault heard of it of late.
    """
    unwell = [node.name for node in nodes if not _is_node_well(node, providers, at)]
    critical = [item.vm for item in items if item.replication_health == "Critical"]
    details = [f"{', '.join(unwell)} not well"] if unwell else []
    details += [f"replication of {len(critical)} VMs is critical"] if critical else []
    details += ["no node is known"] if not nodes else []
    vms = {
        "total": len(items),
        "protected": sum(item.protection_state == "Protected" for item in items),
        "inAzure": sum(item.active_location == "Recovery" for item in items),
        "critical": len(critical),
    }
    totals = {"nodes": {"total": len(nodes), "well": len(nodes) - len(unwell)}, "vms": vms}
    return {"state": "impaired" if details else "well", "detail": "; ".join(details), **totals}


def _is_node_well(node: NodeView, providers: Sequence[ProviderView], at: datetime) -> bool:
    installed = node.extension is not None and node.extension.provisioning_state == "Succeeded"
    return node.status.lower() == "connected" and installed and _has_fresh_heartbeat(node, providers, at)


def _has_fresh_heartbeat(node: NodeView, providers: Sequence[ProviderView], at: datetime) -> bool:
    hosts = [host for host in providers if same_host(host.host, node.name) and host.connected and host.heartbeat]
    return any(host.heartbeat and at - host.heartbeat <= HEARTBEAT_FRESH_FOR for host in hosts)
