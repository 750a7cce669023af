"""The activities on a vault as orchestrators see them: items, verbs, jobs and hosts. Names, requests and answers."""

from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from shared.activity import Activity
from shared.messages import Message, VaultRef
from shared.site_recovery.recovery_points import LATEST
from shared.site_recovery.request_budget import Calls
from shared.site_recovery.verb_options import VerbOptions
from shared.site_recovery.views import ItemView, ProviderView, Verb


class ReadItems(Message):
    """Read the protected items of a vault with one (paged) list.

    Attributes:
        vms: Only these, by VM name, in any casing; empty for all.
    """

    vault: VaultRef
    vms: tuple[str, ...] = ()


class ItemsRead(Message):
    """The items that were asked for and are there, in the vault's order; and the requests that it took."""

    items: tuple[ItemView, ...]
    calls: Calls | None = None


class ItemStart(Message):
    """One item of a batch.

    Attributes:
        adopts_from: The first attempt whose job is adopted, unless it failed; 0 for that of this attempt alone.
        found_ready: The run has just read the item and found it ready: it is not read again before the verb is sent.
        point: The recovery point to start from: a rule, a name or an ARM id.
        provider: For a Failback that may make the VM: ARM id of the host's provider.
        cleans_up_first: For a TestFailover: what an earlier one of this run has left is cleaned up before.
    """

    vm: str
    item_id: str
    attempt: int = 1
    adopts_from: int = 0
    found_ready: bool = False
    point: str = LATEST
    provider: str = ""
    cleans_up_first: bool = False


class StartVerbs(Message):
    """Start one verb on up to 50 items of one vault.

    Attributes:
        operation: Id of the run: request ids are made of it, so it is never that of a child or of a plan.
        network_id: For TestFailover: the isolated network's ARM id.
        since: When these starts were first asked for: no job to adopt is older.
        options: How; the recovery point to start from is that of each item.
        only_adopt: Send nothing, but find what an earlier ask has started: the run was aborted meanwhile.
    """

    vault: VaultRef
    operation: str
    verb: Verb
    starts: tuple[ItemStart, ...] = Field(max_length=50)
    since: datetime
    network_id: str = ""
    options: VerbOptions = VerbOptions()
    only_adopt: bool = False


class StartAnswer(Message):
    """What became of one start.

    Attributes:
        outcome: "started" (or adopted: then `job` is an earlier one of ours); "refused" for good; "put-off": Azure did
            not take it, and may in a while; "busy": the item is occupied, ask again later; "unanswered": Azure did not
            say, the next call with the same attempt finds out.
        point: Name of the recovery point that it was sent with; empty for the latest, and for an adopted job.
    """

    vm: str
    outcome: Literal["started", "refused", "put-off", "busy", "unanswered"]
    job: str = ""
    code: str = ""
    detail: str = ""
    point: str = ""


class StartsMade(Message):
    """One answer for each start asked for.

    Attributes:
        retry_after: Longest wait that the vault asked for while it throttled; zero when it did not.
        calls: The requests that it took.
    """

    answers: tuple[StartAnswer, ...]
    retry_after: timedelta = timedelta(0)
    calls: Calls | None = None


class WatchJobs(Message):
    """See which of these jobs have ended: one job list, and one GET for each that has.

    Attributes:
        jobs: Job names.
        since: Start of the oldest, to narrow the list.
        paused: Those of them that were suspended when last seen: they are read only once they are not any more.
        pack: The run whose evidence the jobs that have ended are kept in; empty not to keep them.
        max_read: How many of those that have ended are read at the most; 0 for all of them.
    """

    vault: VaultRef
    jobs: tuple[str, ...]
    since: datetime
    paused: tuple[str, ...] = ()
    pack: str = ""
    max_read: int = 0


