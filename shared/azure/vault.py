"""A Recovery Services vault as Site Recovery serves it: one handle, through which everything is read and sent.

Here what everybody needs: lists, protected items, jobs, hosts, and the verbs of items. `vault_setup` and
`vault_recovery_plans` are functions over the same handle.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from azure.core.rest import HttpRequest

from shared.arm_ids import names_by_type, split_at
from shared.azure.api_versions import SITE_RECOVERY_API
from shared.azure.clients import azure
from shared.azure.errors import translate_errors, unless_missing
from shared.azure.json_fields import Json, object_at, text_of
from shared.azure.paging import read_pages
from shared.errors import Refused, Transient
from shared.messages import VaultRef
from shared.site_recovery.request_budget import Calls
from shared.site_recovery.views import Verb

if TYPE_CHECKING:
    from azure.mgmt.recoveryservicessiterecovery.aio import SiteRecoveryManagementClient

JOB_LIST_CAP = 200
"""The service lists no more jobs than this and pages none of them (recorded)."""
NARROWEST = timedelta(seconds=1)
CLOCKS_APART = timedelta(minutes=5)
"""How far Azure's clock and ours may be apart: a list of jobs begins so much earlier."""
SDK_OPERATIONS: Mapping[Verb, str] = {
    "TestFailover": "begin_test_failover",
    "TestFailoverCleanup": "begin_test_failover_cleanup",
    "PlannedFailover": "begin_planned_failover",
    "UnplannedFailover": "begin_unplanned_failover",
    "Commit": "begin_failover_commit",
    "Failback": "begin_planned_failover",
    "ReverseReplicate": "begin_reprotect",
    "CancelFailover": "begin_failover_cancel",
    "ChangePit": "begin_apply_recovery_point",
}
"""What the SDK calls each verb: the same for protected items and for recovery plans, which have no ChangePit."""


