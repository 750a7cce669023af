"""How healthy a site is, in a few words and numbers. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from shared.site_recovery.views import ItemView, ProviderView
from shared.sites.node_health import has_fresh_heartbeat, is_agent_connected, is_extension_well, providers_on
from shared.sites.nodes import NodeView
from shared.wording import list_briefly


def summarise_site(
    nodes: Sequence[NodeView], providers: Sequence[ProviderView], items: Sequence[ItemView], at: datetime
) -> dict[str, Any]:
    """{state, detail, nodes: {total, well}, vms: {total, protected, inAzure, critical}}; "well" is the good state.

    A node is well when its agent is connected, its extension succeeded, and its provider has a fresh heartbeat.
    """
    well = [
        node.name
        for node in nodes
        if is_agent_connected(node)
        and is_extension_well(node.extension)
        and any(has_fresh_heartbeat(provider, at) for provider in providers_on(node.name, providers))
    ]
    unwell = [node.name for node in nodes if node.name not in well]
    critical = [item.vm for item in items if item.replication_health == "Critical"]
    details = [f"{list_briefly(unwell)} not well"] if unwell else []
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
