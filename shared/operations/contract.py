"""What runs ask of the app itself: its engine, and the publishing of events."""

from datetime import datetime
from typing import Any

from pydantic import Field

from shared.activity import Activity, Nothing
from shared.messages import Message
from shared.operations.lost_runs import LostRun
from shared.operations.run_timeline import RunTimeline


class PublishEvent(Message):
    """Publish a turning point as one CloudEvent; its id makes a second sending recognisable.

    Attributes:
        timeline: Of a run on a plan that has ended, for its spans: no part of the event.
        is_counted: It was tried before, and what it says is in the metrics.
    """

    id: str
    type: str
    subject: str
    at: datetime
    data: dict[str, Any]
    timeline: RunTimeline | None = None
    is_counted: bool = False


class EventPublished(Message):
    """Whether there is a topic to publish to."""

    sent: bool
    detail: str = ""


class ReadEndedRuns(Message):
    """Ask the engine which of these runs have ended, or never were."""

    ids: tuple[str, ...]


class EndedRunsRead(Message):
    """The runs that hold nothing any more."""

    ended: tuple[str, ...]


class StartCleanup(Message):
    """Start the cleanup that is owed, as its obligation says, unless a run of this id exists.

    Attributes:
        table: Key of the table that keeps the obligation.
    """

    id: str
    table: str
    obligation: str


class ReadOutcomes(Message):
    """Ask the engine how runs ended."""

    ids: tuple[str, ...]


class RunEnded(Message):
    """How a run stands.

    Attributes:
        state: living, succeeded, failed, refused or aborted; "gone" when the engine does not know it.
        codes: Of the problems, when it was refused.
    """

    id: str
    state: str
    codes: tuple[str, ...] = ()


class OutcomesRead(Message):
    """One for each run, in order."""

    runs: tuple[RunEnded, ...]


class ReadHolders(Message):
    """Ask which living runs hold any of these VMs.

    Attributes:
        keys: By key of the vault: under which the VMs are leased.
    """

    keys: dict[str, tuple[str, ...]]


class HoldersRead(Message):
    """Ids of the runs that do, and the keys of what they hold of it."""

    runs: tuple[str, ...]
    keys: tuple[str, ...] = ()


class StartRun(Message):
    """Start an operation unless a run of this id exists."""

    id: str
    orchestrator: str
    payload: dict[str, Any]


class PurgeEndedRuns(Message):
    """Have the engine forget runs that ended long ago, and entities that nobody needs any more.

    Attributes:
        keep: Ids of runs that are not forgotten, however old.
    """

    now: datetime
    keep: tuple[str, ...] = ()


class RunsPurged(Message):
    """How many runs were forgotten, and how many entities were asked to; the rest follows the next time."""

    count: int
    entities: int = 0


class ReadLostRuns(Message):
    """Ask which runs did not come to their own end, and are not closed yet."""


class LostRunsRead(Message):
    """Some of the lost runs, and those that were noted as such and that nothing shows any more."""

    runs: tuple[LostRun, ...]
    forgotten: tuple[str, ...] = ()


class CheckSeal(Message):
    """Ask whether the app has sent something to a run.

    Attributes:
        run: To which run it came.
        name: Of the event.
        payload: With its seal.
    """

    run: str
    name: str
    payload: dict[str, Any]


class SealContent(Message):
    """Ask for a seal.

    Attributes:
        target: A run, or the key of an entity.
        name: What it is sealed for.
        digest: Of the content.
        facts: What is sealed with it.
    """

    target: str
    name: str
    digest: str
    facts: dict[str, Any] = Field(default_factory=dict)


class ContentSealed(Message):
    """The seal of a content."""

    seal: str


class CheckBegin(Message):
    """Ask whether the app has started a run, or had it go on in a further generation.

    Attributes:
        run: Its id.
        orchestrator: Its name.
        digest: Of what it was given.
        seal: What came with that as its seal. Sealed with it may be `until`, by when it has to begin; `plan`, which
            remembers how it ended; and `ends`: it only says how it ended, and does nothing any more.
    """

    run: str
    orchestrator: str
    digest: str
    seal: dict[str, Any]


class SealChecked(Message):
    """Whether it is the app's own."""

    is_own: bool


PUBLISH_EVENT = Activity("publish_event", PublishEvent, EventPublished)
START_CLEANUP = Activity("start_cleanup", StartCleanup, Nothing)
READ_OUTCOMES = Activity("read_run_outcomes", ReadOutcomes, OutcomesRead)
READ_HOLDERS = Activity("read_lease_holders", ReadHolders, HoldersRead)
READ_ENDED_RUNS = Activity("read_runs", ReadEndedRuns, EndedRunsRead)
PURGE_ENDED_RUNS = Activity("purge_ended_runs", PurgeEndedRuns, RunsPurged)
START_RUN = Activity("start_run", StartRun, Nothing)
CHECK_SEAL = Activity("check_seal", CheckSeal, SealChecked)
CHECK_BEGIN = Activity("check_begin", CheckBegin, SealChecked)
SEAL_CONTENT = Activity("seal_content", SealContent, ContentSealed)
READ_LOST_RUNS = Activity("read_lost_runs", ReadLostRuns, LostRunsRead)
