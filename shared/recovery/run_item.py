"""One VM of a run: where it stands in the stage under way, and what the run has done to it."""

from datetime import datetime, timedelta
from typing import Any, Literal, Self

from shared.messages import Message
from shared.obstacle import Obstacle
from shared.plans.plan import Probe
from shared.site_recovery.open_answer import OpenAnswer, answered_again
from shared.site_recovery.views import Verb

ItemState = Literal[
    "waiting",
    "starting",
    "running",
    "paused",
    "resuming",
    "probing",
    "settling",
    "done",
    "failed",
    "blocked",
    "skipped",
]
"""waiting for its turn; starting: requested, not yet answered; paused: its job is suspended and waits for a person;
resuming: a person said to go on; settling: job done, the item's state not there yet; blocked: something it depends on
failed; skipped: a person said to go on without it."""
NO_ANSWERS: dict[str, None] = {"job_answer": None, "verb_answer": None}
BAD_STATES = frozenset({"failed", "blocked"})
MOVE_VERBS: frozenset[Verb] = frozenset({"PlannedFailover", "UnplannedFailover", "Failback"})
"""Verbs that move a machine for good, until the next of them."""


class ItemStep(Message):
    """One verb on one VM, as it went.

    Attributes:
        point: Time of the recovery point, where the job names one.
        renamed: Azure gave the machine another name than it was to have.
        other_address: The address that Azure gave it, where that is not the one that was asked for.
    """

    verb: Verb
    job: str
    outcome: Literal["succeeded", "failed"]
    began: datetime | None = None
    ended: datetime | None = None
    probed: datetime | None = None
    point: datetime | None = None
    note: str = ""
    renamed: bool = False
    other_address: str = ""


