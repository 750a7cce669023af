"""The repair runbook's judgements: which node helps another, and what is missing before one may say "healed"."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from shared.messages import NodeView, ProviderView
from shared.sites import SiteDocument

FRESH = timedelta(minutes=30)
"""A heartbeat older than this proves nothing any more; how often a provider sends one is assumed."""


def choose_helper(nodes: Sequence[NodeView], broken: str) -> NodeView | None:
    """The node to run Sync-AzureStackHci on: connected, its own extension well, never the broken one; first by name."""
    well = (node for node in nodes if _same_host(node.name, broken) is False and _is_well(node))
    return min(well, key=lambda node: node.name.lower(), default=None)


def _is_well(node: NodeView) -> bool:
    extension = node.extension
    return node.status.lower() == "connected" and extension is not None and extension.provisioning_state == "Succeeded"


def _same_host(one: str, other: str) -> bool:
    """Hosts are told by short or by full name."""
    return one.lower().split(".")[0] == other.lower().split(".")[0]


def proof_gaps(
    site: SiteDocument,
    node: str,
    facts: Mapping[str, Any] | None,
    providers: Iterable[ProviderView],
    cured_at: datetime,
    now: datetime,
) -> tuple[str, ...]:
    """What is not proven yet of a node's registration; nothing when it is healed.

    Args:
        facts: What read-registration found on the node.
        cured_at: When the cure began: an older heartbeat is that of the registration before.
        now: By the same clock as the heartbeats.
    """
    if not facts:
        return (f"the registration of {node} could not be read",)
    return (*_registry_gaps(site, node, facts), *_provider_gaps(node, providers, cured_at, now))


def _registry_gaps(site: SiteDocument, node: str, facts: Mapping[str, Any]) -> Iterator[str]:
    if facts.get("dra") != "Running":
        yield f"the service dra of {node} is {facts.get('dra') or 'not there'}"
    registration = facts.get("registration")
    if not isinstance(registration, Mapping) or not registration:
        yield f"the registry of {node} names no registration"
        return
    values = {str(value).lower() for value in registration.values()}
    if site.vault_name.lower() not in values:
        yield f"the registry of {node} does not name the vault {site.vault_name}"
    if site.hyper_v_site.lower() not in values:
        yield f"the registry of {node} does not name the Hyper-V site {site.hyper_v_site}"
    if not any(_names_key_vault(name, value) for name, value in registration.items()):
        yield f"the registry of {node} names no key vault"


def _names_key_vault(name: object, value: object) -> bool:
    """The full list of values is not public: any that is called a key vault, or is the address of one, will do."""
    called = "keyvault" in str(name).replace(" ", "").replace("_", "").lower()
    return (called and bool(value)) or ".vault.azure." in str(value).lower()


def _provider_gaps(node: str, providers: Iterable[ProviderView], cured_at: datetime, now: datetime) -> tuple[str, ...]:
    """One good provider of the host is enough: a registration before may have left another behind."""
    each = [_provider_gap(node, provider, cured_at, now) for provider in providers if _same_host(provider.host, node)]
    if not each:
        return (f"the vault has no provider of {node}",)
    return () if "" in each else (each[0],)


def _provider_gap(node: str, provider: ProviderView, cured_at: datetime, now: datetime) -> str:
    if not provider.connected:
        return f"the provider of {node} is not connected"
    if provider.heartbeat is None or provider.heartbeat <= cured_at:
        return f"the provider of {node} has sent no heartbeat since the cure"
    if now - provider.heartbeat > FRESH:
        return f"the provider of {node} sent its last heartbeat at {provider.heartbeat.isoformat()}"
    return ""
