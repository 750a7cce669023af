"""Starting verbs: look, adopt what runs already under our name, else send once."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

from shared.azure.errors import NotFound
from shared.azure.jobs import FAILED, JobIndex, has_request_id, is_started_by
from shared.azure.json_fields import Json, object_at, text_of
from shared.azure.protected_items import current_job, item_view, machine_guid, point_views
from shared.azure.vault import CLOCKS_APART, Vault
from shared.concurrency import map_concurrently
from shared.errors import Refused, Transient
from shared.request_ids import client_request_id
from shared.site_recovery.contract import ABORTED_CODE, ItemStart, StartAnswer, StartsMade, StartVerbs
from shared.site_recovery.recovery_points import LATEST, STARTS_FROM_A_POINT, RecoveryPoint, choose_point
from shared.site_recovery.request_budget import Calls
from shared.site_recovery.verb_rules import RULES, find_refusal
from shared.site_recovery.views import Verb

MAX_SINGLE_READS = 5
"""Up to so many items are read one by one: a list has 100 a page."""


async def start_verbs(request: StartVerbs) -> StartsMade:
    """Start a verb on each item, or adopt the job that an earlier run of this same call started.

    Once the vault throttles, nothing more is sent: what was not is "unanswered" under the code "throttled". No verb
    is sent twice in one call.

    Raises:
        Transient: the items or the jobs could not be read; nothing was sent.

    Source: recorded: a verb for a busy item is accepted, and its job fails minutes later with 532.
    """
    batch = _VerbBatch(request)
    items = await batch.read_items()
    await batch.read_jobs()  # after the items: no job slips in between
    answers = await map_concurrently(request.starts, lambda start: batch.start_one(start, items))
    return StartsMade(answers=tuple(answers), retry_after=batch.retry_after, calls=batch.calls)


class _VerbBatch:
    """What the starts of one call share: the vault, its jobs, and how long it asked us to wait."""

    def __init__(self, request: StartVerbs) -> None:
        self._request = request
        self._vault = Vault(request.vault)
        self._jobs = JobIndex()
        self.retry_after = timedelta(0)

    @property
    def calls(self) -> Calls:
        """The requests that it took so far."""
        return self._vault.calls_made

    async def read_items(self) -> Mapping[str, Json]:
        """The items of the batch by id in lower case, without those that the vault does not know."""
        unread_starts = [start for start in self._request.starts if not start.found_ready]
        if len(unread_starts) > MAX_SINGLE_READS:
            items_found: Iterable[Json | None] = await self._vault.list_items()
        else:
            items_found = await map_concurrently(unread_starts, self._read_item)
        return {item["id"].lower(): item for item in items_found if item}

    async def _read_item(self, start: ItemStart) -> Json | None:
        try:
            return await self._vault.read_item(start.item_id)
        except NotFound:
            return None

    async def read_jobs(self) -> None:
        """Every job that may be ours."""
        self._jobs = JobIndex(await self._vault.list_jobs(self._request.since - CLOCKS_APART))

    async def start_one(self, start: ItemStart, items: Mapping[str, Json]) -> StartAnswer:
        """Start one, or say why not."""
        item = items.get(start.item_id.lower())
        if item is None and not start.found_ready:
            detail = f"the vault has no protected item {start.item_id}"
            return StartAnswer(vm=start.vm, outcome="refused", code="item-not-found", detail=detail)
        try:
            return await self._adopt_or_start(start, item)
        except Refused as refusal:
            return StartAnswer(vm=start.vm, outcome="refused", code=refusal.code, detail=refusal.detail)
        except Transient as no_answer:
            self.retry_after = max(self.retry_after, timedelta(seconds=no_answer.retry_after or 0))
            return StartAnswer(vm=start.vm, outcome="unanswered", detail=str(no_answer))

    async def _adopt_or_start(self, start: ItemStart, item: Json | None) -> StartAnswer:
        ids = self._request_ids(start)
        if own_job := await self._find_own_job(start, ids, item):
            return StartAnswer(vm=start.vm, outcome="started", job=own_job)
        if self._request.only_adopt:
            raise Refused(ABORTED_CODE, "the run was aborted before this was sent")
        if item and (refusal := find_refusal(self._request.verb, item_view(item))):
            outcome: Literal["busy", "refused"] = "busy" if refusal.passing else "refused"
            return StartAnswer(vm=start.vm, outcome=outcome, code=refusal.code, detail=refusal.detail)
        if self._request.verb == "TestFailover" and not self._request.network_id:
            raise Refused("no-drill-network", "a test failover without a network would tell nothing")
        if self.retry_after:
            return StartAnswer(
                vm=start.vm, outcome="unanswered", code="throttled", detail="not sent: the vault throttles"
            )
        point = await self._choose_point(start)
        body = _verb_body(self._request, point, start.provider)
        job = await self._vault.start_verb(self._request.verb, start.item_id, body, ids[-1])
        return StartAnswer(vm=start.vm, outcome="started", job=job, point=point.name if point else "")

    async def _choose_point(self, start: ItemStart) -> RecoveryPoint | None:
        """The recovery point to start from; None where the vault is to take the latest.

        Raises:
            Refused: the item has no such point, or it is too old.
        """
        if self._request.verb not in STARTS_FROM_A_POINT or _is_left_to_the_vault(start, self._request):
            return None
        listed, now = await self._vault.list_recovery_points(start.item_id)
        chosen_point = choose_point(point_views(listed), start.point, self._request.max_age, now)
        return None if start.point == LATEST and self._request.verb != "ChangePit" else chosen_point

    def _request_ids(self, start: ItemStart) -> tuple[str, ...]:
        """Ids of the requests whose job may be ours; the last is that of this attempt."""
        attempts = range(start.adopts_from or start.attempt, start.attempt + 1)
        return tuple(
            client_request_id(self._request.operation, start.item_id, self._request.verb, one) for one in attempts
        )

    async def _find_own_job(self, start: ItemStart, ids: Sequence[str], item: Json | None) -> str:
        """Name of the newest job that our requests started, empty without one.

        One that failed only if no other is there: of two that two workers started at once one fails with 532.
        """
        own_jobs = [job for one in ids for job in self._jobs.find_by_request(one)]
        own_jobs = own_jobs or await self._find_lookalikes(start, ids, item)
        living_jobs = [job for job in own_jobs if object_at(job, "properties").get("state") not in FAILED]
        if candidates := living_jobs or [job for job in own_jobs if is_started_by(job, ids[-1])]:
            return text_of(
                max(candidates, key=lambda job: text_of(object_at(job, "properties").get("startTime")))["name"]
            )
        busy_with = current_job(item) if item else ""
        if not busy_with or busy_with in self._jobs:
            return ""
        job = await self._read_job(busy_with)
        return busy_with if job and _started_by_any(job, ids) else ""

    async def _read_job(self, name: str) -> Json | None:
        try:
            return await self._vault.read_job(name)
        except NotFound:
            return None

    async def _find_lookalikes(self, start: ItemStart, ids: Sequence[str], item: Json | None) -> list[Json]:
        """Jobs that the list shows without their starter: each is read, and only one that names another is not ours.

        Source: a list recorded with api-version 2022-08-01 shows activityId as null, and the job itself does not.
        """
        machines = {start.vm, machine_guid(item) if item else start.vm}
        rule = RULES[self._request.verb]
        lookalikes = self._jobs.find_lookalikes(rule.scenarios, machines, self._request.since)
        jobs_read = [await self._read_job(job["name"]) for job in lookalikes]
        return [job for job in jobs_read if job and (_started_by_any(job, ids) or not has_request_id(job))]


def _started_by_any(job: Json, ids: Iterable[str]) -> bool:
    return any(is_started_by(job, request_id) for request_id in ids)


def _is_left_to_the_vault(start: ItemStart, request: StartVerbs) -> bool:
    return start.point == LATEST and request.max_age is None and request.verb != "ChangePit"


def _verb_body(request: StartVerbs, point: RecoveryPoint | None, provider: str = "") -> Json | None:
    """What the verb is sent with; a commit is sent with nothing.

    Source: the inputs of api-version 2025-08-01.
    """
    if request.verb in {"Commit", "CancelFailover"}:
        return None
    if request.verb == "TestFailoverCleanup":
        return {"properties": {"comments": request.operation}}
    if request.verb == "ChangePit" and point:
        point_properties = {
            "recoveryPointId": point.id,
            "providerSpecificDetails": {"instanceType": "HyperVReplicaAzure"},
        }
        return {"properties": point_properties}
    details = {"instanceType": "HyperVReplicaAzure"} | ({"recoveryPointId": point.id} if point else {})
    bodies: dict[Verb, dict[str, Any]] = {
        "TestFailover": {"networkType": "VmNetworkAsInput", "networkId": request.network_id},
        "PlannedFailover": {},
        "UnplannedFailover": {"sourceSiteOperations": "Required" if request.shut_down_source else "NotRequired"},
        "Failback": {
            "failoverDirection": "RecoveryToPrimary",
            "providerSpecificDetails": _failback_details(request, provider),
        },
        "ReverseReplicate": {},
    }
    common = {"failoverDirection": "PrimaryToRecovery", "providerSpecificDetails": details}
    return {"properties": common | bodies[request.verb]}


def _failback_details(request: StartVerbs, provider: str) -> dict[str, str]:
    """How data comes home; a VM that may be made again is made by the provider of a host, named by its whole ARM id.

    Source: Azure PowerShell sends the provider's id with CreateVmIfNotFound to a Hyper-V site, and only then.
    """
    provider_choice = {"providerIdForAlternateRecovery": provider} if request.create_vm and provider else {}
    return {
        "instanceType": "HyperVReplicaAzureFailback",
        "dataSyncOption": request.data_sync,
        "recoveryVmCreationOption": "CreateVmIfNotFound" if request.create_vm else "NoAction",
        **provider_choice,
    }
