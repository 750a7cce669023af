"""What runs on a site would do, over HTTP: read from Azure while the caller waits, and nothing is changed."""

from typing import Any

import azure.durable_functions as df

from activities.durable_state import read_entity
from activities.preflight import read_site
from activities.prepare import ensure_resource
from activities.replication import read_protectable_items, read_replicated_items
from shared.concurrency import map_concurrently
from shared.messages import VaultRef
from shared.onboarding.contract import EnsureResource, ReadSite
from shared.onboarding.preparation import PrepareOrder, resource_groups_of
from shared.onboarding.prepare_preview import preview_preparation
from shared.operations.durable_names import CLUSTER_VMS
from shared.operations.kinds import Kind
from shared.replication.contract import ReadProtectableItems, ReadReplicatedItems
from shared.replication.preview import ReplicationPreview, preview_replication
from shared.replication.run import ReplicationOrder, begin_run
from shared.sites.cluster_vms import read_cluster_vms

READS: dict[Kind, str] = {
    "preflight": "It reads Azure and runs a read-only script on each node of the cluster. It changes nothing in Azure.",
    "verify": "It reads Azure, runs a read-only script on each node of the cluster, and compares that with the "
    "declared site. It changes nothing in Azure.",
}
"""What a check would do."""


async def preview_prepare(order: PrepareOrder) -> dict[str, Any]:
    """What a preparation would create, keep, and leave although it differs."""
    site = order.document
    groups = resource_groups_of(site)
    requests = [EnsureResource(operation=order.id, resource_id=group, kind="group", body=None) for group in groups]
    answers = await map_concurrently(requests, ensure_resource)  # without a body it only looks
    missing = [group for group, answer in zip(groups, answers, strict=True) if answer.outcome == "absent"]
    steps = preview_preparation(site, await read_site(ReadSite(site=site)), missing)
    return {"kind": order.kind, "site": order.site, "steps": [one.model_dump(mode="json") for one in steps]}


async def preview_replication_order(client: df.DurableFunctionsClient, order: ReplicationOrder) -> ReplicationPreview:
    """What would become of each VM, by what the nodes said last: a caller does not wait for scripts on them.

    Raises:
        Refused: the site is not prepared.
    """
    site, vault = order.document, VaultRef.from_id(order.document.vault)
    request = ReadProtectableItems(vault=vault, site=site.hyper_v_site, policy=site.policy_name)
    protectable = await read_protectable_items(request)
    replicated = await read_replicated_items(ReadReplicatedItems(vault=vault))
    cluster_vms = read_cluster_vms(await read_entity(client, CLUSTER_VMS, order.site))
    run = begin_run(order, protectable, replicated.items, replicated.at, cluster_vms)
    preview = preview_replication(order.request.action, run, replicated.items)
    return preview.model_copy(update={"nodes_read_at": cluster_vms.at})
