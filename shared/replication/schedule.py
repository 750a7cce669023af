"""The scheduler of a run on the replication of VMs: what to start, what to watch, and what an answer means. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from shared.errors import Refused
from shared.messages import Message
from shared.replication.settings import (
    Action,
    Copied,
    Machine,
    ReplicationRequest,
    VmSettings,
    VmWish,
    hindrance,
    match,
    pick_disks,
    settings_of,
    wishes,
)
from shared.site_recovery.contract import JobEnd, StartAnswer
from shared.site_recovery.request_budget import Calls
from shared.sites.operation import SiteOperation

CopyState = Literal["waiting", "starting", "running", "restarting", "copying", "done", "kept", "failed"]
"""starting: asked, not yet answered; running: its job runs; restarting: its job shall be done again;
copying: what the job has set off is not over yet."""
BATCH = 50
MOST_RESTARTS = 3
PAUSE_BETWEEN = timedelta(minutes=2)
"""Before a job is done again, and before a busy VM is asked again; twice as long each time."""
MOST_ASKS = 8
"""How often a VM is asked that is busy with something else."""
ABSENT_FOR = timedelta(minutes=15)
"""An item that is not there so long after its job has ended will not come any more (assumed)."""
QUICK, SLOW = timedelta(seconds=30), timedelta(minutes=2)
NOTHING = "nothing-to-do"
PAGE = 100
"""Protected items on a page of their list."""


class Copy(Message):
    """One VM of the run.

    Attributes:
        item_id: ARM id of its protected item, or the one that it is to have.
        actions: What is still to be done, the first is under way.
        attempt: Counts the requests sent on purpose for the action under way.
        restarts: How often its job was done again; `failed_job` is the last that failed.
        since: When the state was entered.
        percent: Of the copy, as last seen.
        changed: Whether this run did anything to it.
    """

    vm: str
    item_id: str = ""
    machine: Machine | None = None
    settings: VmSettings = VmSettings()
    actions: tuple[Action, ...]
    state: CopyState = "waiting"
    attempt: int = 1
    restarts: int = 0
    failed_job: str = ""
    job: str = ""
    since: datetime | None = None
    not_before: datetime | None = None
    percent: int = 0
    changed: bool = False
    code: str = ""
    detail: str = ""
    cause: str = ""
    remedy: str = ""


class CopyRun(Message):
    """Where the whole run stands.

    Attributes:
        initial_copies: How many may be under way at once.
        patience: How long one may be copying.
    """

    items: tuple[Copy, ...]
    policy_id: str = ""
    initial_copies: int = 10
    patience: timedelta = timedelta(days=7)
    began: datetime

    @property
    def over(self) -> bool:
        """Whether nothing is left to do or to wait for."""
        return all(item.state in ENDED for item in self.items)


ENDED: Collection[CopyState] = frozenset({"done", "kept", "failed"})
UNDER_WAY: Collection[CopyState] = frozenset({"starting", "running", "restarting", "copying"})


class Tick(NamedTuple):
    """What to do now.

    Attributes:
        starts: VMs to start their action for, by action, each in one batch.
        restarts: VMs whose job shall be done again.
        jobs: Jobs to watch.
        look: VMs to look at.
        seek: Ids of those whose job was restarted: the work is done by a new job, which is nowhere named.
    """

    starts: Mapping[Action, tuple[str, ...]]
    restarts: tuple[str, ...]
    jobs: tuple[str, ...]
    look: tuple[str, ...]
    seek: tuple[str, ...]


def plan_tick(run: CopyRun, now: datetime) -> Tick:
    """What there is to do: at most one batch of starts, so that the budget of writes is never near its end."""
    due = [item for item in run.items if item.not_before is None or item.not_before <= now]
    under_way = sum(item.state in UNDER_WAY for item in run.items)
    free = max(0, run.initial_copies - under_way)
    again = [item for item in due if item.state == "starting"]
    fresh = [item for item in due if item.state == "waiting"][:free]
    starts: dict[Action, tuple[str, ...]] = {}
    for item in (*again, *fresh)[:BATCH]:
        starts[item.actions[0]] = (*starts.get(item.actions[0], ()), item.vm)
    return Tick(
        starts,
        tuple(item.vm for item in due if item.state == "restarting")[:BATCH],
        tuple(item.job for item in run.items if item.state == "running"),
        tuple(item.vm for item in run.items if item.state == "copying"),
        tuple(item.machine.guid for item in run.items if item.state == "copying" and item.restarts and item.machine),
    )


def cost(run: CopyRun, tick: Tick) -> Calls:
    """The requests that a tick takes at the most: verbs, a job for each that may have ended, and lists."""
    writes = sum(map(len, tick.starts.values())) + len(tick.restarts)
    pages = 1 + len(run.items) // PAGE
    lists = (len(tick.starts) + bool(tick.restarts) + bool(tick.look)) * (1 + pages) + bool(tick.jobs)
    return Calls(reads=lists + len(tick.jobs), writes=writes)


def asked(run: CopyRun, vms: Collection[str], now: datetime) -> CopyRun:
    """Note that these are being started: an answer that is lost leaves them "starting"."""
    return _each(run, lambda item: _enter(item, "starting", now) if item.vm in vms else item)


def started(run: CopyRun, answers: Iterable[StartAnswer], now: datetime, pause: timedelta) -> CopyRun:
    """Take in what became of starts and restarts; `pause` is what the vault asked for while it throttled."""
    said = {answer.vm: answer for answer in answers}
    return _each(run, lambda item: _answered(item, said[item.vm], now, pause) if item.vm in said else item)


def _answered(item: Copy, answer: StartAnswer, now: datetime, pause: timedelta) -> Copy:
    match answer.outcome:
        case "started":
            return _enter(item, "running", now, job=answer.job, changed=True, code="", detail="")
        case "unanswered":
            return item.model_copy(update={"not_before": now + max(pause, QUICK), "detail": answer.detail})
        case "busy" if item.attempt < MOST_ASKS:
            return _later(item, "waiting", now, answer.code, answer.detail)
        case "busy" | "refused":
            if answer.code == NOTHING:
                return _next(item, now)
            return _fail(item, now, answer.code, answer.detail)


def _later(item: Copy, state: CopyState, now: datetime, code: str, detail: str) -> Copy:
    wait = PAUSE_BETWEEN * 2 ** min(item.attempt - 1, 4)
    return _enter(item, state, now, not_before=now + wait, attempt=item.attempt + 1, code=code, detail=detail)


def jobs_ended(run: CopyRun, ends: Iterable[JobEnd], now: datetime) -> CopyRun:
    """Take in jobs that have ended."""
    by_job = {end.job: end for end in ends}
    return _each(
        run,
        lambda item: _ended(item, by_job[item.job], now) if item.state == "running" and item.job in by_job else item,
    )


def _ended(item: Copy, end: JobEnd, now: datetime) -> Copy:
    if end.outcome == "succeeded":
        if item.actions[0] == "update":
            return _next(item, now)
        return _enter(item, "copying", now, detail="; ".join(end.warnings))
    if end.code == "532" and item.attempt < MOST_ASKS:
        return _later(item, "waiting", now, end.code, end.detail)
    if "Restart" in end.allowed_actions and item.restarts < MOST_RESTARTS:
        again = _later(item, "restarting", now, end.code, end.detail)
        told = {"failed_job": item.job, "cause": end.cause, "remedy": end.remedy}
        return again.model_copy(update={"restarts": item.restarts + 1, **told})
    failed = _fail(item, now, end.code or end.state, end.detail or end.state)
    return failed.model_copy(update={"cause": end.cause, "remedy": end.remedy})


def copies_read(run: CopyRun, copies: Iterable[Copied], newest: Mapping[str, str], now: datetime) -> CopyRun:
    """Take in how far the VMs are that are being copied, and the newest job of those that were sought."""
    by_item = {copied.id.lower(): copied for copied in copies}
    return _each(
        run,
        lambda item: _seen(_found(item, newest, now), by_item.get(item.item_id.lower()), run.patience, now),
    )


def _found(item: Copy, newest: Mapping[str, str], now: datetime) -> Copy:
    """Watch the job that a restart has set off, once there is another than the one that failed."""
    job = newest.get(item.machine.guid, "") if item.machine and item.state == "copying" else ""
    return _enter(item, "running", now, job=job) if job not in {"", item.failed_job, item.job} else item


def _seen(item: Copy, copied: Copied | None, patience: timedelta, now: datetime) -> Copy:
    if item.state != "copying":
        return item
    since = item.since or now
    if item.actions[0] == "disable":
        return _next(item, now) if copied is None else _impatient(item, now, since + patience, "it is still there")
    if copied is None:
        return _impatient(item, now, since + ABSENT_FOR, "the vault has no protected item of it any more")
    if copied.is_protected:
        missing = _disks_missing(item, copied)
        item = _progressed(item, copied)
        return _fail(item, now, "disk-not-protected", missing) if missing else _next(item, now)
    if copied.job and copied.scenario == "EnableProtection" and copied.state == "UnprotectedStatesBegin":
        return _enter(item, "running", now, job=copied.job)
    item = _progressed(item, copied)
    return _impatient(item, now, since + patience, f"{copied.state}, {copied.percent} %")


def _disks_missing(item: Copy, copied: Copied) -> str:
    """What to say of disks that are not replicated: a VM is Protected as well when one of them was left out."""
    wanted = item.machine.disks if item.machine and item.actions[0] == "enable" else ()
    there = {disk.lower() for disk in copied.disks}
    missing = [disk.name for disk in wanted if disk.id.lower() not in there]
    return f"{copied.vm} is Protected, but not its disks {', '.join(missing)}" if missing else ""


def _progressed(item: Copy, copied: Copied) -> Copy:
    percent = 100 if copied.is_protected else copied.percent
    return item.model_copy(update={"percent": percent, "detail": copied.trouble})


def _impatient(item: Copy, now: datetime, deadline: datetime, detail: str) -> Copy:
    return item if now < deadline else _fail(item, now, "too-long", f"{item.vm}: {detail}")


def _next(item: Copy, now: datetime) -> Copy:
    """The action is done: on to the next, or to the end."""
    left = item.actions[1:]
    if left:
        return _enter(item, "waiting", now, actions=left, attempt=1, restarts=0, job="", not_before=None)
    cleared = {"code": "", "cause": "", "remedy": "", "job": "", "not_before": None}
    return _enter(item, "done" if item.changed else "kept", now, **cleared)


def _fail(item: Copy, now: datetime, code: str, detail: str) -> Copy:
    return _enter(item, "failed", now, code=code, detail=detail)


def _enter(item: Copy, state: CopyState, now: datetime, **changes: Any) -> Copy:
    return item.model_copy(update={"state": state, "since": now, **changes})


def _each(run: CopyRun, change: Any) -> CopyRun:
    return run.model_copy(update={"items": tuple(change(item) for item in run.items)})


def pause(run: CopyRun, now: datetime) -> timedelta:
    """How long to wait: while jobs run they decide, a copy alone takes hours; never past what is due."""
    usual = SLOW if all(item.state in {*ENDED, "copying"} for item in run.items) else QUICK
    due = [item.not_before - now for item in run.items if item.not_before and item.state in {"waiting", "restarting"}]
    ahead = [span for span in due if span > timedelta(0)]
    idle = all(item.state in {*ENDED, "waiting", "restarting"} for item in run.items)
    return max(QUICK, min(ahead)) if idle and ahead else usual


def _pace(item: Copy, now: datetime) -> timedelta | None:
    """How long the whole copy of a VM takes, judged by its part so far; None when that says nothing yet."""
    if item.state != "copying" or item.since is None or not 0 < item.percent < 100:
        return None
    return (now - item.since) * 100 / item.percent


def time_left(item: Copy, now: datetime) -> timedelta | None:
    """Until a VM is copied, None when nobody can say."""
    pace = _pace(item, now)
    return None if pace is None else pace * (100 - item.percent) / 100


def eta(run: CopyRun, now: datetime) -> datetime | None:
    """When all will be copied: those under way at their own pace, those that wait at the average of these."""
    left = [span for item in run.items if (span := time_left(item, now)) is not None]
    paces = [span for item in run.items if (span := _pace(item, now)) is not None]
    if not left:
        return None
    waiting = sum(item.state in {"waiting", "starting", "running"} for item in run.items)
    rounds = -(-waiting // run.initial_copies)
    return now + max(left) + rounds * (sum(paces, timedelta(0)) / len(paces))


LETTERS: Mapping[CopyState, str] = {
    "waiting": "w",
    "starting": "s",
    "running": "r",
    "restarting": "x",
    "copying": "c",
    "done": "d",
    "kept": "k",
    "failed": "f",
}
"""One letter a VM in the custom status."""
STATE_OF: Mapping[str, CopyState] = {letter: state for state, letter in LETTERS.items()}
SHOWN = 8
UNKNOWN = "---"


def summary(run: CopyRun, now: datetime) -> dict[str, Any]:
    """The custom status: a letter, the per cent and the minutes left of each VM; 1,000 VMs take 12 kB of the 16.

    Without the minutes of more than those, and without the per cents of more than 2,000.
    """
    counts = Counter(item.state for item in run.items)
    expected = eta(run, now)
    return {
        "phase": _phase(counts),
        "codes": "".join(LETTERS[item.state] for item in run.items),
        "percents": "".join(f"{min(item.percent, 99):02d}" for item in run.items) if len(run.items) <= 2000 else "",
        "minutes": "".join(_minutes(time_left(item, now)) for item in run.items) if len(run.items) <= 1000 else "",
        "done": counts["done"] + counts["kept"],
        "eta": expected.isoformat() if expected else "",
        "waitingFor": ", ".join(_waiting_for(run.items)),
        "problems": [f"{i.vm}: {i.detail}"[:160] for i in run.items if i.state == "failed"][:SHOWN],
        "at": now.isoformat(),
    }


def _phase(counts: Mapping[CopyState, int]) -> str:
    return "Copying" if counts["copying"] else "Working" if any(counts[state] for state in UNDER_WAY) else "Waiting"


def _waiting_for(items: Sequence[Copy]) -> Iterator[str]:
    words: Mapping[CopyState, str] = {"starting": "answers for", "running": "jobs of", "copying": "copies of"}
    for state, word in words.items():
        names = [item.vm for item in items if item.state == state]
        if names:
            more = f" and {len(names) - 4} more" if len(names) > 4 else ""
            yield f"{word} {', '.join(names[:4])}{more}"


def _minutes(left: timedelta | None) -> str:
    """Three characters of base 36: up to 32 days."""
    if left is None:
        return UNKNOWN
    count, text = min(int(left.total_seconds() // 60), 36**3 - 1), ""
    for _ in range(3):
        count, digit = divmod(count, 36)
        text = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + text
    return text


def read_minutes(text: str) -> timedelta | None:
    """The time left behind three such characters."""
    return None if text == UNKNOWN else timedelta(minutes=int(text, 36))


class ReplicationOrder(SiteOperation):
    """Do something with the replication of VMs; `run` is None until it was admitted."""

    request: ReplicationRequest
    run: CopyRun | None = None


def begin(order: ReplicationOrder, machines: Sequence[Machine], policy_id: str, now: datetime) -> CopyRun:
    """The run over all VMs that are meant; one that is not there, or cannot be protected, is given up at once."""
    items = (_opened(order, wish, machines, now) for wish in wishes(order.request, order.document, machines))
    return CopyRun(
        items=tuple({item.vm.lower(): item for item in items}.values()),
        policy_id=policy_id,
        initial_copies=order.request.initial_copies if order.request.action == "enable" else BATCH,
        patience=order.request.patience,
        began=now,
    )


def _opened(order: ReplicationOrder, wish: VmWish, machines: Sequence[Machine], now: datetime) -> Copy:
    settings = settings_of(wish, order.request, order.document)
    actions: tuple[Action, ...] = (order.request.action,)
    if order.request.action == "enable" and settings.needs_update:
        actions = ("enable", "update")
    copy = Copy(vm=wish.vm, settings=settings, actions=actions)
    try:
        machine = match(wish, machines)
        copy = copy.model_copy(update={"vm": machine.vm, "item_id": machine.item_id or _new_item(machine)})
        if order.request.action == "enable" and not machine.item_id:
            hindrance(machine, settings)
            machine = pick_disks(machine, settings)
        return copy.model_copy(update={"machine": machine})
    except Refused as no:
        return _fail(copy, now, no.code, no.detail)


def _new_item(machine: Machine) -> str:
    """ARM id of the item that the machine will have: it is named after the machine's own id."""
    return f"{machine.id.rpartition('/replicationProtectableItems/')[0]}/replicationProtectedItems/{machine.guid}"


def adopt(run: CopyRun, copies: Iterable[Copied], now: datetime) -> CopyRun:
    """Follow what replicates already: another run, or a person in the portal, may have enabled it."""
    by_item = {copied.id.lower(): copied for copied in copies}

    def look(item: Copy) -> Copy:
        copied = by_item.get(item.item_id.lower())
        if item.state != "waiting" or item.actions[0] != "enable" or copied is None:
            return item
        return _next(item, now) if copied.is_protected else _enter(item, "copying", now, percent=copied.percent)

    return _each(run, look)


def shown(item: Copy) -> dict[str, Any]:
    """A VM as people read it."""
    told = item.model_dump(mode="json", include={"vm", "state", "percent", "job", "code", "detail", "cause", "remedy"})
    return {**told, "action": item.actions[0]}
