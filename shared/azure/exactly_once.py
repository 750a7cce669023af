"""Exactly once: how something is sent to a vault, although any answer may be lost and any activity may run twice.

Site Recovery has no conditional requests, and accepts a verb again that it has just accepted. But the activityId of a
job begins with the x-ms-client-request-id of the request that started it, and the id of an attempt is the same whenever
it is made (`shared.request_ids`). So whoever wants to send looks first whether it was sent already:

1. Read what it is about: the protected item, the recovery plan, the site. The caller does this.
2. List the jobs: `ExactlyOnce.list_jobs`. After what was read in 1, never before: a job that begins in between is
   listed, while the other way round it would be neither listed nor seen.
3. Adopt our job if it is there: one that is listed under one of our ids; else one that is listed without any id and,
   read on its own, has one of ours or still none; else the one that the item names, if it is too young for the list.
4. An aborted run sends nothing from here on.
5. Let the caller decide by what it has read: an obstacle, or how to send it (`Attempt.decide`).
6. While the vault throttles, send nothing more.
7. Send it, once, under the id of this attempt. Nothing below repeats a request: see `http_pipeline`.
8. Say what became of it. "unanswered" means that nobody knows: the next call with the same attempt finds out in 3.
   "put-off" means that it was not taken, for a reason that may pass: the next call looks, and sends, once more.

Two workers that do all of this at the same moment may both send: docs/decisions/0015-two-workers-one-verb.md says what
comes of it, and why of several jobs of ours the one that has not failed is adopted.
"""

import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from shared.azure.errors import NotFound, NotNow
from shared.azure.json_fields import Json, object_at, parse_utc, text_of
from shared.azure.vault import CLOCKS_APART
from shared.errors import Refused, Throttled, Transient
from shared.obstacle import Obstacle
from shared.site_recovery.contract import ABORTED_CODE, THROTTLED_CODE, StartAnswer

FAILED = frozenset({"Failed", "Cancelled", "Aborted", "RolledBack"})
"""States of a job that did not succeed."""
_REQUEST_ID = re.compile(r"(\S+) ActivityId: ")


class Sent(NamedTuple):
    """What was sent, or adopted: the name of its job, and of the recovery point that was named to it."""

    job: str
    point: str = ""


type Send = Callable[[str], Awaitable[Sent]]
"""Sends a request under the request id that it is given."""


class JobSignature(NamedTuple):
    """What a job of ours looks like that a list shows without its request id.

    Attributes:
        scenarios: scenarioName, any of these.
        targets: Names and GUIDs of what it works on.
        since: It began then or later.
    """

    scenarios: Collection[str]
    targets: Collection[str]
    since: datetime


class Attempt(NamedTuple):
    """One thing that shall be done once.

    Attributes:
        request_ids: Ids of the requests whose job is ours; the last is that of this attempt.
        signature: How a job of ours is recognised that is listed without its id.
        decide: What stands in the way by what was read, or else how it is sent. May raise Refused.
        busy_with: The job that what it is about names as its current one, empty without one.
        reads_queued: Nothing names its job, so that jobs that have just been queued, and show nothing of themselves in
            a list, are read as well. A protected item names its own from the first moment.
    """

    request_ids: Sequence[str]
    signature: JobSignature
    decide: Callable[[], Obstacle | Send]
    busy_with: str = ""
    reads_queued: bool = False


class VaultJobs(Protocol):
    """The jobs of a vault: `Vault` has them."""

    async def list_jobs(self, since: datetime) -> list[Json]:
        """All that started since then; what has not started yet may be absent."""

    async def find_job(self, name: str) -> Json | None:
        """One job, None when there is none."""


