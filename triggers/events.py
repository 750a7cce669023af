"""Event Grid: a failed write of an ASR extension on an Arc machine starts its repair."""

import logging
import re
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from shared.operations import Repair
from shared.request_ids import run_id
from shared.sites import SiteDocument
from triggers import shelf
from triggers.starting import start_once

bp = df.Blueprint()
_LOG = logging.getLogger(__name__)

FAILED = "Microsoft.Resources.ResourceWriteFailure"
EXTENSION = re.compile(
    r"(?P<machine>/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.HybridCompute/machines/(?P<node>[^/]+))"
    r"/extensions/(?P<extension>[^/]+)",
    re.IGNORECASE,
)


@bp.event_grid_trigger(arg_name="event")
@bp.durable_client_input(client_name="client")
async def on_azure_event(event: func.EventGridEvent, client: df.DurableFunctionsClient) -> None:
    """Start a repair for a failed ASR extension of a declared site; every other event is let pass.

    Events come at least once and in any order: the same failure, told again, has the same run id.
    """
    found = EXTENSION.fullmatch(event.subject or "")
    if event.event_type != FAILED or found is None:
        return
    entries = await shelf.entries(client, "site")
    declared = {name: SiteDocument.model_validate(entry.document) for name, entry in entries.items()}
    sites = {name: site for name, site in declared.items() if site.healing}
    if found["extension"].lower() not in {site.extension.lower() for site in sites.values()}:
        _LOG.info("event %s is of the extension %s, which is not ours", event.id, found["extension"])
        return
    told: Any = event.get_json()
    cause = str(told.get("correlationId") or event.id) if isinstance(told, dict) else event.id
    run = run_id("repair", found["node"].lower(), cause)
    order = Repair(id=run, machine_id=found["machine"], requested_by="event-grid", sites=sites, cause=cause)
    await start_once(client, "repair", run, order)
