"""Fill the empty simulator with a scenario, and declare its documents to the product."""

import asyncio
import logging

import aiohttp

from lab.azure import automation, inbox, key_vault, storage, vaults
from lab.azure.arc import extensions, machines
from lab.azure.arm import resources, role_rights
from lab.azure.arm.ids import resource_id
from lab.azure.hci import cluster_extensions, clusters
from lab.azure.network import virtual_networks
from lab.azure.on_premises import hyper_v_machines, nodes, vault_rights
from lab.azure.simulator.answers import ArmError, Json
from lab.azure.simulator.lab import LOCATION, SUBSCRIPTION, Lab, to_iso
from lab.azure.site_recovery import seed
from lab.http_calls import OPERATOR
from lab.scenarios import SCENARIOS

log = logging.getLogger(__name__)

EXTENSION = "AzureSiteRecovery"
PATIENCE = 60.0
"""Real seconds that a reset waits for the product's host to come up."""


def load_scenario(
    lab: Lab, name: str, vms: int = 0, of_clusters: int = 0, seed_of_it: int = 1, of_nodes: int = 0
) -> Json:
    """Forget everything and fill the simulator with a scenario; gives the scenario.

    Raises:
        ArmError: 400 for a scenario that there is not.
    """
    if name not in SCENARIOS:
        raise ArmError(400, "UnknownScenario", f"There is no scenario {name!r}; there are: {', '.join(SCENARIOS)}.")
    scenario = SCENARIOS[name](vms, of_clusters, of_nodes)
    lab.clear_state(seed_of_it)
    for group in scenario["groups"]:
        resources.put_group(lab, group)
    role_rights.grant_product(lab, scenario["groups"], makes_groups=scenario.get("productMakesGroups", False))
    for each in scenario["networks"]:
        virtual_networks.put_vnet(lab, each["group"], each["name"], each["prefix"], each["subnets"])
    for account in scenario["storage"]:
        storage.add_account(lab, account["group"], account["name"])
    for key_vault_name, secrets in scenario.get("keyVaults", {}).items():
        key_vault.add_vault(lab, key_vault_name, secrets)
    for service, domain in scenario.get("communication", {}).items():
        inbox.add_communication_service(lab, service, domain)
    for account in scenario.get("automation", ()):
        automation.add_account(lab, account)
    for server in scenario.get("servers", ()):
        machines.add_server(lab, server["group"], server["name"])
    sites = {vault["vault"]: _fill_vault(lab, vault) for vault in scenario["vaults"]}
    for cluster in scenario["clusters"]:
        _fill_cluster(lab, cluster, sites.get(cluster["vault"]))
    lab.store.put(
        "lab",
        "scenario",
        {"name": name, "vms": vms, "clusters": of_clusters, "nodes": of_nodes} | {"at": to_iso(lab.now())},
    )
    lab.store.commit()
    return scenario


def _fill_vault(lab: Lab, settings: Json) -> Json:
    """A vault with its Site Recovery part; gives the settings of an extension that registers nodes with it."""
    vault = vaults.add_vault(lab, settings["group"], settings["vault"])
    fabric = seed.seed_vault(lab, settings)
    return {
        "SubscriptionId": SUBSCRIPTION,
        "Environment": "AzureCloud",
        "ResourceGroup": settings["group"],
        "ResourceName": settings["vault"],
        "Location": LOCATION,
        "SiteId": fabric["siteId"],
        "SiteName": settings["site"],
        "PolicyId": f"{vault['id']}/replicationPolicies/{settings['policy']}",
        "PrivateEndpointStateForSiteRecovery": "None",
    }


def _fill_cluster(lab: Lab, settings: Json, site: Json | None) -> None:
    names = [node["name"] for node in settings["nodes"]]
    cluster = clusters.add_cluster(lab, settings["group"], settings["name"], settings["nodesGroup"], names)
    for machine in settings.get("machines", ()):
        hyper_v_machines.add_machine(lab, cluster["id"], machine["node"], machine)
    if site is None:
        return
    parameters = {
        "publisher": "Microsoft.SiteRecovery.Dra",
        "type": "Windows",
        "enableAutomaticUpgrade": True,
        "settings": site,
    }
    cluster_extensions.want_extension(lab, cluster["id"], EXTENSION, parameters)
    vault_rights.grant_key_access(lab, cluster["id"], nodes.vault_key(site))
    for node in settings["nodes"]:
        machine = resource_id(SUBSCRIPTION, settings["nodesGroup"], machines.MACHINE, node["name"])
        _fill_extension(lab, machine, parameters, node["extension"])
    lab.store.put(nodes.CERTIFICATE, nodes.vault_key(site), {"number": len(names)})


def _fill_extension(lab: Lab, machine_id: str, parameters: Json, state: str | None) -> None:
    """An extension that ended some time ago, Succeeded or failed for the race of certificates; or one that begins."""
    node = nodes.find_by_machine(lab, machine_id)
    if state is None or node is None:
        return
    arm_id = f"{machine_id}/extensions/{EXTENSION}"
    if state == "Installing":
        origin = extensions.SERVICE | {"correlation": lab.new_id("correlation")}
        extensions.install_extension(lab, arm_id, {"location": LOCATION, "properties": parameters}, origin)
        return
    properties = {
        "typeHandlerVersion": nodes.VERSION,
        "autoUpgradeMinorVersion": False,
        "provisioningState": "Succeeded",
    }
    extension = resources.put_resource(lab, arm_id, parameters | properties, tags={})
    failed = state == "CertificateRace"
    extensions.set_end_state(lab, extension, nodes.RACE if failed else None)
    node["certificate"] = {"number": 0, "since": to_iso(lab.now())}
    if failed:
        node["dra"] = "Stopped"
        nodes.save_node(lab, node)
    else:
        nodes.mark_registered(lab, node, parameters["settings"])


async def declare_documents(lab: Lab, documents: Json) -> None:
    """Have the product's host forget its runs, then PUT the documents of the scenario; waits until it is up.

    Raises:
        ArmError: 502 when the host refuses or does not come up.
    """
    if lab.place.host is None:
        return
    headers = {"x-functions-key": lab.place.host_key("host", "_master")} | OPERATOR
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(lab.place.host, timeout=timeout, headers=headers) as host:
        await _send_until_accepted(host, "POST", "/admin/lab/reset", None)
        for kind in ("sites", "plans", "notification-rules"):
            for name, document in documents.get(kind, {}).items():
                await _send_until_accepted(host, "PUT", f"/api/{kind}/{name}", document)


async def _send_until_accepted(host: aiohttp.ClientSession, method: str, path: str, document: Json | None) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE
    while True:
        answer = await _send_once(host, method, path, document)
        if answer is not None and answer[0] < 300:
            return
        if loop.time() > deadline or (answer is not None and 400 <= answer[0] < 500 and answer[0] != 404):
            raise ArmError(502, "HostRefused", f"{method} {path} on the product's host: {answer or 'no answer'}")
        await asyncio.sleep(0.1)


async def _send_once(
    host: aiohttp.ClientSession, method: str, path: str, document: Json | None
) -> tuple[int, str] | None:
    try:
        async with host.request(method, path, json=document) as answer:
            return answer.status, (await answer.text())[:500]
    except aiohttp.ClientConnectionError as failure:
        log.debug("the product's host is not there yet: %r", failure)
        return None
