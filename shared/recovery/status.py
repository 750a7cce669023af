"""What people see of a run: small enough for the custom status, whole enough to follow it. Pure."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import PlainSerializer, field_serializer

from shared.messages import Document
from shared.obstacle import Obstacle
from shared.plans.approvals import RequiredApprovals
from shared.recovery.forecast import forecast_end, forecast_queue
from shared.recovery.observations import FailedObservations
from shared.recovery.operation import STATE_CODES
from shared.recovery.pauses import next_resume_time, paused_plans, paused_vms
from shared.recovery.person_events import Verdict
from shared.recovery.run import Run
from shared.recovery.run_item import BAD_STATES
from shared.recovery.scheduler import undecided_vms
from shared.wording import list_briefly, shortened

SHOWN_PROBLEMS = 8
"""How many problems the custom status spells out: it may not exceed 16 kB of UTF-16, with 5,000 items too."""
SHOWN_HOOKS = 4
"""How many of the newest hooks it names."""
STATUS_BYTES = 16 * 1024 - 256
"""Bytes that a custom status may take: Durable Functions keeps 16 kB of it, as JSON in UTF-16."""
CUT_STEPS = ((400, 1000), (160, 24), (80, SHOWN_PROBLEMS), (40, SHOWN_HOOKS), (20, 2), (8, 1))
"""How long a text and a list may be, one after the other, until a status that is too long fits."""
UNCUT_KEYS = frozenset(
    {
        "code",
        "codes",
        "percents",
        "minutes",
        "phase",
        "kind",
        "choices",
        "mark",
        "planDigest",
        "previewDigest",
        "until",
        "at",
        "eta",
        "since",
    }
)
NAME_KEYS = frozenset({"vm", "vms", "node", "name", "moment", "state", "subject"})
"""What programs read: half of it would be worse than nothing. Of names there may be fewer, but each is whole."""
LONGEST_NAME = 100
WAITING_LABELS = {
    "running": "job of",
    "probing": "probes of",
    "settling": "state of",
    "starting": "answer for",
    "resuming": "resumed job of",
}
"""What is waited for, by the states of items that take their time."""
STATES_BY_CODE = {code: state for state, code in STATE_CODES.items()}


IsoTime = Annotated[datetime, PlainSerializer(datetime.isoformat, return_type=str, when_used="json")]


class AwaitedDecision(Document):
    """What a run waits for a person to decide, as its custom status has it under "waits".

    Attributes:
        kind: "approval" before it begins, "decision" on VMs that failed, "resume" of what is held.
        instructions: What is to be decided or done, in words.
        vms: Whom it concerns, the first of them.
        choices: What can be decided.
        since: Since when it waits.
        until: When it goes on by itself, or when the request for approval expires; None when only a person can say.
        mark: Names what is waited for; empty where it is a VM or its job.
        approvals_needed, approvals_given: Of an approval: how many at the least, and by whom so far.
        required: Who asks for approvals, how many, and from whom.
        plan_digest, preview_digest: Of an approval: what it is bound to.
        requester_id: Who asked for what is to be approved.
    """

    kind: Literal["approval", "decision", "resume"]
    instructions: str = ""
    vms: tuple[str, ...] = ()
    choices: tuple[Verdict, ...] = ()
    since: IsoTime | None = None
    until: IsoTime | None = None
    mark: str = ""
    approvals_needed: int | None = None
    approvals_given: tuple[str, ...] = ()
    required: tuple[RequiredApprovals, ...] = ()
    plan_digest: str = ""
    preview_digest: str = ""
    requester_id: str = ""

    def to_json(self) -> dict[str, Any]:
        """As the custom status has it: only what was said."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


def read_awaited_decision(custom_status: Mapping[str, Any] | None) -> AwaitedDecision | None:
    """What a run waits for, by its custom status; None when it waits for nobody."""
    awaited = (custom_status or {}).get("waits")
    return AwaitedDecision.model_validate(awaited) if awaited else None


class HookStatus(Document):
    """A hook whose turn it was."""

    name: str
    moment: str
    state: str


