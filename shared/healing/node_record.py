"""What is remembered of a node from one repair to the next: its attempts, its pause, its settings. Pure."""

from datetime import datetime, timedelta
from typing import Literal

from shared.arm_ids import key_of, name_of
from shared.backoff import grow_pause
from shared.healing.classifier import CURED_OUTSIDE
from shared.healing.pacing import (
    DEFERRED_AT_MOST,
    DEFERRED_FOR,
    FINDING_STANDS,
    LOOK_AGAIN_AFTER,
    LOOK_AGAIN_AT_MOST,
    PAUSE_AT_MOST,
    PAUSE_FACTOR,
)
from shared.messages import Message
from shared.request_ids import run_id
from shared.sites.nodes import ExtensionView

RepairEnding = Literal["healed", "well", "finding", "deferred", "failed"]
"""well: nothing had to be done; finding: a person has to act; deferred: not now; failed: an attempt did not succeed."""
MOST_LEFT_SCRIPTS = 50
"""More names than a machine takes run commands (25)."""
ANY_SYMPTOM = "*"
"""The symptom that was reported to a person before the timer has seen which one it is."""


class LastRepair(Message):
    """How the last repair of a node ended.

    Attributes:
        rung: The highest rung of the proof that was reached, empty for none.
        changed: Whether the cure had begun to change anything: only then it counts as an attempt.
    """

    run: str
    ending: RepairEnding
    at: datetime
    cause: str = ""
    remedy: str = ""
    rung: str = ""
    changed: bool = False


class NodeRecord(Message):
    """A node over its repairs.

    Attributes:
        episode: How many repairs have ended: names the next one, so that events of one trouble start one repair.
        run: The repair that goes on, empty when there is none.
        attempts: Cures in a row that did not succeed.
        not_before: Pause before the next attempt.
        deferrals: Repairs in a row that did not come to a cure.
        quarantined: Left alone until a person asks for a repair, or until the condition is another one.
        condition: The node's condition in quarantine, empty until the timer has seen it there.
        saved: The extension before it was first uninstalled: its settings are needed if it does not come back.
        symptom: What the timer saw last, and since when.
        reported_symptom: The one that a person was asked to see to: the timer starts no repair for it.
        reported_cause: The last cause that a person was asked to see to, `findings` times in a row.
        left_scripts: Names of run commands that could not be removed: the timer tries again.
        look_again: When the timer looks whether that was done; None where the node's symptom shows it.
    """

    machine_id: str
    node: str = ""
    cluster: str = ""
    episode: int = 0
    run: str = ""
    attempts: int = 0
    deferrals: int = 0
    not_before: datetime | None = None
    quarantined: bool = False
    condition: str = ""
    saved: ExtensionView | None = None
    last: LastRepair | None = None
    symptom: str = ""
    symptom_since: datetime | None = None
    reported_symptom: str = ""
    reported_cause: str = ""
    findings: int = 0
    look_again: datetime | None = None
    left_scripts: tuple[str, ...] = ()


class BeginRepair(Message):
    """A repair wants to begin.

    Attributes:
        ended: Runs that are known to have ended without saying so.
    """

    run: str
    node: str
    cluster: str
    machine_id: str
    ended: tuple[str, ...] = ()


class EndRepair(Message):
    """A repair is over.

    Attributes:
        max_attempts: How many failures in a row end in quarantine.
        pause: Before the second attempt.
    """

    last: LastRepair
    max_attempts: int = 3
    pause: timedelta = timedelta(minutes=15)


class NodeAnswer(Message):
    """What the entity of a node answers.

    Attributes:
        record: The node after what was asked for.
        busy: The repair that is in the way of one that wants to begin; empty when there is none.
    """

    record: NodeRecord
    busy: str = ""


class SymptomNotice(Message):
    """The symptom of a node.

    Attributes:
        symptom: Empty when it looks well, None when it was not looked for: then only its names are noted.
        condition: What else may end a quarantine when it changes, as one text: the extension's state, the agent.
    """

    machine_id: str
    node: str
    cluster: str
    symptom: str | None = None
    condition: str = ""
    at: datetime | None = None


class LeftScripts(Message):
    """Run commands that were left on a node, and those of them that are gone by now."""

    machine_id: str
    left: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


def next_run_id(machine_id: str, record: NodeRecord | None) -> str:
    """Id of the node's next repair: whatever reports the same trouble starts the same run."""
    episode = record.episode if record else 0
    return run_id("repair", name_of(machine_id).lower(), f"{key_of(machine_id)}#{episode}")


def begin_repair(record: NodeRecord | None, request: BeginRepair) -> tuple[NodeRecord, str]:
    """Enter a repair; gives the run that goes on already, empty when the new one may begin."""
    current = record or NodeRecord(machine_id=request.machine_id)
    if current.run and current.run not in {request.run, *request.ended}:
        return current, current.run
    return current.model_copy(update={"run": request.run, "node": request.node, "cluster": request.cluster}), ""


def save_extension(record: NodeRecord, extension: ExtensionView) -> NodeRecord:
    """Keep an extension's settings; those that were kept before a cure that failed are not overwritten by fewer."""
    if record.saved and record.saved.settings and not extension.settings:
        return record
    return record.model_copy(update={"saved": extension})


