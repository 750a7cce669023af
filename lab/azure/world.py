"""The world outside Azure as a test wants it: clusters, nodes, their VMs, our rights and the quota, changed by hand.

    PUT /lab/world {"cluster": {...}, "nodes": {name: {...}}, "vms": {name: {...}}, "rights": {...}, "quota": {...},
                    "accounts": {name: {...}}, "networks": {name: {...}}, "sources": {name: {...}}}

Each part says what can be changed in CHANGES; what it does not know is a 400.
"""

from collections.abc import Callable
from typing import Any

from lab.azure import storage
from lab.azure.arc import machines
from lab.azure.arm import permissions, resources
from lab.azure.compute import quota
from lab.azure.hci import clusters
from lab.azure.network import virtual_networks
from lab.azure.on_premises import hyper_v_machines, nodes
from lab.azure.simulator.answers import ArmError, Json, bad_request
from lab.azure.simulator.lab import Lab
from lab.azure.site_recovery.items import host_connection
from lab.azure.site_recovery.sites import source_machines as source_vms

IN_CLUSTER = {
    "status": "status",
    "connectivity": "connectivityStatus",
}
IN_MACHINE = {"agentVersion": "agentVersion", "osVersion": "osVersion"}
IN_AGENT = {"extensionsEnabled": "extensionsEnabled", "blockList": "extensionsBlockList", "mode": "configMode"}


def change(lab: Lab, wish: Any) -> Json:
    """Change what is named, and give back the wish.

    Raises:
        ArmError: 400 for what cannot be changed, 404 for what there is not.
    """
    if not isinstance(wish, dict) or set(wish) - set(CHANGES):
        raise bad_request("InvalidWorld", f"a JSON object with any of {', '.join(CHANGES)} is required")
    for part, settings in wish.items():
        if not isinstance(settings, dict):
            raise bad_request("InvalidWorld", f"{part} is a JSON object")
        CHANGES[part](lab, settings)
    lab.store.commit()
    return wish


def _cluster(lab: Lab, settings: Json) -> None:
    """{status, connectivity, version, location, identity: false, registered: false} of every cluster."""
    for cluster in lab.store.all(clusters.CLUSTER.lower()):
        for key, value in settings.items():
            _in_cluster(cluster, key, value)
        if settings.get("registered") is False:
            resources.drop(lab, cluster["id"])
        else:
            resources.touch(lab, cluster)


def _in_cluster(cluster: Json, key: str, value: Any) -> None:
    if key in IN_CLUSTER:
        cluster["properties"][IN_CLUSTER[key]] = value
    elif key == "version":
        cluster["properties"]["reportedProperties"]["clusterVersion"] = value
    elif key == "location":
        cluster["location"] = value
    elif key == "identity" and value is False:
        cluster.pop("identity", None)
    elif key != "registered":
        raise _unknown("cluster", key, "status, connectivity, version, location, identity, registered")


def _nodes(lab: Lab, settings: Json) -> None:
    """By name: what `nodes.SETTABLE` names, and {connected, arc, agentVersion, osVersion, extensionsEnabled, blockList,
    mode, registration, unreachable}.
    """
    for name, wish in settings.items():
        for key, value in wish.items():
            _in_node(lab, nodes.named(lab, name), key, value)


def _in_node(lab: Lab, node: Json, key: str, value: Any) -> None:
    machine = resources.require(lab, node["id"])
    if key in nodes.SETTABLE:
        nodes.change(lab, node["name"], {key: value})
    elif key == "connected":
        _connect(lab, node, value)
    elif key in ("registration", "unreachable"):
        nodes.keep(lab, node | {key: value})
    elif key == "arc" and value is False:
        machine["properties"]["parentClusterResourceId"] = None
    elif key in IN_MACHINE:
        machine["properties"][IN_MACHINE[key]] = value
    elif key in IN_AGENT:
        machine["properties"]["agentConfiguration"][IN_AGENT[key]] = value
    else:
        raise _unknown("a node", key, ", ".join([*nodes.SETTABLE, "connected", "arc", *IN_MACHINE, *IN_AGENT]))
    if key != "connected":
        resources.touch(lab, machine)


def _connect(lab: Lab, node: Json, value: bool) -> None:
    if value:
        machines.set_connected(lab, node, connected=True)
        if node["dra"] == "Running":
            host_connection.restore(lab, node["name"])
        return
    for hook in lab.on_disconnect:
        hook(lab, node["name"], None)


def _vms(lab: Lab, settings: Json) -> None:
    """By name: what `hyperv.add` takes; a new name needs its node. `arc` makes it an Arc VM."""
    known = {machine["name"].lower(): machine for machine in lab.store.all(hyper_v_machines.KIND)}
    for name, wish in settings.items():
        node = wish.get("node") or known.get(name.lower(), {}).get("node")
        if node is None:
            raise bad_request("InvalidWorld", f"the new VM {name} needs a node")
        there = known.get(name.lower(), {"name": name})
        cluster = nodes.named(lab, node)["cluster"]
        hyper_v_machines.add(lab, cluster, node, there | wish)
        if wish.get("arc"):
            machines.add(lab, resources.require(lab, nodes.named(lab, node)["id"])["id"].split("/")[4], name, None)


def _rights(lab: Lab, settings: Json) -> None:
    """{actions, notActions}: what the product's identity may do, everywhere."""
    lab.store.put(permissions.KIND, "product", settings)


def _quota(lab: Lab, settings: Json) -> None:
    """{used, limit} of the region's cores."""
    lab.store.put(quota.KIND, "cores", settings)


def _accounts(lab: Lab, settings: Json) -> None:
    """By name: {kind, accessTier, firewall, location} of a storage account."""
    for name, wish in settings.items():
        account = _named(lab, storage.ACCOUNT.lower(), name)
        account |= {key: wish[key] for key in ("kind", "location") if key in wish}
        if "accessTier" in wish:
            account["properties"]["accessTier"] = wish["accessTier"]
        if "firewall" in wish:
            account["properties"]["networkAcls"] = {"defaultAction": "Deny" if wish["firewall"] else "Allow"}
        resources.touch(lab, account)


def _networks(lab: Lab, settings: Json) -> None:
    """By name: {location} of a virtual network."""
    for name, wish in settings.items():
        resources.touch(lab, _named(lab, virtual_networks.VNET.lower(), name) | wish)


def _sources(lab: Lab, settings: Json) -> None:
    """By name: what `asr.machines.change` takes: the machines on premises that replicate."""
    for name, wish in settings.items():
        source_vms.change(lab, name, wish)


def _named(lab: Lab, kind: str, name: str) -> Json:
    for document in lab.store.all(kind):
        if document["name"].lower() == name.lower():
            return document
    raise ArmError(404, "NotInTheWorld", f"There is no {kind} called {name}.")


def _unknown(what: str, key: str, known: str) -> ArmError:
    return bad_request("InvalidWorld", f"{key} of {what} cannot be changed; what can: {known}")


CHANGES: dict[str, Callable[[Lab, Json], None]] = {
    "cluster": _cluster,
    "nodes": _nodes,
    "vms": _vms,
    "rights": _rights,
    "quota": _quota,
    "accounts": _accounts,
    "networks": _networks,
    "sources": _sources,
}
