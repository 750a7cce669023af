"""The app's other runs, as the engine lists and starts them, and the events that it publishes."""

from dataclasses import dataclass, field

from shared.activity import Nothing
from shared.errors import Transient
from shared.operations.contract import (
    CheckSeal,
    EndedRunsRead,
    EventPublished,
    HoldersRead,
    LostRunsRead,
    OutcomesRead,
    PublishEvent,
    PurgeEndedRuns,
    ReadEndedRuns,
    ReadHolders,
    ReadLostRuns,
    ReadOutcomes,
    RunEnded,
    RunsPurged,
    SealChecked,
    StartCleanup,
    StartRun,
)
from shared.operations.lost_runs import LostRun
from shared.operations.seals import has_seal
from tests.seals import SEAL_KEY


@dataclass
class Runs:
    """Stands for the durable engine's list of runs and the topic of events.

    Attributes:
        ended: Ids of the runs that have ended.
        holders: The runs that hold a plan's machines.
        outcome: Of each run that is asked for.
        started: Runs that were asked for, in order, as often as they were asked for.
        cleanups: The same for cleanups.
        purges: What was asked for to be forgotten, in order.
        published: Events that were published, in order, as often as that was tried.
        is_topic_away: Whether none of them is taken.
        lost: Runs that the engine has ended; `forgotten`: those that nothing shows any more.
    """

    ended: set[str] = field(default_factory=set)
    is_topic_away: bool = False
    holders: tuple[str, ...] = ()
    outcome: str = "living"
    started: list[StartRun] = field(default_factory=list)
    cleanups: list[StartCleanup] = field(default_factory=list)
    purges: list[PurgeEndedRuns] = field(default_factory=list)
    published: list[PublishEvent] = field(default_factory=list)
    lost: list[LostRun] = field(default_factory=list)
    forgotten: tuple[str, ...] = ()

    def check_seal(self, ask: CheckSeal) -> SealChecked:
        return SealChecked(is_own=has_seal((SEAL_KEY,), ask.run, ask.name, ask.payload))

    def read_ended(self, ask: ReadEndedRuns) -> EndedRunsRead:
        return EndedRunsRead(ended=tuple(run for run in ask.ids if run in self.ended))

    def read_holders(self, ask: ReadHolders) -> HoldersRead:
        keys = [key for some in ask.keys.values() for key in some] if self.holders else []
        return HoldersRead(runs=self.holders, keys=tuple(keys))

    def read_outcomes(self, ask: ReadOutcomes) -> OutcomesRead:
        return OutcomesRead(runs=tuple(RunEnded(id=run, state=self.outcome) for run in ask.ids))

    def purge_ended_runs(self, ask: PurgeEndedRuns) -> RunsPurged:
        self.purges.append(ask)
        return RunsPurged(count=0)

    def read_lost_runs(self, _ask: ReadLostRuns) -> LostRunsRead:
        return LostRunsRead(runs=tuple(self.lost), forgotten=self.forgotten)

    def start_run(self, ask: StartRun) -> Nothing:
        self.started.append(ask)
        return Nothing()

    def start_cleanup(self, ask: StartCleanup) -> Nothing:
        self.cleanups.append(ask)
        return Nothing()

    def publish_event(self, ask: PublishEvent) -> EventPublished:
        self.published.append(ask)
        if self.is_topic_away:
            raise Transient("the topic does not answer")
        return EventPublished(sent=True)

    def list_event_types(self) -> list[str]:
        return [event.type for event in self.published]