def end_repair(record: NodeRecord, request: EndRepair) -> NodeRecord:
    """Enter how a repair ended; one that is not the node's own changes nothing.

    One that found nothing to do proves less than the repair that has healed the node, which stays the last one.
    """
    last = request.last
    if record.run != last.run:
        return record
    is_proven = record.last is not None and record.last.ending == "healed"
    kept = record.last if is_proven and last.ending == "well" else last
    ended = record.model_copy(update={"run": "", "episode": record.episode + 1, "last": kept, "reported_symptom": ""})
    match last.ending:
        case "healed" | "well":
            return _well_again(ended)
        case "finding":
            return _with_finding(_with_attempt(ended, request) if last.changed else ended, last)
        case "deferred":
            pause = grow_pause(DEFERRED_FOR, record.deferrals, DEFERRED_AT_MOST)
            return ended.model_copy(update={"deferrals": record.deferrals + 1, "not_before": last.at + pause})
    return _with_attempt(ended, request)


def _well_again(record: NodeRecord) -> NodeRecord:
    fresh = {"attempts": 0, "deferrals": 0, "not_before": None, "quarantined": False, "condition": ""}
    no_finding = {"symptom": "", "symptom_since": None, "reported_cause": "", "findings": 0, "look_again": None}
    return record.model_copy(update={**fresh, **no_finding})


def _with_attempt(record: NodeRecord, request: EndRepair) -> NodeRecord:
    attempts = record.attempts + 1
    pause = grow_pause(request.pause, attempts - 1, max(request.pause, PAUSE_AT_MOST), PAUSE_FACTOR)
    quarantine = {"quarantined": attempts >= request.max_attempts, "condition": ""}
    counted = {"attempts": attempts, "deferrals": 0, "not_before": request.last.at + pause}
    return record.model_copy(update={**quarantine, **counted})


def _with_finding(record: NodeRecord, last: LastRepair) -> NodeRecord:
    findings = record.findings + 1 if record.reported_cause == last.cause else 1
    pause = grow_pause(LOOK_AGAIN_AFTER, findings - 1, LOOK_AGAIN_AT_MOST)
    return record.model_copy(
        update={
            "deferrals": 0,
            "not_before": last.at + FINDING_STANDS,
            "reported_symptom": record.symptom or ANY_SYMPTOM,
            "reported_cause": last.cause,
            "findings": findings,
            "look_again": last.at + pause if last.cause in CURED_OUTSIDE else None,
        }
    )


def record_symptom(record: NodeRecord | None, request: SymptomNotice) -> NodeRecord:
    """Enter what the timer found: a symptom counts from when it was found first."""
    if record and record.cluster and request.symptom is None:
        return record  # what is only a name may come late: a run has looked since
    current = record or NodeRecord(machine_id=request.machine_id)
    current = current.model_copy(update={"node": request.node, "cluster": request.cluster})
    current = _with_condition(current, request)
    if request.symptom in {None, current.symptom}:
        return current
    reported_symptom = current.reported_symptom if current.reported_symptom != ANY_SYMPTOM else request.symptom
    changes = {"symptom": request.symptom, "symptom_since": request.at, "reported_symptom": reported_symptom}
    return current.model_copy(
        update=changes if request.symptom else {"symptom": "", "symptom_since": None, "reported_symptom": ""}
    )


def _with_condition(record: NodeRecord, request: SymptomNotice) -> NodeRecord:
    """End a quarantine when the node is well, or its condition is no longer that in which it was left alone."""
    if not record.quarantined or request.symptom is None:
        return record
    condition = f"{request.symptom}; {request.condition}"
    if request.symptom and record.condition in {"", condition}:
        return record.model_copy(update={"condition": condition})
    return record.model_copy(update={"quarantined": False, "condition": "", "attempts": 0, "not_before": None})


def record_left_scripts(record: NodeRecord | None, request: LeftScripts) -> NodeRecord:
    """Keep the names of run commands that have to be removed, and forget those that were; at most the newest 50."""
    current = record or NodeRecord(machine_id=request.machine_id)
    names = dict.fromkeys((*current.left_scripts, *request.left))
    remaining = tuple(name for name in names if name not in request.removed)
    return current.model_copy(update={"left_scripts": remaining[-MOST_LEFT_SCRIPTS:]})


def is_at_rest(record: NodeRecord) -> bool:
    """Whether nothing stands of a node that its next repair would have to know."""
    return not (record.run or record.quarantined or record.symptom or record.reported_symptom or record.left_scripts)


def why_not_now(record: NodeRecord | None, event_at: datetime) -> str:
    """Why an event of that time starts no repair: "quarantined", "stale", "paused"; empty when it may."""
    if record is None:
        return ""
    if record.quarantined:
        return "quarantined"
    if record.last and event_at <= record.last.at:
        return "stale"
    if record.not_before and event_at < record.not_before:
        return "paused"
    return ""


def is_due(record: NodeRecord, at: datetime, notice_after: timedelta) -> bool:
    """Whether the timer starts a repair of a node that it sees unwell."""
    if not record.symptom or record.run or record.quarantined:
        return False
    if record.reported_symptom == record.symptom:
        return record.look_again is not None and at >= record.look_again
    is_held_back = record.not_before is not None and at < record.not_before
    return not is_held_back and record.symptom_since is not None and at - record.symptom_since >= notice_after
