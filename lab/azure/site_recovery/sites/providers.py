"""The Site Recovery provider of each node, as the vault sees it: connection, heartbeat and removal."""

from datetime import timedelta

from lab.azure.simulator.answers import Answer, Json
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import ArmRequest
from lab.azure.site_recovery.api.common import (
    FABRIC,
    FABRICS,
    ITEMS,
    PROVIDERS,
    SITE_RECOVERY,
    VAULT,
    caller_of,
    require_record,
    type_of,
    vault_of,
)
from lab.azure.site_recovery.api.crud import serve_child_list, serve_get, serve_vault_list
from lab.azure.site_recovery.api.errors import conflict_error
from lab.azure.site_recovery.api.times import exact_time
from lab.azure.site_recovery.jobs.accepted import answer_with_job
from lab.azure.site_recovery.jobs.durations import HOST_SILENT, REFUSED_FAILS_AFTER, bounds_of, draw_duration
from lab.azure.site_recovery.jobs.jobs import Failure, Target, begin_failing_job, begin_job, when
from lab.azure.site_recovery.jobs.operation_results import serve_results

_BEAT_IN_SECONDS = 60
_ALL = VAULT + "/replicationRecoveryServicesProviders"
_ONE = FABRIC + "/replicationRecoveryServicesProviders/{provider}"
_SEGMENT = "replicationRecoveryServicesProviders"


def add_provider(lab: Lab, fabric: Json, node: str, *, machine_id: str | None = None, connected: bool = True) -> Json:
    """Enter a node's provider in its site's vault; one that is there already gets a new registration."""
    dra = lab.fixed_id("dra", fabric["id"], node)
    arm_id = f"{fabric['id']}/replicationRecoveryServicesProviders/{dra}"
    now = exact_time(lab.now())
    record = {
        "id": arm_id,
        "name": dra,
        "node": node,
        "fabric": fabric["id"],
        "machineId": machine_id,
        "registered": now,
        "lost": None if connected else now,
        "noticed": None if connected else now,
    }
    return lab.store.put(PROVIDERS, arm_id, record)


def items_of(lab: Lab, provider: Json) -> list[Json]:
    """The items whose machines the provider's host owns."""
    return [
        item for item in lab.store.all(ITEMS, provider["fabric"]) if item["provider"].lower() == provider["id"].lower()
    ]


def is_connected(lab: Lab, provider_id: str) -> bool:
    """Whether the provider is connected with its vault, whatever the vault knows of it."""
    provider = lab.store.get(PROVIDERS, provider_id)
    return provider is not None and provider["lost"] is None


def is_known_lost(lab: Lab, provider_id: str) -> bool:
    """Whether the vault has noticed that the provider is not connected: minutes after it was lost."""
    provider = lab.store.get(PROVIDERS, provider_id)
    return provider is None or provider["noticed"] is not None


def unreachable_host(lab: Lab, provider_id: str, *key: object) -> Failure:
    """How a job fails whose host is not connected: at once if the vault knows, else when the host has not answered."""
    bounds = REFUSED_FAILS_AFTER if is_known_lost(lab, provider_id) else bounds_of(HOST_SILENT)
    after = draw_duration(bounds, lab.seed, provider_id, *key, lab.now())
    provider = lab.store.get(PROVIDERS, provider_id)
    return Failure("583", {"host": provider["node"] if provider else provider_id.rpartition("/")[2]}, after)


