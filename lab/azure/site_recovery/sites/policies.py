"""Replication policies, and their association with the container of a site."""

from datetime import timedelta

from lab.azure.simulator.answers import Answer, Json
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import ArmRequest
from lab.azure.site_recovery.api.common import (
    AZURE,
    CONTAINER,
    CONTAINERS,
    FABRICS,
    ITEMS,
    MAPPINGS,
    POLICIES,
    SITE_RECOVERY,
    VAULT,
    caller_of,
    own_id,
    require_record,
    type_of,
    vault_of,
)
from lab.azure.site_recovery.api.crud import serve_child_list, serve_get, serve_vault_list
from lab.azure.site_recovery.api.errors import conflict_error, input_error, missing_error
from lab.azure.site_recovery.api.request_fields import require_choice, require_details, require_properties, require_text
from lab.azure.site_recovery.jobs.accepted import answer_with_job
from lab.azure.site_recovery.jobs.jobs import Failure, Target, begin_failing_job, begin_job, when
from lab.azure.site_recovery.jobs.operation_results import serve_results

_POLICY = VAULT + "/replicationPolicies/{policy}"
_POLICIES = "replicationPolicies"
_MAPPINGS = "replicationProtectionContainerMappings"
_MAPPING = CONTAINER + f"/{_MAPPINGS}/{{mapping}}"
_LONGEST_HISTORY_IN_HOURS = 24
_INTERVALS_IN_SECONDS = (30, 300, 900)


def add_policy(lab: Lab, vault: str, name: str, settings: Json) -> Json:
    """Make a policy; `settings` are as it shows them in providerSpecificDetails."""
    arm_id = f"{vault}/{_POLICIES}/{name}"
    return lab.store.put(POLICIES, arm_id, {"id": arm_id, "name": name, "details": settings})


def add_mapping(lab: Lab, container: Json, name: str, policy_id: str) -> Json:
    """Associate a policy with a container."""
    arm_id = f"{container['id']}/{_MAPPINGS}/{name}"
    record = {"id": arm_id, "name": name, "policy": policy_id, "site": container["friendlyName"]}
    return lab.store.put(MAPPINGS, arm_id, record)


def policy_document(lab: Lab, policy: Json) -> Json:  # noqa: ARG001 - every document is made of lab and record
    """A policy as GET shows it."""
    return {
        "id": policy["id"],
        "name": policy["name"],
        "type": type_of(policy["id"]),
        "properties": {
            "friendlyName": policy["name"],
            "providerSpecificDetails": {"instanceType": "HyperVReplicaAzure"} | policy["details"],
        },
    }


def mapping_document(lab: Lab, mapping: Json) -> Json:  # noqa: ARG001 - as above
    """A mapping as GET shows it."""
    return {
        "id": mapping["id"],
        "name": mapping["name"],
        "type": type_of(mapping["id"]),
        "properties": {
            "targetProtectionContainerId": AZURE,
            "targetProtectionContainerFriendlyName": AZURE,
            "providerSpecificDetails": None,
            "health": "Normal",
            "healthErrorDetails": [],
            "policyId": mapping["policy"],
            "state": "Paired",
            "sourceProtectionContainerFriendlyName": mapping["site"],
            "sourceFabricFriendlyName": mapping["site"],
            "targetFabricFriendlyName": AZURE,
            "policyFriendlyName": mapping["policy"].rpartition("/")[2],
        },
    }


@SITE_RECOVERY.route("PUT", _POLICY)
def create_policy(lab: Lab, request: ArmRequest) -> Answer:
    """Make a policy; one of that name with other settings makes the job fail with 15035."""
    settings = _require_settings(
        request, require_details(request, require_properties(request), name="providerSpecificInput")
    )
    arm_id = own_id(request.path)
    target = Target(lab.fixed_id("policy", arm_id), request.params["policy"], arm_id)
    there = lab.store.get(POLICIES, arm_id)
    if there and there["details"] != settings:
        return answer_with_job(
            lab,
            request,
            begin_failing_job(
                lab, vault_of(request), "AddProtectionProfile", target, caller_of(request), Failure("15035")
            ),
        )
    return answer_with_job(
        lab,
        request,
        begin_job(lab, vault_of(request), "AddProtectionProfile", target, caller_of(request), input=settings),
    )


