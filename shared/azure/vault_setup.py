"""What a vault is set up with: Hyper-V sites, policies, associations, and the replication of machines.

Functions over one handle. Each that asks for something answers the name of the job that does it.
"""

from urllib.parse import quote

from shared.arm_ids import names_by_type, same_id, split_at
from shared.azure.json_fields import Json, object_at, text_of
from shared.azure.protected_items import HYPER_V_TO_AZURE
from shared.azure.vault import Vault, item_path_of

AZURE = "Microsoft Azure"
"""What the service calls its own side of an association (recorded)."""


async def find_site(vault: Vault, name: str) -> Json | None:
    """A Hyper-V site by the name of its fabric, or by its friendly name."""
    found, _ = await vault.list_collection("replicationFabrics")
    names = ((text_of(object_at(fabric, "properties").get("friendlyName")), fabric["name"], fabric) for fabric in found)
    wanted = name.lower()
    return next((fabric for friendly, own, fabric in names if wanted in (friendly.lower(), own.lower())), None)


async def find_policy(vault: Vault, name: str) -> Json | None:
    """A replication policy by its name."""
    found, _ = await vault.list_collection("replicationPolicies")
    return next((policy for policy in found if policy["name"].lower() == name.lower()), None)


async def find_container(vault: Vault, site: Json) -> Json | None:
    """The one container of a Hyper-V site; the service makes it with the site."""
    path = f"replicationFabrics/{quote(site['name'])}/replicationProtectionContainers"
    found, _ = await vault.list_collection(path)
    return next(iter(found), None)


async def list_associations(vault: Vault, container: Json) -> list[Json]:
    """The associations of a container with policies."""
    collection = "replicationProtectionContainerMappings"
    found, _ = await vault.list_collection(collection)
    return [each for each in found if same_id(split_at(each["id"], collection)[0], container["id"])]


def policy_id_of(association: Json) -> str:
    """ARM id of the policy that an association is with."""
    return text_of(object_at(association, "properties").get("policyId"))


async def is_associated(vault: Vault, site: Json, policy: Json) -> bool:
    """Whether the container of a Hyper-V site is associated with a policy."""
    container = await find_container(vault, site)
    associations = await list_associations(vault, container) if container else []
    return any(same_id(policy_id_of(association), policy["id"]) for association in associations)


async def list_protectable_items(vault: Vault, container: Json) -> list[Json]:
    """The protectable items of a container, protected or not."""
    fabric = names_by_type(container["id"])["replicationfabrics"]
    path = f"replicationFabrics/{quote(fabric)}/replicationProtectionContainers/{quote(container['name'])}"
    found, _ = await vault.list_collection(f"{path}/replicationProtectableItems")
    return found


async def create_site(vault: Vault, name: str, request_id: str) -> str:
    """Ask for a Hyper-V site."""
    body = {"properties": {"customDetails": {"instanceType": "FabricSpecificCreationInput"}}}
    return await vault.send_operation(vault.client.replication_fabrics.begin_create, name, body, request_id=request_id)


async def create_policy(vault: Vault, name: str, settings: Json, request_id: str) -> str:
    """Ask for a policy with these settings, by the names of the API's input."""
    body = {"properties": {"providerSpecificInput": {"instanceType": HYPER_V_TO_AZURE, **settings}}}
    return await vault.send_operation(vault.client.replication_policies.begin_create, name, body, request_id=request_id)


async def create_association(vault: Vault, container: Json, name: str, policy_id: str, request_id: str) -> str:
    """Ask for the association of a container with a policy."""
    properties = {
        "targetProtectionContainerId": AZURE,
        "policyId": policy_id,
        "providerSpecificInput": {"instanceType": HYPER_V_TO_AZURE},
    }
    names = (names_by_type(container["id"])["replicationfabrics"], container["name"], name)
    operation = vault.client.replication_protection_container_mappings.begin_create
    return await vault.send_operation(operation, *names, {"properties": properties}, request_id=request_id)


async def enable_replication(vault: Vault, item_id: str, body: Json, request_id: str) -> str:
    """Ask for the replication of a machine."""
    operation = vault.client.replication_protected_items.begin_create
    return await vault.send_operation(operation, *item_path_of(item_id), body, request_id=request_id)


async def update_item(vault: Vault, item_id: str, body: Json, request_id: str) -> str:
    """Replace an item's settings: what is not in the body is taken away."""
    operation = vault.client.replication_protected_items.begin_update
    return await vault.send_operation(operation, *item_path_of(item_id), body, request_id=request_id)


async def disable_replication(vault: Vault, item_id: str, request_id: str) -> str:
    """End the replication of a machine, with the help of its host."""
    host_input = {"instanceType": "DisableProtectionProviderSpecificInput"}
    body = {"properties": {"disableProtectionReason": "NotSpecified", "replicationProviderInput": host_input}}
    operation = vault.client.replication_protected_items.begin_delete
    return await vault.send_operation(operation, *item_path_of(item_id), body, request_id=request_id)


async def resynchronise_item(vault: Vault, item_id: str, request_id: str) -> str:
    """Compare a machine with its replica and send what differs."""
    operation = vault.client.replication_protected_items.begin_repair_replication
    return await vault.send_operation(operation, *item_path_of(item_id), request_id=request_id)


async def restart_job(vault: Vault, job: str, request_id: str) -> str:
    """Have a failed job done again, by a new job."""
    return await vault.send_operation(vault.client.replication_jobs.begin_restart, job, request_id=request_id)
