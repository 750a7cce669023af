"""What people see of a run: small enough for the custom status, whole enough to follow it. Pure."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from shared.recovery.forecast import eta, queue
from shared.recovery.operation import CODES
from shared.recovery.pauses import next_time, paused, paused_plans
from shared.recovery.run import Run
from shared.recovery.scheduler import undecided

SHOWN = 8
"""How many problems the custom status spells out: it may not exceed 16 kB of UTF-16, with 5,000 items too."""
HOOKS = 4
"""How many of the newest hooks it names."""
ROOM = 16 * 1024 - 256
"""Bytes that a custom status may take: Durable Functions keeps 16 kB of it, as JSON in UTF-16."""
CUTS = ((400, 1000), (160, 24), (80, SHOWN), (40, HOOKS), (20, 2), (8, 1))
"""How long a text and a list may be, one after the other, until a status that is too long fits."""
WHOLE = frozenset(
    {"codes", "percents", "minutes", "phase", "verdicts", "mark", "digest", "preview", "until", "at", "eta"}
)
NAMES = frozenset({"vms", "node", "name", "moment", "state"})
"""What programs read: half of it would be worse than nothing. Of names there may be fewer, but each is whole."""
LONGEST_NAME = 100
STATES = {code: state for state, code in CODES.items()}


def summary(run: Run, now: datetime) -> dict[str, Any]:
    """The custom status of a run: one letter an item, and words for the little that a person has to know."""
    stage = run.current
    waits = _waits(run) if stage else None
    ends = eta(run, now) if stage and not waits else None
    counts = Counter(item.state for item in run.items)
    return {
        "phase": stage.verb if stage else "Closing",
        "stage": min(run.stage + 1, len(run.stages)),
        "stages": len(run.stages),
        "codes": "".join(CODES[item.state] for item in run.items),
        "done": counts["done"],
        "total": len(run.items),
        "waitingFor": waiting_for(run) if stage else "",
        "waits": waits,
        "queue": queue(run, now) if stage else None,
        "eta": ends.isoformat() if ends else None,
        "problems": [f"{i.vm}: {i.detail}"[:160] for i in run.items if i.state in {"failed", "blocked"}][:SHOWN],
        "failures": [text[:160] for text in run.failures[:SHOWN]],
        "hooks": [{"name": one.name, "moment": one.moment, "state": one.state} for one in run.hooks[-HOOKS:]],
        "stageBegan": run.stage_began.isoformat(),
        "at": now.isoformat(),
    }


def waiting_for(run: Run) -> str:
    """One line: what the run is waiting for now; what a person has to say comes first."""
    waits = _waits(run)
    said = [f"{waits['what']}: {', '.join(waits['verdicts'])}"] if waits else []
    words = {"running": "job of", "probing": "probes of", "settling": "state of", "starting": "answer for"}
    words |= {"resuming": "resumed job of"}
    parts = [f"{word} {_some([i.vm for i in run.items if i.state == state])}" for state, word in words.items()]
    plans = [part.name for part in run.parts if part.state in {"starting", "running", "resuming"}]
    parts += [f"job of the recovery plan {_some(plans)}"] if plans else []
    going = ", ".join(part for part in parts if not part.endswith(" "))
    return "; ".join(filter(None, (*said, going)))


def _waits(run: Run) -> dict[str, Any] | None:
    """What only a person can say, None while the run goes on by itself.

    A VM that failed, and a job that is suspended, wait for a person at once, whatever the others do.
    """
    failed, at_jobs = undecided(run), paused(run)
    held = bool(at_jobs or run.pause or paused_plans(run))
    if not (failed or held):
        return None
    verdicts = [*(["retry", "skip"] if failed else []), *(["resume"] if held else []), "abort"]
    about = "decision" if failed else "resume"
    waits: dict[str, Any] = {"for": about, "vms": [*failed, *at_jobs][:SHOWN], "verdicts": verdicts}
    until = next_time(run)
    waits |= {"what": _what(run, failed, at_jobs), "until": until.isoformat() if until else None}
    return waits | ({"mark": run.pause.mark} if run.pause else {})


def _what(run: Run, failed: Sequence[str], at_jobs: Sequence[str]) -> str:
    """What is waited for, in words."""
    said = [f"a decision on {_some(failed)}"] if failed else []
    said += [f"a word to go on with {_some(at_jobs)}, whose data is synchronised"] if at_jobs else []
    said += [f"{plan.detail} (recovery plan {plan.name})" for plan in paused_plans(run) if not at_jobs]
    said += [run.pause.what] if run.pause else []
    return "; ".join(said)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def joined(details: Sequence[str]) -> str:
    """The first few of some sentences, and how many more there are."""
    rest = len(details) - SHOWN
    return "; ".join([*details[:SHOWN], *([f"and {rest} more"] if rest > 0 else [])])


def size(status: Mapping[str, Any]) -> int:
    """Bytes of a custom status as it is kept: JSON, in which all but ASCII is escaped, in UTF-16."""
    return 2 * len(json.dumps(status))


def fitted(status: Mapping[str, Any]) -> dict[str, Any]:
    """A custom status that may be kept: as it is, or with its texts and lists cut, the longest first."""
    told = dict(status)
    for length, count in CUTS:
        if size(told) <= ROOM:
            break
        told = _cut(told, length, count)
    return told


def _cut(value: Any, length: int, count: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= length else f"{value[: length - 1]}…"
    if isinstance(value, Mapping):
        lengths = {key: LONGEST_NAME if key in NAMES else length for key in value}
        return {key: one if key in WHOLE else _cut(one, lengths[key], count) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_cut(one, length, count) for one in value[:count]]
    return value


def item_states(codes: str) -> list[str]:
    """The states behind the letters of a custom status."""
    return [STATES[code] for code in codes]
