"""Enabling and ending protection: initial replication, its completion, removal and purge."""

import random
from datetime import timedelta

from lab.azure.compute.virtual_machines import vm_exists
from lab.azure.simulator.answers import Answer, Json
from lab.azure.simulator.lab import Lab, due
from lab.azure.simulator.requests import ArmRequest
from lab.azure.simulator.waits import shortened_wait
from lab.azure.site_recovery.api.common import (
    CONTAINERS,
    ITEM,
    ITEMS,
    MACHINES,
    MAPPINGS,
    POLICIES,
    SITE_RECOVERY,
    caller_of,
    own_id,
    require_record,
)
from lab.azure.site_recovery.api.errors import Caller, input_error, missing_error
from lab.azure.site_recovery.api.request_fields import require_details, require_properties, require_text
from lab.azure.site_recovery.api.times import exact_time
from lab.azure.site_recovery.items.item_documents import new_nic
from lab.azure.site_recovery.items.item_inputs import check_enabling
from lab.azure.site_recovery.items.items import SEGMENT, enter_state, facts_of, item_of, target_of
from lab.azure.site_recovery.items.lifecycle import (
    DISABLING,
    ENABLING,
    ENABLING_FAILED,
    FINALIZING,
    FIRST_POINT,
    INITIAL,
    PROTECTED,
    STATES,
)
from lab.azure.site_recovery.jobs.accepted import answer_with_job
from lab.azure.site_recovery.jobs.durations import bounds_of, draw_duration
from lab.azure.site_recovery.jobs.job_faults import facts_of_fault
from lab.azure.site_recovery.jobs.jobs import (
    KIND,
    RESTARTERS,
    Failure,
    Target,
    add_warning,
    begin_failing_job,
    begin_job,
    when,
)
from lab.azure.site_recovery.jobs.kinds import KINDS
from lab.azure.site_recovery.sites.providers import is_connected, unreachable_host
from lab.azure.site_recovery.sites.source_machines import machine_of_item

_NAME_CHECKED_AFTER = timedelta(seconds=31)
_ENDS_IN_PART = 4 / 6
"""How many of the recorded DisableDr jobs ended PartiallySucceeded."""
_FIRST_POINT_AFTER = timedelta(minutes=6)
"""Recorded: "Waiting for first recovery point" for five minutes at the least."""


def add_item(
    lab: Lab, container: Json, machine: Json, policy_id: str, target: Json, *, name: str | None = None
) -> Json:
    """Enter an item for a machine, in the state in which enabling begins.

    Args:
        lab: The lab.
        container: Of the machine.
        machine: What is protected.
        policy_id: The replication policy.
        target: {vmName, vmSize, resourceGroup, network, subnet, storageAccount, ...}: what failovers make.
        name: Of the item; the machine's own if not said.
    """
    item = {
        "id": f"{container['id']}/{SEGMENT}/{name or machine['name']}",
        "name": name or machine["name"],
        "vault": container["vault"],
        "fabric": container["fabric"],
        "container": container["id"],
        "machine": machine["id"],
        "vmId": machine["name"],
        "friendlyName": machine["friendlyName"],
        "provider": machine["provider"],
        "policy": policy_id,
        "state": ENABLING.name,
        "scenario": None,
        "tested": "None",
        "since": None,
        "until": None,
        "point": None,
        "enabled": exact_time(lab.now()),
        "correlation": lab.fixed_id("item", container["id"], machine["name"]),
        "target": DEFAULT_TARGET | {"disks": [disk["vhdId"] for disk in machine["disks"]]} | target,
        "nics": [],
        "diskSizes": {disk["vhdId"]: disk["mb"] for disk in machine["disks"]},
        "testVm": None,
        "azureVm": None,
    }
    machine["item"] = item["id"]
    lab.store.put(MACHINES, machine["id"], machine)
    return lab.store.put(ITEMS, item["id"], item)


DEFAULT_TARGET: Json = {
    "vmName": None,
    "vmSize": "Standard_D2s_v5",
    "resourceGroup": None,
    "network": None,
    "subnet": None,
    "storageAccount": None,
    "logStorageAccount": None,
    "enableRdp": "Never",
    "managedDisks": "true",
    "licenseType": "NotSpecified",
    "disks": None,
}


def mark_protected(lab: Lab, item: Json, *, since: str) -> None:
    """Have an item replicate as one that was enabled long ago."""
    machine = machine_of_item(lab, item)
    item |= {
        "since": since,
        "enabled": since,
        "nics": [new_nic(machine, item["target"]["network"], item["target"]["subnet"])],
    }
    enter_state(lab, item, PROTECTED)


def start_replication(lab: Lab, item: Json, kind: str) -> None:
    """Copy the disks (`kind` says how long that takes), then finalize protection."""
    lasts = draw_duration(bounds_of(kind), lab.seed, item["vmId"], kind)
    item["copying"] = [exact_time(lab.now()), exact_time(lab.now() + lasts)]
    enter_state(lab, item, INITIAL)
    lab.call_after(lasts, "asr.copied", {"item": item["id"]})


