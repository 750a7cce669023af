"""Site Recovery's own events: health of machines and agents, and jobs that failed."""

from lab.azure.arm.paging import paged_answer
from lab.azure.simulator.answers import Answer, Json
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import ArmRequest
from lab.azure.site_recovery.api.common import FABRICS, SITE_RECOVERY, VAULT, caller_of, type_of, vault_of
from lab.azure.site_recovery.api.errors import missing_error
from lab.azure.site_recovery.api.filters import filter_time, parse_filter
from lab.azure.site_recovery.api.times import exact_time, parse_time
from lab.azure.site_recovery.jobs.jobs import whenever
from lab.azure.site_recovery.jobs.kinds import KINDS

KIND = "asr-event"
_TICKS_PER_SECOND = 10_000_000
_NAMES = {
    "JobStatus": "JobStatusMonitoringEvent",
    "AgentHealth": "AgentMonitoringEvent",
    "ServerHealth": "ServerMonitoringEvent",
}


def emit_event(lab: Lab, vault: str, about: str, event_type: str, **properties: object) -> Json:
    """Keep an event; `properties` are eventCode, description, severity and what else it has."""
    now = lab.now()
    prefix = _NAMES.get(event_type, "VmMonitoringEvent")
    name = f"{prefix};{int(now.timestamp() * _TICKS_PER_SECOND)}_{lab.new_id('event')}"
    shown: Json = {
        "eventCode": None,
        "description": None,
        "eventType": event_type,
        "affectedObjectFriendlyName": about,
        "affectedObjectCorrelationId": lab.fixed_id("correlation", vault, about),
        "severity": "OK",
        "timeOfOccurrence": exact_time(now),
        "fabricId": None,
        "providerSpecificDetails": {"instanceType": "HyperVReplicaAzure"},
        "eventSpecificDetails": None,
        "healthErrors": [],
    }
    arm_id = f"{vault}/replicationEvents/{name}"
    event = {"id": arm_id, "name": name, "type": type_of(arm_id), "properties": shown | properties}
    return lab.store.put(KIND, arm_id, event)


def emit_agent(lab: Lab, fabric: Json, node: str) -> None:
    """The agent of a node is connected."""
    description = "Azure Site Recovery Provider is connected"
    emit_event(
        lab,
        fabric["vault"],
        node,
        "AgentHealth",
        eventCode="SRSDRAConnected",
        description=description,
        fabricId=fabric["id"],
    )


def emit_heartbeat_missing(lab: Lab, provider: Json) -> None:
    """The agent of a node is not connected: Critical, with health error 583."""
    fabric = lab.store.get(FABRICS, provider["fabric"])
    if fabric is None:
        return
    error = {"errorCode": "583", "errorMessage": f"Server '{provider['node']}' isn't connected to Azure Site Recovery."}
    emit_event(
        lab,
        fabric["vault"],
        provider["node"],
        "AgentHealth",
        eventCode="SRSDRAHeartbeatMissing",
        description="Azure Site Recovery Provider is not connected",
        severity="Critical",
        fabricId=fabric["id"],
        healthErrors=[error],
    )


@whenever("Failed")
def report_failed_job(lab: Lab, job: Json) -> None:
    """A job that failed is an event of its vault."""
    if not job["errors"]:
        return
    service = job["errors"][-1]["serviceErrorDetails"]
    error = {
        "errorCode": service["code"],
        "errorMessage": service["message"],
        "possibleCauses": service["possibleCauses"],
        "recommendedAction": service["recommendedAction"],
    }
    emit_event(
        lab,
        job["vault"],
        job["targetName"],
        "JobStatus",
        eventCode=lab.fixed_id("event-code", "job-failed"),
        description=f"{KINDS[job['kind']].scenario} - Failed",
        severity="Critical",
        eventSpecificDetails={"instanceType": "JobStatus"},
        healthErrors=[error],
    )


_KEYS = {
    "eventtype": lambda event, value: event["properties"]["eventType"].lower() == value.lower(),
    "severity": lambda event, value: event["properties"]["severity"].lower() == value.lower(),
    "affectedobjectfriendlyname": lambda event, value: event["properties"]["affectedObjectFriendlyName"] == value,
    "fabricname": lambda event, value: (event["properties"]["fabricId"] or "").lower().endswith(f"/{value.lower()}"),
    "starttime": lambda event, value: parse_time(event["properties"]["timeOfOccurrence"]) >= filter_time(value),
    "endtime": lambda event, value: parse_time(event["properties"]["timeOfOccurrence"]) <= filter_time(value),
}


@SITE_RECOVERY.route("GET", VAULT + "/replicationEvents")
def list_events(lab: Lab, request: ArmRequest) -> Answer:
    """The events of a vault, newest first, as the filter asks."""
    test = parse_filter(request.query.get("$filter"), _KEYS)
    events = [event for event in lab.store.all(KIND, vault_of(request)) if test(event)]
    return paged_answer(request, events[::-1], 200)


@SITE_RECOVERY.route("GET", VAULT + "/replicationEvents/{event}")
def get_event(lab: Lab, request: ArmRequest) -> Answer:
    """One event by its name."""
    event = lab.store.get(KIND, f"{vault_of(request)}/replicationEvents/{request.params['event']}")
    if event is None:
        raise missing_error(request.params["event"], caller_of(request))
    return Answer(200, event)
