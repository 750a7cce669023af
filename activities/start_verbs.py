"""Starting verbs: look, adopt what runs already under our name, else send once."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

from shared.azure.errors import Missing
from shared.azure.jobs import FAILED, JobBook, names_its_starter, started_by
from shared.azure.json_fields import Json, part, text
from shared.azure.protected_items import current_job, item_view, machine_guid, point_views
from shared.azure.vault import CLOCKS_APART, Vault
from shared.concurrency import each
from shared.errors import Refused, Transient
from shared.request_ids import client_request_id
from shared.site_recovery.contract import ABORTED, StartAnswer, StartOne, StartsMade, StartVerbs
from shared.site_recovery.recovery_points import LATEST, STARTS_FROM_A_POINT, RecoveryPoint, choose
from shared.site_recovery.request_budget import Calls
from shared.site_recovery.verb_rules import RULES, ready
from shared.site_recovery.views import Verb

FEW = 5
"""Up to so many items are read one by one: a list has 100 a page."""


async def start_verbs(ask: StartVerbs) -> StartsMade:
    """Start a verb on each item, or adopt the job that an earlier run of this same call started.

    Once the vault throttles, nothing more is sent: what was not is "unanswered" under the code "throttled". No verb
    is sent twice in one call.

    Raises:
        Transient: the items or the jobs could not be read; nothing was sent.

    Source: recorded: a verb for a busy item is accepted, and its job fails minutes later with 532.
    """
    batch = _Batch(ask)
    items = await batch.read_items()
    await batch.read_jobs()  # after the items: no job slips in between
    answers = await each(ask.starts, lambda start: batch.answer(start, items))
    return StartsMade(answers=tuple(answers), retry_after=batch.retry_after, calls=batch.calls)


class _Batch:
    """What the starts of one call share: the vault, its jobs, and how long it asked us to wait."""

    def __init__(self, ask: StartVerbs) -> None:
        self._ask = ask
        self._vault = Vault(ask.vault)
        self._jobs = JobBook()
        self.retry_after = timedelta(0)

    @property
    def calls(self) -> Calls:
        """The requests that it took so far."""
        return self._vault.calls

    async def read_items(self) -> Mapping[str, Json]:
        """The items of the batch by id in lower case, without those that the vault does not know."""
        unseen = [start for start in self._ask.starts if not start.seen]
        if len(unseen) > FEW:
            found: Iterable[Json | None] = await self._vault.list_items()
        else:
            found = await each(unseen, self._read_item)
        return {item["id"].lower(): item for item in found if item}

    async def _read_item(self, start: StartOne) -> Json | None:
        try:
            return await self._vault.read_item(start.item_id)
        except Missing:
            return None

    async def read_jobs(self) -> None:
        """Every job that may be ours."""
        self._jobs = JobBook(await self._vault.list_jobs(self._ask.since - CLOCKS_APART))

    async def answer(self, start: StartOne, items: Mapping[str, Json]) -> StartAnswer:
        """Start one, or say why not."""
        item = items.get(start.item_id.lower())
        if item is None and not start.seen:
            detail = f"the vault has no protected item {start.item_id}"
            return StartAnswer(vm=start.vm, outcome="refused", code="item-not-found", detail=detail)
        try:
            return await self._start(start, item)
        except Refused as no:
            return StartAnswer(vm=start.vm, outcome="refused", code=no.code, detail=no.detail)
        except Transient as silence:
            self.retry_after = max(self.retry_after, timedelta(seconds=silence.retry_after or 0))
            return StartAnswer(vm=start.vm, outcome="unanswered", detail=str(silence))

    async def _start(self, start: StartOne, item: Json | None) -> StartAnswer:
        ids = self._request_ids(start)
        if ours := await self._find_ours(start, ids, item):
            return StartAnswer(vm=start.vm, outcome="started", job=ours)
        if self._ask.only_adopt:
            raise Refused(ABORTED, "the run was aborted before this was sent")
        if item and (no := ready(self._ask.verb, item_view(item))):
            outcome: Literal["busy", "refused"] = "busy" if no.passing else "refused"
            return StartAnswer(vm=start.vm, outcome=outcome, code=no.code, detail=no.detail)
        if self._ask.verb == "TestFailover" and not self._ask.network_id:
            raise Refused("no-drill-network", "a test failover without a network would tell nothing")
        if self.retry_after:
            return StartAnswer(
                vm=start.vm, outcome="unanswered", code="throttled", detail="not sent: the vault throttles"
            )
        point = await self._point(start)
        body = _body(self._ask, point, start.provider)
        job = await self._vault.start(self._ask.verb, start.item_id, body, ids[-1])
        return StartAnswer(vm=start.vm, outcome="started", job=job, point=point.name if point else "")

    async def _point(self, start: StartOne) -> RecoveryPoint | None:
        """The recovery point to start from; None where the vault is to take the latest.

        Raises:
            Refused: the item has no such point, or it is too old.
        """
        if self._ask.verb not in STARTS_FROM_A_POINT or _is_left_to_the_vault(start, self._ask):
            return None
        listed, now = await self._vault.list_points(start.item_id)
        found = choose(point_views(listed), start.point, self._ask.max_age, now)
        return None if start.point == LATEST and self._ask.verb != "ChangePit" else found

    def _request_ids(self, start: StartOne) -> tuple[str, ...]:
        """Ids of the requests whose job may be ours; the last is that of this attempt."""
        attempts = range(start.adopts_from or start.attempt, start.attempt + 1)
        return tuple(client_request_id(self._ask.operation, start.item_id, self._ask.verb, one) for one in attempts)

    async def _find_ours(self, start: StartOne, ids: Sequence[str], item: Json | None) -> str:
        """Name of the newest job that our requests started, empty without one.

        One that failed only if no other is there: of two that two workers started at once one fails with 532.
        """
        found = [job for one in ids for job in self._jobs.started_by(one)]
        found = found or await self._find_lookalikes(start, ids, item)
        alive = [job for job in found if part(job, "properties").get("state") not in FAILED]
        if ours := alive or [job for job in found if started_by(job, ids[-1])]:
            return text(max(ours, key=lambda job: text(part(job, "properties").get("startTime")))["name"])
        busy_with = current_job(item) if item else ""
        if not busy_with or busy_with in self._jobs:
            return ""
        job = await self._read_job(busy_with)
        return busy_with if job and _started_by_any(job, ids) else ""

    async def _read_job(self, name: str) -> Json | None:
        try:
            return await self._vault.read_job(name)
        except Missing:
            return None

    async def _find_lookalikes(self, start: StartOne, ids: Sequence[str], item: Json | None) -> list[Json]:
        """Jobs that the list shows without their starter: each is read, and only one that names another is not ours.

        Source: a list recorded with api-version 2022-08-01 shows activityId as null, and the job itself does not.
        """
        machines = {start.vm, machine_guid(item) if item else start.vm}
        rule = RULES[self._ask.verb]
        alike = self._jobs.looking_started_by(rule.scenarios, machines, self._ask.since)
        read = [await self._read_job(job["name"]) for job in alike]
        return [job for job in read if job and (_started_by_any(job, ids) or not names_its_starter(job))]


def _started_by_any(job: Json, ids: Iterable[str]) -> bool:
    return any(started_by(job, request_id) for request_id in ids)


def _is_left_to_the_vault(start: StartOne, ask: StartVerbs) -> bool:
    return start.point == LATEST and ask.max_age is None and ask.verb != "ChangePit"


def _body(ask: StartVerbs, point: RecoveryPoint | None, provider: str = "") -> Json | None:
    """What the verb is sent with; a commit is sent with nothing.

    Source: the inputs of api-version 2025-08-01.
    """
    if ask.verb in {"Commit", "CancelFailover"}:
        return None
    if ask.verb == "TestFailoverCleanup":
        return {"properties": {"comments": ask.operation}}
    if ask.verb == "ChangePit" and point:
        changed = {"recoveryPointId": point.id, "providerSpecificDetails": {"instanceType": "HyperVReplicaAzure"}}
        return {"properties": changed}
    details = {"instanceType": "HyperVReplicaAzure"} | ({"recoveryPointId": point.id} if point else {})
    bodies: dict[Verb, dict[str, Any]] = {
        "TestFailover": {"networkType": "VmNetworkAsInput", "networkId": ask.network_id},
        "PlannedFailover": {},
        "UnplannedFailover": {"sourceSiteOperations": "Required" if ask.shut_down_source else "NotRequired"},
        "Failback": {"failoverDirection": "RecoveryToPrimary", "providerSpecificDetails": _failback(ask, provider)},
        "ReverseReplicate": {},
    }
    common = {"failoverDirection": "PrimaryToRecovery", "providerSpecificDetails": details}
    return {"properties": common | bodies[ask.verb]}


def _failback(ask: StartVerbs, provider: str) -> dict[str, str]:
    """How data comes home; a VM that may be made again is made by the provider of a host, named by its whole ARM id.

    Source: Azure PowerShell sends the provider's id with CreateVmIfNotFound to a Hyper-V site, and only then.
    """
    made = {"providerIdForAlternateRecovery": provider} if ask.create_vm and provider else {}
    return {
        "instanceType": "HyperVReplicaAzureFailback",
        "dataSyncOption": ask.data_sync,
        "recoveryVmCreationOption": "CreateVmIfNotFound" if ask.create_vm else "NoAction",
        **made,
    }
