"""A Recovery Services vault as Site Recovery serves it: items, jobs, hosts, and the verbs."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from azure.core.rest import HttpRequest

from shared.arm_ids import names_by_type
from shared.azure.api_versions import SITE_RECOVERY_API
from shared.azure.clients import azure
from shared.azure.errors import translate_errors
from shared.azure.json_fields import Json, date_of
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


class Vault:
    """One vault, for as long as one activity lasts; what it raises is Transient or Refused."""

    def __init__(self, ref: VaultRef) -> None:
        self._ref = ref
        self._client: SiteRecoveryManagementClient = azure().site_recovery_client(ref.subscription_id)
        self._reads = self._writes = 0

    @property
    def calls_made(self) -> Calls:
        """The requests that were sent through this object, answered or not."""
        return Calls(reads=self._reads, writes=self._writes)

    async def list_items(self) -> list[Json]:
        """Every protected item of the vault, in its order."""
        items, _ = await self.list_items_with_time()
        return items

    async def list_items_with_time(self) -> tuple[list[Json], datetime]:
        """The same, and when Azure said so."""
        return await self._list_all("replicationProtectedItems")

    async def read_item(self, item_id: str) -> Json:
        """One protected item.

        Raises:
            Missing: the vault knows none of this id.
        """
        self._reads += 1
        with translate_errors():
            return await self._client.replication_protected_items.get(*self._vault_scope, *item_path_of(item_id))

    async def list_recovery_points(self, item_id: str) -> tuple[list[Json], datetime]:
        """The recovery points of an item, in no order that is promised, and when Azure said so."""
        path = item_id[item_id.lower().index("/replicationfabrics/") + 1 :]
        return await self._list_all(f"{path}/recoveryPoints")

    async def list_jobs(self, since: datetime, state: str = "") -> list[Json]:
        """All jobs that started since then, without tasks and details, however many they are.

        Args:
            since: A job that has no start time yet may be absent.
            state: Only those in this state.

        Source: $filter and cap as recorded; at the cap the span is halved until each half fits.
        """
        jobs, answered = await self._jobs_between(since, None, state)
        if len(jobs) < JOB_LIST_CAP:
            return jobs
        return await self._list_in_halves(since, answered + CLOCKS_APART, state)

    async def read_job(self, name: str) -> Json:
        """One job with its tasks and details; all of them null in its first moments."""
        self._reads += 1
        with translate_errors():
            return await self._client.replication_jobs.get(*self._vault_scope, name)

    async def list_providers(self) -> tuple[list[Json], datetime]:
        """Every host that is registered with the vault, and when Azure said so."""
        return await self._list_all("replicationRecoveryServicesProviders")

    async def start_verb(self, verb: Verb, item_id: str, body: Json | None, request_id: str) -> str:
        """Send a verb, once and never again, and have the name of the job that does it.

        Args:
            verb: What to do.
            item_id: ARM id of the protected item.
            body: None for a verb that has none.
            request_id: Sent as x-ms-client-request-id: the job's activityId will begin with it.

        Raises:
            Transient: the answer was lost, or the vault throttles; the job may have started all the same.
        """
        return await self.send_operation(
            self._sdk_operation(verb), *item_path_of(item_id), *([] if body is None else [body]), request_id
        )

    async def resume_job(self, job: str, comments: str, request_id: str) -> None:
        """Let a suspended job go on.

        Raises:
            Transient: the answer was lost; it may go on all the same.
        """
        body = {"properties": {"comments": comments}}
        await self.send_operation(self._client.replication_jobs.begin_resume, job, body, request_id)

    async def send_operation(self, operation: Callable[..., Awaitable[Any]], *arguments: Any) -> str:
        """Call an operation of the SDK on this vault once, the request id last, and have the name of its job."""
        answers: list[Any] = []
        *given, request_id = arguments
        self._writes += 1
        with translate_errors():
            await operation(
                *self._vault_scope,
                *given,
                polling=False,
                request_id=request_id,
                raw_response_hook=lambda answer: answers.append(answer.http_response),
            )
        return _job_named_by(answers[-1].headers)

    @property
    def _vault_scope(self) -> tuple[str, str]:
        return self._ref.resource_group, self._ref.vault

    def _sdk_operation(self, verb: Verb) -> Callable[..., Awaitable[Any]]:
        items = self._client.replication_protected_items
        operations: dict[Verb, Callable[..., Awaitable[Any]]] = {
            "TestFailover": items.begin_test_failover,
            "TestFailoverCleanup": items.begin_test_failover_cleanup,
            "PlannedFailover": items.begin_planned_failover,
            "UnplannedFailover": items.begin_unplanned_failover,
            "Commit": items.begin_failover_commit,
            "Failback": items.begin_planned_failover,
            "ReverseReplicate": items.begin_reprotect,
            "CancelFailover": items.begin_failover_cancel,
            "ChangePit": items.begin_apply_recovery_point,
        }
        return operations[verb]

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
        return await self._list_all("replicationJobs", {"$filter": " and ".join(wanted)})

    async def _list_all(self, collection: str, params: dict[str, str] | None = None) -> tuple[list[Json], datetime]:
        """A whole list as plain JSON, and when Azure answered last.

        Through the client's raw call: the SDK's models cost 0.85 ms an item, and a vault of 1,000 is listed every tick.
        """
        found: list[Json] = []
        url, query = f"{self._ref.arm_id}/{collection}", {"api-version": SITE_RECOVERY_API, **(params or {})}
        while True:
            self._reads += 1
            with translate_errors():
                answer = await self._client.send_request(HttpRequest("GET", url, params=query))
                answer.raise_for_status()
                page = answer.json()
            found += page.get("value") or ()
            if not page.get("nextLink"):  # the last page that has values may link to one that has none
                return found, date_of(answer.headers)
            url, query = page["nextLink"], {}


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


def _job_named_by(headers: Any) -> str:
    """The job that an accepted verb started: operation status, operation result and job share one name (recorded)."""
    for header in ("Azure-AsyncOperation", "Location"):
        named = names_by_type(urlsplit(headers.get(header) or "").path)
        for collection in ("replicationoperationstatus", "replicationjobs", "operationresults"):
            if named.get(collection):
                return named[collection]
    raise Transient("Azure accepted the verb and named no job")


def _seven_decimals(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
