"""What a vault says of itself: health, alert settings, settings, supported systems, and that it has no networks."""

from collections import Counter
from datetime import timedelta

from lab.azure.compute.sizes import SIZES, Size
from lab.azure.simulator.answers import Answer, Json
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import ArmRequest
from lab.azure.site_recovery.api.common import (
    FABRICS,
    ITEM,
    ITEMS,
    PROVIDERS,
    SITE_RECOVERY,
    VAULT,
    caller_of,
    list_answer,
    require_record,
    type_of,
    vault_of,
)
from lab.azure.site_recovery.api.crud import serve_get, serve_vault_list
from lab.azure.site_recovery.api.errors import missing_error
from lab.azure.site_recovery.api.request_fields import require_properties
from lab.azure.site_recovery.items.item_documents import item_document
from lab.azure.site_recovery.items.items import SEGMENT
from lab.azure.site_recovery.jobs.accepted import answer_with_job
from lab.azure.site_recovery.jobs.jobs import Target, begin_job
from lab.azure.site_recovery.jobs.operation_results import operation_result


def _vault_document(request: ArmRequest, kind: str, name: str, shown: Json) -> Json:
    arm_id = f"{vault_of(request)}/{kind}/{name}"
    return {"id": arm_id, "name": name, "type": type_of(arm_id), "properties": shown}


def _health_properties(lab: Lab, request: ArmRequest) -> Json:
    items = [item_document(lab, item)["properties"] for item in lab.store.all(ITEMS, vault_of(request))]
    lost = [provider for provider in lab.store.all(PROVIDERS, vault_of(request)) if provider["noticed"]]
    found = {
        (error["errorCode"], error["errorCategory"], error["errorLevel"])
        for shown in items
        for error in shown["healthErrors"]
    }
    return {
        "vaultErrors": [],
        "protectedItemsHealth": {
            "resourceCount": len(items),
            "issues": [_health_issue(*each, "ReplicationProtectedItem") for each in sorted(found)],
            "categorizedResourceCounts": _count_items(items),
        },
        "fabricsHealth": {
            "resourceCount": len(lab.store.all(FABRICS, vault_of(request))),
            "issues": [_health_issue("583", "Replication", "Error", "ReplicationRecoveryServicesProvider")]
            if lost
            else [],
            "categorizedResourceCounts": None,
        },
        "containersHealth": {"resourceCount": 0, "issues": [], "categorizedResourceCounts": None},
    }


def _health_issue(code: str, category: str, level: str, about: str) -> Json:
    return {
        "summaryCode": code,
        "category": category,
        "severity": level,
        "summaryMessage": None,
        "affectedResourceType": about,
        "affectedResourceSubtype": None,
        "affectedResourceCorrelationIds": [],
    }


def _count_items(items: list[Json]) -> Json:
    tests = Counter(shown["testFailoverState"] for shown in items)
    replication = Counter(shown["replicationHealth"] for shown in items)
    failover = Counter(shown["failoverHealth"] for shown in items)
    return {
        "testFailoverApplicableProtectedItemsCount": sum(
            "TestFailover" in shown["allowedOperations"] for shown in items
        ),
        "testFailoverInProgressProtectedItemsCount": tests["InProgress"],
        "testFailoverWaitingProtectedItemsCount": tests["WaitingForCompletion"],
        "protectedItemsCriticalCount": replication["Critical"],
        "protectedItemsWarningCount": replication["Warning"],
        "protectedItemsNeutralCount": 0,
        "protectedItemsTestFailoverCriticalCount": failover["Critical"],
        "protectedItemsTestFailoverWarningCount": failover["Warning"],
        "protectedItemsConfigurationCriticalCount": 0,
        "protectedItemsConfigurationWarningCount": 0,
        "protectedItemsFailoverHealthCriticalCount": failover["Critical"],
        "protectedItemsFailoverHealthWarningCount": failover["Warning"],
    }


