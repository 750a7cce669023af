"""When a node, its extension and its provider count as well: the one rule for each. Pure."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from shared.site_recovery.views import ProviderView
from shared.sites.nodes import ExtensionView, same_host
from shared.sites.site import SiteDocument

HEARTBEAT_FRESH_FOR = timedelta(minutes=30)
"""A heartbeat older than this proves nothing any more; how often a provider sends one is assumed."""
MOVING_STATES = frozenset({"creating", "updating", "deleting"})
"""Provisioning states, in lower case, of an extension that is being installed or removed."""
OLDEST_AGENT = (1, 33)
"""The first Arc agent that takes run commands."""


class ArcMachine(Protocol):
    """A node as its Arc machine shows it."""

    @property
    def name(self) -> str: ...  # noqa: D102 - said above
    @property
    def status(self) -> str: ...  # noqa: D102


def is_agent_connected(node: ArcMachine) -> bool:
    """Whether the node's Arc agent is connected, in any casing."""
    return node.status.lower() == "connected"


def disconnected_nodes(nodes: Iterable[ArcMachine]) -> dict[str, str]:
    """The nodes that no script can run on, and why: {"hci-01-n1": "it is Disconnected"}."""
    return {node.name: f"it is {node.status}" for node in nodes if not is_agent_connected(node)}


def agent_version_of(text: str) -> tuple[int, int] | None:
    """The first two numbers of an Arc agent's version; None where it names no version.

    Without a version nobody knows whether the agent is too old: preflight says so, and healing goes on.
    """
    found = re.match(r"\s*(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def is_extension_well(extension: ExtensionView | None) -> bool:
    """Whether the extension is there and says that it is well; Azure's states are read in any casing."""
    return extension is not None and extension.provisioning_state.lower() == "succeeded"


def is_extension_moving(extension: ExtensionView | None) -> bool:
    """Whether the extension is being installed or removed."""
    return extension is not None and extension.provisioning_state.lower() in MOVING_STATES


def is_extension_settled(extension: ExtensionView | None) -> bool:
    """Whether the extension is there and has come to an end, good or bad."""
    return extension is not None and not is_extension_moving(extension)


def extension_state(extension: ExtensionView | None) -> str:
    """The extension's provisioning state for people, "missing" without one."""
    return extension.provisioning_state if extension else "missing"


def has_fresh_heartbeat(provider: ProviderView, at: datetime) -> bool:
    """Whether the provider is connected and its last heartbeat is not too old; both must hold of the same provider.

    Args:
        provider: A host as the vault shows it.
        at: By the same clock as the heartbeats.
    """
    return provider.connected and provider.heartbeat is not None and at - provider.heartbeat <= HEARTBEAT_FRESH_FOR


def is_provider_of_site(provider: ProviderView, site: SiteDocument) -> bool:
    """Whether a provider is registered with the site.

    One of which the vault does not say where it is registered counts as the site's, as such an item does: nothing is
    refused for what Azure leaves out; Azure itself refuses a failback to another cluster.
    """
    return not provider.sites or site.hyper_v_site.lower() in {name.lower() for name in provider.sites}


def providers_on(host: str, providers: Iterable[ProviderView]) -> list[ProviderView]:
    """The providers of one host, of whichever site: a registration before may have left another behind."""
    return [provider for provider in providers if same_host(provider.host, host)]


def foreign_values(found: Mapping[str, object], wanted: Mapping[str, str]) -> tuple[str, ...]:
    """Where a registration names another vault or site: "SiteName is x, not y"; a value that is missing is no other.

    Args:
        found: What a node's registry or its extension's settings say, by name in any casing.
        wanted: What the site says.
    """
    values = {name.lower(): str(value) for name, value in found.items()}
    pairs = ((name, values.get(name.lower(), ""), ours) for name, ours in wanted.items())
    foreign = (one for one in pairs if one[1].lower() not in {"", one[2].lower()})
    return tuple(f"{name} is {theirs}, not {ours}" for name, theirs, ours in foreign)