@SITE_RECOVERY.route("PATCH", _POLICY)
def update_policy(lab: Lab, request: ArmRequest) -> Answer:
    """Change a policy."""
    policy = require_record(lab, request, POLICIES, _POLICIES)
    settings = _require_settings(
        request, require_details(request, require_properties(request), name="replicationProviderSettings")
    )
    target = Target(lab.fixed_id("policy", policy["id"]), policy["name"], policy["id"])
    return answer_with_job(
        lab,
        request,
        begin_job(lab, vault_of(request), "ModifyProtectionProfile", target, caller_of(request), input=settings),
    )


def _require_settings(request: ArmRequest, given: Json) -> Json:
    """The settings of a policy as GET names them.

    Raises:
        ArmError: 400 for values that Site Recovery does not take.
    """
    history = given.get("recoveryPointHistoryDuration", 0)
    every = given.get("applicationConsistentSnapshotFrequencyInHours", 0)
    interval = given.get("replicationInterval", 300)
    if not isinstance(history, int) or not 0 <= history <= _LONGEST_HISTORY_IN_HOURS:
        raise input_error("'recoveryPointHistoryDuration' must be 0 to 24 hours.", caller_of(request))
    if not isinstance(every, int) or not 0 <= every <= max(history, 1):
        raise input_error(
            "'applicationConsistentSnapshotFrequencyInHours' must be 0 to the history's hours.", caller_of(request)
        )
    if interval not in _INTERVALS_IN_SECONDS:
        raise input_error("'replicationInterval' must be 30, 300 or 900 seconds.", caller_of(request))
    return {
        "recoveryPointHistoryDurationInHours": history,
        "applicationConsistentSnapshotFrequencyInHours": every,
        "replicationInterval": interval,
        "onlineReplicationStartTime": given.get("onlineReplicationStartTime"),
        "encryption": "Disabled",
        "activeStorageAccountId": next(iter(given.get("storageAccounts") or []), None),
    }


@when("AddProtectionProfile", "Succeeded")
@when("ModifyProtectionProfile", "Succeeded")
def keep_policy(lab: Lab, job: Json) -> None:
    """The policy has the settings that were sent."""
    if job["input"] is not None:
        add_policy(lab, job["vault"], job["targetName"], job["input"])


@SITE_RECOVERY.route("DELETE", _POLICY)
def delete_policy(lab: Lab, request: ArmRequest) -> Answer:
    """Delete a policy that no container and no item uses."""
    policy = require_record(lab, request, POLICIES, _POLICIES)
    users = [*lab.store.all(MAPPINGS, vault_of(request)), *lab.store.all(ITEMS, vault_of(request))]
    if any(each["policy"].lower() == policy["id"].lower() for each in users):
        raise conflict_error(f"Policy '{policy['name']}' is associated with a site.", caller_of(request))
    target = Target(lab.fixed_id("policy", policy["id"]), policy["name"], policy["id"])
    return answer_with_job(
        lab, request, begin_job(lab, vault_of(request), "RemoveProtectionProfile", target, caller_of(request))
    )


@when("RemoveProtectionProfile", "Succeeded")
def forget_policy(lab: Lab, job: Json) -> None:
    """The policy is deleted."""
    lab.store.delete(POLICIES, job["resource"])


