"""The Site Recovery provider of each node, as the vault sees it: connection, heartbeat and removal."""

from datetime import timedelta

from lab.azure.simulator.answers import Answer, Json
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import Ask
from lab.azure.site_recovery.api.common import (
    FABRIC,
    FABRICS,
    ITEMS,
    PROVIDERS,
    SITE_RECOVERY,
    VAULT,
    asker,
    listed,
    require,
    type_of,
    vault_of,
)
from lab.azure.site_recovery.api.errors import conflict
from lab.azure.site_recovery.api.times import exact
from lab.azure.site_recovery.jobs.accepted import taken
from lab.azure.site_recovery.jobs.jobs import Failure, Target, begin, begin_failing, when
from lab.azure.site_recovery.jobs.operation_results import serve_results

_BEAT_IN_SECONDS = 60
_ALL = VAULT + "/replicationRecoveryServicesProviders"
_ONE = FABRIC + "/replicationRecoveryServicesProviders/{provider}"
_SEGMENT = "replicationRecoveryServicesProviders"


def add(lab: Lab, fabric: Json, node: str, *, machine_id: str | None = None, connected: bool = True) -> Json:
    """Enter a node's provider in its site's vault; one that is there already gets a new registration."""
    dra = lab.fixed_id("dra", fabric["id"], node)
    arm_id = f"{fabric['id']}/replicationRecoveryServicesProviders/{dra}"
    now = exact(lab.now())
    record = {
        "id": arm_id,
        "name": dra,
        "node": node,
        "fabric": fabric["id"],
        "machineId": machine_id,
        "registered": now,
        "lost": None if connected else now,
    }
    return lab.store.put(PROVIDERS, arm_id, record)


def items_of(lab: Lab, provider: Json) -> list[Json]:
    """The items whose machines the provider's host owns."""
    return [
        item for item in lab.store.all(ITEMS, provider["fabric"]) if item["provider"].lower() == provider["id"].lower()
    ]


def is_connected(lab: Lab, provider_id: str) -> bool:
    """Whether the vault hears of the provider."""
    provider = lab.store.get(PROVIDERS, provider_id)
    return provider is not None and provider["lost"] is None


def document(lab: Lab, provider: Json) -> Json:
    """A provider as GET shows it; the heartbeat follows the clock while it is connected."""
    now = lab.now()
    beat = exact(now - timedelta(seconds=now.timestamp() % _BEAT_IN_SECONDS))
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
            "connectionStatus": "NotConnected" if provider["lost"] else "Connected",
            "protectedItemCount": len(items_of(lab, provider)),
            "allowedScenarios": ["Purge"] if provider["lost"] else ["Refresh", "Purge"],
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


@SITE_RECOVERY.route("GET", _ALL)
def list_of_vault(lab: Lab, ask: Ask) -> Answer:
    """All providers of a vault."""
    return listed(document(lab, each) for each in lab.store.all(PROVIDERS, vault_of(ask)))


@SITE_RECOVERY.route("GET", FABRIC + "/replicationRecoveryServicesProviders")
def list_of_fabric(lab: Lab, ask: Ask) -> Answer:
    """The providers of one site."""
    fabric = require(lab, ask, FABRICS, "replicationFabrics")
    return listed(document(lab, each) for each in lab.store.all(PROVIDERS, fabric["id"]))


@SITE_RECOVERY.route("GET", _ONE)
def get(lab: Lab, ask: Ask) -> Answer:
    """One provider."""
    return Answer(200, document(lab, require(lab, ask, PROVIDERS, _SEGMENT)))


@SITE_RECOVERY.route("POST", _ONE + "/refreshProvider")
def refresh(lab: Lab, ask: Ask) -> Answer:
    """Ask the provider for its machines again; fails with 583 when it is not heard of."""
    provider = require(lab, ask, PROVIDERS, _SEGMENT)
    return taken(lab, ask, _begin(lab, ask, provider, "RefreshFabricLayout"))


@SITE_RECOVERY.route("POST", _ONE + "/remove")
def remove(lab: Lab, ask: Ask) -> Answer:
    """Unregister: needs the host."""
    provider = _unused(lab, ask)
    return taken(lab, ask, _begin(lab, ask, provider, "UnregisterDra"))


@SITE_RECOVERY.route("DELETE", _ONE)
def purge(lab: Lab, ask: Ask) -> Answer:
    """Forget a provider whose host is gone."""
    provider = _unused(lab, ask)
    target = Target(provider["name"], provider["node"], provider["id"])
    return taken(lab, ask, begin(lab, vault_of(ask), "PurgeVMM", target, asker(ask)))


def _unused(lab: Lab, ask: Ask) -> Json:
    provider = require(lab, ask, PROVIDERS, _SEGMENT)
    if items := items_of(lab, provider):
        raise conflict(f"Server '{provider['node']}' has {len(items)} protected machines.", asker(ask))
    return provider


def _begin(lab: Lab, ask: Ask, provider: Json, kind: str) -> Json:
    target = Target(provider["name"], provider["node"], provider["id"])
    if provider["lost"]:
        return begin_failing(lab, vault_of(ask), kind, target, asker(ask), Failure("583", {"host": provider["node"]}))
    return begin(lab, vault_of(ask), kind, target, asker(ask))


@when("UnregisterDra", "Succeeded")
@when("PurgeVMM", "Succeeded")
def _gone(lab: Lab, job: Json) -> None:
    lab.store.delete(PROVIDERS, job["resource"])


serve_results(_ONE, PROVIDERS, document)
