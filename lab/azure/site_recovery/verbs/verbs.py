"""The verbs of a protected item: accepted whatever the item is busy with; its job then works, or fails as in Azure."""

from datetime import timedelta

from lab.azure.simulator.answers import Answer, Json
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import ArmRequest
from lab.azure.site_recovery.api.common import ITEM, ITEMS, SITE_RECOVERY, caller_of, require_record
from lab.azure.site_recovery.api.errors import Caller, direction_error, input_error
from lab.azure.site_recovery.api.request_fields import (
    TO_AZURE,
    TO_PRIMARY,
    read_comments,
    read_failback,
    read_network,
    read_source_operations,
    require_details,
    require_direction,
    require_properties,
    require_text,
)
from lab.azure.site_recovery.items import recovery_points
from lab.azure.site_recovery.items.items import SEGMENT, enter_state, facts_of, state_of, target_of
from lab.azure.site_recovery.items.lifecycle import LIFE, TEST_PENDING, find_step
from lab.azure.site_recovery.jobs.accepted import answer_with_job
from lab.azure.site_recovery.jobs.durations import BUSY_FAILS_AFTER, draw_duration
from lab.azure.site_recovery.jobs.job_faults import facts_of_fault
from lab.azure.site_recovery.jobs.jobs import (
    KIND,
    RESTARTERS,
    Failure,
    Target,
    begin_cancelling,
    begin_failing_job,
    begin_job,
)
from lab.azure.site_recovery.jobs.kinds import KINDS
from lab.azure.site_recovery.sites.providers import is_connected, unreachable_host
from lab.azure.site_recovery.verbs import recovery_vms, source_checks

NEEDS_HOST = frozenset({"PlannedFailover", "Failback", "FinalizeFailback", "ReprotectReplicationGroup"})
_REFUSED = {"ReverseReplicate": "25038", "Commit": "25037", "FinalizeFailback": "25037"}
_OTHERWISE = "539"
_MAKES_VM = ("TestFailover", "PlannedFailover", "UnplannedFailover")
_FAILBACK_SUSPENSION = {"task": "SynchronizeDataTask", "description": "WaitingForUserInputAfterDataSync"}


def start_verb(
    lab: Lab,
    item: Json,
    operation: str,
    caller: Caller,
    given: Json,
    *,
    effect: Json | None = None,
    **details_of_job: object,
) -> Json:
    """Begin the job of an operation on an item; gives the job, which may be one that is going to fail.

    Args:
        lab: The lab.
        item: The protected item.
        operation: As allowedOperations names it.
        caller: Quoted in the job's activityId.
        given: The job's `input`: recovery point, network, options.
        effect: What a fault rule wants of the job.
        details_of_job: What customDetails shows besides.
    """
    kind, taken_step = _kind_of(operation), find_step(operation, state_of(item))
    facts = facts_of(lab, item) | {"input": given, "details": details_of_job, "operation": operation, "asked": True}
    obstacle = _find_obstacle(lab, item, operation, given)
    if obstacle or taken_step is None:
        refused = obstacle or Failure(_REFUSED.get(operation, _OTHERWISE))
        return begin_failing_job(lab, item["vault"], kind, target_of(item), caller, refused, **facts)
    facts |= {"from": taken_step.start.name, "to": taken_step.end.name} | facts_of_fault(effect, kind)
    facts |= _missing_in_azure(lab, item, kind, given) | _missing_on_premises(lab, item, kind, given)
    job = begin_job(lab, item["vault"], kind, target_of(item), caller, **facts)
    enter_state(lab, item, taken_step.meanwhile, job, taken_step.scenario)
    return job


def restart_verb(lab: Lab, job: Json, caller: Caller) -> Json:
    """Begin the operation of a failed job again, from where the item now is."""
    item = lab.store.get(ITEMS, job["item"])
    if item is None:
        target = Target(job["target"], job["targetName"], job["resource"])
        return begin_failing_job(lab, job["vault"], job["kind"], target, caller, Failure("499"))
    return start_verb(lab, item, job["operation"], caller, job["input"], **job["details"])


def _missing_in_azure(lab: Lab, item: Json, kind: str, given: Json) -> Json:
    """The failure of a job whose VM Azure could not take, as the job keeps it."""
    if kind not in _MAKES_VM:
        return {}
    network_id = given["network"]["id"] if kind == "TestFailover" else item["target"]["network"]
    message = recovery_vms.find_obstacle(lab, item, network_id)
    return {"fail": {"code": "28031", "task": KINDS[kind].tasks[0].id, "message": message}} if message else {}


def _missing_on_premises(lab: Lab, item: Json, kind: str, given: Json) -> Json:
    """The failure of a failback to a machine that is not as it must be."""
    message = source_checks.find_obstacle(lab, item, given) if kind == "Failback" else None
    return {"fail": {"code": "539", "task": KINDS[kind].tasks[0].id, "message": message}} if message else {}


