"""The world outside Azure as a test wants it: clusters, nodes, their VMs, our rights and the quota, changed by hand.

    PUT /lab/world {"cluster": {...}, "nodes": {name: {...}}, "vms": {name: {...}}, "rights": {...}, "roles": {...},
                    "quota": {...}, "accounts": {name: {...}}, "networks": {name: {...}}, "sources": {name: {...}},
                    "keyVaults": {name: {...}}}

Each part says what can be changed in CHANGES; what it does not know is a 400.
"""

from collections.abc import Callable
from typing import Any

from lab.azure import key_vault, storage
from lab.azure.arc import machines
from lab.azure.arm import permissions, resources
from lab.azure.compute import quota
from lab.azure.hci import clusters
from lab.azure.network import virtual_networks
from lab.azure.on_premises import hyper_v_machines, nodes, vault_rights
from lab.azure.simulator.answers import ArmError, Json, bad_request
from lab.azure.simulator.lab import Lab
from lab.azure.site_recovery.items import host_connection
from lab.azure.site_recovery.sites import discovery
from lab.azure.site_recovery.sites import source_machines as source_vms

IN_CLUSTER = {
    "status": "status",
    "connectivity": "connectivityStatus",
}
IN_MACHINE = {"agentVersion": "agentVersion", "osVersion": "osVersion"}
IN_AGENT = {"extensionsEnabled": "extensionsEnabled", "blockList": "extensionsBlockList", "mode": "configMode"}


def change_world(lab: Lab, changes: Any) -> Json:
    """Change what is named, and give back the wish.

    Raises:
        ArmError: 400 for what cannot be changed, 404 for what there is not.
    """
    if not isinstance(changes, dict) or set(changes) - set(CHANGES):
        raise bad_request("InvalidWorld", f"a JSON object with any of {', '.join(CHANGES)} is required")
    for part, settings in changes.items():
        if not isinstance(settings, dict):
            raise bad_request("InvalidWorld", f"{part} is a JSON object")
        CHANGES[part](lab, settings)
    lab.store.commit()
    return changes


def change_clusters(lab: Lab, settings: Json) -> None:
    """{status, connectivity, version, location, identity: false, registered: false} of every cluster."""
    for cluster in lab.store.all(clusters.CLUSTER.lower()):
        for key, value in settings.items():
            _change_cluster(cluster, key, value)
        if settings.get("registered") is False:
            resources.delete_resource(lab, cluster["id"])
        else:
            resources.save_resource(lab, cluster)


def _change_cluster(cluster: Json, key: str, value: Any) -> None:
    if key in IN_CLUSTER:
        cluster["properties"][IN_CLUSTER[key]] = value
    elif key == "version":
        cluster["properties"]["reportedProperties"]["clusterVersion"] = value
    elif key == "location":
        cluster["location"] = value
    elif key == "identity" and value is False:
        cluster.pop("identity", None)
    elif key != "registered":
        raise _unknown_key_error("cluster", key, "status, connectivity, version, location, identity, registered")


def change_nodes(lab: Lab, settings: Json) -> None:
    """By name: what `nodes.SETTABLE` names, and {connected, arc, agentVersion, osVersion, extensionsEnabled, blockList,
    mode, registration, unreachable}.
    """
    for name, changes in settings.items():
        for key, value in changes.items():
            _change_node(lab, nodes.require_node(lab, name), key, value)


def _change_node(lab: Lab, node: Json, key: str, value: Any) -> None:
    machine = resources.require_resource(lab, node["id"])
    if key in nodes.SETTABLE:
        nodes.change_node(lab, node["name"], {key: value})
    elif key == "connected":
        _set_connection(lab, node, value)
    elif key in ("registration", "unreachable"):
        nodes.save_node(lab, node | {key: value})
    elif key == "arc" and value is False:
        machine["properties"]["parentClusterResourceId"] = None
    elif key in IN_MACHINE:
        machine["properties"][IN_MACHINE[key]] = value
    elif key in IN_AGENT:
        machine["properties"]["agentConfiguration"][IN_AGENT[key]] = value
    else:
        raise _unknown_key_error(
            "a node", key, ", ".join([*nodes.SETTABLE, "connected", "arc", *IN_MACHINE, *IN_AGENT])
        )
    if key != "connected":
        resources.save_resource(lab, machine)


