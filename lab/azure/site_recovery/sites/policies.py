"""Replication policies, and their association with the container of a site."""

from datetime import timedelta

from lab.azure.simulator.answers import Answer, Json
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import Ask
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
    asker,
    listed,
    own_id,
    require,
    type_of,
    vault_of,
)
from lab.azure.site_recovery.api.errors import conflict, missing, wrong_input
from lab.azure.site_recovery.api.request_fields import choice, details, properties, text
from lab.azure.site_recovery.jobs.accepted import taken
from lab.azure.site_recovery.jobs.jobs import Failure, Target, begin, begin_failing, when
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


@SITE_RECOVERY.route("GET", VAULT + "/replicationPolicies")
def list_policies(lab: Lab, ask: Ask) -> Answer:
    """All policies of a vault."""
    return listed(policy_document(lab, each) for each in lab.store.all(POLICIES, vault_of(ask)))


@SITE_RECOVERY.route("GET", _POLICY)
def get_policy(lab: Lab, ask: Ask) -> Answer:
    """One policy."""
    return Answer(200, policy_document(lab, require(lab, ask, POLICIES, _POLICIES)))


@SITE_RECOVERY.route("PUT", _POLICY)
def create_policy(lab: Lab, ask: Ask) -> Answer:
    """Make a policy; one of that name with other settings makes the job fail with 15035."""
    settings = _settings(ask, details(ask, properties(ask), name="providerSpecificInput"))
    arm_id = own_id(ask.path)
    target = Target(lab.fixed_id("policy", arm_id), ask.params["policy"], arm_id)
    there = lab.store.get(POLICIES, arm_id)
    if there and there["details"] != settings:
        return taken(
            lab, ask, begin_failing(lab, vault_of(ask), "AddProtectionProfile", target, asker(ask), Failure("15035"))
        )
    return taken(lab, ask, begin(lab, vault_of(ask), "AddProtectionProfile", target, asker(ask), input=settings))


@SITE_RECOVERY.route("PATCH", _POLICY)
def update_policy(lab: Lab, ask: Ask) -> Answer:
    """Change a policy."""
    policy = require(lab, ask, POLICIES, _POLICIES)
    settings = _settings(ask, details(ask, properties(ask), name="replicationProviderSettings"))
    target = Target(lab.fixed_id("policy", policy["id"]), policy["name"], policy["id"])
    return taken(lab, ask, begin(lab, vault_of(ask), "ModifyProtectionProfile", target, asker(ask), input=settings))


def _settings(ask: Ask, given: Json) -> Json:
    """The settings of a policy as GET names them.

    Raises:
        ArmError: 400 for values that Site Recovery does not take.
    """
    history = given.get("recoveryPointHistoryDuration", 0)
    every = given.get("applicationConsistentSnapshotFrequencyInHours", 0)
    interval = given.get("replicationInterval", 300)
    if not isinstance(history, int) or not 0 <= history <= _LONGEST_HISTORY_IN_HOURS:
        raise wrong_input("'recoveryPointHistoryDuration' must be 0 to 24 hours.", asker(ask))
    if not isinstance(every, int) or not 0 <= every <= max(history, 1):
        raise wrong_input(
            "'applicationConsistentSnapshotFrequencyInHours' must be 0 to the history's hours.", asker(ask)
        )
    if interval not in _INTERVALS_IN_SECONDS:
        raise wrong_input("'replicationInterval' must be 30, 300 or 900 seconds.", asker(ask))
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
def _kept(lab: Lab, job: Json) -> None:
    if job["input"] is not None:
        add_policy(lab, job["vault"], job["targetName"], job["input"])


@SITE_RECOVERY.route("DELETE", _POLICY)
def delete_policy(lab: Lab, ask: Ask) -> Answer:
    """Delete a policy that no container and no item uses."""
    policy = require(lab, ask, POLICIES, _POLICIES)
    users = [*lab.store.all(MAPPINGS, vault_of(ask)), *lab.store.all(ITEMS, vault_of(ask))]
    if any(each["policy"].lower() == policy["id"].lower() for each in users):
        raise conflict(f"Policy '{policy['name']}' is associated with a site.", asker(ask))
    target = Target(lab.fixed_id("policy", policy["id"]), policy["name"], policy["id"])
    return taken(lab, ask, begin(lab, vault_of(ask), "RemoveProtectionProfile", target, asker(ask)))