def _kind_of(operation: str) -> str:
    if operation == "Failback":
        return "Failback"
    return next(each.scenario for each in LIFE if each.operation == operation)


def _find_obstacle(lab: Lab, item: Json, operation: str, given: Json) -> Failure | None:
    """What makes the job fail though the item's state would allow it: another job, or a host that is not connected."""
    kind = _kind_of(operation)
    if is_busy(item, operation):
        running = lab.store.get(KIND, item["scenario"]["job"])
        title = KINDS[running["kind"]].title if running else item["scenario"]["name"]
        return Failure(
            "532", {"running": title}, draw_duration(BUSY_FAILS_AFTER, lab.seed, item["id"], kind, lab.now())
        )
    host = given.get("provider") or item["provider"]
    if find_step(operation, state_of(item)) and kind in NEEDS_HOST and not is_connected(lab, host):
        return unreachable_host(lab, host, kind)
    return None


def is_busy(item: Json, operation: str) -> bool:
    """Whether another operation holds the item; a test failover that waits for its cleanup lets only that through."""
    if item["state"] == TEST_PENDING.name:
        return operation != "TestFailoverCleanup"
    return item["scenario"] is not None


def _item_and_fault(lab: Lab, request: ArmRequest) -> tuple[Json, Json | None]:
    item = require_record(lab, request, ITEMS, SEGMENT)
    return item, lab.faults.job_effect(request.verb, request.item, request.path, request.method)


def _require_direction(request: ArmRequest, item: Json, wanted: str) -> None:
    """A failover away from where the machine is not.

    Raises:
        ArmError: 400 InvalidFailoverDirection.
    """
    if (wanted == TO_PRIMARY) != (state_of(item).location == "Recovery"):
        raise direction_error(caller_of(request))


def _chosen_point(lab: Lab, request: ArmRequest, item: Json, given: Json) -> Json | None:
    """The recovery point that was asked for as {id, name, time}; None for the latest.

    Raises:
        ArmError: 400 for one that the item has not.
    """
    name = given.get("recoveryPointId")
    if not name:
        return None
    point = recovery_points.find_point(lab, item, str(name))
    if point is None:
        raise input_error(f"The item has no recovery point '{name}'.", caller_of(request))
    return point_facts(point)


def point_facts(point: Json) -> Json:
    """What a job keeps of a recovery point."""
    return {"id": point["id"], "name": point["name"], "time": point["properties"]["recoveryPointTime"]}


@SITE_RECOVERY.route("POST", ITEM + "/testFailover")
def start_test_failover(lab: Lab, request: ArmRequest) -> Answer:
    """Start a VM from a recovery point in a network of its own, while the machine goes on."""
    item, effect = _item_and_fault(lab, request)
    body = require_properties(request)
    _require_direction(request, item, require_direction(request, body))
    chosen = read_network(request, body)
    point = _chosen_point(lab, request, item, require_details(request, body))
    shown, given = test_details(chosen), {"network": chosen, "point": point}
    return answer_with_job(
        lab, request, start_verb(lab, item, "TestFailover", caller_of(request), given, effect=effect, **shown)
    )


def test_details(chosen: Json) -> Json:
    """What the job of a test failover shows of its network; its machines it shows at its end."""
    name = chosen["id"] and chosen["id"].rpartition("/")[2]
    shown = {"testFailoverStatus": "Active", "comments": None, "networkName": name, "networkFriendlyName": name}
    return shown | {"networkType": chosen["type"], "protectedItemDetails": []}


@SITE_RECOVERY.route("POST", ITEM + "/testFailoverCleanup")
def clean_up_test_failover(lab: Lab, request: ArmRequest) -> Answer:
    """Remove what a test failover made."""
    item, effect = _item_and_fault(lab, request)
    shown = cleanup_details(read_comments(request))
    return answer_with_job(
        lab, request, start_verb(lab, item, "TestFailoverCleanup", caller_of(request), {}, effect=effect, **shown)
    )


def cleanup_details(comments: str | None) -> Json:
    """What the job of a cleanup shows."""
    shown = {"testFailoverStatus": None, "comments": comments, "networkName": None, "networkFriendlyName": None}
    return shown | {"networkType": None, "protectedItemDetails": []}


@SITE_RECOVERY.route("POST", ITEM + "/plannedFailover")
def start_planned_failover(lab: Lab, request: ArmRequest) -> Answer:
    """Fail over with the machine shut down first, or, in the other direction, fail back."""
    item, effect = _item_and_fault(lab, request)
    body = require_properties(request)
    wanted = require_direction(request, body)
    if wanted == TO_PRIMARY:
        given = read_failback(request, body)
        _require_direction(request, item, wanted)
        return answer_with_job(lab, request, start_failback(lab, item, caller_of(request), given, effect))
    point = _chosen_point(lab, request, item, require_details(request, body))
    _require_direction(request, item, wanted)
    return answer_with_job(
        lab,
        request,
        start_verb(
            lab, item, "PlannedFailover", caller_of(request), {"point": point}, effect=effect, protectedItemDetails=[]
        ),
    )


