"""What came of the things that a run did: starts, jobs, probes."""

from datetime import datetime, timedelta
from typing import Literal

from shared.budget import Calls
from shared.messages import Message

BUSY = "532"
"""ASR's code for "another operation is in progress": the verb was taken and its job failed."""

ABORTED = "aborted"
"""A verb was not sent, because its run was aborted before that."""

NOT_READY = "member-not-ready"
"""A recovery plan was not started, because one of its machines could not take part."""

TAKES_HOLD = timedelta(minutes=2)
"""How long a job may still show as suspended after it was resumed; assumed."""


class StartAnswer(Message):
    """What became of one start.

    Attributes:
        outcome: "started" (or adopted: then `job` is an earlier one of ours); "refused" for good; "busy": the item is
            occupied, ask again later; "unanswered": Azure did not say, the next call with the same attempt finds out.
        point: Name of the recovery point that it was sent with; empty for the latest, and for an adopted job.
    """

    vm: str
    outcome: Literal["started", "refused", "busy", "unanswered"]
    job: str = ""
    code: str = ""
    detail: str = ""
    point: str = ""


class PlanStart(StartAnswer):
    """What became of the start of a recovery plan, whose name `vm` is; and the requests that it took."""

    calls: Calls | None = None


class JobEnd(Message):
    """A job that needs no more watching.

    Attributes:
        outcome: "succeeded" may carry warnings; "suspended" waits for a person or for the end of a test.
        code: Of the first error, as ASR numbers it, empty without one.
        cause: What Azure says may have caused that error; `remedy`: what it recommends.
        allowed_actions: What may still be done with the job, such as "Restart".
        azure_vm: The machine's real name in Azure, from the job's own details; empty when the job names none.
        point: Time of the recovery point that was used, from there too.
    """

    job: str
    outcome: Literal["succeeded", "failed", "suspended"]
    state: str
    code: str = ""
    detail: str = ""
    cause: str = ""
    remedy: str = ""
    allowed_actions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    azure_vm: str = ""
    began: datetime | None = None
    ended: datetime | None = None
    point: datetime | None = None


class JobResumed(Message):
    """What became of resuming a job.

    Attributes:
        outcome: "resumed", or it was no longer suspended; "refused" for good; "unanswered": the next look finds out.
    """

    vm: str
    outcome: Literal["resumed", "refused", "unanswered"]
    detail: str = ""


class ChildJob(Message):
    """A machine's own job within that of its recovery plan.

    Attributes:
        vm, machine: Its name and its GUID, as the job names them; either may be empty.
        job: Empty before it has one, and when it was passed over.
        note: Why it was passed over.
    """

    vm: str = ""
    machine: str = ""
    job: str = ""
    note: str = ""


class PlanJobSeen(Message):
    """How the job of a recovery plan stands.

    Attributes:
        state: "suspended" waits for a person; `waits_for` says for what.
        end: How it ended.
        calls: The requests that the look took.
    """

    state: Literal["running", "suspended", "ended"]
    waits_for: str = ""
    children: tuple[ChildJob, ...] = ()
    end: JobEnd | None = None
    calls: Calls | None = None


class ProbeAnswer(Message):
    """What a machine's probes said this once."""

    vm: str
    passed: bool
    address: str = ""
    detail: str = ""
