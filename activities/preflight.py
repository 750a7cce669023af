"""Reading a site: its cluster, nodes, vault, storage, networks, rights, locks and quota. Nothing here changes it."""

from collections.abc import Awaitable
from datetime import datetime
from typing import Any

from activities.nodes import read_nodes
from activities.vault import read_providers
from shared.arm_ids import same_id, segments
from shared.azure.arc_machines import list_machines
from shared.azure.arm import CLUSTERS_API, GROUPS_API, NETWORKS_API, ROLES_API, STORAGE_API, VAULTS_API, find, list_all
from shared.azure.errors import Missing
from shared.azure.json_fields import Json, part, text
from shared.azure.vault_setup import OnboardingVault
from shared.concurrency import each
from shared.errors import Refused
from shared.healing.contract import ReadNodes
from shared.messages import VaultRef
from shared.onboarding.contract import ReadSite
from shared.onboarding.preflight.facts import (
    AccountFacts,
    AzureFacts,
    ClusterFacts,
    LockFacts,
    NetworkFacts,
    NodeFacts,
    QuotaFacts,
    RightsFacts,
    VaultFacts,
)
from shared.site_recovery.contract import ReadProviders
from shared.sites.defaults import cache_storage_of, policy_of
from shared.sites.nodes import ExtensionView
from shared.sites.site import SiteDocument

LOCKS_API = "2020-05-01"
COMPUTE_API = "2024-07-01"
ARC_VM = "hci"
"""Kind of an Arc machine that Azure Local manages; a node names its cluster besides (assumed)."""


async def read_site(ask: ReadSite) -> AzureFacts:
    """Read all that Azure shows of a site: some twenty calls, and two more for each node.

    Raises:
        Transient: one of them was not answered.
    """
    return await _Reader(ask.site).read()


class _Reader:
    """One reading of a site."""

    def __init__(self, site: SiteDocument) -> None:
        self._site = site
        self._unseen: dict[str, str] = {}

    async def read(self) -> AzureFacts:
        site, vault = self._site, OnboardingVault(VaultRef.from_id(self._site.vault))
        machines, at = await self._machines()
        nodes = [machine for machine in machines if same_id(_cluster_of(machine), site.cluster)]
        cluster = await self._see("cluster", find(site.cluster, CLUSTERS_API))
        group = await self._see("targetGroup", find(site.target_resource_group, GROUPS_API))
        found = await self._see("vault", find(site.vault, VAULTS_API))
        principal = text(part(cluster or {}, "identity").get("principalId"))
        return AzureFacts(
            at=at,
            cluster=_cluster(cluster) if cluster else None,
            nodes=await self._nodes(nodes),
            arc_vms=tuple(text(m.get("name")) for m in machines if _is_arc_vm(m)),
            locks=await self._locks(nodes, found is not None),
            rights_vault=await self._rights("rights", await self._nearest(site.vault)),
            rights_cluster=await self._rights("rights", site.cluster),
            rights_nodes=await self._rights("rights", nodes[0]["id"]) if nodes else None,
            vault=await self._vault(vault, found, principal) if found else None,
            account=await self._account(text(part(found or {}, "identity").get("principalId"))),
            network=await self._network("network", site.network),
            drill_network=await self._network("network", site.drill_network.network if site.drill_network else ""),
            target_group=text(group.get("id")) if group else "",
            quota=await self._quota(),
            unseen=self._unseen,
        )

    async def _see[T](self, what: str, reading: Awaitable[T]) -> T | None:
        """What Azure answers; None, and the reason noted, where it refuses to show it."""
        try:
            return await reading
        except Missing:
            return None
        except Refused as no:
            self._unseen[what] = str(no)
            return None

    async def _machines(self) -> tuple[list[Json], datetime]:
        return await list_machines(segments(self._site.cluster)["subscriptions"])

    async def _nodes(self, machines: list[Json]) -> tuple[NodeFacts, ...]:
        seen = (await read_nodes(ReadNodes(cluster_id=self._site.cluster))).nodes
        extensions = {node.id.lower(): node.extension for node in seen}
        nodes = (_node(machine, extensions.get(machine["id"].lower())) for machine in machines)
        return tuple(sorted(nodes, key=lambda node: node.name.lower()))

    async def _locks(self, machines: list[Json], vault_exists: bool) -> tuple[LockFacts, ...]:
        scopes = [self._site.cluster, *(machine["id"] for machine in machines)]
        scopes += [self._site.vault] if vault_exists else []
        listed = await each(scopes, lambda scope: self._see("locks", list_all(_under(scope, "locks"), LOCKS_API)))
        return tuple(_lock(scope, lock) for scope, locks in zip(scopes, listed, strict=True) for lock in locks or ())

    async def _nearest(self, vault_id: str) -> str:
        """The vault's group where that exists, else its subscription: what our rights on a new vault come from."""
        group, _, _ = vault_id.partition("/providers/")
        there = await self._see("rights", find(group, GROUPS_API))
        return group if there else "/".join(group.split("/")[:3])

    async def _rights(self, what: str, scope: str) -> RightsFacts | None:
        granted = await self._see(what, list_all(_under(scope, "permissions"), ROLES_API))
        if granted is None:
            return None
        pairs = (((one.get("actions") or ()), (one.get("notActions") or ())) for one in granted)
        return RightsFacts(scope=scope, granted=tuple((tuple(yes), tuple(no)) for yes, no in pairs))

    async def _vault(self, vault: OnboardingVault, found: Json, principal: str) -> VaultFacts:
        fabric = await self._see("vault", vault.find_site(self._site.hyper_v_site))
        policy = await self._see("policy", vault.find_policy(policy_of(self._site).name))
        ask = ReadProviders(vault=VaultRef.from_id(self._site.vault), fabric=self._site.hyper_v_site)
        hosts = await self._see("providers", read_providers(ask))
        return VaultFacts(
            location=text(found.get("location")),
            principal=text(part(found, "identity").get("principalId")),
            cluster_roles=await self._roles(self._site.vault, principal),
            site_exists=fabric is not None,
            hosts=hosts.providers if hosts else (),
            policy=dict(part(policy, "properties", "providerSpecificDetails")) if policy else None,
            associated=bool(fabric and policy and await self._see("policy", _associated(vault, fabric, policy))),
        )

    async def _roles(self, scope: str, principal: str) -> tuple[str, ...]:
        """Definitions of the roles that a principal has on a scope, of its own or from above."""
        if not principal:
            return ()
        ask = {"$filter": f"principalId eq '{principal}'"}
        listed = await self._see("roles", list_all(_under(scope, "roleAssignments"), ROLES_API, ask))
        known = (part(one, "properties") for one in listed or ())
        holding = (one for one in known if _covers(text(one.get("scope")), scope))
        return tuple(text(one.get("roleDefinitionId")).rpartition("/")[2].lower() for one in holding)

    async def _account(self, vault_principal: str) -> AccountFacts | None:
        where = cache_storage_of(self._site)
        found = await self._see("account", find(where, STORAGE_API))
        if found is None:
            return None
        properties = part(found, "properties")
        return AccountFacts(
            location=text(found.get("location")),
            kind=text(found.get("kind")),
            sku=text(part(found, "sku").get("name")),
            access_tier=text(properties.get("accessTier")),
            firewall=_is_closed(properties),
            vault_roles=await self._roles(where, vault_principal),
        )

    async def _network(self, what: str, arm_id: str) -> NetworkFacts | None:
        found = await self._see(what, find(arm_id, NETWORKS_API)) if arm_id else None
        if found is None:
            return None
        properties = part(found, "properties")
        return NetworkFacts(
            location=text(found.get("location")),
            subnets=tuple(text(subnet.get("name")) for subnet in properties.get("subnets") or ()),
            peerings=len(properties.get("virtualNetworkPeerings") or ()),
        )

    async def _quota(self) -> QuotaFacts | None:
        subscription = segments(self._site.target_resource_group)["subscriptions"]
        path = f"/subscriptions/{subscription}/providers/Microsoft.Compute/locations/{self._site.region}/usages"
        listed = await self._see("quota", list_all(path, COMPUTE_API))
        cores = next((one for one in listed or () if part(one, "name").get("value") == "cores"), None)
        return QuotaFacts(used=int(cores["currentValue"]), limit=int(cores["limit"])) if cores else None


