"""What runs ask of the app itself: its engine, its book, its evidence, and who is told."""

from datetime import datetime
from typing import Any

from activities.contract import Activity, Nothing
from shared.evidence.records import Entry
from shared.messages import Message


class Publish(Message):
    """Tell the world of a turning point, as one CloudEvent; its id makes a second sending recognisable."""

    id: str
    type: str
    subject: str
    at: datetime
    data: dict[str, Any]


class Published(Message):
    """Whether there was anyone to tell."""

    sent: bool
    detail: str = ""


class WriteRecords(Message):
    """Append entries to a run's evidence.

    Attributes:
        pack: Id of the run.
        count: Records that the pack has already.
        head: Digest of the newest of them.
    """

    pack: str
    count: int
    head: str
    entries: tuple[Entry, ...]


class RecordsWritten(Message):
    """How far the pack has come; not kept: there is no store."""

    count: int
    head: str
    kept: bool = True


class SealPack(Message):
    """Close a run's evidence with a manifest.

    Attributes:
        facts: What the manifest says besides: when and how the run ended, the plan's digest.
    """

    pack: str
    head: str
    facts: dict[str, Any]


class PackSealed(Message):
    """Digests to hold the pack against: of its newest record and of its manifest."""

    head: str = ""
    records: int = 0
    manifest: str = ""
    kept: bool = True


class ReadRuns(Message):
    """Ask the engine which of these runs have ended, or never were."""

    ids: tuple[str, ...]


class RunsRead(Message):
    """The runs that hold nothing any more."""

    ended: tuple[str, ...]


class RunHook(Message):
    """Ask somebody over HTTP, at a moment of a drill.

    Attributes:
        moment: "before", "after" or "after-cleanup".
        id: The same for each try: whoever is asked can tell a second time by it.
    """

    id: str
    url: str
    moment: str
    operation: str
    plan: str
    state: str


class HookRan(Message):
    """What was answered.

    Attributes:
        status: Of HTTP; for a script its exit code.
        detail: One line for people.
        again: The answer may be another one later.
        output: What a script or a runbook wrote, its end, without secrets.
    """

    passed: bool
    status: int = 0
    detail: str = ""
    again: bool = False
    output: str = ""


class StartCleanup(Message):
    """Start the cleanup that is owed for a plan, as its obligation says, unless a run of this id exists."""

    id: str
    plan: str


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
    """Ids of the runs that do."""

    runs: tuple[str, ...]


class ReadBook(Message):
    """Read all that is declared: the timers' only view of it."""


class Declared(Message):
    """A declared document as its entity keeps it."""

    name: str
    document: dict[str, Any]
    declared: datetime


class Tracked(Message):
    """What is remembered of a plan, as its entity keeps it, with no more of the past than its newest good drill."""

    name: str
    track: dict[str, Any]


class BookRead(Message):
    """Sites and plans by name, what is owed, and what is remembered of the plans' drills."""

    sites: tuple[Declared, ...]
    plans: tuple[Declared, ...]
    obligations: tuple[dict[str, Any], ...]
    tracks: tuple[Tracked, ...] = ()


class StartRun(Message):
    """Start an operation unless a run of this id exists."""

    id: str
    orchestrator: str
    payload: dict[str, Any]


PUBLISH = Activity("publish", Publish, Published)
WRITE_RECORDS = Activity("write_records", WriteRecords, RecordsWritten)
SEAL_PACK = Activity("seal_pack", SealPack, PackSealed)
RUN_HOOK = Activity("run_hook", RunHook, HookRan)
START_CLEANUP = Activity("start_cleanup", StartCleanup, Nothing)
READ_OUTCOMES = Activity("read_outcomes", ReadOutcomes, OutcomesRead)
READ_HOLDERS = Activity("read_holders", ReadHolders, HoldersRead)
READ_RUNS = Activity("read_runs", ReadRuns, RunsRead)
READ_BOOK = Activity("read_book", ReadBook, BookRead)
START_RUN = Activity("start_run", StartRun, Nothing)
