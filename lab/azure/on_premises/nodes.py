"""A model of a cluster node: what Windows, Hyper-V and the Site Recovery agent on it are like.

The certificate race, as the vendor's guide tells it: the extension asks for a certificate that is valid for two days,
and each node that asks invalidates the one that another node holds. Whoever registers with an invalid one fails with
exit code 13. The node keeps its certificate until the extension is removed: a mere retry fails again.
"""

from datetime import timedelta
from typing import Any

from lab.azure.arm.ids import is_same_id, resource_id
from lab.azure.on_premises import outbound, vault_rights
from lab.azure.simulator.answers import ArmError, Json
from lab.azure.simulator.lab import SUBSCRIPTION, Lab, parse_instant, to_iso

KIND = "node"
CERTIFICATE = "certificate"
PROVIDER = "asr-provider"  # the kind of the vault's providers, which is no part of this floor
CERTIFICATE_LIFE = timedelta(days=2)
ASR = ("microsoft.siterecovery.dra", "windows")
VERSION = "1.0.0.6"
PLUGIN = rf"C:\Packages\Plugins\Microsoft.SiteRecovery.Dra.Windows\{VERSION}\script"

SETTABLE: dict[str, type | tuple[type, ...]] = {
    "hyperV": bool,
    "applicationControl": str,
    "lastBoot": str,
    "boundSite": (str, type(None)),
    "syncRestores": bool,
    "dra": str,
    "freeGb": (int, float),
    "clockOffset": int,
    "newIdentity": bool,
}
"""What `change_node` may set: syncRestores says whether Sync-AzureStackHci brings the node's extension back, freeGb how
much room is left on the volume of its VMs, clockOffset how many seconds its clock is ahead, newIdentity whether the
host was set up anew, so that the vault takes it for another one than the provider of its name."""
CLOCK_TOLERANCE = 300
"""Seconds that a clock may be out (assumed: what Entra allows)."""

RACE = (
    "Extension returned nonzero exit code for Enable: 13. . Extension error output: "
    rf"{PLUGIN}\RegisterAsr.ps1 : Failed to register for ASR "
    "\nwith DRConfigurator.exe.\n    + CategoryInfo          : NotSpecified: (:) [Write-Error], WriteErrorException\n"
    "    + FullyQualifiedErrorId : Microsoft.PowerShell.Commands.WriteErrorException,RegisterAsr.ps1\n \n"
    rf"{PLUGIN}\RegisterAsr.ps1 : Checking if Credentials file "
    "\nexists.\nProcessing credentials file\nInstalling management cert\nInitializing registration process.\n"
    "Stopping DR service\nGetting resource details\n"
    "The ASR can't be registered due to an internal error. Run Setup again to register the server.\n"
    "The ASR can't be registered due to an internal error. Run Setup again to register the server."
)
NO_HYPER_V = (
    "Extension failed to install. Extension returned non-zero exit code for Install: 1. . Extension error output: "
    rf"{PLUGIN}\InstallAsr.ps1 : Hyper-V is not installed."
)
BLOCKED = "Microsoft Azure Site Recovery Provider installation has failed with exit code - 1."
NO_KEY = (  # assumed: what it says when the cluster's identity may not read the vault is not public
    "Extension returned nonzero exit code for Enable: 1. . Extension error output: "
    rf"{PLUGIN}\RegisterAsr.ps1 : Failed to get the vault registration key: AuthorizationFailed."
)
NO_ROUTE = (
    "Extension returned nonzero exit code for Enable: 13. . Extension error output: "
    rf"{PLUGIN}\RegisterAsr.ps1 : Failed to register for ASR "
    "\nwith DRConfigurator.exe.\nInitializing registration process.\n"
    "Unable to connect to Azure Site Recovery Services using the given settings."
)
CLOCK = (  # assumed, but for the number that Entra gives
    "Extension returned nonzero exit code for Enable: 13. . Extension error output: "
    rf"{PLUGIN}\RegisterAsr.ps1 : AADSTS700024: Client assertion is not within its valid time range."
)
ALREADY_REGISTERED = (
    "Provider is already registered with the following identity: {host}. Please purge the provider from the vault and "
    "attempt registration again."
)
ALREADY_BOUND = "Extension returned nonzero exit code for Enable: 1."  # documented: no error detail is surfaced


def add_node(lab: Lab, name: str, machine_id: str, cluster_id: str) -> Json:
    """Make a healthy node without a Site Recovery agent."""
    node: Json = {
        "name": name,
        "id": machine_id,
        "cluster": cluster_id,
        "hyperV": True,
        "applicationControl": "Off",
        "lastBoot": to_iso(lab.now() - timedelta(days=12)),
        "dra": "Missing",
        "registration": None,
        "certificate": None,
        "boundSite": None,
        "connected": True,
        "syncRestores": True,
        "freeGb": 4096,
        "clockOffset": 0,
        "newIdentity": False,
    }
    return lab.store.put(KIND, machine_id, node)


def find_by_machine(lab: Lab, machine_id: str) -> Json | None:
    """The node behind an Arc machine, or None for a machine that is no node."""
    return lab.store.get(KIND, machine_id)


def require_node(lab: Lab, name: str) -> Json:
    """A node by its host name.

    Raises:
        ArmError: 404.
    """
    for node in lab.store.all(KIND):
        if node["name"].lower() == name.lower():
            return node
    raise ArmError(404, "NodeNotFound", f"The lab has no node called {name}.")


