"""The scheduler of a run on the replication of VMs: what to start, what to watch, and what an answer means. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from shared.arm_ids import split_at
from shared.errors import Refused
from shared.messages import Message
from shared.replication.settings import (
    ProtectableItem,
    ReplicatedItem,
    ReplicationAction,
    ReplicationRequest,
    VmRequest,
    VmSettings,
    find_protectable_item,
    pick_disks,
    requested_vms,
    require_protectable,
    settings_of_vm,
)
from shared.site_recovery.contract import BUSY_CODE, NOTHING_TO_DO_CODE, JobEnd, StartAnswer
from shared.site_recovery.request_budget import Calls
from shared.sites.operation import SiteOperation

ReplicationState = Literal["waiting", "starting", "running", "restarting", "copying", "done", "kept", "failed"]
"""starting: asked, not yet answered; running: its job runs; restarting: its job shall be done again;
copying: what the job has set off is not over yet."""
BATCH = 50
MOST_RESTARTS = 3
RETRY_PAUSE = timedelta(minutes=2)
"""Before a job is done again, and before a busy VM is asked again; twice as long each time."""
MOST_ATTEMPTS = 8
"""How often a VM is asked that is busy with something else."""
ABSENT_FOR = timedelta(minutes=15)
"""An item that is not there so long after its job has ended will not come any more (assumed)."""
QUICK_POLL, SLOW_POLL = timedelta(seconds=30), timedelta(minutes=2)
ITEMS_PER_PAGE = 100
"""Protected items on a page of their list."""


class ReplicationRunItem(Message):
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
    machine: ProtectableItem | None = None
    settings: VmSettings = VmSettings()
    actions: tuple[ReplicationAction, ...]
    state: ReplicationState = "waiting"
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


class ReplicationRun(Message):
    """Where the whole run stands.

    Attributes:
        initial_copies: How many may be under way at once.
        patience: How long one may be copying.
    """

    items: tuple[ReplicationRunItem, ...]
    policy_id: str = ""
    initial_copies: int = 10
    patience: timedelta = timedelta(days=7)
    began: datetime

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do or to wait for."""
        return all(item.state in ENDED for item in self.items)


ENDED: Collection[ReplicationState] = frozenset({"done", "kept", "failed"})
UNDER_WAY: Collection[ReplicationState] = frozenset({"starting", "running", "restarting", "copying"})


class ReplicationTick(NamedTuple):
    """What to do now.

    Attributes:
        starts: VMs to start their action for, by action, each in one batch.
        restarts: VMs whose job shall be done again.
        jobs: Jobs to watch.
        copying: VMs to look at.
        restarted: Ids of those whose job was restarted: the work is done by a new job, which is nowhere named.
    """

    starts: Mapping[ReplicationAction, tuple[str, ...]]
    restarts: tuple[str, ...]
    jobs: tuple[str, ...]
    copying: tuple[str, ...]
    restarted: tuple[str, ...]


def plan_tick(run: ReplicationRun, now: datetime) -> ReplicationTick:
    """What there is to do: at most one batch of starts, so that the budget of writes is never near its end."""
    due = [item for item in run.items if item.not_before is None or item.not_before <= now]
    under_way = sum(item.state in UNDER_WAY for item in run.items)
    free = max(0, run.initial_copies - under_way)
    again = [item for item in due if item.state == "starting"]
    fresh = [item for item in due if item.state == "waiting"][:free]
    starts: dict[ReplicationAction, tuple[str, ...]] = {}
    for item in (*again, *fresh)[:BATCH]:
        starts[item.actions[0]] = (*starts.get(item.actions[0], ()), item.vm)
    return ReplicationTick(
        starts,
        tuple(item.vm for item in due if item.state == "restarting")[:BATCH],
        tuple(item.job for item in run.items if item.state == "running"),
        tuple(item.vm for item in run.items if item.state == "copying"),
        tuple(item.machine.guid for item in run.items if item.state == "copying" and item.restarts and item.machine),
    )


def tick_cost(run: ReplicationRun, tick: ReplicationTick) -> Calls:
    """The requests that a tick takes at the most: verbs, a job for each that may have ended, and lists."""
    writes = sum(map(len, tick.starts.values())) + len(tick.restarts)
    pages = 1 + len(run.items) // ITEMS_PER_PAGE
    lists = (len(tick.starts) + bool(tick.restarts) + bool(tick.copying)) * (1 + pages) + bool(tick.jobs)
    return Calls(reads=lists + len(tick.jobs), writes=writes)


def mark_starting(run: ReplicationRun, vms: Collection[str], now: datetime) -> ReplicationRun:
    """Note that these are being started: an answer that is lost leaves them "starting"."""
    return _map_items(run, lambda item: _enter_state(item, "starting", now) if item.vm in vms else item)


