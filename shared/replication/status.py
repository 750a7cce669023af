"""How a run on the replication of VMs stands, for people: how long it takes yet, and its custom status. Pure."""

from collections import Counter
from datetime import datetime, timedelta
from typing import NamedTuple

from shared.messages import Document
from shared.obstacle import Obstacle
from shared.replication.run import UNDER_WAY, ReplicationRun, ReplicationRunItem, ReplicationState, failure_of
from shared.wording import list_briefly


def copy_duration(item: ReplicationRunItem, now: datetime) -> timedelta | None:
    """How long the whole copy of a VM takes, judged by its part so far; None when that says nothing yet."""
    if item.state != "copying" or item.since is None or not 0 < item.percent < 100:
        return None
    return (now - item.since) * 100 / item.percent


def time_left(item: ReplicationRunItem, now: datetime) -> timedelta | None:
    """Until a VM is copied, None when nobody can say."""
    duration = copy_duration(item, now)
    return None if duration is None else duration * (100 - item.percent) / 100


def expected_end(run: ReplicationRun, now: datetime) -> datetime | None:
    """When all will be copied: those under way at their own pace, those that wait at the average of these."""
    left = [span for item in run.items if (span := time_left(item, now)) is not None]
    durations = [span for item in run.items if (span := copy_duration(item, now)) is not None]
    if not left:
        return None
    waiting = sum(item.state in {"waiting", "starting", "running"} for item in run.items)
    rounds = -(-waiting // run.initial_copies)
    return now + max(left) + rounds * (sum(durations, timedelta(0)) / len(durations))


STATE_LETTERS: dict[ReplicationState, str] = {
    "waiting": "w",
    "starting": "s",
    "running": "r",
    "restarting": "x",
    "copying": "c",
    "done": "d",
    "kept": "k",
    "failed": "f",
}
STATE_OF: dict[str, ReplicationState] = {letter: state for state, letter in STATE_LETTERS.items()}
MOST_PROBLEMS, MOST_MINUTES, MOST_PERCENTS = 8, 1000, 2000


class VmProgress(NamedTuple):
    """Where one VM stands; None for what the status leaves out, or nobody can say."""

    state: ReplicationState
    percent: int | None
    time_left: timedelta | None


class ReplicationStatus(Document):
    """The custom status of a run: 1,000 VMs take 13 kB of the 16 that the engine keeps.

    What is said of each VM is packed: `progress_of_vms` unpacks it.

    Attributes:
        codes: A letter for the state of each VM, in the order of the run.
        percents: Two digits for each; empty where there are too many VMs.
        minutes: The minutes that the copy of each takes yet, with commas between; empty where there are too many VMs.
        done: How many VMs have ended well.
        eta: When all will be copied, as ISO 8601; empty when nobody can say.
    """

    phase: str
    codes: str
    percents: str
    minutes: str
    done: int
    eta: str
    waiting_for: str
    problems: tuple[Obstacle, ...]
    at: datetime

    def progress_of_vms(self) -> tuple[VmProgress, ...]:
        """Where each VM of the run stands."""
        percents = [int(self.percents[at : at + 2]) for at in range(0, len(self.percents), 2)]
        minutes = [timedelta(minutes=int(text)) if text else None for text in self.minutes.split(",")]
        return tuple(
            VmProgress(STATE_OF[code], percents[at] if percents else None, minutes[at] if self.minutes else None)
            for at, code in enumerate(self.codes)
        )


def waiting_status(waiting_for: str, now: datetime) -> ReplicationStatus:
    """The custom status of a run that has not begun: it waits for what it needs to know."""
    return ReplicationStatus(
        phase="Waiting",
        codes="",
        percents="",
        minutes="",
        done=0,
        eta="",
        waiting_for=waiting_for,
        problems=(),
        at=now,
    )


def replication_status(run: ReplicationRun, now: datetime) -> ReplicationStatus:
    """The custom status of a run as it stands now."""
    counts = Counter(item.state for item in run.items)
    is_working = any(counts[state] for state in UNDER_WAY)
    phrases: dict[ReplicationState, str] = {"starting": "answers for", "running": "jobs of", "copying": "copies of"}
    waiting_for = (
        f"{phrase} {list_briefly([item.vm for item in run.items if item.state == state])}"
        for state, phrase in phrases.items()
        if counts[state]
    )
    end, spans = expected_end(run, now), (time_left(item, now) for item in run.items)
    minutes = ("" if span is None else str(span // timedelta(minutes=1)) for span in spans)
    failed = [failure_of(item) for item in run.items if item.state == "failed"]
    return ReplicationStatus(
        phase="Copying" if counts["copying"] else "Working" if is_working else "Waiting",
        codes="".join(STATE_LETTERS[item.state] for item in run.items),
        percents="".join(f"{min(item.percent, 99):02d}" for item in run.items if len(run.items) <= MOST_PERCENTS),
        minutes=",".join(minutes) if len(run.items) <= MOST_MINUTES else "",
        done=counts["done"] + counts["kept"],
        eta=end.isoformat() if end else "",
        waiting_for=", ".join(waiting_for),
        problems=tuple(failed[:MOST_PROBLEMS]),
        at=now,
    )
