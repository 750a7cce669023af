"""One self-contained HTML page for an operation: how it ended, what each machine did and when."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import TypeAdapter

if TYPE_CHECKING:
    from jinja2 import Template

_TEMPLATES = Path(__file__).parent / "templates"
_WORDS = {
    "TestFailover": "test failover",
    "TestFailoverCleanup": "cleanup",
    "PlannedFailover": "planned failover",
    "UnplannedFailover": "unplanned failover",
    "Commit": "commit",
    "Failback": "failback",
    "ReverseReplicate": "re-protect",
    "CancelFailover": "cancel",
    "UpdateVmProperties": "target settings",
    "ChangePit": "change of recovery point",
}


class Bar(NamedTuple):
    """A verb on the time line of the page, in per cent of its width."""

    left: float
    width: float
    verb: str
    outcome: str
    label: str


class Table(NamedTuple):
    """What a run found out about many alike things; cells in the order of the columns."""

    name: str
    columns: list[str]
    rows: list[list[str]]


def render(operation: Mapping[str, Any]) -> str:
    """The page as HTML.

    Args:
        operation: {id, kind, plan or node, state, phase, began and ended (or startedAt and endedAt), items: [{vm,
            state, azureVm, address, detail, steps: [{verb, outcome, began, ended, probed, note}]}], findings (or
            failures), problems, hooks, facts, achieved, forecast, override}. Hooks, and a list of objects among the
            facts, become tables. What is missing is left out; times are ISO 8601 or datetimes.
    """
    began, ended = _span(operation)
    items = [_item(item, began, ended) for item in operation.get("items", ())]
    findings = [*operation.get("findings", ()), *operation.get("failures", ())]
    findings += [_text(problem) for problem in operation.get("problems", ())]
    return _template().render(
        operation=operation,
        subject=operation.get("plan") or operation.get("node") or operation.get("site") or "",
        facts=_facts(operation, began, ended),
        items=items,
        findings=list(dict.fromkeys(findings)),
        tables=[
            *_tables({"hooks": operation.get("hooks", ())}),
            *_tables(operation.get("facts", {})),
            *_tables(_overridden(operation)),
        ],
        ticks=_ticks(began, ended),
        verbs=list(dict.fromkeys(bar.verb for item in items for bar in item["bars"])),
        words=_WORDS,
        **_achieved(operation),
    )


def _overridden(operation: Mapping[str, Any]) -> dict[str, Any]:
    """What was in the way when somebody had the run begin all the same."""
    concerns = (operation.get("override") or {}).get("concerns") or ()
    return {"overridden concerns": [{key: one[key] for key in ("vm", "code", "detail")} for one in concerns]}


def _achieved(operation: Mapping[str, Any]) -> dict[str, Any]:
    seen, expected = operation.get("achieved"), operation.get("forecast")
    kept = operation.get("facts", {}).get("evidence")
    return {
        "promises": promises(seen) if seen else [],
        "recoveries": recoveries(seen) if seen else [],
        "falls": waterfall(seen) if seen else [],
        "expected": _expected(expected) if expected else "",
        "evidence": kept if isinstance(kept, Mapping) else {},
    }


def _expected(forecast: Mapping[str, Any]) -> str:
    """What past runs let one expect, in one line."""
    p50, p95 = (span(timedelta(seconds=forecast[key])) for key in ("p50", "p95"))
    runs = f"{forecast['runs']} earlier runs" if forecast["runs"] > 1 else "one earlier run"
    return f"{p50} (p50), {p95} (p95), from {runs}"


@cache
def _template() -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415  # only reports need it

    engine = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    engine.filters["span"] = span
    return engine.get_template("report.html")


def span(took: timedelta) -> str:
    """A duration for people: "2 h 05 min", "10 min 09 s", "24 s"."""
    minutes, seconds = divmod(round(took.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"


def _time(value: Any) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) and value else value or None


def _times(operation: Mapping[str, Any]) -> Iterable[datetime]:
    steps = [step for item in operation.get("items", ()) for step in item.get("steps", ())]
    told = (_time(step.get(name)) for step in steps for name in ("began", "ended", "probed"))
    return (moment for moment in told if moment)


def _span(operation: Mapping[str, Any]) -> tuple[datetime | None, datetime | None]:
    """From the beginning to the end, or to the last that is known of a run under way."""
    known = list(_times(operation))
    began = _time(operation.get("began") or operation.get("startedAt")) or min(known, default=None)
    ended = _time(operation.get("ended") or operation.get("endedAt")) or max(known, default=began)
    return began, ended


def _facts(operation: Mapping[str, Any], began: datetime | None, ended: datetime | None) -> list[tuple[str, str]]:
    running = not (operation.get("ended") or operation.get("endedAt"))
    facts = [("Began", _clock(began)), ("Last news" if running else "Ended", _clock(ended))]
    if began and ended:
        facts.append(("So far" if running else "Took", span(ended - began)))
    named = (("Phase", "phase"), ("Asked for by", "requestedBy"), ("Waits for", "waitingFor"))
    facts += [(label, str(operation[key])) for label, key in named if operation.get(key)]
    if said := operation.get("override"):
        needed = "" if said["needed"] else " (nothing stood in the way)"
        facts.append(("Override", f"{said['reason']}, said by {said['by']}{needed}"))
    told = operation.get("facts", {})
    facts += [(str(name).capitalize(), _text(value)) for name, value in told.items() if not _is_table(value)]
    return [(label, value) for label, value in facts if value]


def _is_table(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(row, Mapping) for row in value)


def _tables(facts: Mapping[str, Any]) -> Iterable[Table]:
    """Lists of alike things among the facts, such as a preflight's checks: a row each, columns that say anything."""
    for name, rows in facts.items():
        if _is_table(rows):
            columns = [key for key in rows[0] if any(row.get(key) for row in rows)]
            cells = [[_text(row.get(key) or "") for key in columns] for row in rows]
            yield Table(str(name).capitalize(), [column.capitalize() for column in columns], cells)