@SITE_RECOVERY.route("PUT", _MAPPING)
def create_mapping(lab: Lab, request: ArmRequest) -> Answer:
    """Associate a policy with a container."""
    container = require_record(lab, request, CONTAINERS, "replicationProtectionContainers")
    body = require_properties(request)
    require_choice(request, body, "targetProtectionContainerId", (AZURE,))
    policy = lab.store.get(POLICIES, own_id(require_text(request, body, "policyId")))
    if policy is None:
        raise missing_error(str(body["policyId"]).rpartition("/")[2], caller_of(request))
    target = Target(lab.fixed_id("policy", policy["id"]), policy["name"], own_id(request.path))
    facts: Json = {"input": {"container": container["id"], "policy": policy["id"], "name": request.params["mapping"]}}
    facts["affected"] = _affected_object(lab, container)
    return answer_with_job(
        lab,
        request,
        begin_job(lab, vault_of(request), "AssociateProtectionProfile", target, caller_of(request), **facts),
    )


def _affected_object(lab: Lab, container: Json) -> Json:
    fabric = lab.store.get(FABRICS, container["fabric"]) or {}
    return {
        "PrimaryCloudId": container["name"],
        "PrimaryCloudName": container["friendlyName"],
        "RecoveryCloudId": "d38048d4-b460-4791-8ece-108395ee8478",
        "RecoveryCloudName": AZURE,
        "PrimaryVmmId": fabric.get("siteId"),
        "PrimaryVmmName": container["friendlyName"],
        "RecoveryVmmId": "21a9403c-6ec1-44f2-b744-b4e50b792387",
        "RecoveryVmmName": AZURE,
        "PrimaryFabricProviderId": "HyperVSite",
        "RecoveryFabricProviderId": "Azure",
    }


@when("AssociateProtectionProfile", "Succeeded")
def associate_policy(lab: Lab, job: Json) -> None:
    """The policy is associated with the container."""
    if container := lab.store.get(CONTAINERS, job["input"]["container"]):
        add_mapping(lab, container, job["input"]["name"], job["input"]["policy"])


@SITE_RECOVERY.route("PATCH", _MAPPING)
def update_mapping(lab: Lab, request: ArmRequest) -> Answer:
    """A Hyper-V mapping has nothing to change; the job says that it is done."""
    mapping = require_record(lab, request, MAPPINGS, _MAPPINGS)
    require_properties(request)
    target = Target(lab.fixed_id("policy", mapping["policy"]), mapping["name"], mapping["id"])
    job = begin_job(
        lab,
        vault_of(request),
        "ModifyProtectionProfile",
        target,
        caller_of(request),
        lasts=timedelta(seconds=1),
        input=None,
    )
    return answer_with_job(lab, request, job)


@SITE_RECOVERY.route("DELETE", _MAPPING)
@SITE_RECOVERY.route("POST", _MAPPING + "/remove")
def remove_mapping(lab: Lab, request: ArmRequest) -> Answer:
    """Dissociate a policy from a container that has no items."""
    mapping = require_record(lab, request, MAPPINGS, _MAPPINGS)
    container = require_record(lab, request, CONTAINERS, "replicationProtectionContainers")
    if lab.store.all(ITEMS, container["id"]):
        raise conflict_error(f"Site '{container['friendlyName']}' has protected machines.", caller_of(request))
    target = Target(lab.fixed_id("policy", mapping["policy"]), mapping["name"], mapping["id"])
    return answer_with_job(
        lab, request, begin_job(lab, vault_of(request), "DissociateProtectionProfile", target, caller_of(request))
    )


@when("DissociateProtectionProfile", "Succeeded")
def forget_mapping(lab: Lab, job: Json) -> None:
    """The policy is no longer associated with the container."""
    lab.store.delete(MAPPINGS, job["resource"])


serve_vault_list(_POLICIES, POLICIES, policy_document)
serve_get(_POLICY, POLICIES, policy_document)
serve_vault_list(_MAPPINGS, MAPPINGS, mapping_document)
serve_child_list(CONTAINER, CONTAINERS, _MAPPINGS, MAPPINGS, mapping_document)
serve_get(_MAPPING, MAPPINGS, mapping_document)
serve_results(_POLICY, POLICIES, policy_document)
serve_results(_MAPPING, MAPPINGS, mapping_document)
