"""What can be told of a way home before it begins: which way is the better one, and what keeps it closed."""

from collections.abc import Mapping
from datetime import datetime

import azure.durable_functions as df
from durabletask.entities import EntityInstanceId

from shared.advisor import Advice, Facts, advise
from shared.messages import ItemView
from shared.obligations import Obligation
from shared.operations import Operation
from shared.preview import Blocker

LOOKED_AT_LATER = (
    "Whether each VM is off at home, has no checkpoints, and has room: its node is asked when the run begins.",
    "A VM that was deleted at home is told then.",
)
_MB_IN_GB = 1024


def advice_of(operation: Operation, views: Mapping[str, ItemView], at: datetime) -> tuple[Advice, ...]:
    """Both ways home of each machine that runs in Azure; those of one site share its link.

    Args:
        operation: The failback.
        views: The protected items by VM name.
        at: When they were read, by Azure's clock.
    """
    known = {vm.casefold(): view for vm, view in views.items()}
    away = [(item.site or operation.document.site, known.get(item.vm.casefold())) for item in operation.document.items]
    told = [(site, view) for site, view in away if view and view.active_location == "Recovery"]
    shares = [site for site, _ in told]
    return tuple(advise(_facts(operation, site, view, at, shares.count(site))) for site, view in told)


def _facts(operation: Operation, site: str, view: ItemView, at: datetime, sharing: int) -> Facts:
    load = operation.sites[site].capacity
    return Facts(
        vm=view.vm,
        gb=view.disk_mb / _MB_IN_GB if view.disk_mb else None,
        away=at - view.last_failover if view.last_failover else None,
        churn=load.churn_of(view.vm),
        link=load.link_mbps,
        sharing=sharing,
    )


async def keeps_closed(client: df.DurableFunctionsClient, plan: str) -> tuple[Blocker, ...]:
    """The proof that an unplanned failover still owes: before it is there no failback of the plan begins."""
    found = await client.get_entity(EntityInstanceId("obligations", plan))
    owed = (found.get_typed_state(dict) if found else None) or {}
    if "source-off" not in owed:
        return ()
    one = Obligation.model_validate(owed["source-off"])
    seen = f"{', '.join(one.leftovers)}: " if one.leftovers else ""
    return (Blocker(code="source-not-proven-off", detail=f"{seen}{one.detail}"),)
