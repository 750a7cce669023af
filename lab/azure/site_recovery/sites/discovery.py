"""Discovery: the machines of a host that has registered become protectable items of its vault, minutes later."""

from lab.azure.on_premises import hyper_v_machines
from lab.azure.simulator.answers import Json
from lab.azure.simulator.lab import Lab, due
from lab.azure.site_recovery.api.common import FABRICS, MACHINES, PROVIDERS
from lab.azure.site_recovery.jobs.durations import DISCOVERY, bounds_of, draw_duration
from lab.azure.site_recovery.sites import fabrics, source_machines


def discover_machines(lab: Lab, node: Json, site_id: str) -> None:
    """Have the machines of a node that has registered listed once the service has asked it for them.

    Args:
        lab: The lab.
        node: The node's document.
        site_id: internalIdentifier of the Hyper-V site.
    """
    takes = draw_duration(bounds_of(DISCOVERY), lab.seed, DISCOVERY, node["name"])
    lab.call_after(takes, "asr.discovered", {"node": node["name"], "site": site_id})


def report_machines(lab: Lab, node: str) -> None:
    """Have the machines that a registered host got since listed: it reports them as it did when it registered."""
    fabrics_by_id = {fabric["id"]: fabric for fabric in lab.store.all(FABRICS)}
    for provider in [each for each in lab.store.all(PROVIDERS) if each["node"].lower() == node.lower()]:
        fabric = next((each for arm_id, each in fabrics_by_id.items() if provider["id"].startswith(f"{arm_id}/")), None)
        if fabric:
            discover_machines(lab, {"name": provider["node"]}, fabric["siteId"])


@due("asr.discovered")
def enter_machines(lab: Lab, args: Json) -> None:
    """Enter the machines of a node; those that the site knows already stay as they are."""
    fabric = next((each for each in lab.store.all(FABRICS) if each["siteId"] == args["site"]), None)
    providers = lab.store.all(PROVIDERS, fabric["id"]) if fabric else []
    provider = next((each for each in providers if each["node"] == args["node"]), None)
    if fabric is None or provider is None:
        return
    container = fabrics.container_of(lab, fabric)
    names = {machine["friendlyName"].lower() for machine in lab.store.all(MACHINES, container["id"])}
    for machine in hyper_v_machines.machines_of_node(lab, args["node"]):
        if machine["name"].lower() not in names:
            source_machines.add_machine(lab, container, machine["name"], provider, machine)