def with_start_answers(
    run: ReplicationRun, answers: Iterable[StartAnswer], now: datetime, retry_after: timedelta
) -> ReplicationRun:
    """Take in what became of starts and restarts; `retry_after` is what the vault asked for while it throttled."""
    answer_by_vm = {answer.vm: answer for answer in answers}
    return _map_items(
        run,
        lambda item: _with_answer(item, answer_by_vm[item.vm], now, retry_after) if item.vm in answer_by_vm else item,
    )


def _with_answer(
    item: ReplicationRunItem, answer: StartAnswer, now: datetime, retry_after: timedelta
) -> ReplicationRunItem:
    match answer.outcome:
        case "started":
            return _enter_state(item, "running", now, job=answer.job, changed=True, code="", detail="")
        case "unanswered":
            return item.model_copy(update={"not_before": now + max(retry_after, QUICK_POLL), "detail": answer.detail})
        case "busy" if item.attempt < MOST_ATTEMPTS:
            return _retry_later(item, "waiting", now, answer.code, answer.detail)
        case "busy" | "refused":
            if answer.code == NOTHING_TO_DO_CODE:
                return _next_action(item, now)
            return _mark_failed(item, now, answer.code, answer.detail)


def _retry_later(
    item: ReplicationRunItem, state: ReplicationState, now: datetime, code: str, detail: str
) -> ReplicationRunItem:
    wait = RETRY_PAUSE * 2 ** min(item.attempt - 1, 4)
    return _enter_state(item, state, now, not_before=now + wait, attempt=item.attempt + 1, code=code, detail=detail)


def with_jobs_ended(run: ReplicationRun, ends: Iterable[JobEnd], now: datetime) -> ReplicationRun:
    """Take in jobs that have ended."""
    by_job = {end.job: end for end in ends}
    return _map_items(
        run,
        lambda item: (
            _with_job_end(item, by_job[item.job], now) if item.state == "running" and item.job in by_job else item
        ),
    )


def _with_job_end(item: ReplicationRunItem, end: JobEnd, now: datetime) -> ReplicationRunItem:
    if end.outcome == "succeeded":
        if item.actions[0] == "update":
            return _next_action(item, now)
        return _enter_state(item, "copying", now, detail="; ".join(end.warnings))
    if end.code == BUSY_CODE and item.attempt < MOST_ATTEMPTS:
        return _retry_later(item, "waiting", now, end.code, end.detail)
    if "Restart" in end.allowed_actions and item.restarts < MOST_RESTARTS:
        again = _retry_later(item, "restarting", now, end.code, end.detail)
        failure = {"failed_job": item.job, "cause": end.cause, "remedy": end.remedy}
        return again.model_copy(update={"restarts": item.restarts + 1, **failure})
    failed = _mark_failed(item, now, end.code or end.state, end.detail or end.state)
    return failed.model_copy(update={"cause": end.cause, "remedy": end.remedy})


def with_replicated_items(
    run: ReplicationRun, items: Iterable[ReplicatedItem], newest_jobs: Mapping[str, str], now: datetime
) -> ReplicationRun:
    """Take in how far the VMs are that are being copied, and the newest job of those that were sought."""
    by_item = {copied.id.lower(): copied for copied in items}
    return _map_items(
        run,
        lambda item: _with_replicated_item(
            _follow_restart(item, newest_jobs, now), by_item.get(item.item_id.lower()), run.patience, now
        ),
    )


def _follow_restart(item: ReplicationRunItem, newest_jobs: Mapping[str, str], now: datetime) -> ReplicationRunItem:
    """Watch the job that a restart has set off, once there is another than the one that failed."""
    job = newest_jobs.get(item.machine.guid, "") if item.machine and item.state == "copying" else ""
    return _enter_state(item, "running", now, job=job) if job not in {"", item.failed_job, item.job} else item


def _with_replicated_item(
    item: ReplicationRunItem, replicated: ReplicatedItem | None, patience: timedelta, now: datetime
) -> ReplicationRunItem:
    if item.state != "copying":
        return item
    since = item.since or now
    if item.actions[0] == "disable":
        return (
            _next_action(item, now)
            if replicated is None
            else _fail_if_late(item, now, since + patience, "it is still there")
        )
    if replicated is None:
        return _fail_if_late(item, now, since + ABSENT_FOR, "the vault has no protected item of it any more")
    if replicated.is_protected:
        missing = _describe_missing_disks(item, replicated)
        item = _with_progress(item, replicated)
        return _mark_failed(item, now, "disk-not-protected", missing) if missing else _next_action(item, now)
    if replicated.job and replicated.scenario == "EnableProtection" and replicated.state == "UnprotectedStatesBegin":
        return _enter_state(item, "running", now, job=replicated.job)
    item = _with_progress(item, replicated)
    return _fail_if_late(item, now, since + patience, f"{replicated.state}, {replicated.percent} %")


