"""The repair runbook's judgements: which node helps another, and what is missing before a node counts as healed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import takewhile
from typing import NamedTuple

from shared.healing.classifier import find_cause
from shared.healing.registration import NodeRegistration, plain_name
from shared.site_recovery.views import ItemView, ProviderView
from shared.sites.node_health import (
    extension_state,
    has_fresh_heartbeat,
    is_agent_connected,
    is_extension_well,
    providers_on,
)
from shared.sites.nodes import ExtensionView, NodeView, same_host
from shared.sites.site import SiteDocument

RUNGS = ("extension", "registry", "service", "provider", "recovery-point", "cluster")
"""The ladder of the proof, lowest first. A node is healed at the top."""
GIVES_POINTS = ("Protected",)


class Rung(NamedTuple):
    """One rung of the proof; it is reached when nothing is missing."""

    name: str
    gaps: tuple[str, ...] = ()


def highest_rung(ladder: Iterable[Rung]) -> str:
    """The highest rung below which nothing is missing; empty for none."""
    complete = [rung.name for rung in takewhile(lambda rung: not rung.gaps, ladder)]
    return complete[-1] if complete else ""


def ladder_up_to(rung: Rung) -> tuple[Rung, ...]:
    """A rung with all those below it, which were reached before."""
    return (*(Rung(name) for name in RUNGS[: RUNGS.index(rung.name)]), rung)


def list_gaps(ladder: Iterable[Rung]) -> tuple[str, ...]:
    """What is missing, lowest rung first."""
    return tuple(line for rung in ladder for line in rung.gaps)


def choose_helper(nodes: Sequence[NodeView], broken: str) -> NodeView | None:
    """The node to run Sync-AzureStackHci on: connected and well, else connected, else the broken one; first by name."""
    connected = [node for node in nodes if is_agent_connected(node) and not node.blocked]
    others = [node for node in connected if not same_host(node.name, broken)]
    choice = [node for node in others if is_extension_well(node.extension)] or others or connected
    return min(choice, key=lambda node: node.name.lower(), default=None)


def may_run_sync(nodes: Iterable[NodeView], broken: str) -> bool:
    """Whether Sync would bring the extension back on this node only: on two at once they would race."""
    return not [node for node in nodes if node.extension is None and not same_host(node.name, broken)]


def extension_to_install(nodes: Iterable[NodeView], saved: ExtensionView | None) -> ExtensionView | None:
    """The extension to install: as it was, else as it is on another node of the cluster, None where nobody has it."""
    if saved and saved.settings:
        return saved
    return next((node.extension for node in nodes if node.extension and node.extension.settings), None)


def symptom_of(
    site: SiteDocument, node: NodeView, nodes: Iterable[NodeView], providers: Iterable[ProviderView], at: datetime
) -> str:
    """What the timer sees of a node, empty when it looks well.

    A node without the extension is unwell only beside one that has it: else the cluster was never prepared.
    """
    cause = find_cause(site, node, providers, at)
    if cause is None:
        return ""
    peers = [peer for peer in nodes if not same_host(peer.name, node.name)]
    if node.extension is None and not any(is_extension_well(peer.extension) for peer in peers):
        return ""
    return cause.code


def items_on_node(items: Iterable[ItemView], providers: Iterable[ProviderView], node: str) -> tuple[ItemView, ...]:
    """The protected items whose machines run on the node."""
    ids = {provider.id.lower() for provider in providers_on(node, providers)}
    return tuple(item for item in items if item.host_provider.lower() in ids)


def vault_ladder(
    site: SiteDocument,
    node: NodeView,
    registration: NodeRegistration | None,
    providers: Iterable[ProviderView],
    cured_at: datetime,
    now: datetime,
) -> tuple[Rung, ...]:
    """The rungs up to the provider.

    Args:
        registration: What the node says of itself; None where that could not be read.
        cured_at: When the cure began: an older heartbeat is that of the registration before.
        now: By the same clock as the heartbeats.
    """
    unwell = f"the ASR extension of {node.name} is {extension_state(node.extension)}"
    first = Rung("extension", () if is_extension_well(node.extension) else (unwell,))
    provider_gaps = [_provider_gap(node.name, one, cured_at, now) for one in providers_on(node.host, providers)]
    provider_gaps = provider_gaps or [f"the vault has no provider of {node.name}"]
    # one good provider of the host is enough: a registration before may have left another behind
    last = Rung("provider", () if "" in provider_gaps else (provider_gaps[0],))
    if registration is None:
        unread = f"the registration of {node.name} could not be read"
        return (first, Rung("registry", (unread,)), Rung("service", (unread,)), last)
    registry = tuple(_registry_gaps(site, node.name, registration.registry))
    stopped = f"the service dra of {node.name} is {registration.dra or 'missing'}"
    service = () if registration.dra == "Running" else (stopped,)
    return (first, Rung("registry", registry), Rung("service", service), last)


def point_rung(vms: Sequence[ItemView], cured_at: datetime) -> Rung:
    """A new recovery point of one of the node's machines; a node without one that replicates has nothing to show."""
    replicating = [vm for vm in vms if vm.protection_state in GIVES_POINTS and vm.active_location == "Primary"]
    fresh = [vm for vm in replicating if vm.last_recovery_point and vm.last_recovery_point > cured_at]
    names = ", ".join(vm.vm for vm in replicating[:3])
    return Rung("recovery-point", () if fresh or not replicating else (f"no new recovery point of {names} yet",))


def cluster_rung(
    site: SiteDocument, nodes: Iterable[NodeView], providers: Sequence[ProviderView], now: datetime
) -> Rung:
    """Every node of the cluster is registered, with a fresh heartbeat."""
    causes = ((node, find_cause(site, node, providers, now)) for node in nodes)
    return Rung("cluster", tuple(f"{node.name}: {cause.code}" for node, cause in causes if cause))


def is_registered_here(site: SiteDocument, node: NodeView, registration: NodeRegistration) -> bool:
    """Whether the node itself says that all is well: whatever the vault calls it, a new installation cures nothing."""
    is_running = is_extension_well(node.extension) and registration.dra == "Running"
    return is_running and not list(_registry_gaps(site, node.name, registration.registry))


def _registry_gaps(site: SiteDocument, node: str, registry: Mapping[str, str]) -> Iterator[str]:
    if not registry:
        yield f"the registry of {node} names no registration"
        return
    values = {value.lower() for value in registry.values()}
    if site.vault_name.lower() not in values:
        yield f"the registry of {node} does not name the vault {site.vault_name}"
    if site.hyper_v_site.lower() not in values:
        yield f"the registry of {node} does not name the Hyper-V site {site.hyper_v_site}"
    if not any(_names_key_vault(name, value) for name, value in registry.items()):
        yield f"the registry of {node} names no key vault"


def _names_key_vault(name: str, value: str) -> bool:
    """The full list of values is not public: any that is called a key vault, or is the address of one, will do."""
    called = "keyvault" in plain_name(name)
    return (called and bool(value)) or ".vault.azure." in value.lower()


def _provider_gap(node: str, provider: ProviderView, cured_at: datetime, now: datetime) -> str:
    if not provider.connected:
        return f"the provider of {node} is not connected"
    if provider.heartbeat is None or provider.heartbeat <= cured_at:
        return f"the provider of {node} has sent no heartbeat since the cure"
    if not has_fresh_heartbeat(provider, now):
        return f"the provider of {node} sent its last heartbeat at {provider.heartbeat.isoformat()}"
    return ""