class RunStatus(Document):
    """How a run stands, as its custom status: `codes` has one letter an item, in the plan's order (STATE_CODES)."""

    phase: str
    stage: int
    stages: int
    codes: str
    done: int
    total: int
    waiting_for: str
    waits: AwaitedDecision | None
    queue: dict[str, Any] | None
    eta: IsoTime | None
    left_out: tuple[Obstacle, ...]
    problems: tuple[Obstacle, ...]
    failures: tuple[Obstacle, ...]
    hooks: tuple[HookStatus, ...]
    unwritten: dict[str, Any] | None
    failed_observations: FailedObservations | None
    stage_began: IsoTime
    at: IsoTime

    @field_serializer("waits")
    def _waits_to_json(self, waits: AwaitedDecision | None) -> dict[str, Any] | None:
        return waits.to_json() if waits else None


def custom_status_of(
    run: Run, now: datetime, waiting_for: str = "", awaited: AwaitedDecision | None = None
) -> dict[str, Any]:
    """The custom status of a run, as plain JSON.

    Args:
        waiting_for: What it waits for now, where the run does not say so itself; and
        awaited: what only a person can say then.
    """
    stage = run.current
    awaited = awaited or (_awaited_decision(run) if stage else None)
    problems = [item.failure for item in run.items if item.state in BAD_STATES]
    status = RunStatus(
        phase=stage.verb if stage else "Closing",
        stage=min(run.progress.number + 1, len(run.progress.stages)),
        stages=len(run.progress.stages),
        codes=_state_codes(run),
        done=sum(item.state == "done" and not item.has_failed_before for item in run.items),
        total=len(run.items),
        waiting_for=waiting_for or (describe_wait(run) if stage else ""),
        waits=awaited,
        queue=forecast_queue(run, now) if stage else None,
        eta=forecast_end(run, now) if stage and not awaited else None,
        left_out=tuple(one.why for one in run.left_out[:SHOWN_PROBLEMS]),
        problems=tuple(problems[:SHOWN_PROBLEMS]),
        failures=run.results.failures[:SHOWN_PROBLEMS],
        hooks=tuple(
            HookStatus(name=one.name, moment=one.moment, state=one.state) for one in run.results.hooks[-SHOWN_HOOKS:]
        ),
        unwritten=_unwritten_evidence(run),
        failed_observations=run.observations.summary,
        stage_began=run.progress.began,
        at=now,
    )
    return status.model_dump(mode="json", by_alias=True)


def _state_codes(run: Run) -> str:
    """One letter for each VM that was asked for."""
    codes = [STATE_CODES["failed-before" if item.has_failed_before else item.state] for item in run.items]
    for left_out in run.left_out:  # in the order of their places
        codes.insert(left_out.place, STATE_CODES["left-out"])
    return "".join(codes)


def _unwritten_evidence(run: Run) -> dict[str, Any] | None:
    """What of the evidence could not be written yet, and why."""
    chain = run.chain
    if not chain.behind_since:
        return None
    return {"records": len(chain.pending), "since": chain.behind_since.isoformat(), "detail": chain.trouble}


def describe_wait(run: Run) -> str:
    """One line: what the run is waiting for now; what a person has to say comes first."""
    awaited = _awaited_decision(run)
    vms_by_state = {state: [item.vm for item in run.items if item.state == state] for state in WAITING_LABELS}
    going = [f"{WAITING_LABELS[state]} {list_briefly(vms)}" for state, vms in vms_by_state.items() if vms]
    plans = [plan_run.name for plan_run in run.plan_runs if plan_run.is_in_hand and plan_run.state != "paused"]
    going += [f"job of the recovery plan {list_briefly(plans)}"] if plans else []
    going += shortened([f"recovery plan {one.name}, {one.answer}" for one in run.plan_runs if one.answer], 2)
    going += shortened(
        [f"job of {item.vm} cannot be read, {item.job_answer}" for item in run.items if item.job_answer], 2
    )
    going += shortened([f"{item.vm} to be taken, {item.verb_answer}" for item in run.items if item.verb_answer], 2)
    going += shortened(run.observations.waits, 2) if going else []
    going += [run.chain.wait] if run.chain.wait else []
    by_person = f"{awaited.instructions}: {', '.join(awaited.choices)}" if awaited else ""
    return "; ".join(filter(None, (by_person, ", ".join(going))))


