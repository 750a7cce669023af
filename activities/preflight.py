"""Reading a site: its cluster, nodes, vault, storage, networks, rights, locks and quota. Nothing here changes it."""

from collections.abc import Awaitable

from activities.nodes import read_nodes
from activities.vault import read_providers
from shared.arm_ids import group_id_of, is_within, name_of, same_id, subscription_of, subscription_path_of
from shared.azure.api_versions import (
    AUTHORIZATION_API,
    AZURE_STACK_HCI_API,
    LOCKS_API,
    NETWORK_API,
    RECOVERY_SERVICES_API,
    RESOURCES_API,
    STORAGE_API,
)
from shared.azure.arc_machines import list_machines
from shared.azure.arc_views import cluster_of, is_arc_vm, node_facts
from shared.azure.arm import find_resource, list_all
from shared.azure.compute_quota import read_region_quota
from shared.azure.errors import NotFound
from shared.azure.json_fields import Json, object_at, text_of
from shared.azure.protected_items import is_hyper_v_to_azure, item_detail
from shared.azure.vault import Vault
from shared.azure.vault_setup import find_policy, find_site, is_associated
from shared.concurrency import map_concurrently
from shared.errors import Refused
from shared.healing.contract import ReadNodes
from shared.messages import VaultRef
from shared.onboarding.contract import ReadSite
from shared.onboarding.preflight.facts import (
    AccountFacts,
    AzureFacts,
    AzurePart,
    ClusterFacts,
    LockFacts,
    NetworkFacts,
    NodeFacts,
    QuotaFacts,
    RightsFacts,
    VaultFacts,
)
from shared.site_recovery.contract import ReadProviders
from shared.sites.defaults import cache_storage_of, replication_policy_of
from shared.sites.nodes import is_item_of_site
from shared.sites.quota import TOTAL
from shared.sites.site import SiteDocument


async def read_site(request: ReadSite) -> AzureFacts:
    """Read all that Azure shows of a site: some twenty calls, and two more for each node.

    Raises:
        Transient: one of them was not answered.
    """
    return await _SiteReader(request.site).read_facts()