class ExactlyOnce:
    """What the attempts of one activity share: the vault's jobs, and how long the vault asked us to wait.

    Attributes:
        retry_after: The longest wait that was asked for; zero while nothing was throttled.
    """

    def __init__(self, vault: VaultJobs, *, only_adopt: bool = False) -> None:
        self._vault, self._only_adopt = vault, only_adopt
        self._jobs = JobIndex()
        self.retry_after = timedelta(0)

    async def list_jobs(self, since: datetime, target: str | None = None) -> None:
        """List every job that may be ours: to be called once what the attempts are about has been read.

        Args:
            since: When the attempts were first asked for.
            target: Only jobs on what is called so, or on nothing that they name. A recovery plan's job has jobs of its
                machines below it, whose request ids are the same.
        """
        jobs = await self._vault.list_jobs(since)
        names = None if target is None else {"", target.lower()}
        self._jobs = JobIndex(
            job for job in jobs if names is None or _property_of(job, "targetObjectName").lower() in names
        )

    async def start(self, vm: str, attempt: Attempt) -> StartAnswer:
        """Adopt or send, and say what became of it, whatever that is."""
        try:
            result = await self.adopt_or_send(attempt)
        except (NotNow, NotFound) as answer:
            return StartAnswer(vm=vm, outcome="put-off", code=answer.code, detail=answer.detail)
        except Refused as refusal:
            return StartAnswer(vm=vm, outcome="refused", code=refusal.code, detail=refusal.detail)
        except Transient as no_answer:
            code = THROTTLED_CODE if isinstance(no_answer, NotSent | Throttled) else ""
            return StartAnswer(vm=vm, outcome="unanswered", code=code, detail=str(no_answer))
        if isinstance(result, Obstacle):
            outcome = "busy" if result.passing else "refused"
            return StartAnswer(vm=vm, outcome=outcome, code=result.code, detail=result.detail)
        return StartAnswer(vm=vm, outcome="started", job=result.job, point=result.point)

    async def require_sent(self, attempt: Attempt) -> Sent:
        """Adopt or send.

        Raises:
            Refused: something stands in the way, or Azure declined.
            Transient: an answer was lost, so that it may have been sent all the same; or Azure does not take it now.
        """
        try:
            result = await self.adopt_or_send(attempt)
        except NotNow as answer:
            raise Transient(str(answer)) from answer
        if isinstance(result, Obstacle):
            raise Refused(result.code, result.detail)
        return result

    async def adopt_or_send(self, attempt: Attempt) -> Sent | Obstacle:
        """Adopt the job of this attempt, or send it once: steps 3 to 7.

        Raises:
            Refused: Azure, or `decide`, declined; or the run was aborted before anything was sent.
            Transient: an answer was lost; it may have been sent all the same.
        """
        try:
            if job := await self._look_for_own_job(attempt):
                return Sent(job)
            if self._only_adopt:
                raise Refused(ABORTED_CODE, "not sent: the run was aborted before")
            decision = attempt.decide()
            if isinstance(decision, Obstacle):
                return decision
            if self.retry_after:
                raise NotSent("not sent: Site Recovery throttles requests to this vault")
            return await decision(attempt.request_ids[-1])
        except Transient as no_answer:
            self.retry_after = max(self.retry_after, timedelta(seconds=no_answer.retry_after or 0))
            raise

    async def _look_for_own_job(self, attempt: Attempt) -> str:
        """The same as `_find_own_job`; a read that Azure declines does not say that there is none.

        Raises:
            NotNow: it is not known whether a job is ours.
        """
        try:
            return await self._find_own_job(attempt)
        except Refused as answer:
            raise NotNow(answer.code, answer.detail) from answer

    async def _find_own_job(self, attempt: Attempt) -> str:
        """Name of the newest job of ours, empty without one.

        One that failed only if no other is there, and if it is of this attempt: a new attempt after a failure is meant.
        """
        ids = attempt.request_ids
        own_jobs = [job for one in ids for job in self._jobs.find_by_request(one)]
        if not own_jobs:
            candidates = self._jobs.find_lookalikes(attempt.signature)
            candidates += self._jobs.queued_jobs if attempt.reads_queued else []
            read = [await self._vault.find_job(job["name"]) for job in candidates]
            alike = [job for job in read if job]
            own_jobs = [job for job in alike if _is_started_by_any(job, ids)]
            own_jobs = own_jobs or [job for job in alike if is_alike(job, attempt.signature)]
        living_jobs = [job for job in own_jobs if not has_failed(job)]
        if chosen := living_jobs or [job for job in own_jobs if is_started_by(job, ids[-1])]:
            return text_of(max(chosen, key=lambda job: _property_of(job, "startTime"))["name"])
        if not attempt.busy_with or self._jobs.names_starter_of(attempt.busy_with):
            return ""
        current_job = await self._vault.find_job(attempt.busy_with)
        return attempt.busy_with if current_job and _is_started_by_any(current_job, ids) else ""