def _describe_missing_disks(item: ReplicationRunItem, replicated: ReplicatedItem) -> str:
    """What to say of disks that are not replicated: a VM is Protected as well when one of them was left out."""
    wanted = item.machine.disks if item.machine and item.actions[0] == "enable" else ()
    replicated_ids = {disk.lower() for disk in replicated.disks}
    missing = [disk.name for disk in wanted if disk.id.lower() not in replicated_ids]
    return f"{replicated.vm} is Protected, but not its disks {', '.join(missing)}" if missing else ""


def _with_progress(item: ReplicationRunItem, replicated: ReplicatedItem) -> ReplicationRunItem:
    percent = 100 if replicated.is_protected else replicated.percent
    return item.model_copy(update={"percent": percent, "detail": replicated.health_error})


def _fail_if_late(item: ReplicationRunItem, now: datetime, deadline: datetime, detail: str) -> ReplicationRunItem:
    return item if now < deadline else _mark_failed(item, now, "too-long", f"{item.vm}: {detail}")


def _next_action(item: ReplicationRunItem, now: datetime) -> ReplicationRunItem:
    """The action is done: on to the next, or to the end."""
    left = item.actions[1:]
    if left:
        return _enter_state(item, "waiting", now, actions=left, attempt=1, restarts=0, job="", not_before=None)
    cleared = {"code": "", "cause": "", "remedy": "", "job": "", "not_before": None}
    return _enter_state(item, "done" if item.changed else "kept", now, **cleared)


def _mark_failed(item: ReplicationRunItem, now: datetime, code: str, detail: str) -> ReplicationRunItem:
    return _enter_state(item, "failed", now, code=code, detail=detail)


def _enter_state(
    item: ReplicationRunItem, state: ReplicationState, now: datetime, **changes: Any
) -> ReplicationRunItem:
    return item.model_copy(update={"state": state, "since": now, **changes})


def _map_items(run: ReplicationRun, change: Any) -> ReplicationRun:
    return run.model_copy(update={"items": tuple(change(item) for item in run.items)})


def time_to_next_tick(run: ReplicationRun, now: datetime) -> timedelta:
    """How long to wait: while jobs run they decide, a copy alone takes hours; never past what is due."""
    usual = SLOW_POLL if all(item.state in {*ENDED, "copying"} for item in run.items) else QUICK_POLL
    due = [item.not_before - now for item in run.items if item.not_before and item.state in {"waiting", "restarting"}]
    ahead = [span for span in due if span > timedelta(0)]
    idle = all(item.state in {*ENDED, "waiting", "restarting"} for item in run.items)
    return max(QUICK_POLL, min(ahead)) if idle and ahead else usual


def _estimate_duration(item: ReplicationRunItem, now: datetime) -> timedelta | None:
    """How long the whole copy of a VM takes, judged by its part so far; None when that says nothing yet."""
    if item.state != "copying" or item.since is None or not 0 < item.percent < 100:
        return None
    return (now - item.since) * 100 / item.percent


def time_left(item: ReplicationRunItem, now: datetime) -> timedelta | None:
    """Until a VM is copied, None when nobody can say."""
    duration = _estimate_duration(item, now)
    return None if duration is None else duration * (100 - item.percent) / 100


