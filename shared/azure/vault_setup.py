"""A vault while it is prepared and filled: its Hyper-V sites, policies, associations, machines and their protection."""

from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote

from shared.arm_ids import names_by_type, same_id, split_at
from shared.azure.errors import NotFound
from shared.azure.jobs import is_started_by, may_be_started_by
from shared.azure.json_fields import Json, object_at, text_of
from shared.azure.protected_items import HYPER_V_TO_AZURE
from shared.azure.vault import Vault, item_path_of

AZURE = "Microsoft Azure"
"""What the service calls its own side of an association (recorded)."""


class JobSignature(NamedTuple):
    """What a job looks like that a list shows without its starter.

    Attributes:
        targets: Names and GUIDs of what it works on.
    """

    scenarios: tuple[str, ...]
    targets: tuple[str, ...]
    since: datetime


class OnboardingVault(Vault):
    """One vault, for as long as one activity lasts; what it raises is Transient or Refused."""

    async def find_site(self, name: str) -> Json | None:
        """A Hyper-V site by the name of its fabric, or by its friendly name."""
        found, _ = await self._list_all("replicationFabrics")
        wanted = name.lower()
        return next((each for each in found if wanted in (each["name"].lower(), _friendly_name(each).lower())), None)

    async def find_policy(self, name: str) -> Json | None:
        """A replication policy by its name."""
        found, _ = await self._list_all("replicationPolicies")
        return next((policy for policy in found if policy["name"].lower() == name.lower()), None)

    async def find_container(self, site: Json) -> Json | None:
        """The one container of a Hyper-V site; the service makes it with the site."""
        found, _ = await self._list_all(f"replicationFabrics/{quote(site['name'])}/replicationProtectionContainers")
        return next(iter(found), None)

    async def list_associations(self, container: Json) -> list[Json]:
        """The associations of a container with policies."""
        collection = "replicationProtectionContainerMappings"
        found, _ = await self._list_all(collection)
        return [each for each in found if same_id(split_at(each["id"], collection)[0], container["id"])]

    async def list_protectable_items(self, container: Json) -> list[Json]:
        """The protectable items of a container, protected or not."""
        named = names_by_type(container["id"])
        path = f"replicationFabrics/{quote(named['replicationfabrics'])}/replicationProtectionContainers"
        found, _ = await self._list_all(f"{path}/{quote(container['name'])}/replicationProtectableItems")
        return found

    async def create_site(self, name: str, request_id: str) -> str:
        """Ask for a Hyper-V site; the job that makes it."""
        body = {"properties": {"customDetails": {"instanceType": "FabricSpecificCreationInput"}}}
        return await self.send_operation(self._client.replication_fabrics.begin_create, name, body, request_id)

    async def create_policy(self, name: str, settings: Json, request_id: str) -> str:
        """Ask for a policy with these settings, by the names of the API's input; the job that makes it."""
        body = {"properties": {"providerSpecificInput": {"instanceType": HYPER_V_TO_AZURE, **settings}}}
        return await self.send_operation(self._client.replication_policies.begin_create, name, body, request_id)

    async def create_association(self, container: Json, name: str, policy_id: str, request_id: str) -> str:
        """Ask for the association of a container with a policy; the job that makes it."""
        site = names_by_type(container["id"])["replicationfabrics"]
        body = {
            "properties": {
                "targetProtectionContainerId": AZURE,
                "policyId": policy_id,
                "providerSpecificInput": {"instanceType": HYPER_V_TO_AZURE},
            }
        }
        mappings = self._client.replication_protection_container_mappings
        return await self.send_operation(mappings.begin_create, site, container["name"], name, body, request_id)

    async def enable_replication(self, item_id: str, body: Json, request_id: str) -> str:
        """Ask for the replication of a machine; its job."""
        items = self._client.replication_protected_items
        return await self.send_operation(items.begin_create, *item_path_of(item_id), body, request_id)

    async def update_item(self, item_id: str, body: Json, request_id: str) -> str:
        """Replace an item's settings: what is not in the body is taken away; its job."""
        items = self._client.replication_protected_items
        return await self.send_operation(items.begin_update, *item_path_of(item_id), body, request_id)

    async def disable_replication(self, item_id: str, request_id: str) -> str:
        """End the replication of a machine, with the help of its host; its job."""
        body = {"properties": {"disableProtectionReason": "NotSpecified", "replicationProviderInput": _DISABLE}}
        items = self._client.replication_protected_items
        return await self.send_operation(items.begin_delete, *item_path_of(item_id), body, request_id)

    async def resynchronise_item(self, item_id: str, request_id: str) -> str:
        """Compare a machine with its replica and send what differs; its job."""
        items = self._client.replication_protected_items
        return await self.send_operation(items.begin_repair_replication, *item_path_of(item_id), request_id)

    async def restart_job(self, job: str, request_id: str) -> str:
        """Have a failed job done again; the job that does so."""
        return await self.send_operation(self._client.replication_jobs.begin_restart, job, request_id)

    async def find_our_job(
        self, jobs: list[Json], request_id: str, signature: JobSignature, busy_with: str = ""
    ) -> str:
        """Name of the newest job that our request started, empty without one.

        Args:
            jobs: What was listed; a job that has not started yet may be absent, and its starter may be null there.
            signature: How such a job is recognised, to be read on its own.
            busy_with: The job that the item names, read when the list lacks it.
        """
        alike = [
            job["name"]
            for job in jobs
            if may_be_started_by(job, signature.scenarios, signature.targets, signature.since)
        ]
        unlisted = [busy_with] if busy_with and not any(job["name"] == busy_with for job in jobs) else []
        read = [await self._find_job(name) for name in (*alike, *unlisted)]
        ours = [job for job in (*jobs, *read) if job and is_started_by(job, request_id)]
        return text_of(max(ours, key=_start_time)["name"]) if ours else ""

    async def _find_job(self, job: str) -> Json | None:
        try:
            return await self.read_job(job)
        except NotFound:
            return None


_DISABLE = {"instanceType": "DisableProtectionProviderSpecificInput"}


def _friendly_name(resource: Json) -> str:
    return text_of(object_at(resource, "properties").get("friendlyName"))


def _start_time(job: Json) -> str:
    return text_of(object_at(job, "properties").get("startTime"))
