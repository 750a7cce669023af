"""What is to be prepared for a site, how far it is, and what each thing should be like. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, Self

from pydantic import Field

from shared.arm_ids import group_id_of, names_by_type
from shared.messages import Message
from shared.site_recovery.views import ProviderView
from shared.sites.defaults import cache_storage_of
from shared.sites.nodes import ExtensionView, NodeView, same_host
from shared.sites.operation import SiteOperation
from shared.sites.site import SiteDocument

StepId = Literal[
    "groups", "storage", "vault", "site", "policy", "roles", "drill-network", "extension", "association", "registration"
]
StepState = Literal["pending", "created", "kept", "differs", "failed", "skipped"]
NodeState = Literal["pending", "installing", "installed", "kept", "healed", "differs", "broken", "failed"]
TITLES: Mapping[StepId, str] = {
    "groups": "Resource groups",
    "storage": "Cache storage account",
    "vault": "Recovery Services vault",
    "site": "Hyper-V site",
    "policy": "Replication policy",
    "roles": "Roles of the cluster's and the vault's identity",
    "drill-network": "Isolated network for test failovers",
    "extension": "ASR extension on each node",
    "association": "Association of policy and Hyper-V site",
    "registration": "Every node registered with the vault",
}
NEEDS: Mapping[StepId, tuple[StepId, ...]] = {
    "storage": ("groups",),
    "vault": ("groups",),
    "site": ("vault",),
    "policy": ("vault",),
    "roles": ("vault",),
    "drill-network": ("groups",),
    "extension": ("site", "policy", "roles"),
    "association": ("site", "policy"),
    "registration": ("site", "extension"),
}
"""What must not have failed before: the extension is given the ids of site and policy, and fetches the vault's key."""
STRICT: Mapping[StepId, tuple[StepId, ...]] = {"association": ("policy",)}
"""What must not differ either: a policy other than the declared one is nobody's wish."""
HEARTBEAT_FRESH_FOR = timedelta(minutes=30)
"""A heartbeat older than this proves nothing any more; how often a provider sends one is assumed."""


class PreparationStep(Message):
    """One thing to be there.

    Attributes:
        detail: What was found or done, or why not; one line for a person.
    """

    id: StepId
    title: str
    state: StepState = "pending"
    detail: str = ""


class NodeStep(Message):
    """One node of the cluster; `repairs` counts the healing runs that were started for it."""

    node: str
    machine_id: str
    state: NodeState = "pending"
    repairs: int = 0
    detail: str = ""


class Preparation(Message):
    """Where a preparation stands.

    Attributes:
        facts: What later steps need of earlier ones: siteId, policyId, vaultPrincipal, and so on.
        silences: How often Azure did not answer in the step under way.
        changed: Whether anything was made, installed or healed.
    """

    began: datetime
    steps: tuple[PreparationStep, ...]
    nodes: tuple[NodeStep, ...] = ()
    facts: dict[str, str] = Field(default_factory=dict)
    silences: int = 0
    changed: bool = False

    def find_step(self, step: StepId) -> PreparationStep:
        """A step by its id."""
        return next(one for one in self.steps if one.id == step)

    def with_step_ended(
        self, step: StepId, state: StepState, detail: str = "", facts: Mapping[str, str] | None = None
    ) -> Self:
        """The same with a step's end, and what it found out."""
        steps = tuple(
            one.model_copy(update={"state": state, "detail": detail}) if one.id == step else one for one in self.steps
        )
        changed = self.changed or state == "created"
        all_facts = {**self.facts, **(facts or {})}
        return self.model_copy(update={"steps": steps, "facts": all_facts, "changed": changed, "silences": 0})

    def with_node(self, node: NodeStep) -> Self:
        """The same with one node as it is now."""
        nodes = tuple(node if one.machine_id == node.machine_id else one for one in self.nodes)
        return self.model_copy(
            update={"nodes": nodes, "changed": self.changed or node.state in {"installed", "healed"}}
        )


class PrepareOrder(SiteOperation):
    """Prepare a site; `run` is None until it was admitted."""

    run: Preparation | None = None


def new_preparation(site: SiteDocument, at: datetime) -> Preparation:
    """All that is to be done for a site."""
    wanted = [step for step in TITLES if step != "drill-network" or site.drill_network]
    return Preparation(began=at, steps=tuple(PreparationStep(id=step, title=TITLES[step]) for step in wanted))