def provider_document(lab: Lab, provider: Json) -> Json:
    """A provider as GET shows it; the heartbeat follows the clock while it is connected."""
    now = lab.now()
    beat = exact_time(now - timedelta(seconds=now.timestamp() % _BEAT_IN_SECONDS))
    fabric = lab.store.get(FABRICS, provider["fabric"])
    identity = {
        "tenantId": lab.fixed_id("tenant"),
        "applicationId": lab.fixed_id("application", provider["id"]),
        "objectId": lab.fixed_id("object", provider["id"]),
        "audience": "https://hypervrecoverymanager.windowsazure.com/",
        "aadAuthority": "https://login.microsoftonline.com/",
    }
    return {
        "id": provider["id"],
        "name": provider["name"],
        "type": type_of(provider["id"]),
        "properties": {
            "fabricType": "HyperVSite",
            "friendlyName": provider["node"],
            "providerVersion": "5.25.0.0",
            "serverVersion": "10.0.20348.0",
            "providerVersionState": "Latest",
            "providerVersionExpiryDate": None,
            "fabricFriendlyName": fabric["friendlyName"] if fabric else None,
            "lastHeartBeat": provider["lost"] or max(beat, provider["registered"]),
            "connectionStatus": "NotConnected" if provider["noticed"] else "Connected",
            "protectedItemCount": len(items_of(lab, provider)),
            "allowedScenarios": ["Purge"] if provider["noticed"] else ["Refresh", "Purge"],
            "healthErrorDetails": [],
            "draIdentifier": provider["name"],
            "machineId": lab.fixed_id("machine", provider["node"]),
            "machineName": provider["node"],
            "biosId": lab.fixed_id("bios", provider["node"]),
            "authenticationIdentityDetails": identity,
            "resourceAccessIdentityDetails": identity,
            "dataPlaneAuthenticationIdentityDetails": identity,
            "providerVersionDetails": {"version": "5.25.0.0", "expiryDate": None, "status": "Supported"},
        },
    }


@SITE_RECOVERY.route("POST", _ONE + "/refreshProvider")
def refresh_provider(lab: Lab, request: ArmRequest) -> Answer:
    """Ask the provider for its machines again; fails with 583 when it is not connected."""
    provider = require_record(lab, request, PROVIDERS, _SEGMENT)
    return answer_with_job(lab, request, _begin_provider_job(lab, request, provider, "RefreshFabricLayout"))


@SITE_RECOVERY.route("POST", _ONE + "/remove")
def remove_provider(lab: Lab, request: ArmRequest) -> Answer:
    """Unregister: needs the host."""
    provider = _require_unused(lab, request)
    return answer_with_job(lab, request, _begin_provider_job(lab, request, provider, "UnregisterDra"))


@SITE_RECOVERY.route("DELETE", _ONE)
def purge_provider(lab: Lab, request: ArmRequest) -> Answer:
    """Forget a provider whose host is gone."""
    provider = _require_unused(lab, request)
    target = Target(provider["name"], provider["node"], provider["id"])
    return answer_with_job(lab, request, begin_job(lab, vault_of(request), "PurgeVMM", target, caller_of(request)))


def _require_unused(lab: Lab, request: ArmRequest) -> Json:
    provider = require_record(lab, request, PROVIDERS, _SEGMENT)
    if items := items_of(lab, provider):
        raise conflict_error(f"Server '{provider['node']}' has {len(items)} protected machines.", caller_of(request))
    return provider


def _begin_provider_job(lab: Lab, request: ArmRequest, provider: Json, kind: str) -> Json:
    target = Target(provider["name"], provider["node"], provider["id"])
    if provider["lost"]:
        failure = unreachable_host(lab, provider["id"], kind)
        return begin_failing_job(lab, vault_of(request), kind, target, caller_of(request), failure)
    return begin_job(lab, vault_of(request), kind, target, caller_of(request))


@when("UnregisterDra", "Succeeded")
@when("PurgeVMM", "Succeeded")
def forget_provider(lab: Lab, job: Json) -> None:
    """The vault has no such provider any more."""
    lab.store.delete(PROVIDERS, job["resource"])


serve_vault_list(_SEGMENT, PROVIDERS, provider_document)
serve_child_list(FABRIC, FABRICS, _SEGMENT, PROVIDERS, provider_document)
serve_get(_ONE, PROVIDERS, provider_document)
serve_results(_ONE, PROVIDERS, provider_document)