@due("asr.copied")
def finish_copy(lab: Lab, args: Json) -> None:
    """The disks are copied; the first recovery point comes next."""
    item = lab.store.get(ITEMS, args["item"])
    if item and item["state"] == INITIAL.name:
        enter_state(lab, item, FIRST_POINT)
        lab.call_after(shortened_wait(_FIRST_POINT_AFTER), "asr.first-point", args)


@due("asr.first-point")
def receive_first_point(lab: Lab, args: Json) -> None:
    """The first recovery point is there; a job completes the protection."""
    item = lab.store.get(ITEMS, args["item"])
    if item is None or item["state"] != FIRST_POINT.name:
        return
    if not item["nics"]:
        item["nics"] = [new_nic(machine_of_item(lab, item), item["target"]["network"], item["target"]["subnet"])]
    item |= {"since": exact_time(lab.now()), "until": None}
    caller = Caller(lab.new_id("client"), lab.new_id("correlation"))
    job = begin_job(lab, item["vault"], "IrCompletion", target_of(item), caller, **facts_of(lab, item))
    enter_state(lab, item, FINALIZING, job, "EnableProtection")


@when("IrCompletion", "Succeeded")
def complete_protection(lab: Lab, job: Json) -> None:
    """The item is protected."""
    if item := item_of(lab, job):
        enter_state(lab, item, PROTECTED)


@SITE_RECOVERY.route("PUT", ITEM)
def enable_item(lab: Lab, request: ArmRequest) -> Answer:
    """Enable replication; on a machine that has it the job succeeds with the warning 45031."""
    container = require_record(lab, request, CONTAINERS, "replicationProtectionContainers")
    body = require_properties(request)
    policy_id, machine_id = (
        require_text(request, body, "policyId"),
        own_id(require_text(request, body, "protectableItemId")),
    )
    given = require_details(request, body)
    machine = lab.store.get(MACHINES, machine_id)
    if machine is None:
        raise missing_error(machine_id.rpartition("/")[2], caller_of(request))
    policy = lab.store.get(POLICIES, own_id(policy_id))
    if policy is None:
        raise missing_error(policy_id.rpartition("/")[2], caller_of(request))
    if machine["item"]:
        return answer_with_job(lab, request, _begin_already_enabled(lab, request, machine))
    _require_place(lab, request, container, policy)
    check_enabling(lab, request, given, machine)
    target = _target_of(given, machine)
    item = add_item(lab, container, machine, policy["id"], target, name=request.params["item"])
    return answer_with_job(lab, request, _begin_enabling(lab, request, item))


def _require_place(lab: Lab, request: ArmRequest, container: Json, policy: Json) -> None:
    """The policy is associated with the container, and no other machine has the name (both inferred)."""
    mappings = lab.store.all(MAPPINGS, container["id"])
    if policy["id"].lower() not in {mapping["policy"].lower() for mapping in mappings}:
        raise input_error(f"The policy '{policy['name']}' is not associated with the container.", caller_of(request))
    if lab.store.get(ITEMS, f"{container['id']}/{SEGMENT}/{request.params['item']}"):
        raise input_error(f"'{request.params['item']}' is the name of another protected item.", caller_of(request))


def _target_of(given: Json, machine: Json) -> Json:
    subnet = given.get("targetAzureSubnetId") or ""
    chosen = {
        "vmName": given.get("targetAzureVmName") or machine["friendlyName"],
        "vmSize": given.get("targetVmSize"),
        "resourceGroup": given["targetAzureV2ResourceGroupId"],
        "network": given.get("targetAzureNetworkId"),
        "subnet": subnet.rpartition("/")[2] or None,
        "storageAccount": given.get("targetStorageAccountId"),
        "logStorageAccount": given.get("logStorageAccountId"),
        "enableRdp": given.get("enableRdpOnTargetOption"),
        "managedDisks": given.get("useManagedDisks"),
        "licenseType": given.get("licenseType"),
        "tags": given.get("targetVmTags"),
        "disks": given.get("disksToInclude"),
    }
    return {key: value for key, value in chosen.items() if value is not None}


def _begin_already_enabled(lab: Lab, request: ArmRequest, machine: Json) -> Json:
    target = Target(machine["name"], machine["friendlyName"], machine["item"])
    vault = own_id(request.id_up_to("vaults"))
    job = begin_job(
        lab,
        vault,
        "EnableDr",
        target,
        caller_of(request),
        lasts=timedelta(seconds=1),
        already=True,
        item=machine["item"],
    )
    add_warning(lab, job, "45031")
    return job


def _begin_enabling(lab: Lab, request: ArmRequest, item: Json) -> Json:
    effect = lab.faults.job_effect(request.verb, item["friendlyName"], request.path, request.method)
    job = begin_job(
        lab,
        item["vault"],
        "EnableDr",
        target_of(item),
        caller_of(request),
        **facts_of(lab, item),
        **_facts_of_enabling(lab, item, effect),
    )
    enter_state(lab, item, ENABLING, job, "EnableProtection")
    if vm_exists(lab, item["target"]["resourceGroup"], item["target"]["vmName"]):
        lab.call_after(_NAME_CHECKED_AFTER, "asr.name-taken", {"job": job["id"], "name": item["target"]["vmName"]})
    return job


