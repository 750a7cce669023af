"""The connection of a node's provider with its vault: it registers, is lost and returns, and its items with it."""

from datetime import timedelta

from lab.azure.simulator.answers import Json
from lab.azure.simulator.lab import Lab, due
from lab.azure.site_recovery.api.common import FABRICS, ITEMS, PROVIDERS
from lab.azure.site_recovery.api.errors import Caller
from lab.azure.site_recovery.api.times import exact_time
from lab.azure.site_recovery.events import emit_agent, emit_heartbeat_missing
from lab.azure.site_recovery.items.recovery_points import last_cycle_end
from lab.azure.site_recovery.jobs.durations import LOSS_NOTICED, bounds_of, draw_duration
from lab.azure.site_recovery.jobs.jobs import Target, begin_job
from lab.azure.site_recovery.sites.providers import add_provider, items_of


def register_host(lab: Lab, node: Json, site_id: str) -> None:
    """A node's agent has registered: its provider is Connected from now on.

    Args:
        lab: The lab.
        node: The node's document; its `name` is the host's, its `id` the Arc machine's.
        site_id: internalIdentifier of the Hyper-V site that its settings name; a site that no vault has is no place to
            register with, and nothing happens.
    """
    fabric = next((each for each in lab.store.all(FABRICS) if each["siteId"] == site_id), None)
    if fabric is None:
        return
    provider = add_provider(lab, fabric, node["name"], machine_id=node.get("id"))
    _resume_items(lab, provider)
    asked_by = Caller(lab.new_id("client"), lab.new_id("correlation"))
    begin_job(lab, fabric["vault"], "RegisterDra", Target(provider["name"], provider["node"], provider["id"]), asked_by)
    emit_agent(lab, fabric, provider["node"])


def disconnect_host(lab: Lab, node: str, minutes: float | None = None) -> None:
    """A node's providers lose their connection: for so many simulated minutes, or until `reconnect_host`.

    What needs the host fails and replication stops at once; the vault shows the loss only minutes later.
    """
    for provider in [each for each in lab.store.all(PROVIDERS) if each["node"].lower() == node.lower()]:
        if provider["lost"] is None:
            _stop_items(lab, provider)
            provider["lost"] = exact_time(lab.now())
            lab.store.put(PROVIDERS, provider["id"], provider)
            notices = draw_duration(bounds_of(LOSS_NOTICED), lab.seed, provider["id"], lab.now())
            lab.call_after(notices, "asr.loss-noticed", {"provider": provider["id"], "lost": provider["lost"]})
        if minutes is not None:
            lab.call_after(timedelta(minutes=minutes), "asr.provider-returns", {"provider": provider["id"]})


def remove_host(lab: Lab, node: str, minutes: float | None = None) -> None:
    """A node's agent is uninstalled: it takes its leave of the vault, which so knows at once (inferred)."""
    disconnect_host(lab, node, minutes)
    for provider in [each for each in lab.store.all(PROVIDERS) if each["node"].lower() == node.lower()]:
        notice_loss(lab, {"provider": provider["id"], "lost": provider["lost"]})


@due("asr.loss-noticed")
def notice_loss(lab: Lab, args: Json) -> None:
    """The vault has heard nothing of a provider for minutes: it shows it as NotConnected, unless it is back."""
    provider = lab.store.get(PROVIDERS, args["provider"])
    if provider and provider["lost"] == args["lost"] and not provider["noticed"]:
        provider["noticed"] = exact_time(lab.now())
        lab.store.put(PROVIDERS, provider["id"], provider)
        emit_heartbeat_missing(lab, provider)


def reconnect_host(lab: Lab, node: str) -> None:
    """A node's providers are connected again."""
    for provider in [each for each in lab.store.all(PROVIDERS) if each["node"].lower() == node.lower()]:
        return_provider(lab, {"provider": provider["id"]})


@due("asr.provider-returns")
def return_provider(lab: Lab, args: Json) -> None:
    """A provider that was lost is connected again, and its items replicate."""
    provider = lab.store.get(PROVIDERS, args["provider"])
    if provider and provider["lost"] is not None:
        provider |= {"lost": None, "noticed": None}
        lab.store.put(PROVIDERS, provider["id"], provider)
        _resume_items(lab, provider)


def _stop_items(lab: Lab, provider: Json) -> None:
    for item in items_of(lab, provider):
        last = last_cycle_end(lab, item)
        if last is not None and item["until"] is None:
            item |= {"until": exact_time(last), "cutOff": True}
            lab.store.put(ITEMS, item["id"], item)


def _resume_items(lab: Lab, provider: Json) -> None:
    for item in items_of(lab, provider):
        if item.get("cutOff"):
            item |= {"until": None, "cutOff": False}
            lab.store.put(ITEMS, item["id"], item)