def nodes_of_cluster(lab: Lab, cluster_id: str) -> list[Json]:
    """The nodes of a cluster, in the order in which they were made."""
    return [node for node in lab.store.all(KIND) if is_same_id(node["cluster"], cluster_id)]


def save_node(lab: Lab, node: Json) -> Json:
    """Keep the changes made in place."""
    return lab.store.put(KIND, node["id"], node)


def change_node(lab: Lab, name: str, changes: Any) -> Json:
    """Set properties of a node by hand: those of SETTABLE.

    Raises:
        ArmError: 400 that names what cannot be set, 404 for the node.
    """
    node = require_node(lab, name)
    if not isinstance(changes, dict):
        raise ArmError(400, "InvalidNode", "a JSON object is required")
    for key, value in changes.items():
        if key not in SETTABLE or not isinstance(value, SETTABLE[key]):
            raise ArmError(400, "InvalidNode", f"{key} cannot be {value!r}; what can be set: {', '.join(SETTABLE)}")
    return save_node(lab, node | changes)


def is_asr(properties: Json) -> bool:
    """Whether an extension is the Site Recovery agent."""
    return (str(properties.get("publisher")).lower(), str(properties.get("type")).lower()) == ASR


def request_certificate(lab: Lab, node: Json, settings: Json) -> None:
    """Get a certificate from the vault, unless one is still kept; it invalidates that of every other node."""
    held = node["certificate"]
    if held and lab.now() - parse_instant(held["since"]) < CERTIFICATE_LIFE:
        return
    number = _last_certificate(lab, settings) + 1
    lab.store.put(CERTIFICATE, vault_key(settings), {"number": number})
    node["certificate"] = {"number": number, "since": to_iso(lab.now())}
    save_node(lab, node)


def register_node(lab: Lab, node: Json, settings: Json) -> str | None:
    """Try to install and register the agent with these extension settings; gives the message of the failure, if any."""
    if failure := _registration_obstacle(lab, node, settings):
        return failure
    mark_registered(lab, node, settings)
    for hook in lab.on_registered:
        hook(lab, node, str(settings.get("SiteId", "")))
    return None


def mark_registered(lab: Lab, node: Json, settings: Json) -> None:
    """Set a node to what it is after a registration; no hook is called."""
    node |= {
        "dra": "Running",
        "boundSite": settings.get("SiteId"),
        "registration": _registry_values(lab, node, settings),
    }
    save_node(lab, node)


def _registration_obstacle(lab: Lab, node: Json, settings: Json) -> str | None:
    if not node["hyperV"]:
        return NO_HYPER_V
    if node["applicationControl"] == "Enforced":
        return BLOCKED
    if node["boundSite"] not in (None, settings.get("SiteId")):
        return ALREADY_BOUND
    if not vault_rights.may_fetch_key(lab, node["cluster"], vault_key(settings)):
        return NO_KEY
    if failure := _connection_obstacle(node):
        return failure
    if node["newIdentity"] and any(each["node"] == node["name"] for each in lab.store.all(PROVIDER)):
        return ALREADY_REGISTERED.format(host=node["name"])
    certificate = node["certificate"]
    if certificate is None or certificate["number"] != _last_certificate(lab, settings):
        return RACE
    return None


def _connection_obstacle(node: Json) -> str | None:
    if not all(outbound.reach(node, outbound.REGISTRATION_NEEDS).values()):
        return NO_ROUTE
    return CLOCK if abs(node["clockOffset"]) > CLOCK_TOLERANCE else None


def uninstall_agent(lab: Lab, node: Json, settings: Json) -> None:
    """Remove the agent with its certificate and registration; a binding to another Hyper-V site stays."""
    if node["dra"] != "Missing":
        for hook in lab.on_uninstalled:
            hook(lab, node["name"])
    bound = None if node["boundSite"] == settings.get("SiteId") else node["boundSite"]
    save_node(lab, node | {"dra": "Missing", "registration": None, "certificate": None, "boundSite": bound})


def _registry_values(lab: Lab, node: Json, settings: Json) -> Json:
    r"""The values under HKLM\SOFTWARE\Microsoft\Azure Site Recovery\Registration; the list is not public: assumed."""
    return {
        "ResourceName": settings.get("ResourceName"),
        "SiteName": settings.get("SiteName"),
        "SiteId": settings.get("SiteId"),
        "SubscriptionId": settings.get("SubscriptionId"),
        "ResourceGroupName": settings.get("ResourceGroup"),
        "KeyVaultName": f"asr-kv-{lab.fixed_id('key-vault', vault_key(settings))[:8]}",
        "DraID": lab.fixed_id("dra", node["name"]),
        "SRSUri": outbound.SERVICE_URL,
    }


def _last_certificate(lab: Lab, settings: Json) -> int:
    return int((lab.store.get(CERTIFICATE, vault_key(settings)) or {"number": 0})["number"])


def vault_key(settings: Json) -> str:
    """The id of the vault that extension settings name."""
    return resource_id(
        str(settings.get("SubscriptionId", SUBSCRIPTION)),
        str(settings.get("ResourceGroup", "")),
        "Microsoft.RecoveryServices/vaults",
        str(settings.get("ResourceName", "")),
    )