@SITE_RECOVERY.route("GET", VAULT + "/replicationVaultHealth")
def get_health(lab: Lab, request: ArmRequest) -> Answer:
    """The health of all that is in the vault, counted."""
    return Answer(200, _vault_document(request, "replicationVaultHealth", "Default", _health_properties(lab, request)))


@SITE_RECOVERY.route("POST", VAULT + "/replicationVaultHealth/default/refresh")
def refresh_health(lab: Lab, request: ArmRequest) -> Answer:
    """Count again."""
    resource = f"{vault_of(request)}/replicationVaultHealth"
    target = Target(str(int(lab.fixed_id("vault", resource).replace("-", ""), 16) % 10**19), "", resource)
    job = begin_job(
        lab, vault_of(request), "RefreshVaultHealth", target, caller_of(request), lasts=timedelta(seconds=1)
    )
    return answer_with_job(lab, request, job)


@SITE_RECOVERY.route("GET", VAULT + "/replicationVaultHealth/operationresults/{operation}")
def health_result(lab: Lab, request: ArmRequest) -> Answer:
    """What a refresh led to."""
    return operation_result(
        lab,
        request,
        lambda: _vault_document(request, "replicationVaultHealth", "Default", _health_properties(lab, request)),
    )


def _serve_settings(segment: str, kind: str, fields: tuple[str, ...] | None = None) -> None:
    """Register PUT, list and GET of settings that are kept as they are sent; with `fields`, these and no others."""
    template = f"{VAULT}/{segment}/{{setting}}"

    @SITE_RECOVERY.route("PUT", template)
    def put_setting(lab: Lab, request: ArmRequest) -> Answer:
        body = require_properties(request)
        shown = body if fields is None else {field: body.get(field) for field in fields}
        document = _vault_document(request, segment, request.params["setting"], shown)
        return Answer(200, lab.store.put(kind, document["id"], document))

    serve_vault_list(segment, kind, lambda _lab, setting: setting)
    serve_get(template, kind, lambda _lab, setting: setting)


@SITE_RECOVERY.route("GET", VAULT + "/replicationSupportedOperatingSystems")
def supported_systems(_: Lab, request: ArmRequest) -> Answer:
    """Systems by provider; for Hyper-V the list is empty, since Hyper-V itself decides."""
    if request.query.get("instancetype") not in (None, "HyperVReplicaAzure"):
        raise missing_error(request.query["instancetype"], caller_of(request))
    supported = [{"instanceType": "HyperVReplicaAzure", "supportedOs": []}]
    return Answer(
        200, _vault_document(request, "replicationSupportedOperatingSystems", "Default", {"supportedOsList": supported})
    )


@SITE_RECOVERY.route("GET", ITEM + "/targetComputeSizes")
def target_sizes(lab: Lab, request: ArmRequest) -> Answer:
    """The sizes that a failover may choose."""
    item = require_record(lab, request, ITEMS, SEGMENT)
    return list_answer(_size_document(item, size) for size in SIZES)


def _size_document(item: Json, size: Size) -> Json:
    name, cores = size.name, size.cores
    arm_id = f"{item['id']}/targetComputeSizes/{name}"
    shown = {
        "name": name,
        "friendlyName": name,
        "cpuCoresCount": cores,
        "vCPUsAvailable": cores,
        "memoryInGB": size.memory_gb,
        "maxDataDiskCount": cores * 2,
        "maxNicsCount": 2,
        "errors": [],
        "highIopsSupported": "Supported",
        "hyperVGenerations": ["V1", "V2"],
    }
    return {"id": arm_id, "name": name, "type": type_of(arm_id), "properties": shown}


@SITE_RECOVERY.route("GET", VAULT + "/replicationNetworks")
@SITE_RECOVERY.route("GET", VAULT + "/replicationNetworkMappings")
def no_networks(_: Lab, __: ArmRequest) -> Answer:
    """A Hyper-V site has no networks to map: adapters are set item by item."""
    return list_answer([])


_serve_settings("replicationAlertSettings", "asr-alert", ("sendToOwners", "customEmailAddresses", "locale"))
_serve_settings("replicationVaultSettings", "asr-setting")