class NotSent(Transient):
    """Nothing was sent, because the vault throttles."""


class JobIndex:
    """Jobs as they were listed: found by their request or, of those that do not name it, by what they work on.

    Attributes:
        queued_jobs: Those that have just been queued, and show nothing of themselves.
    """

    def __init__(self, jobs: Iterable[Json] = ()) -> None:
        self._with_starter: set[str] = set()
        self._by_request: dict[str, list[Json]] = {}
        self._by_target: dict[str, list[Json]] = {}
        self.queued_jobs: list[Json] = []
        for job in jobs:
            request_id, gap, _ = _property_of(job, "activityId").partition(" ")
            if gap:
                self._by_request.setdefault(request_id.lower(), []).append(job)
            if has_request_id(job):
                self._with_starter.add(job["name"])
                continue
            if not _property_of(job, "scenarioName"):
                self.queued_jobs.append(job)
            for target in _targets_of(job):
                self._by_target.setdefault(target, []).append(job)

    def names_starter_of(self, job: str) -> bool:
        """Whether a job is listed with the id of the request that started it."""
        return job in self._with_starter

    def find_by_request(self, request_id: str) -> list[Json]:
        """What a request of this id started."""
        return self._by_request.get(request_id.lower(), [])

    def find_lookalikes(self, signature: JobSignature) -> list[Json]:
        """What may be ours although the list does not say who started it, which no recorded list does.

        Our clock may be ahead of Azure's, so jobs that began a little earlier are among them.
        """
        signature = signature._replace(since=signature.since - CLOCKS_APART)
        on_target = [job for target in signature.targets for job in self._by_target.get(target.lower(), ())]
        return list({job["name"]: job for job in on_target if is_alike(job, signature)}.values())


def is_started_by(job: Json, request_id: str) -> bool:
    """Whether a request of this id started the job.

    Source: activityId = "<x-ms-client-request-id> ActivityId: <x-ms-correlation-request-id>" in 454 of 454 recorded
    jobs, all of api-version 2016-08-10.
    """
    return _property_of(job, "activityId").lower().startswith(f"{request_id.lower()} ")


def has_request_id(job: Json) -> bool:
    """Whether the job says which request started it: its activityId has the recorded form.

    Source: all 227 jobs in recorded lists show activityId as null, and the jobs themselves do not.
    """
    return _REQUEST_ID.match(_property_of(job, "activityId")) is not None


def has_failed(job: Json) -> bool:
    """Whether it has ended, and not well."""
    return _property_of(job, "state") in FAILED


def is_alike(job: Json, signature: JobSignature) -> bool:
    """Whether a job that does not say who started it may be ours, so that it is worth reading."""
    began = parse_utc(_property_of(job, "startTime"))
    return (
        not has_request_id(job)
        and _property_of(job, "scenarioName") in signature.scenarios
        and not _targets_of(job).isdisjoint(target.lower() for target in signature.targets)
        and began is not None
        and began >= signature.since
    )


def _is_started_by_any(job: Json, request_ids: Iterable[str]) -> bool:
    return any(is_started_by(job, request_id) for request_id in request_ids)


def _targets_of(job: Json) -> frozenset[str]:
    return frozenset(_property_of(job, key).lower() for key in ("targetObjectId", "targetObjectName"))


def _property_of(job: Json, name: str) -> str:
    return text_of(object_at(job, "properties").get(name))