def _set_connection(lab: Lab, node: Json, value: bool) -> None:
    if value:
        machines.set_connected(lab, node, connected=True)
        if node["dra"] == "Running":
            host_connection.reconnect_host(lab, node["name"])
        return
    for hook in lab.on_disconnect:
        hook(lab, node["name"], None)


def change_vms(lab: Lab, settings: Json) -> None:
    """By name: what `hyperv.add` takes; a new name needs its node. `arc` makes it an Arc VM."""
    existing = {machine["name"].lower(): machine for machine in lab.store.all(hyper_v_machines.KIND)}
    for name, changes in settings.items():
        node = changes.get("node") or existing.get(name.lower(), {}).get("node")
        if node is None:
            raise bad_request("InvalidWorld", f"the new VM {name} needs a node")
        there = existing.get(name.lower(), {"name": name})
        cluster = nodes.require_node(lab, node)["cluster"]
        hyper_v_machines.add_machine(lab, cluster, node, there | changes)
        if name.lower() not in existing:
            discovery.report_machines(lab, node)
        if {"disks", "diskSizesGb"} & set(changes):
            source_vms.resize_machine(lab, name, changes.get("disks"), changes.get("diskSizesGb"))
        if changes.get("arc"):
            machines.add_machine(
                lab,
                resources.require_resource(lab, nodes.require_node(lab, node)["id"])["id"].split("/")[4],
                name,
                None,
            )


def change_rights(lab: Lab, settings: Json) -> None:
    """{actions, notActions}: what the product's identity may do, everywhere."""
    lab.store.put(permissions.KIND, "product", settings)


def change_accounts(lab: Lab, settings: Json) -> None:
    """By name: {kind, accessTier, firewall, location} of a storage account."""
    for name, changes in settings.items():
        account = _require_document(lab, storage.ACCOUNT.lower(), name)
        account |= {key: changes[key] for key in ("kind", "location") if key in changes}
        if "accessTier" in changes:
            account["properties"]["accessTier"] = changes["accessTier"]
        if "firewall" in changes:
            account["properties"]["networkAcls"] = {"defaultAction": "Deny" if changes["firewall"] else "Allow"}
        resources.save_resource(lab, account)


def change_networks(lab: Lab, settings: Json) -> None:
    """By name: {location} of a virtual network."""
    for name, changes in settings.items():
        resources.save_resource(lab, _require_document(lab, virtual_networks.VNET.lower(), name) | changes)


def change_sources(lab: Lab, settings: Json) -> None:
    """By name: what `asr.machines.change` takes: the machines on premises that replicate."""
    for name, changes in settings.items():
        source_vms.change_machine(lab, name, changes)


def _require_document(lab: Lab, kind: str, name: str) -> Json:
    for document in lab.store.all(kind):
        if document["name"].lower() == name.lower():
            return document
    raise ArmError(404, "NotInTheWorld", f"There is no {kind} called {name}.")


def _unknown_key_error(what: str, key: str, settable: str) -> ArmError:
    return bad_request("InvalidWorld", f"{key} of {what} cannot be changed; what can: {settable}")


CHANGES: dict[str, Callable[[Lab, Json], None]] = {
    "cluster": change_clusters,
    "nodes": change_nodes,
    "vms": change_vms,
    "rights": change_rights,
    "roles": vault_rights.choose_effect_delay,
    "quota": quota.change_quota,
    "accounts": change_accounts,
    "networks": change_networks,
    "sources": change_sources,
    "keyVaults": key_vault.change_vaults,
}