class JobEnd(Message):
    """A job that needs no more watching.

    Attributes:
        outcome: "succeeded" may carry warnings; "suspended" waits for a person or for the end of a test.
        code: Of the first error, as ASR numbers it, empty without one.
        cause: What Azure says may have caused that error; `remedy`: what it recommends.
        allowed_actions: What may still be done with the job, such as "Restart".
        azure_vm: The machine's real name in Azure, from the job's own details; empty when the job names none.
        point: Time of the recovery point that was used, from there too.
        renamed: Azure warns that it gave the machine another name.
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
    renamed: bool = False


class UnreadJob(Message):
    """A job that is not listed as running and could not be read: whether it has ended is not known.

    Attributes:
        detail: What was answered.
    """

    job: str
    detail: str


class JobsWatched(Message):
    """The jobs that have ended since; the others still run, but for those that are yet to be read.

    Attributes:
        unreadable: Those that were to be read and could not be, gone or not.
        running: Those of the paused ones that run again.
        unread: How many have ended, and were too many to read at once.
        calls: The requests that it took.
    """

    ended: tuple[JobEnd, ...]
    running: tuple[str, ...] = ()
    unread: int = 0
    calls: Calls | None = None
    unreadable: tuple[UnreadJob, ...] = ()


class JobToResume(Message):
    """A suspended job that is to go on."""

    vm: str
    job: str


class ResumeJobs(Message):
    """Let suspended jobs of one vault go on.

    Attributes:
        comments: Kept with each job.
    """

    vault: VaultRef
    operation: str
    jobs: tuple[JobToResume, ...] = Field(max_length=50)
    comments: str = ""


class JobResumed(Message):
    """What became of resuming a job.

    Attributes:
        outcome: "resumed", or it was no longer suspended; "refused" for good; "unanswered": the next read shows it.
    """

    vm: str
    outcome: Literal["resumed", "refused", "unanswered"]
    detail: str = ""


class JobsResumed(Message):
    """One answer for each job."""

    answers: tuple[JobResumed, ...]


class ReadProviders(Message):
    """Read the hosts that are registered with a Hyper-V site.

    Attributes:
        fabric: Name of the Hyper-V site; empty for every fabric of the vault.
    """

    vault: VaultRef
    fabric: str = ""


class ProvidersRead(Message):
    """Hosts of a Hyper-V site.

    Attributes:
        at: When Azure answered, by its own clock: how fresh a heartbeat is can only be judged against this.
    """

    providers: tuple[ProviderView, ...]
    at: datetime


READ_ITEMS = Activity("read_items", ReadItems, ItemsRead)
START_VERBS = Activity("start_verbs", StartVerbs, StartsMade)
WATCH_JOBS = Activity("watch_jobs", WatchJobs, JobsWatched)
RESUME_JOBS = Activity("resume_jobs", ResumeJobs, JobsResumed)
READ_PROVIDERS = Activity("read_providers", ReadProviders, ProvidersRead)
BUSY_CODE = "532"
"""ASR's code for "another operation is in progress": the verb was taken and its job failed."""
ABORTED_CODE = "aborted"
"""A verb was not sent, because its run was aborted before that."""
ITEM_BUSY_CODE = "item-busy"
"""A verb was not sent, because something else is being done with the item."""
THROTTLED_CODE = "throttled"
"""A verb was not sent, because the vault throttled one before it."""
NOTHING_TO_DO_CODE = "nothing-to-do"
"""Nothing was sent, because it is done already."""
NOT_READY_CODE = "member-not-ready"
"""A recovery plan was not started, because one of its machines could not take part."""


class RecoveryPlanStarted(StartAnswer):
    """What became of the start of a recovery plan, whose name `vm` is; and the requests that it took."""

    calls: Calls | None = None


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


class PlanActionEnd(Message):
    """What became of an action that a recovery plan did itself; `detail` says why it failed."""

    name: str
    kind: Literal["manual", "runbook", "script"]
    state: Literal["passed", "failed", "skipped"]
    detail: str = ""
    began: datetime | None = None
    ended: datetime | None = None


class RecoveryPlanJobView(Message):
    """How the job of a recovery plan stands.

    Attributes:
        actions: What became of the plan's actions, once it has ended.
        state: "suspended" waits for a person; `waits_for` says for what.
        end: How it ended.
        calls: The requests that it took.
    """

    state: Literal["running", "suspended", "ended"]
    waits_for: str = ""
    children: tuple[ChildJob, ...] = ()
    actions: tuple[PlanActionEnd, ...] = ()
    end: JobEnd | None = None
    calls: Calls | None = None


class ProbeAnswer(Message):
    """What one try of a machine's probes showed.

    Attributes:
        detail: Why it has not passed, for everybody to read.
        output: What the probes answered then, of those whose output the plan wants kept; without secrets.
    """

    vm: str
    passed: bool
    address: str = ""
    detail: str = ""
    output: str = ""


RENAMED_CODE = "28175"
"""ASR's warning that a machine got another name in Azure."""
