"""What was done to Azure, as the Activity Log shows it; ends of operations go on to Event Grid.

Each write is entered twice: when ARM accepted it and when it ended, by `log_accepted` and `log_ended`. A call that is
done when it is answered is entered once.
"""

import json

from lab.azure.arm import event_grid
from lab.azure.arm.ids import part_of
from lab.azure.arm.odata import parse_clauses
from lab.azure.arm.paging import paged_answer
from lab.azure.arm.routing import Provider
from lab.azure.simulator.answers import Answer, Json, bad_request
from lab.azure.simulator.lab import LOCATION, SUBSCRIPTION, TENANT, Lab, parse_instant, to_iso
from lab.azure.simulator.requests import ArmRequest

KIND = "activity"
provider = Provider("microsoft.insights", {"2015-04-01"})


def origin_of(request: ArmRequest) -> Json:
    """Who asked for an operation, and with what: kept with it until it ends."""
    return {
        "correlation": request.correlation_id,
        "clientRequestId": request.client_request_id,
        "principal": request.principal,
        "method": request.method,
        "url": f"{request.base}{request.path}?api-version={request.api_version}",
    }


def log_accepted(lab: Lab, origin: Json, resource: str, operation: str) -> None:
    """Enter that ARM accepted an operation that goes on."""
    _add_entry(lab, origin, resource, operation, "Accepted", None)


def log_ended(lab: Lab, origin: Json, resource: str, operation: str, error: Json | None = None) -> None:
    """Enter the end of an operation and publish its Event Grid event.

    Args:
        lab: The lab.
        origin: What `origin_of` gave when it was asked for.
        resource: ARM id of the resource.
        operation: "Microsoft.HybridCompute/machines/extensions/write".
        error: {"code", "message"} of a failure; only the Activity Log tells it, never the event.
    """
    _add_entry(lab, origin, resource, operation, "Failed" if error else "Succeeded", error)
    event_grid.emit_event(lab, origin, resource, operation, failed=error is not None)


def _add_entry(lab: Lab, origin: Json, resource: str, operation: str, status: str, error: Json | None) -> None:
    name = lab.new_id("activity")
    moment = to_iso(lab.now())
    properties = {"statusCode": "OK"}
    if error:
        properties = {"statusCode": "Conflict", "statusMessage": json.dumps({"status": "Failed", "error": error})}
    entry = {
        "id": f"{resource}/events/{name}/ticks/{int(lab.now().timestamp() * 10_000_000)}",
        "eventDataId": name,
        "eventTimestamp": moment,
        "submissionTimestamp": moment,
        "correlationId": origin["correlation"],
        "operationId": origin["correlation"],
        "caller": origin["principal"],
        "level": "Error" if error else "Informational",
        "resourceId": resource,
        "resourceGroupName": part_of(resource, "resourceGroups") or "",
        "resourceProviderName": {"value": operation.partition("/")[0]},
        "operationName": {"value": operation, "localizedValue": operation},
        "category": {"value": "Administrative", "localizedValue": "Administrative"},
        "status": {"value": status, "localizedValue": status},
        "subscriptionId": part_of(resource, "subscriptions") or SUBSCRIPTION,
        "tenantId": TENANT,
        "location": LOCATION,
        "properties": properties,
    }
    lab.store.put(KIND, name, entry)


_FILTERS = {
    "eventTimestamp ge": "since",
    "eventTimestamp le": "until",
    "correlationId": "correlationId",
    "resourceId": "resourceId",
    "resourceUri": "resourceId",
    "resourceGroupName": "resourceGroupName",
    "resourceProvider": "resourceProvider",
}


@provider.route("GET", "/subscriptions/{subscription}/providers/microsoft.insights/eventtypes/management/values")
def list_activities(lab: Lab, request: ArmRequest) -> Answer:
    """The Activity Log, newest first; $filter must begin with a time and may name correlationId or resourceId/Uri."""
    wanted = parse_clauses(request.query.get("$filter", ""), _FILTERS)
    since, until = wanted.pop("since", ""), wanted.pop("until", "")
    if not since:
        raise bad_request("BadRequest", "The $filter must give a start: eventTimestamp ge '<ISO 8601>'.")
    found = [entry for entry in reversed(lab.store.all(KIND)) if _is_within(entry, since, until)]
    return paged_answer(request, [entry for entry in found if _is_about(entry, wanted)], size=200)


def _is_within(entry: Json, since: str, until: str) -> bool:
    at = parse_instant(entry["eventTimestamp"])
    return parse_instant(since) <= at and (not until or at <= parse_instant(until))


def _is_about(entry: Json, wanted: dict[str, str]) -> bool:
    """Whether an entry has these values; a provider is told by its own name."""
    shown = entry | {"resourceProvider": entry["resourceProviderName"]["value"]}
    return all(str(shown[name]).lower() == value.lower() for name, value in wanted.items())