def start_failback(lab: Lab, item: Json, caller: Caller, given: Json, effect: Json | None = None) -> Json:
    """Begin a failback; ForDownTime waits for a person once the data has been brought back."""
    job = start_verb(lab, item, "Failback", caller, given, effect=effect, protectedItemDetails=[])
    if given["sync"] == "ForDownTime" and "fail" not in job:
        job["suspend"] = _FAILBACK_SUSPENSION
        lab.store.put(KIND, job["id"], job)
    return job


@SITE_RECOVERY.route("POST", ITEM + "/unplannedFailover")
def start_unplanned_failover(lab: Lab, request: ArmRequest) -> Answer:
    """Fail over without the source site."""
    item, effect = _item_and_fault(lab, request)
    body = require_properties(request)
    wanted, source = require_direction(request, body), read_source_operations(request, body)
    point = _chosen_point(lab, request, item, require_details(request, body))
    if wanted != TO_AZURE:
        raise direction_error(caller_of(request))
    _require_direction(request, item, wanted)
    given = {"point": point, "source": source}
    return answer_with_job(
        lab,
        request,
        start_verb(lab, item, "UnplannedFailover", caller_of(request), given, effect=effect, protectedItemDetails=[]),
    )


@SITE_RECOVERY.route("POST", ITEM + "/failoverCommit")
def commit_failover(lab: Lab, request: ArmRequest) -> Answer:
    """Commit a failover or a failback: what was left behind is given up."""
    item, effect = _item_and_fault(lab, request)
    return answer_with_job(lab, request, start_verb(lab, item, commit_of(item), caller_of(request), {}, effect=effect))


def commit_of(item: Json) -> str:
    """What a commit is called for where the item stands."""
    return "FinalizeFailback" if find_step("FinalizeFailback", state_of(item)) else "Commit"


@SITE_RECOVERY.route("POST", ITEM + "/applyRecoveryPoint")
def apply_recovery_point(lab: Lab, request: ArmRequest) -> Answer:
    """Change the recovery point of a failover that is not committed."""
    item, effect = _item_and_fault(lab, request)
    body = require_properties(request)
    require_text(request, body, "recoveryPointId")
    require_details(request, body)
    point = _chosen_point(lab, request, item, body)
    return answer_with_job(
        lab,
        request,
        start_verb(
            lab, item, "ChangePit", caller_of(request), {"point": point}, effect=effect, protectedItemDetails=[]
        ),
    )


@SITE_RECOVERY.route("POST", ITEM + "/reProtect")
def reprotect_item(lab: Lab, request: ArmRequest) -> Answer:
    """Replicate to Azure again after a committed failback."""
    item, effect = _item_and_fault(lab, request)
    body = require_properties(request)
    wanted = require_direction(request, body)
    require_details(request, body)
    if wanted == TO_PRIMARY and state_of(item).location == "Primary":
        raise direction_error(caller_of(request))
    return answer_with_job(
        lab, request, start_verb(lab, item, "ReverseReplicate", caller_of(request), {}, effect=effect)
    )


@SITE_RECOVERY.route("POST", ITEM + "/repairReplication")
def repair_replication(lab: Lab, request: ArmRequest) -> Answer:
    """Synchronise the replica again."""
    item, effect = _item_and_fault(lab, request)
    return answer_with_job(
        lab, request, start_verb(lab, item, "RepairReplication", caller_of(request), {}, effect=effect)
    )


@SITE_RECOVERY.route("POST", ITEM + "/failoverCancel")
def cancel_failover(lab: Lab, request: ArmRequest) -> Answer:
    """Give a failover up: the one that runs is cancelled, one that waits for its commit is undone; replication ends."""
    item, effect = _item_and_fault(lab, request)
    running = item["scenario"] and lab.store.get(KIND, item["scenario"]["job"])
    if not running or running["kind"] not in ("PlannedFailover", "UnplannedFailover", "Failback"):
        return answer_with_job(
            lab, request, start_verb(lab, item, "CancelFailover", caller_of(request), {}, effect=effect)
        )
    begin_cancelling(lab, running)
    lasts = timedelta(seconds=12)
    job = begin_job(
        lab, item["vault"], "CancelFailover", target_of(item), caller_of(request), lasts=lasts, queued=timedelta()
    )
    return answer_with_job(lab, request, job)


RESTARTERS.update(dict.fromkeys({_kind_of(each.operation) for each in LIFE}, restart_verb))