@when("RemoveProtectionProfile", "Succeeded")
def _deleted(lab: Lab, job: Json) -> None:
    lab.store.delete(POLICIES, job["resource"])


@SITE_RECOVERY.route("GET", VAULT + f"/{_MAPPINGS}")
def list_mappings(lab: Lab, ask: Ask) -> Answer:
    """All mappings of a vault."""
    return listed(mapping_document(lab, each) for each in lab.store.all(MAPPINGS, vault_of(ask)))


@SITE_RECOVERY.route("GET", CONTAINER + f"/{_MAPPINGS}")
def list_mappings_of_container(lab: Lab, ask: Ask) -> Answer:
    """The mappings of one container."""
    container = require(lab, ask, CONTAINERS, "replicationProtectionContainers")
    return listed(mapping_document(lab, each) for each in lab.store.all(MAPPINGS, container["id"]))


@SITE_RECOVERY.route("GET", _MAPPING)
def get_mapping(lab: Lab, ask: Ask) -> Answer:
    """One mapping."""
    return Answer(200, mapping_document(lab, require(lab, ask, MAPPINGS, _MAPPINGS)))


@SITE_RECOVERY.route("PUT", _MAPPING)
def create_mapping(lab: Lab, ask: Ask) -> Answer:
    """Associate a policy with a container."""
    container = require(lab, ask, CONTAINERS, "replicationProtectionContainers")
    body = properties(ask)
    choice(ask, body, "targetProtectionContainerId", (AZURE,))
    policy = lab.store.get(POLICIES, own_id(text(ask, body, "policyId")))
    if policy is None:
        raise missing(str(body["policyId"]).rpartition("/")[2], asker(ask))
    target = Target(lab.fixed_id("policy", policy["id"]), policy["name"], own_id(ask.path))
    facts: Json = {"input": {"container": container["id"], "policy": policy["id"], "name": ask.params["mapping"]}}
    facts["affected"] = _affected(lab, container)
    return taken(lab, ask, begin(lab, vault_of(ask), "AssociateProtectionProfile", target, asker(ask), **facts))


def _affected(lab: Lab, container: Json) -> Json:
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
def _associated(lab: Lab, job: Json) -> None:
    if container := lab.store.get(CONTAINERS, job["input"]["container"]):
        add_mapping(lab, container, job["input"]["name"], job["input"]["policy"])


@SITE_RECOVERY.route("PATCH", _MAPPING)
def update_mapping(lab: Lab, ask: Ask) -> Answer:
    """A Hyper-V mapping has nothing to change; the job says that it is done."""
    mapping = require(lab, ask, MAPPINGS, _MAPPINGS)
    properties(ask)
    target = Target(lab.fixed_id("policy", mapping["policy"]), mapping["name"], mapping["id"])
    job = begin(
        lab, vault_of(ask), "ModifyProtectionProfile", target, asker(ask), lasts=timedelta(seconds=1), input=None
    )
    return taken(lab, ask, job)


@SITE_RECOVERY.route("DELETE", _MAPPING)
@SITE_RECOVERY.route("POST", _MAPPING + "/remove")
def remove_mapping(lab: Lab, ask: Ask) -> Answer:
    """Dissociate a policy from a container that has no items."""
    mapping = require(lab, ask, MAPPINGS, _MAPPINGS)
    container = require(lab, ask, CONTAINERS, "replicationProtectionContainers")
    if lab.store.all(ITEMS, container["id"]):
        raise conflict(f"Site '{container['friendlyName']}' has protected machines.", asker(ask))
    target = Target(lab.fixed_id("policy", mapping["policy"]), mapping["name"], mapping["id"])
    return taken(lab, ask, begin(lab, vault_of(ask), "DissociateProtectionProfile", target, asker(ask)))


@when("DissociateProtectionProfile", "Succeeded")
def _dissociated(lab: Lab, job: Json) -> None:
    lab.store.delete(MAPPINGS, job["resource"])


serve_results(_POLICY, POLICIES, policy_document)
serve_results(_MAPPING, MAPPINGS, mapping_document)