def expected_end(run: ReplicationRun, now: datetime) -> datetime | None:
    """When all will be copied: those under way at their own pace, those that wait at the average of these."""
    left = [span for item in run.items if (span := time_left(item, now)) is not None]
    durations = [span for item in run.items if (span := _estimate_duration(item, now)) is not None]
    if not left:
        return None
    waiting = sum(item.state in {"waiting", "starting", "running"} for item in run.items)
    rounds = -(-waiting // run.initial_copies)
    return now + max(left) + rounds * (sum(durations, timedelta(0)) / len(durations))


STATE_LETTERS: Mapping[ReplicationState, str] = {
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
STATE_OF: Mapping[str, ReplicationState] = {letter: state for state, letter in STATE_LETTERS.items()}
MOST_PROBLEMS = 8
UNKNOWN_MINUTES = "---"


def replication_status(run: ReplicationRun, now: datetime) -> dict[str, Any]:
    """The custom status: a letter, the per cent and the minutes left of each VM; 1,000 VMs take 12 kB of the 16.

    Without the minutes of more than those, and without the per cents of more than 2,000.
    """
    counts = Counter(item.state for item in run.items)
    end = expected_end(run, now)
    return {
        "phase": _phase_of(counts),
        "codes": "".join(STATE_LETTERS[item.state] for item in run.items),
        "percents": "".join(f"{min(item.percent, 99):02d}" for item in run.items) if len(run.items) <= 2000 else "",
        "minutes": "".join(_encode_minutes(time_left(item, now)) for item in run.items)
        if len(run.items) <= 1000
        else "",
        "done": counts["done"] + counts["kept"],
        "eta": end.isoformat() if end else "",
        "waitingFor": ", ".join(_waiting_for(run.items)),
        "problems": [f"{i.vm}: {i.detail}"[:160] for i in run.items if i.state == "failed"][:MOST_PROBLEMS],
        "at": now.isoformat(),
    }


def _phase_of(counts: Mapping[ReplicationState, int]) -> str:
    return "Copying" if counts["copying"] else "Working" if any(counts[state] for state in UNDER_WAY) else "Waiting"


def _waiting_for(items: Sequence[ReplicationRunItem]) -> Iterator[str]:
    phrases: Mapping[ReplicationState, str] = {"starting": "answers for", "running": "jobs of", "copying": "copies of"}
    for state, phrase in phrases.items():
        names = [item.vm for item in items if item.state == state]
        if names:
            more = f" and {len(names) - 4} more" if len(names) > 4 else ""
            yield f"{phrase} {', '.join(names[:4])}{more}"


def _encode_minutes(left: timedelta | None) -> str:
    """Three characters of base 36: up to 32 days."""
    if left is None:
        return UNKNOWN_MINUTES
    count, text = min(int(left.total_seconds() // 60), 36**3 - 1), ""
    for _ in range(3):
        count, digit = divmod(count, 36)
        text = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + text
    return text


def decode_minutes(text: str) -> timedelta | None:
    """The time left behind three such characters."""
    return None if text == UNKNOWN_MINUTES else timedelta(minutes=int(text, 36))


class ReplicationOrder(SiteOperation):
    """Do something with the replication of VMs; `run` is None until it was admitted."""

    request: ReplicationRequest
    run: ReplicationRun | None = None


def open_run(
    order: ReplicationOrder, machines: Sequence[ProtectableItem], policy_id: str, now: datetime
) -> ReplicationRun:
    """The run over all VMs that are meant; one that is not there, or cannot be protected, is given up at once."""
    items = (
        _open_item(order, vm_request, machines, now)
        for vm_request in requested_vms(order.request, order.document, machines)
    )
    return ReplicationRun(
        items=tuple({item.vm.lower(): item for item in items}.values()),
        policy_id=policy_id,
        initial_copies=order.request.initial_copies if order.request.action == "enable" else BATCH,
        patience=order.request.patience,
        began=now,
    )


def _open_item(
    order: ReplicationOrder, vm_request: VmRequest, machines: Sequence[ProtectableItem], now: datetime
) -> ReplicationRunItem:
    settings = settings_of_vm(vm_request, order.request, order.document)
    actions: tuple[ReplicationAction, ...] = (order.request.action,)
    if order.request.action == "enable" and settings.needs_update:
        actions = ("enable", "update")
    copy = ReplicationRunItem(vm=vm_request.vm, settings=settings, actions=actions)
    try:
        machine = find_protectable_item(vm_request, machines)
        copy = copy.model_copy(update={"vm": machine.vm, "item_id": machine.item_id or _new_item_id(machine)})
        if order.request.action == "enable" and not machine.item_id:
            require_protectable(machine, settings)
            machine = pick_disks(machine, settings)
        return copy.model_copy(update={"machine": machine})
    except Refused as no:
        return _mark_failed(copy, now, no.code, no.detail)


def _new_item_id(machine: ProtectableItem) -> str:
    """ARM id of the item that the machine will have: it is named after the machine's own id."""
    return f"{split_at(machine.id, 'replicationProtectableItems')[0]}/replicationProtectedItems/{machine.guid}"


def adopt_replicated(run: ReplicationRun, items: Iterable[ReplicatedItem], now: datetime) -> ReplicationRun:
    """Follow what replicates already: another run, or a person in the portal, may have enabled it."""
    by_item = {copied.id.lower(): copied for copied in items}

    def adopt_item(item: ReplicationRunItem) -> ReplicationRunItem:
        copied = by_item.get(item.item_id.lower())
        if item.state != "waiting" or item.actions[0] != "enable" or copied is None:
            return item
        return (
            _next_action(item, now)
            if copied.is_protected
            else _enter_state(item, "copying", now, percent=copied.percent)
        )

    return _map_items(run, adopt_item)


def vm_view(item: ReplicationRunItem) -> dict[str, Any]:
    """A VM as people read it."""
    view = item.model_dump(mode="json", include={"vm", "state", "percent", "job", "code", "detail", "cause", "remedy"})
    return {**view, "action": item.actions[0]}