class _SiteReader:
    """One reading of a site."""

    def __init__(self, site: SiteDocument) -> None:
        self._site = site
        self._unread: dict[AzurePart, str] = {}

    async def read_facts(self) -> AzureFacts:
        site, vault = self._site, Vault(VaultRef.from_id(self._site.vault))
        machines, at = await list_machines(subscription_of(site.cluster))
        nodes = [machine for machine in machines if same_id(cluster_of(machine), site.cluster)]
        cluster = await self._read_if_allowed("cluster", find_resource(site.cluster, AZURE_STACK_HCI_API))
        group = await self._read_if_allowed("targetGroup", find_resource(site.target_resource_group, RESOURCES_API))
        vault_body = await self._read_if_allowed("vault", find_resource(site.vault, RECOVERY_SERVICES_API))
        principal = text_of(object_at(cluster or {}, "identity").get("principalId"))
        vault_group = group_id_of(site.vault)  # what our rights on a new vault come from, or its subscription
        group_exists = await self._read_if_allowed("rights", find_resource(vault_group, RESOURCES_API))
        nearest_scope = vault_group if group_exists else subscription_path_of(vault_group)
        target_scope = site.target_resource_group if group else subscription_path_of(site.target_resource_group)
        return AzureFacts(
            at=at,
            cluster=_cluster_facts(cluster) if cluster else None,
            nodes=await self._read_node_facts(nodes),
            arc_vms=tuple(text_of(m.get("name")) for m in machines if is_arc_vm(m)),
            locks=await self._read_lock_facts(nodes, vault_body is not None),
            rights_vault=await self._read_rights("rights", nearest_scope),
            rights_cluster=await self._read_rights("rights", site.cluster),
            rights_nodes=await self._read_rights("rights", nodes[0]["id"]) if nodes else None,
            rights_target=await self._read_rights("rights", target_scope),
            vault=await self._read_vault_facts(vault, vault_body, principal) if vault_body else None,
            account=await self._read_account_facts(text_of(object_at(vault_body or {}, "identity").get("principalId"))),
            network=await self._read_network_facts("network", site.network),
            drill_network=await self._read_network_facts(
                "network", site.drill_network.network if site.drill_network else ""
            ),
            target_group=text_of(group.get("id")) if group else "",
            quota=await self._read_quota(vault if vault_body else None),
            unread=self._unread,
        )

    async def _read_if_allowed[T](self, fact: AzurePart, reading: Awaitable[T]) -> T | None:
        """What Azure answers; None, and the reason noted, where it refuses to show it."""
        try:
            return await reading
        except NotFound:
            return None
        except Refused as refusal:
            self._unread[fact] = str(refusal)
            return None

    async def _read_node_facts(self, machines: list[Json]) -> tuple[NodeFacts, ...]:
        node_views = (await read_nodes(ReadNodes(cluster_id=self._site.cluster))).nodes
        extensions = {node.id.lower(): node.extension for node in node_views}
        nodes = (node_facts(machine, extensions.get(machine["id"].lower())) for machine in machines)
        return tuple(sorted(nodes, key=lambda node: node.name.lower()))

    async def _read_lock_facts(self, machines: list[Json], vault_exists: bool) -> tuple[LockFacts, ...]:
        scopes = [self._site.cluster, *(machine["id"] for machine in machines)]
        scopes += [self._site.vault] if vault_exists else []
        listed = await map_concurrently(
            scopes,
            lambda scope: self._read_if_allowed("locks", list_all(_authorization_path(scope, "locks"), LOCKS_API)),
        )
        return tuple(
            _lock_facts_of(scope, lock) for scope, locks in zip(scopes, listed, strict=True) for lock in locks or ()
        )

    async def _read_rights(self, fact: AzurePart, scope: str) -> RightsFacts | None:
        granted = await self._read_if_allowed(
            fact, list_all(_authorization_path(scope, "permissions"), AUTHORIZATION_API)
        )
        if granted is None:
            return None
        pairs = (((one.get("actions") or ()), (one.get("notActions") or ())) for one in granted)
        return RightsFacts(scope=scope, granted=tuple((tuple(yes), tuple(no)) for yes, no in pairs))

    async def _read_vault_facts(self, vault: Vault, vault_body: Json, principal: str) -> VaultFacts:
        fabric = await self._read_if_allowed("vault", find_site(vault, self._site.hyper_v_site))
        policy = await self._read_if_allowed("policy", find_policy(vault, replication_policy_of(self._site).name))
        request = ReadProviders(vault=VaultRef.from_id(self._site.vault), fabric=self._site.hyper_v_site)
        providers_read = await self._read_if_allowed("providers", read_providers(request))
        return VaultFacts(
            location=text_of(vault_body.get("location")),
            principal=text_of(object_at(vault_body, "identity").get("principalId")),
            cluster_roles=await self._read_role_ids(self._site.vault, principal),
            site_exists=fabric is not None,
            hosts=providers_read.providers if providers_read else (),
            policy=dict(object_at(policy, "properties", "providerSpecificDetails")) if policy else None,
            associated=bool(
                fabric and policy and await self._read_if_allowed("policy", is_associated(vault, fabric, policy))
            ),
        )

    async def _read_role_ids(self, scope: str, principal: str) -> tuple[str, ...]:
        """Definitions of the roles that a principal has on a scope, of its own or from above."""
        if not principal:
            return ()
        by_principal = {"$filter": f"principalId eq '{principal}'"}
        listed = await self._read_if_allowed(
            "roles", list_all(_authorization_path(scope, "roleAssignments"), AUTHORIZATION_API, by_principal)
        )
        assignments = (object_at(one, "properties") for one in listed or ())
        covering = (one for one in assignments if is_within(scope, above=text_of(one.get("scope"))))
        return tuple(name_of(text_of(one.get("roleDefinitionId"))).lower() for one in covering)

    async def _read_account_facts(self, vault_principal: str) -> AccountFacts | None:
        account_id = cache_storage_of(self._site)
        found = await self._read_if_allowed("account", find_resource(account_id, STORAGE_API))
        if found is None:
            return None
        properties = object_at(found, "properties")
        denied = object_at(properties, "networkAcls").get("defaultAction") == "Deny"
        return AccountFacts(
            location=text_of(found.get("location")),
            kind=text_of(found.get("kind")),
            sku=text_of(object_at(found, "sku").get("name")),
            access_tier=text_of(properties.get("accessTier")),
            firewall=denied or properties.get("publicNetworkAccess") == "Disabled",
            vault_roles=await self._read_role_ids(account_id, vault_principal),
        )

    async def _read_network_facts(self, fact: AzurePart, arm_id: str) -> NetworkFacts | None:
        found = await self._read_if_allowed(fact, find_resource(arm_id, NETWORK_API)) if arm_id else None
        if found is None:
            return None
        properties = object_at(found, "properties")
        return NetworkFacts(
            location=text_of(found.get("location")),
            subnets=tuple(text_of(subnet.get("name")) for subnet in properties.get("subnets") or ()),
            peerings=len(properties.get("virtualNetworkPeerings") or ()),
        )

    async def _read_quota(self, vault: Vault | None) -> QuotaFacts | None:
        sizes = await self._read_sizes(vault) if vault else {}
        subscription = subscription_of(self._site.target_resource_group)
        reading = read_region_quota(subscription, self._site.region, set(sizes.values()))
        quota = await self._read_if_allowed("quota", reading)
        cores = quota.usages.get(TOTAL) if quota else None
        return QuotaFacts(used=cores.used, limit=cores.limit, families=quota, vm_sizes=sizes) if cores else None

    async def _read_sizes(self, vault: Vault) -> dict[str, str]:
        """The size of the Azure VM of each protected VM of the site."""
        listed = await self._read_if_allowed("quota", vault.list_items())
        details = (item_detail(item) for item in listed or () if is_hyper_v_to_azure(item))
        return {view.vm: view.size for view in details if view.size and is_item_of_site(self._site, view)}


def _authorization_path(scope: str, kind: str) -> str:
    return f"{scope}/providers/Microsoft.Authorization/{kind}"


def _cluster_facts(cluster: Json) -> ClusterFacts:
    properties, identity = object_at(cluster, "properties"), object_at(cluster, "identity")
    reported = object_at(properties, "reportedProperties")
    return ClusterFacts(
        location=text_of(cluster.get("location")),
        status=text_of(properties.get("status")),
        connectivity=text_of(properties.get("connectivityStatus")),
        version=text_of(reported.get("clusterVersion")),
        principal=text_of(identity.get("principalId")),
        tenant=text_of(identity.get("tenantId")) or text_of(properties.get("aadTenantId")),
        nodes=tuple(text_of(node.get("name")) for node in reported.get("nodes") or ()),
    )


def _lock_facts_of(scope: str, lock: Json) -> LockFacts:
    level = text_of(object_at(lock, "properties").get("level"))
    return LockFacts(on=name_of(scope), name=text_of(lock.get("name")), level=level)