class Vault:
    """One vault, for as long as one activity lasts; what it raises is Transient or Refused."""

    def __init__(self, ref: VaultRef) -> None:
        self.ref = ref
        self.client: SiteRecoveryManagementClient = azure().site_recovery_client(ref.subscription_id)
        self._reads = self._writes = 0

    @property
    def calls_made(self) -> Calls:
        """The requests that were sent through this handle, answered or not."""
        return Calls(reads=self._reads, writes=self._writes)

    async def list_collection(
        self, collection: str, query: Mapping[str, str] | None = None
    ) -> tuple[list[Json], datetime]:
        """A whole list by its path below the vault, and when Azure answered last."""

        async def send_counted(request: HttpRequest) -> Any:
            self._reads += 1
            return await self.client.send_request(request)

        url = f"{self.ref.arm_id}/{collection}"
        return await read_pages(send_counted, url, {"api-version": SITE_RECOVERY_API, **(query or {})})

    async def read_one(self, get: Callable[..., Awaitable[Any]], *names: str) -> Json:
        """Call a GET of the SDK on this vault.

        Raises:
            NotFound: there is nothing of these names.
            Transient: the answer is none, or is about something else.
        """
        self._reads += 1
        with translate_errors():
            found: Json = await get(self.ref.resource_group, self.ref.vault, *names)
        if not found.get("name"):
            raise Transient(f"Azure's answer for {names[-1]} cannot be read: it names nothing")
        return found

    async def find_one(self, get: Callable[..., Awaitable[Any]], *names: str) -> Json | None:
        """The same; None when there is nothing of these names."""
        return await unless_missing(self.read_one(get, *names))

    async def send_operation(self, operation: Callable[..., Awaitable[Any]], *arguments: Any, request_id: str) -> str:
        """Call an operation of the SDK on this vault, once and never again, and have the name of its job.

        Args:
            request_id: Sent as x-ms-client-request-id: the job's activityId will begin with it.

        Raises:
            Transient: the answer was lost, or the vault throttles; the job may have started all the same.
        """
        answers: list[Any] = []
        self._writes += 1
        with translate_errors():
            await operation(
                self.ref.resource_group,
                self.ref.vault,
                *arguments,
                polling=False,
                request_id=request_id,
                raw_response_hook=lambda answer: answers.append(answer.http_response),
            )
        return job_named_by(answers[-1].headers)

    async def list_items(self) -> list[Json]:
        """Every protected item of the vault, in its order."""
        items, _ = await self.list_items_with_time()
        return items

    async def list_items_with_time(self) -> tuple[list[Json], datetime]:
        """The same, and when Azure answered."""
        return await self.list_collection("replicationProtectedItems")

    async def read_item(self, item_id: str) -> Json:
        """One protected item.

        Raises:
            NotFound: the vault knows none of this id.
        """
        return await self.read_one(self.client.replication_protected_items.get, *item_path_of(item_id))

    async def find_item(self, item_id: str) -> Json | None:
        """One protected item, None when the vault knows none of this id."""
        return await self.find_one(self.client.replication_protected_items.get, *item_path_of(item_id))

    async def list_recovery_points(self, item_id: str) -> tuple[list[Json], datetime]:
        """The recovery points of an item, in no order that is promised, and when Azure answered."""
        _, path = split_at(item_id, "replicationFabrics")
        return await self.list_collection(f"replicationFabrics/{path}/recoveryPoints")

    async def list_target_sizes(self, item_id: str) -> tuple[str, ...]:
        """The sizes that a failover of an item may choose."""
        _, path = split_at(item_id, "replicationFabrics")
        sizes, _ = await self.list_collection(f"replicationFabrics/{path}/targetComputeSizes")
        return tuple(sorted(text_of(object_at(size, "properties").get("name")) or size["name"] for size in sizes))

    async def list_providers(self) -> tuple[list[Json], datetime]:
        """Every host that is registered with the vault, and when Azure answered."""
        return await self.list_collection("replicationRecoveryServicesProviders")

    async def list_jobs(self, since: datetime, state: str = "") -> list[Json]:
        """All jobs that started since then, without tasks and details, however many they are.

        Args:
            since: By our clock; a job that has no start time yet may be absent.
            state: Only those in this state.

        Source: $filter and cap as recorded; at the cap the span is halved until each half fits.
        """
        begin = since - CLOCKS_APART
        jobs, answered = await self._jobs_between(begin, None, state)
        if len(jobs) < JOB_LIST_CAP:
            return jobs
        return await self._list_in_halves(begin, answered + CLOCKS_APART, state)

    async def _list_in_halves(self, since: datetime, until: datetime, state: str) -> list[Json]:
        middle = since + (until - since) / 2
        found: dict[str, Json] = {}
        for begin, end in ((since, middle), (middle, until)):
            jobs, _ = await self._jobs_between(begin, end, state)
            if len(jobs) >= JOB_LIST_CAP and end - begin > NARROWEST:
                jobs = await self._list_in_halves(begin, end, state)
            found |= {job["name"]: job for job in jobs}
        return list(found.values())

    async def _jobs_between(self, since: datetime, until: datetime | None, state: str) -> tuple[list[Json], datetime]:
        wanted = [f"StartTime eq '{_seven_decimals(since)}'"]
        wanted += [f"EndTime eq '{_seven_decimals(until)}'"] if until else []
        wanted += [f"( JobStatus eq '{state}' )"] if state else []
        return await self.list_collection("replicationJobs", {"$filter": " and ".join(wanted)})

    async def read_job(self, name: str) -> Json:
        """One job with its tasks and details; all of them null in its first moments.

        Raises:
            NotFound: there is none of this name, or not any more.
        """
        return await self.read_one(self.client.replication_jobs.get, name)

    async def find_job(self, name: str) -> Json | None:
        """One job, None when there is none of this name."""
        return await self.find_one(self.client.replication_jobs.get, name)

    async def start_verb(self, verb: Verb, item_id: str, body: Json | None, request_id: str) -> str:
        """Send a verb to a protected item; the job that does it.

        Args:
            body: None for a verb that has none.
        """
        operation = getattr(self.client.replication_protected_items, SDK_OPERATIONS[verb])
        sent_body = [] if body is None else [body]
        return await self.send_operation(operation, *item_path_of(item_id), *sent_body, request_id=request_id)

    async def resume_job(self, job: str, comments: str, request_id: str) -> None:
        """Let a suspended job go on.

        Raises:
            Transient: the answer was lost; it may go on all the same.
        """
        body = {"properties": {"comments": comments}}
        await self.send_operation(self.client.replication_jobs.begin_resume, job, body, request_id=request_id)


def item_path_of(item_id: str) -> tuple[str, str, str]:
    """Names of site, container and item in the ARM id of a protected item.

    Raises:
        Refused: it is none.
    """
    named = names_by_type(item_id)
    try:
        return (
            named["replicationfabrics"],
            named["replicationprotectioncontainers"],
            named["replicationprotecteditems"],
        )
    except KeyError as missing:
        raise Refused("not-an-item", f"not the ARM id of a protected item: {item_id}") from missing


def job_named_by(headers: Mapping[str, str]) -> str:
    """The job that an accepted verb started: operation status, operation result and job share one name (recorded).

    Raises:
        Transient: the headers name none.
    """
    for header in ("Azure-AsyncOperation", "Location"):
        named = names_by_type(urlsplit(headers.get(header) or "").path)
        for collection in ("replicationoperationstatus", "replicationjobs", "operationresults"):
            if named.get(collection):
                return named[collection]
    raise Transient("Azure accepted the verb and named no job")


def _seven_decimals(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