def next_step(run: Preparation) -> PreparationStep | None:
    """The step that is under way, None when all have ended."""
    return next((step for step in run.steps if step.state == "pending"), None)


def why_blocked(run: Preparation, step: StepId) -> str:
    """Why a step cannot be done: the first of those that it needs and that did not end well; empty when it can."""
    unmet = {one.id: one for one in run.steps if one.state in {"failed", "skipped"}}
    unmet |= {one.id: one for one in run.steps if one.state == "differs" and one.id in STRICT.get(step, ())}
    blocker = next((unmet[need] for need in NEEDS.get(step, ()) if need in unmet), None)
    return f"{blocker.title} {'differs' if blocker.state == 'differs' else 'is not there'}" if blocker else ""


def failure_lines(run: Preparation) -> tuple[str, ...]:
    """What did not end as it was declared, one line each."""
    return tuple(f"{one.title}: {one.detail}" for one in run.steps if one.state in {"failed", "differs", "skipped"})


def resource_groups_of(site: SiteDocument) -> tuple[str, ...]:
    """The resource groups that are needed, each once."""
    needed = [group_id_of(site.vault), group_id_of(cache_storage_of(site)), site.target_resource_group]
    needed += [group_id_of(site.drill_network.network)] if site.drill_network else []
    return tuple({group.lower(): group for group in needed}.values())


def extension_settings(site: SiteDocument, facts: Mapping[str, str]) -> dict[str, str]:
    """The settings of the ASR extension; all are texts.

    Source: the vendor's .NET sample.
    """
    names = names_by_type(site.vault)
    return {
        "SubscriptionId": names["subscriptions"],
        "Environment": "AzureCloud",
        "ResourceGroup": names["resourcegroups"],
        "ResourceName": site.vault_name,
        "Location": site.region,
        "SiteId": facts["siteId"],
        "SiteName": site.hyper_v_site,
        "PolicyId": facts["policyId"],
        "PrivateEndpointStateForSiteRecovery": facts.get("privateEndpoint") or "None",
    }


def wanted_extension(site: SiteDocument, node: NodeView, settings: Mapping[str, str]) -> ExtensionView:
    """The extension that a node is to have."""
    return ExtensionView(
        id=f"{node.id}/extensions/{site.extension}",
        name=site.extension,
        provisioning_state="",
        location=node.location,
        settings=dict(settings),
    )


def foreign_settings(extension: ExtensionView, settings: Mapping[str, str]) -> str:
    """What an extension that is there has other settings in than this site: "SiteName is x, not y"; empty if none."""
    value_by_name = {name.lower(): str(value) for name, value in extension.settings.items()}
    pairs = (
        (name, value_by_name.get(name.lower(), ""), settings[name]) for name in ("ResourceName", "SiteName", "SiteId")
    )
    return ", ".join(f"{name} is {there}, not {ours}" for name, there, ours in pairs if _is_foreign(there, ours))


def _is_foreign(found: str, ours: str) -> bool:
    return found.lower() not in {"", ours.lower()}


MOVING = frozenset({"creating", "updating", "deleting"})


def is_extension_settled(node: NodeView) -> bool:
    """Whether the node's extension has come to an end, good or bad."""
    return node.extension is not None and node.extension.provisioning_state.lower() not in MOVING


def registration_gaps(
    nodes: Iterable[str], providers: Sequence[ProviderView], failed: Mapping[str, str], now: datetime
) -> tuple[str, ...]:
    """What is missing of the registration of all nodes, a line for each node that is not proven.

    Args:
        failed: Hosts whose newest registration job failed, with what it said.
        now: By the same clock as the heartbeats.
    """
    return tuple(gap for node in nodes for gap in _node_gaps(node, providers, failed, now))


def _node_gaps(node: str, providers: Sequence[ProviderView], failed: Mapping[str, str], now: datetime) -> Iterator[str]:
    hosts = [provider for provider in providers if same_host(provider.host, node)]
    if not hosts:
        yield f"the vault has no provider of {node}"
    elif not any(host.connected for host in hosts):
        yield f"the provider of {node} is not connected"
    elif not any(host.heartbeat and now - host.heartbeat <= HEARTBEAT_FRESH_FOR for host in hosts):
        yield f"the provider of {node} has sent no heartbeat for {HEARTBEAT_FRESH_FOR}"
    for host, detail in failed.items():
        if same_host(host, node):
            yield f"the registration job of {node} failed: {detail}"