def _clock(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} {moment.tzname() or ''}".rstrip() if moment else ""


def _item(item: Mapping[str, Any], began: datetime | None, ended: datetime | None) -> dict[str, Any]:
    steps = [_step(step) for step in item.get("steps", ())]
    bars = [bar for step in steps if (bar := _bar(step, began, ended))]
    named = {key: str(item.get(key) or "") for key in ("vm", "state", "azureVm", "address", "detail")}
    if any(step["note"] and step["note"] in named["detail"] for step in steps):  # said already
        named["detail"] = ""
    return {**named, "steps": steps, "bars": bars}


def _step(step: Mapping[str, Any]) -> dict[str, Any]:
    began, ended, probed = (_time(step.get(name)) for name in ("began", "ended", "probed"))
    return {
        "verb": str(step.get("verb", "")),
        "outcome": str(step.get("outcome", "")),
        "note": str(step.get("note") or ""),
        "began": began,
        "ended": ended,
        "took": ended - began if began and ended else None,
        "probed": probed - ended if probed and ended else None,
    }


def _bar(step: Mapping[str, Any], began: datetime | None, ended: datetime | None) -> Bar | None:
    if not (began and ended and step["began"]) or ended <= began:
        return None
    begins, ends = ((moment - began) / (ended - began) * 100 for moment in (step["began"], step["ended"] or ended))
    left, right = (min(100.0, max(0.0, share)) for share in (begins, ends))
    width = max(0.4, right - left)  # a verb of seconds is still to be seen
    label = f"{_WORDS.get(step['verb'], step['verb'])}, {step['outcome'] or 'running'}"
    label += f", {span(step['took'])}" if step["took"] is not None else ""
    return Bar(round(min(left, 100 - width), 2), round(width, 2), step["verb"], step["outcome"], label)


def _ticks(began: datetime | None, ended: datetime | None) -> list[tuple[int, str]]:
    """Marks of the time line: per cent of its width, and the time since the beginning."""
    if not (began and ended) or ended <= began:
        return []
    return [(share, span((ended - began) * share / 100)) for share in (0, 25, 50, 75, 100)]


def _text(told: Any) -> str:
    if isinstance(told, Mapping):
        return ": ".join(str(told[key]) for key in ("vm", "detail") if told.get(key))
    return "; ".join(map(str, told)) if isinstance(told, list | tuple) else str(told)


NARROWEST = 0.4
"""Per cent: a wait of seconds is still to be seen."""
_SPAN = TypeAdapter(timedelta)
_WORDS_WATERFALL = {"wait": "waited to begin", "job": "failover job", "probe": "until its probes passed"}


class Promise(NamedTuple):
    """One promise: what was achieved, what was promised, whether it was kept (None: nothing was promised)."""

    name: str
    achieved: timedelta | None
    target: timedelta | None
    kept: bool | None


class Fall(NamedTuple):
    """One step of the waterfall, in per cent of its width."""

    vm: str
    what: str
    words: str
    left: float
    width: float
    took: timedelta


class Recovery(NamedTuple):
    """One machine: how long until it was up, and how old its data was."""

    vm: str
    rto: timedelta | None
    rpo: timedelta | None


def promises(achieved: Mapping[str, Any]) -> list[Promise]:
    """RTO and RPO, whichever is known or promised."""
    named = (("Recovery time", "rto"), ("Recovery point", "rpo"))
    told = [
        Promise(name, _span_waterfall(achieved[key]), _span_waterfall(achieved[f"{key}Target"]), achieved[f"{key}Met"])
        for name, key in named
    ]
    return [one for one in told if one.achieved is not None or one.target is not None]


def recoveries(achieved: Mapping[str, Any]) -> list[Recovery]:
    """Each machine, in the plan's order."""
    return [
        Recovery(one["vm"], _span_waterfall(one["rto"]), _span_waterfall(one["rpo"])) for one in achieved["machines"]
    ]


def waterfall(achieved: Mapping[str, Any]) -> list[Fall]:
    """The critical path from the first wait to the last probe."""
    legs = [(leg, _time_waterfall(leg["began"]), _time_waterfall(leg["ended"])) for leg in achieved["criticalPath"]]
    if not legs:
        return []
    first, whole = legs[0][1], legs[-1][2] - legs[0][1]
    if whole <= timedelta(0):
        return []
    return [
        Fall(
            vm=leg["vm"],
            what=leg["what"],
            words=_WORDS_WATERFALL[leg["what"]],
            left=min(100 - NARROWEST, round((began - first) / whole * 100, 2)),
            width=max(NARROWEST, round((ended - began) / whole * 100, 2)),
            took=ended - began,
        )
        for leg, began, ended in legs
    ]


def _span_waterfall(value: Any) -> timedelta | None:
    return None if value is None else _SPAN.validate_python(value)


def _time_waterfall(value: Any) -> datetime:
    return datetime.fromisoformat(value)