class RunItem(Message):
    """One VM of a run, and where it stands in the stage that is under way.

    Attributes:
        vault: Index into the run's vaults.
        attempt: Counts the verbs sent on purpose in this stage; a new one gets a new request id.
        job: Name of the ASR job that is watched, empty before there is one.
        code: Why it failed or is blocked, for programs; empty while it is neither.
        detail: The same for a person, or what Azure warned of; one line.
        adopts_from: The first attempt whose job may be the one that does the work: attempts follow each other by
            themselves only after 532, and what the item was busy with may be our own request, sent by two workers.
        requested_verb: The verb that was requested last, answered or not; empty before the first.
        jobs_since: No job that this attempt started is older.
        found_ready: Its state was read in this stage, since what it waits for was done, and it is ready for the verb.
        point: Name of the recovery point that a failover was started from; empty for the latest.
        resumed_at: When its job was resumed last.
        clearance: A person said that its job may go on: "now", or "in-turn", once those that it comes after are done;
            "held": one of those did not get there.
        asked_address: The private address that it asks for in Azure; empty where Azure gives one.
        verbs_done_before: Verbs whose end the item showed already when the run was admitted.
        location: Where it was active then, "Primary" or "Recovery".
        host_provider: ARM id of the provider that had it last, for a way home; and `disk_mb` the size of its disks, for
            that and for what a drill proves.
        provider: ARM id of the provider that a failback makes it with, where it may be made again.
        failed_in: What it was at when it failed, though no job of its verb failed: trying again goes on there.
        failed_in_stage: Number of the stage in which it failed, None where it did not.
        unanswered: A request of this stage was not answered, so that it may have been done.
        job_answer: Its job could not be read, and so it is not known whether it has ended.
        verb_answer: Its verb was not taken, for a reason that may pass: it is sent again in a while.
        replicated_until: Of a machine that the run brings up: the age of the newest data in Azure at its admission, as
            the vault measured it last; `replica_age` is how old that data was then.
        probe_output: What its probes answered last when they did not pass, where the plan wants that kept.
        failed_earlier: How it failed in an earlier stage, which a cleanup does not undo; None where it did not.
        steps: What this run did to it, oldest first.
    """

    vm: str
    id: str
    vault: int = 0
    after: tuple[str, ...] = ()
    probes: tuple[Probe, ...] = ()
    state: ItemState = "waiting"
    attempt: int = 1
    adopts_from: int = 1
    job: str = ""
    since: datetime | None = None
    not_before: datetime | None = None
    azure_vm: str = ""
    target_group: str = ""
    address: str = ""
    asked_address: str = ""
    code: str = ""
    detail: str = ""
    requested_verb: Verb | Literal[""] = ""
    jobs_since: datetime | None = None
    found_ready: bool = False
    resumed_at: datetime | None = None
    clearance: Literal["", "in-turn", "now", "held"] = ""
    point: str = ""
    verbs_done_before: tuple[Verb, ...] = ()
    location: str = ""
    host_provider: str = ""
    disk_mb: int = 0
    replicated_until: datetime | None = None
    replica_age: timedelta | None = None
    provider: str = ""
    failed_in: Literal["", "starting", "running", "probing", "settling"] = ""
    failed_in_stage: int | None = None
    unanswered: bool = False
    job_answer: OpenAnswer | None = None
    verb_answer: OpenAnswer | None = None
    failed_earlier: Obstacle | None = None
    probe_output: str = ""
    steps: tuple[ItemStep, ...] = ()

    @property
    def is_touched(self) -> bool:
        """Whether this run has sent a verb to the item that may have begun something; what was refused has not."""
        return bool(self.steps) or self.job != "" or self.since is not None

    @property
    def was_moved(self) -> bool:
        """By this run, or by an earlier one that got so far; a verb that was sent in vain may have moved it too."""
        verbs = {*self.verbs_done_before, *(step.verb for step in self.steps), self.requested_verb}
        return not MOVE_VERBS.isdisjoint(verbs)

    @property
    def is_to_be_committed(self) -> bool:
        """Whether a commit of this run is still ahead of it, if it comes to one."""
        return self.state in {"waiting", "done"} and "Commit" not in self.verbs_done_before

    def has_done(self, *verbs: Verb) -> bool:
        """Whether a job of this run did any of these verbs to it."""
        return any(step.verb in verbs and step.outcome == "succeeded" for step in self.steps)

    @property
    def asks_item(self) -> bool:
        """Whether its state in the vault decides how it goes on: its job has ended, or cannot be read for long."""
        is_lost = self.state in {"running", "paused"} and self.job_answer is not None and self.job_answer.is_overdue
        return self.state == "settling" or is_lost

    def with_job_unread(self, detail: str, now: datetime) -> Self:
        """The item whose job could not be read, once more."""
        return self.model_copy(update={"job_answer": answered_again(self.job_answer, detail, now)})

    def may_go_on(self, now: datetime) -> bool:
        """Whether it is not held back for a while."""
        return self.not_before is None or now >= self.not_before

    def in_state(self, state: ItemState, since: datetime, detail: str = "") -> Self:
        """The item from now on in another state."""
        return self.model_copy(update={"state": state, "since": since, "code": "", "detail": detail, **NO_ANSWERS})

    @property
    def failure(self) -> Obstacle:
        """Why it failed or is blocked."""
        return Obstacle(vm=self.vm, code=self.code, detail=self.detail)

    def as_blocked(self, code: str, detail: str) -> Self:
        """The item that is not started any more."""
        return self.model_copy(update={"state": "blocked", "code": code, "detail": detail})

    def as_failed(self, stage: int, code: str, detail: str, *, given_up: bool = False) -> Self:
        """The item that failed in the stage of this number.

        Args:
            given_up: What it is at may still end well: only nobody waits for it any more.
        """
        change = {"state": "failed", "code": code, "detail": detail, "failed_in": self.state if given_up else ""}
        return self.model_copy(update={**change, "failed_in_stage": stage})

    def as_unread(self) -> Self:
        """The item whose state has to be read once more: what was read is old by now."""
        return self.model_copy(update={"found_ready": False})

    def for_new_stage(self, state: Literal["waiting", "done"]) -> Self:
        """The item at the beginning of a stage that it takes part in, or that it has done before."""
        failed_earlier = self.failed_earlier or (self.failure if self.state in BAD_STATES else None)
        fresh: dict[str, Any] = {"state": state, "failed_earlier": failed_earlier, "unanswered": False}
        fresh |= {"attempt": 1, "adopts_from": 1, "job": "", "since": None, "not_before": None}
        fresh |= {
            **NO_ANSWERS,
            "code": "",
            "detail": "",
            "found_ready": False,
            "jobs_since": None,
            "resumed_at": None,
            "clearance": "",
        }
        return self.model_copy(update={**fresh, "failed_in": "", "failed_in_stage": None})

    @property
    def has_failed_before(self) -> bool:
        """Whether it failed in an earlier stage, though it is done with what came after, such as its cleanup."""
        return self.state == "done" and self.failed_earlier is not None

    def as_ended(self) -> Self:
        """The item at the end of its run: one that failed has failed, though it was cleaned up afterwards."""
        failure = self.failed_earlier
        if not self.has_failed_before or failure is None:
            return self
        return self.model_copy(update={"state": "failed", "code": failure.code, "detail": failure.detail})

    def for_retry(self, now: datetime) -> Self:
        """The item that goes on where it failed, with all its time anew.

        Only after a job that failed, or a refusal, its verb is sent again. That is a new attempt on purpose: with the
        next number, so that it is a request of its own.
        """
        going = {"not_before": None, "code": "", "detail": "", "failed_in_stage": None, **NO_ANSWERS}
        if self.failed_in:
            return self.model_copy(update={**going, "state": self.failed_in, "since": now, "address": ""})
        fresh = {"state": "waiting", "attempt": self.attempt + 1, "adopts_from": self.attempt + 1, "job": ""}
        fresh |= {"since": None, "jobs_since": None, "found_ready": False}
        return self.model_copy(update={**going, **fresh})
