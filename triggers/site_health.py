"""How healthy a site is now, read from Azure while the caller waits."""

import asyncio
from typing import Any

from activities.contract import ReadItems, ReadProviders
from activities.node_contract import ReadNodes
from activities.nodes import read_nodes
from activities.vault import read_items, read_providers
from shared.azure.faults import Missing
from shared.azure.wire import segments
from shared.errors import SiteRecoveryError
from shared.messages import VaultRef
from shared.site_health import summary
from shared.sites import SiteDocument


async def health_of(site: SiteDocument) -> dict[str, Any]:
    """The site's health; {state: "unprepared" or "unknown", detail} without a vault, or when Azure does not say."""
    vault = VaultRef.from_id(site.vault)
    try:
        nodes, hosts, items = await asyncio.gather(
            read_nodes(ReadNodes(cluster_id=site.cluster)),
            read_providers(ReadProviders(vault=vault, fabric=site.hyper_v_site)),
            read_items(ReadItems(vault=vault)),
        )
    except Missing as missing:
        return {"state": "unprepared", "detail": missing.detail}
    except SiteRecoveryError as failure:
        return {"state": "unknown", "detail": str(failure)}
    fabrics = {site.hyper_v_site.lower(), *(_fabric_of(host.id) for host in hosts.providers)}
    ours = [item for item in items.items if _fabric_of(item.id) in fabrics]  # a vault may have several sites
    return summary(nodes.nodes, hosts.providers, ours, hosts.at)


def _fabric_of(arm_id: str) -> str:
    return segments(arm_id).get("replicationfabrics", "").lower()
