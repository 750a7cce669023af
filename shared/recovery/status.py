"""What people see of a run: small enough for the custom status, whole enough to follow it. Pure."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import AliasGenerator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from shared.messages import Message
from shared.recovery.forecast import forecast_end, forecast_queue
from shared.recovery.operation import STATE_CODES
from shared.recovery.pauses import next_resume_time, paused_plans, paused_vms
from shared.recovery.run import Run
from shared.recovery.scheduler import undecided_vms

SHOWN_PROBLEMS = 8
"""How many problems the custom status spells out: it may not exceed 16 kB of UTF-16, with 5,000 items too."""
SHOWN_HOOKS = 4
"""How many of the newest hooks it names."""
STATUS_BYTES = 16 * 1024 - 256
"""Bytes that a custom status may take: Durable Functions keeps 16 kB of it, as JSON in UTF-16."""
CUT_STEPS = ((400, 1000), (160, 24), (80, SHOWN_PROBLEMS), (40, SHOWN_HOOKS), (20, 2), (8, 1))
"""How long a text and a list may be, one after the other, until a status that is too long fits."""
UNCUT_KEYS = frozenset(
    {"codes", "percents", "minutes", "phase", "verdicts", "mark", "digest", "preview", "until", "at", "eta"}
)
NAME_KEYS = frozenset({"vms", "node", "name", "moment", "state"})
"""What programs read: half of it would be worse than nothing. Of names there may be fewer, but each is whole."""
LONGEST_NAME = 100
STATES_BY_CODE = {code: state for state, code in STATE_CODES.items()}


def custom_status_of(run: Run, now: datetime) -> dict[str, Any]:
    """The custom status of a run: one letter an item, and words for the little that a person has to know."""
    stage = run.current
    awaited_decision = _awaited_decision(run) if stage else None
    ends = forecast_end(run, now) if stage and not awaited_decision else None
    counts = Counter(item.state for item in run.items)
    return {
        "phase": stage.verb if stage else "Closing",
        "stage": min(run.stage + 1, len(run.stages)),
        "stages": len(run.stages),
        "codes": "".join(STATE_CODES[item.state] for item in run.items),
        "done": counts["done"],
        "total": len(run.items),
        "waitingFor": waiting_for(run) if stage else "",
        "waits": awaited_decision,
        "queue": forecast_queue(run, now) if stage else None,
        "eta": ends.isoformat() if ends else None,
        "problems": [f"{i.vm}: {i.detail}"[:160] for i in run.items if i.state in {"failed", "blocked"}][
            :SHOWN_PROBLEMS
        ],
        "failures": [text[:160] for text in run.failures[:SHOWN_PROBLEMS]],
        "hooks": [{"name": one.name, "moment": one.moment, "state": one.state} for one in run.hooks[-SHOWN_HOOKS:]],
        "stageBegan": run.stage_began.isoformat(),
        "at": now.isoformat(),
    }


def waiting_for(run: Run) -> str:
    """One line: what the run is waiting for now; what a person has to say comes first."""
    awaited_decision = _awaited_decision(run)
    person_parts = (
        [f"{awaited_decision['what']}: {', '.join(awaited_decision['verdicts'])}"] if awaited_decision else []
    )
    labels = {"running": "job of", "probing": "probes of", "settling": "state of", "starting": "answer for"}
    labels |= {"resuming": "resumed job of"}
    parts = [f"{word} {_list_names([i.vm for i in run.items if i.state == state])}" for state, word in labels.items()]
    plans = [part.name for part in run.parts if part.state in {"starting", "running", "resuming"}]
    parts += [f"job of the recovery plan {_list_names(plans)}"] if plans else []
    going = ", ".join(part for part in parts if not part.endswith(" "))
    return "; ".join(filter(None, (*person_parts, going)))


def _awaited_decision(run: Run) -> dict[str, Any] | None:
    """What only a person can say, None while the run goes on by itself.

    A VM that failed, and a job that is suspended, wait for a person at once, whatever the others do.
    """
    failed, at_jobs = undecided_vms(run), paused_vms(run)
    held = bool(at_jobs or run.pause or paused_plans(run))
    if not (failed or held):
        return None
    verdicts = [*(["retry", "skip"] if failed else []), *(["resume"] if held else []), "abort"]
    about = "decision" if failed else "resume"
    waits: dict[str, Any] = {"for": about, "vms": [*failed, *at_jobs][:SHOWN_PROBLEMS], "verdicts": verdicts}
    until = next_resume_time(run)
    waits |= {"what": _describe_awaited(run, failed, at_jobs), "until": until.isoformat() if until else None}
    return waits | ({"mark": run.pause.mark} if run.pause else {})


def _describe_awaited(run: Run, failed: Sequence[str], at_jobs: Sequence[str]) -> str:
    """What is waited for, in words."""
    parts = [f"a decision on {_list_names(failed)}"] if failed else []
    parts += [f"a word to go on with {_list_names(at_jobs)}, whose data is synchronised"] if at_jobs else []
    parts += [f"{plan.detail} (recovery plan {plan.name})" for plan in paused_plans(run) if not at_jobs]
    parts += [run.pause.what] if run.pause else []
    return "; ".join(parts)


def _list_names(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def join_details(details: Sequence[str]) -> str:
    """The first few of some sentences, and how many more there are."""
    rest = len(details) - SHOWN_PROBLEMS
    return "; ".join([*details[:SHOWN_PROBLEMS], *([f"and {rest} more"] if rest > 0 else [])])


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


class AwaitedDecision(Message):
    """What a run waits for a person to say, as its custom status has it under "waits".

    Attributes:
        kind: "approval" before it begins, "decision" on VMs that failed, "resume" of what is held.
        instructions: What is to be decided or done, in words.
        vms: Whom it concerns, the first of them.
        choices: What can be decided.
        until: When it goes on by itself, or when the request for approval expires.
        mark: Names what is waited for.
        approvals_needed, approvals_given: Of an approval: how many, and by whom so far.
        approvers: Who may approve; empty for everybody who has the role.
        plan_digest, preview_digest: Of an approval: what it is bound to.
    """

    model_config = ConfigDict(frozen=True, alias_generator=AliasGenerator(serialization_alias=to_camel))

    kind: Literal["approval", "decision", "resume"] = Field(validation_alias="for")
    instructions: str = Field("", validation_alias="what")
    vms: tuple[str, ...] = ()
    choices: tuple[str, ...] = Field((), validation_alias="verdicts")
    until: datetime | None = None
    mark: str = ""
    approvals_needed: int | None = Field(None, validation_alias="needed")
    approvals_given: tuple[str, ...] = Field((), validation_alias="given")
    approvers: tuple[str, ...] = ()
    plan_digest: str = Field("", validation_alias="digest")
    preview_digest: str = Field("", validation_alias="preview")


def read_awaited_decision(custom_status: Mapping[str, Any] | None) -> AwaitedDecision | None:
    """What a run waits for, by its custom status; None when it waits for nobody."""
    awaited = (custom_status or {}).get("waits")
    return AwaitedDecision.model_validate(awaited) if awaited else None


def read_item_states(custom_status: Mapping[str, Any] | None, vms: Sequence[str]) -> dict[str, str]:
    """The state of each VM, in the order of the plan.

    All are waiting while the run says nothing of them yet. A cleanup that has just begun says nothing of VMs that are
    not protected any more: as many are left out.
    """
    codes = (custom_status or {}).get("codes")
    if codes is None or len(codes) != len(vms):
        return dict.fromkeys(vms if codes is None else vms[: len(codes)], "waiting")
    return {vm: STATES_BY_CODE[code] for vm, code in zip(vms, codes, strict=True)}
