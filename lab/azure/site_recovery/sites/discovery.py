"""Discovery: the machines of a host that has registered become protectable items of its vault.

Assumed: they are listed as soon as the provider is Connected; the service is said to take up to fifteen minutes.
"""

from lab.azure.on_premises import hyper_v_machines
from lab.azure.simulator.answers import Json
from lab.azure.simulator.lab import Lab
from lab.azure.site_recovery.api.common import FABRICS, MACHINES, PROVIDERS
from lab.azure.site_recovery.sites import fabrics, source_machines


def enter_machines(lab: Lab, node: Json, site_id: str) -> None:
    """Enter the machines of a node that has registered; those that the site knows already stay as they are.

    Args:
        lab: The lab.
        node: The node's document.
        site_id: internalIdentifier of the Hyper-V site.
    """
    fabric = next((each for each in lab.store.all(FABRICS) if each["siteId"] == site_id), None)
    if fabric is None:
        return
    container = fabrics.container_of(lab, fabric)
    names = {machine["friendlyName"].lower() for machine in lab.store.all(MACHINES, container["id"])}
    provider = next(each for each in lab.store.all(PROVIDERS, fabric["id"]) if each["node"] == node["name"])
    for machine in hyper_v_machines.machines_of_node(lab, node["name"]):
        if machine["name"].lower() not in names:
            source_machines.add_machine(lab, container, machine["name"], provider, machine)