@due("asr.name-taken")
def warn_of_name(lab: Lab, args: Json) -> None:
    """The job warns from then on that its machine will not get the name that was asked for."""
    if (job := lab.store.get(KIND, args["job"])) and job["ended"] is None:
        add_warning(lab, job, "28061", vm=args["name"])


def _facts_of_enabling(lab: Lab, item: Json, effect: Json | None) -> Json:
    """How enabling will go: as a fault wants it, unless the host is not connected."""
    if not is_connected(lab, item["provider"]):
        effect = {"fail": "70094", "task": "EnableProtectionTask"}
    return facts_of_fault(effect, "EnableDr") | {"asked": True}


def enable_again(lab: Lab, job: Json, caller: Caller) -> Json:
    """Restart an enabling that failed, unless its item was removed since or replicates by now."""
    item = item_of(lab, job)
    if item is None or item["state"] != ENABLING_FAILED.name:
        target = Target(job["target"], job["targetName"], job["resource"])
        return begin_failing_job(lab, job["vault"], "EnableDr", target, caller, Failure("499"), already=True)
    fault_facts = _facts_of_enabling(lab, item, lab.faults.job_effect("restart", item["friendlyName"]))
    facts = facts_of(lab, item) | fault_facts
    started = begin_job(lab, item["vault"], "EnableDr", target_of(item), caller, **facts)
    enter_state(lab, item, ENABLING, started, "EnableProtection")
    return started


RESTARTERS["EnableDr"] = enable_again


@when("EnableDr", "Succeeded")
def copy_disks(lab: Lab, job: Json) -> None:
    """Enabling succeeded: initial replication begins."""
    if not job.get("already") and (item := item_of(lab, job)):
        start_replication(lab, item, "InitialReplication")


@when("EnableDr", "Failed")
@when("EnableDr", "Cancelled")
def leave_item(lab: Lab, job: Json) -> None:
    """Enabling failed or was cancelled: the item stays, until it is disabled or the job is restarted (inferred)."""
    if not job.get("already") and (item := item_of(lab, job)):
        enter_state(lab, item, ENABLING_FAILED)


def _forget_item(lab: Lab, item: Json) -> None:
    machine = machine_of_item(lab, item)
    machine["item"] = None
    lab.store.put(MACHINES, machine["id"], machine)
    lab.store.delete(ITEMS, item["id"])


@SITE_RECOVERY.route("POST", ITEM + "/remove")
def disable_item(lab: Lab, request: ArmRequest) -> Answer:
    """Disable replication: the host must be reachable."""
    item = require_record(lab, request, ITEMS, SEGMENT)
    require_properties(request)
    return answer_with_job(lab, request, _end_protection(lab, request, item, "DisableDr"))


@SITE_RECOVERY.route("DELETE", ITEM)
def purge_item(lab: Lab, request: ArmRequest) -> Answer:
    """Forget an item without its host, where the settings of the replication stay."""
    return answer_with_job(
        lab, request, _end_protection(lab, request, require_record(lab, request, ITEMS, SEGMENT), "PurgeVm")
    )


def _end_protection(lab: Lab, request: ArmRequest, item: Json, kind: str) -> Json:
    facts = facts_of(lab, item) | {"from": item["state"]}
    if failure := _removal_obstacle(lab, item, kind):
        return begin_failing_job(lab, item["vault"], kind, target_of(item), caller_of(request), failure, **facts)
    in_part = kind == "DisableDr" and random.Random(f"{lab.seed}/{item['vmId']}/{kind}").random() < _ENDS_IN_PART
    facts |= {"endsAs": "PartiallySucceeded"} if in_part else {}
    job = begin_job(lab, item["vault"], kind, target_of(item), caller_of(request), **facts)
    enter_state(lab, item, DISABLING, job)
    return job


def _removal_obstacle(lab: Lab, item: Json, kind: str) -> Failure | None:
    """Another job (recorded of verbs, inferred of a purge), or a host that is away, which a purge does not need."""
    running = item["scenario"] and lab.store.get(KIND, item["scenario"]["job"])
    if running:
        return Failure("532", {"running": KINDS[running["kind"]].title})
    if kind == "PurgeVm" or is_connected(lab, item["provider"]):
        return None
    return unreachable_host(lab, item["provider"], kind)


@when("DisableDr", "Succeeded")
@when("PurgeVm", "Succeeded")
def remove_item(lab: Lab, job: Json) -> None:
    """Protection has ended: there is no item."""
    if item := item_of(lab, job):
        _forget_item(lab, item)


@when("DisableDr", "Cancelled")
@when("DisableDr", "Failed")
def resume_item(lab: Lab, job: Json) -> None:
    """Protection was not ended: the item is as before."""
    if item := item_of(lab, job):
        enter_state(lab, item, STATES[job["from"]])