def _awaited_decision(run: Run) -> AwaitedDecision | None:
    """What only a person can say, None while the run goes on by itself.

    A VM that failed, and a job that is suspended, wait for a person at once, whatever the others do.
    """
    failed, at_jobs, plans, pause = undecided_vms(run), paused_vms(run), paused_plans(run), run.people.pause
    is_held = bool(at_jobs or pause or plans)
    if not failed and not is_held:
        return None
    sentences = [f"a decision on {list_briefly(failed)}"] if failed else []
    sentences += (
        [f"{list_briefly(at_jobs)} synchronised: resume to switch over, which begins the downtime"] if at_jobs else []
    )
    sentences += [f"{plan.detail} (recovery plan {plan.name})" for plan in plans if not at_jobs]
    sentences += [pause.what] if pause else []
    return AwaitedDecision(
        kind="decision" if failed else "resume",
        instructions="; ".join(sentences),
        vms=(*failed, *at_jobs)[:SHOWN_PROBLEMS],
        choices=(*(("retry", "skip") if failed else ()), *(("resume",) if is_held else ()), "abort"),
        since=run.people.awaited_since or (pause.since if pause else None),
        until=next_resume_time(run),
        mark=pause.mark if pause else "",
    )


def note_wait(run: Run, now: datetime) -> Run:
    """The run that knows since when it waits for a person, if it does."""
    people = run.people
    since = (people.awaited_since or now) if run.current and _awaited_decision(run) else None
    return run if since == people.awaited_since else run.with_people(people.model_copy(update={"awaited_since": since}))


def has_news_for_people(shown: Run | None, run: Run) -> bool:
    """Whether somebody has decided, or has something to decide, that a run as it was carried over does not show yet."""
    if shown is None:
        return bool(run.people.decisions or undecided_vms(run))
    if shown.people.decisions != run.people.decisions:
        return True
    return _details_to_decide_on(shown) != _details_to_decide_on(run)


def _details_to_decide_on(run: Run) -> list[Obstacle]:
    undecided = set(undecided_vms(run)) if run.current else set[str]()
    return [item.failure for item in run.items if item.vm in undecided]


def join_details(details: Sequence[str]) -> str:
    """The first few of some sentences, and how many more there are."""
    return "; ".join(shortened(details, SHOWN_PROBLEMS))


def status_bytes(status: Mapping[str, Any]) -> int:
    """Bytes of a custom status as it is kept: JSON, in which all but ASCII is escaped, in UTF-16."""
    return 2 * len(json.dumps(status))


def fit_status(status: Mapping[str, Any]) -> dict[str, Any]:
    """A custom status that may be kept: as it is, or with its texts and lists cut, the longest first."""
    fitted = dict(status)
    for length, count in CUT_STEPS:
        if status_bytes(fitted) <= STATUS_BYTES:
            break
        fitted = _cut_value(fitted, length, count)
    return fitted


def _cut_value(value: Any, length: int, count: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= length else f"{value[: length - 1]}…"
    if isinstance(value, Mapping):
        lengths = {key: LONGEST_NAME if key in NAME_KEYS else length for key in value}
        return {key: one if key in UNCUT_KEYS else _cut_value(one, lengths[key], count) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_cut_value(one, length, count) for one in value[:count]]
    return value


def read_item_states(custom_status: Mapping[str, Any] | None, vms: Sequence[str]) -> dict[str, str]:
    """The state of each VM, in the order of the plan; "failed-before" is shown as failed, and waits for nobody.

    All are waiting while the run says nothing of them yet; those that it has left out are not among them.
    """
    codes = (custom_status or {}).get("codes")
    if codes is None:
        return dict.fromkeys(vms, "waiting")
    return {vm: STATES_BY_CODE[code] for vm, code in zip(vms, codes, strict=True) if code != STATE_CODES["left-out"]}
