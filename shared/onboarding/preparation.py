"""What is to be prepared for a site, how far it is, and what each thing should be like. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal, Self

from shared.arm_ids import group_id_of
from shared.messages import Message, VaultRef
from shared.obstacle import Obstacle
from shared.site_recovery.views import ProviderView
from shared.sites.defaults import cache_storage_of
from shared.sites.node_health import HEARTBEAT_FRESH_FOR, foreign_values, has_fresh_heartbeat, providers_on
from shared.sites.nodes import ExtensionView, NodeView, same_host
from shared.sites.operation import SiteOperation
from shared.sites.site import SiteDocument
from shared.wording import list_briefly

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
"""What must not differ either: nothing is associated with a policy other than the declared one."""


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
    """One node of the cluster.

    Attributes:
        repairs: How many repairs were started for it.
    """

    node: str
    machine_id: str
    state: NodeState = "pending"
    repairs: int = 0
    detail: str = ""

    def with_state(self, state: NodeState, detail: str) -> Self:
        """The same in another state, and why."""
        return self.model_copy(update={"state": state, "detail": detail})

    def with_repair(self) -> Self:
        """The same with one more repair."""
        return self.model_copy(update={"repairs": self.repairs + 1})


class PreparedIds(Message):
    """What steps find out for later ones; empty until then.

    Attributes:
        site: The Hyper-V site's internal id, which the extension is given.
        policy: ARM id of the replication policy.
        vault_principal: Object id of the vault's identity; empty for a vault without one.
        private_endpoint: The vault's state of private endpoints, as the vault says it.
    """

    site: str = ""
    policy: str = ""
    vault_principal: str = ""
    private_endpoint: str = ""


class Preparation(Message):
    """Where a preparation stands.

    Attributes:
        ids: What later steps need of earlier ones.
        silences: How often Azure did not answer in the step under way.
        changed: Whether anything was made, installed or healed.
    """

    began: datetime
    steps: tuple[PreparationStep, ...]
    nodes: tuple[NodeStep, ...] = ()
    ids: PreparedIds = PreparedIds()
    silences: int = 0
    changed: bool = False

    def find_step(self, step: StepId) -> PreparationStep:
        """A step by its id."""
        return next(one for one in self.steps if one.id == step)

    def with_ids(self, new: PreparedIds) -> Self:
        """The same with what a step found out."""
        found = {name: getattr(new, name) for name in new.model_fields_set}
        return self.model_copy(update={"ids": self.ids.model_copy(update=found)})

    def with_step_ended(self, step: StepId, state: StepState, detail: str = "") -> Self:
        """The same with a step's end."""
        ended = {"state": state, "detail": detail}
        steps = tuple(one.model_copy(update=ended) if one.id == step else one for one in self.steps)
        changed = self.changed or state == "created"
        return self.model_copy(update={"steps": steps, "changed": changed, "silences": 0})

    def with_silence(self) -> Self:
        """The same with one more time that Azure did not answer."""
        return self.model_copy(update={"silences": self.silences + 1})

    def with_change(self) -> Self:
        """The same where something was changed."""
        return self.model_copy(update={"changed": True})

    def with_nodes(self, nodes: tuple[NodeStep, ...]) -> Self:
        """The same with the nodes of the cluster."""
        return self.model_copy(update={"nodes": nodes})

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
    if blocker is None:
        return ""
    state = {"differs": "is not as declared", "failed": "failed", "skipped": "was not done"}[blocker.state]
    return f"not done, because the step {blocker.title!r} {state}" + (f": {blocker.detail}" if blocker.detail else "")


NOT_AS_DECLARED: frozenset[StepState] = frozenset({"failed", "differs", "skipped"})
NOTHING_CHANGED = "Everything is there already. Nothing was changed."


def find_failures(run: Preparation) -> tuple[Obstacle, ...]:
    """The steps that did not end as it was declared."""
    return tuple(
        Obstacle(subject=one.id, code=f"step-{one.state}", detail=f"{one.title}: {one.detail}")
        for one in run.steps
        if one.state in NOT_AS_DECLARED
    )


def describe_result(run: Preparation) -> str:
    """What came of it, in a sentence or two."""
    made = list_briefly([step.title for step in run.steps if step.state == "created"], len(run.steps))
    nodes = list_briefly([one.node for one in run.nodes if one.state in {"installed", "healed"}])
    parts = (made and f"Made: {made}.", nodes and f"Installed or healed: {nodes}.")
    changed = " ".join(part for part in parts if part)
    if failures := find_failures(run):
        titles = list_briefly([step.title for step in run.steps if step.state in NOT_AS_DECLARED], len(run.steps))
        return f"{len(failures)} of {len(run.steps)} steps did not end as declared: {titles}. {changed}".strip()
    return changed or NOTHING_CHANGED


def resource_groups_of(site: SiteDocument) -> tuple[str, ...]:
    """The resource groups that are needed, each once."""
    needed = [group_id_of(site.vault), group_id_of(cache_storage_of(site)), site.target_resource_group]
    needed += [group_id_of(site.drill_network.network)] if site.drill_network else []
    return tuple({group.lower(): group for group in needed}.values())


def extension_settings(site: SiteDocument, ids: PreparedIds) -> dict[str, str]:
    """The settings of the ASR extension; all are texts.

    Source: the vendor's .NET sample.
    """
    vault = VaultRef.from_id(site.vault)
    return {
        "SubscriptionId": vault.subscription_id,
        "Environment": "AzureCloud",
        "ResourceGroup": vault.resource_group,
        "ResourceName": site.vault_name,
        "Location": site.region,
        "SiteId": ids.site,
        "SiteName": site.hyper_v_site,
        "PolicyId": ids.policy,
        "PrivateEndpointStateForSiteRecovery": ids.private_endpoint or "None",
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
    wanted = {name: settings[name] for name in ("ResourceName", "SiteName", "SiteId")}
    return ", ".join(foreign_values(extension.settings, wanted))


def find_foreign_nodes(site: SiteDocument, nodes: Iterable[NodeView]) -> Iterator[Obstacle]:
    """The nodes whose extension registers them with another vault than the site's."""
    settings = extension_settings(site, PreparedIds())
    wanted = {name: settings[name] for name in ("SubscriptionId", "ResourceGroup", "ResourceName")}
    for node in nodes:
        given = node.extension.settings if node.extension else {}
        if other := ", ".join(foreign_values(given, wanted)):
            detail = f"{node.name} belongs to another vault than this site: {other}. Nothing was made or granted."
            yield Obstacle(subject=node.name, code="other-site", detail=detail)


def registration_gaps(
    nodes: Iterable[str], providers: Sequence[ProviderView], failed: Mapping[str, str], now: datetime
) -> Iterator[str]:
    """What is missing of the registration of all nodes, a line for each node that is not proven.

    Args:
        failed: Hosts whose newest registration job failed, with its error.
        now: By the same clock as the heartbeats.
    """
    for node in nodes:
        hosts = providers_on(node, providers)
        if not hosts:
            yield f"the vault has no provider of {node}"
        elif not any(host.connected for host in hosts):
            yield f"the provider of {node} is not connected"
        elif not any(has_fresh_heartbeat(host, now) for host in hosts):
            yield f"the provider of {node} has sent no heartbeat for {HEARTBEAT_FRESH_FOR}"
        for host, detail in failed.items():
            if same_host(host, node):
                yield f"the registration job of {node} failed: {detail}"