def _under(scope: str, kind: str) -> str:
    return f"{scope}/providers/Microsoft.Authorization/{kind}"


def _covers(above: str, scope: str) -> bool:
    return f"{scope.lower()}/".startswith(f"{above.lower().rstrip('/')}/")


async def _associated(vault: OnboardingVault, fabric: Json, policy: Json) -> bool:
    container = await vault.find_container(fabric)
    mappings = await vault.list_associations(container) if container else []
    return any(same_id(text(part(one, "properties").get("policyId")), policy["id"]) for one in mappings)


def _is_closed(account: Json) -> bool:
    """Whether a storage account turns away callers from networks that it does not name."""
    denied = part(account, "networkAcls").get("defaultAction") == "Deny"
    return denied or account.get("publicNetworkAccess") == "Disabled"


def _cluster(found: Json) -> ClusterFacts:
    properties, identity = part(found, "properties"), part(found, "identity")
    reported = part(properties, "reportedProperties")
    return ClusterFacts(
        location=text(found.get("location")),
        status=text(properties.get("status")),
        connectivity=text(properties.get("connectivityStatus")),
        version=text(reported.get("clusterVersion")),
        principal=text(identity.get("principalId")),
        tenant=text(identity.get("tenantId")) or text(properties.get("aadTenantId")),
        nodes=tuple(text(node.get("name")) for node in reported.get("nodes") or ()),
    )


def _cluster_of(machine: Json) -> str:
    return text(part(machine, "properties").get("parentClusterResourceId"))


def _is_arc_vm(machine: Json) -> bool:
    return text(machine.get("kind")).lower() == ARC_VM and not _cluster_of(machine)


def _node(machine: Json, extension: ExtensionView | None) -> NodeFacts:
    properties = part(machine, "properties")
    agent = part(properties, "agentConfiguration")
    return NodeFacts(
        id=machine["id"],
        name=text(machine.get("name")),
        status=text(properties.get("status")),
        agent_version=text(properties.get("agentVersion")),
        os_version=text(properties.get("osVersion")),
        extensions_enabled=text(agent.get("extensionsEnabled")).lower() != "false",
        allow=_listed(agent.get("extensionsAllowList")),
        block=_listed(agent.get("extensionsBlockList")),
        mode=text(agent.get("configMode")) or "full",
        extension=extension,
    )


def _listed(names: Any) -> tuple[str, ...]:
    """Entries are objects with publisher and type in some versions of the API, "publisher/type" in others."""
    return tuple(n if isinstance(n, str) else f"{n.get('publisher')}/{n.get('type')}" for n in names or ())


def _lock(scope: str, lock: Json) -> LockFacts:
    return LockFacts(
        on=scope.rpartition("/")[2], name=text(lock.get("name")), level=text(part(lock, "properties").get("level"))
    )
