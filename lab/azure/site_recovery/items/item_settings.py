"""Changing the settings of a protected item: what a failover makes of the machine."""

from lab.azure.simulator.answers import Answer, Json
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import ArmRequest
from lab.azure.site_recovery.api.common import (
    ITEM,
    ITEMS,
    SITE_RECOVERY,
    caller_of,
    require_record,
)
from lab.azure.site_recovery.api.request_fields import require_details, require_properties
from lab.azure.site_recovery.items.item_inputs import check_update
from lab.azure.site_recovery.items.items import SEGMENT, enter_state, facts_of, item_of, state_of, target_of
from lab.azure.site_recovery.items.protection import DEFAULT_TARGET
from lab.azure.site_recovery.jobs.accepted import answer_with_job
from lab.azure.site_recovery.jobs.durations import BUSY_FAILS_AFTER, draw_duration
from lab.azure.site_recovery.jobs.jobs import KIND, Failure, begin_failing_job, begin_job, when
from lab.azure.site_recovery.jobs.kinds import KINDS

KIND_OF_JOB = "UpdateVmProperties"


@SITE_RECOVERY.route("PATCH", ITEM)
def update_item(lab: Lab, request: ArmRequest) -> Answer:
    """Change what a failover makes: name, size, network and addresses. What is not sent is taken away, as in Azure."""
    item = require_record(lab, request, ITEMS, SEGMENT)
    body = require_properties(request)
    given = require_details(request, body) if body.get("providerSpecificDetails") is not None else {}
    check_update(lab, request, body, given)
    facts = facts_of(lab, item) | {"input": {"body": body, "given": given}}
    if item["scenario"]:
        return answer_with_job(lab, request, _begin_refused(lab, request, item, facts))
    job = begin_job(lab, item["vault"], KIND_OF_JOB, target_of(item), caller_of(request), **facts)
    enter_state(lab, item, state_of(item), job)
    return answer_with_job(lab, request, job)


def _begin_refused(lab: Lab, request: ArmRequest, item: Json, facts: Json) -> Json:
    running = lab.store.get(KIND, item["scenario"]["job"])
    title = KINDS[running["kind"]].title if running else item["scenario"]["name"]
    after = draw_duration(BUSY_FAILS_AFTER, lab.seed, item["id"], KIND_OF_JOB, lab.now())
    failure = Failure("532", {"running": title}, after)
    return begin_failing_job(lab, item["vault"], KIND_OF_JOB, target_of(item), caller_of(request), failure, **facts)


@when(KIND_OF_JOB, "Succeeded")
def apply_update(lab: Lab, job: Json) -> None:
    """The item takes the settings that were sent."""
    item = item_of(lab, job)
    if item is None:
        return
    body, given = job["input"]["body"], job["input"]["given"]
    target = item["target"]
    target |= {
        "vmName": body.get("recoveryAzureVMName") or target["vmName"],
        "vmSize": body.get("recoveryAzureVMSize") or DEFAULT_TARGET["vmSize"],
        "network": body.get("selectedRecoveryAzureNetworkId"),
        "enableRdp": body.get("enableRdpOnTargetOption") or "Never",
        "licenseType": body.get("licenseType") or "NotSpecified",
        "resourceGroup": given.get("recoveryAzureV2ResourceGroupId") or target["resourceGroup"],
        "managedDisks": given.get("useManagedDisks") or target["managedDisks"],
    }
    for wanted in body.get("vmNics") or []:
        _update_nic(item, wanted, body)
    enter_state(lab, item, state_of(item))


@when(KIND_OF_JOB, "Failed")
@when(KIND_OF_JOB, "Cancelled")
def leave_as_it_is(lab: Lab, job: Json) -> None:
    """The item is idle again, with the settings that it had."""
    if item := item_of(lab, job):
        enter_state(lab, item, state_of(item))


def _update_nic(item: Json, wanted: Json, body: Json) -> None:
    for nic in [each for each in item["nics"] if each["nicId"] == wanted.get("nicId")]:
        nic["selectionType"] = wanted.get("selectionType") or nic["selectionType"]
        nic["recoveryVMNetworkId"] = body.get("selectedRecoveryAzureNetworkId")
        nic["tfoVMNetworkId"] = body.get("selectedTfoAzureNetworkId")
        for ip, config in zip(nic["ipConfigs"], wanted.get("ipConfigs") or [], strict=False):
            ip |= {key: config.get(key) for key in ("recoverySubnetName", "tfoSubnetName", "tfoStaticIPAddress")}
            ip["recoveryStaticIPAddress"] = config.get("recoveryStaticIPAddress") or ""
            ip["recoveryIPAddressType"] = "Static" if ip["recoveryStaticIPAddress"] else "Dynamic"
