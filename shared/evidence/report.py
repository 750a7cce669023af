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
_VERB_LABELS = {
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


class TimeBar(NamedTuple):
    """A verb on the time line of the page, in per cent of its width."""

    left: float
    width: float
    verb: str
    outcome: str
    label: str


class FactTable(NamedTuple):
    """What a run found out about many alike things; cells in the order of the columns."""

    name: str
    columns: list[str]
    rows: list[list[str]]


def render_report(operation: Mapping[str, Any]) -> str:
    """The page as HTML.

    Args:
        operation: {id, kind, plan or node, state, phase, began and ended (or startedAt and endedAt), items: [{vm,
            state, azureVm, address, detail, steps: [{verb, outcome, began, ended, probed, note}]}], findings (or
            failures), problems, hooks, facts, achieved, forecast, override}. Hooks, and a list of objects among the
            facts, become tables. What is missing is left out; times are ISO 8601 or datetimes.
    """
    began, ended = _time_span(operation)
    items = [_item_view(item, began, ended) for item in operation.get("items", ())]
    findings = [*operation.get("findings", ()), *operation.get("failures", ())]
    findings += [_plain_text(problem) for problem in operation.get("problems", ())]
    return _load_template().render(
        operation=operation,
        subject=operation.get("plan") or operation.get("node") or operation.get("site") or "",
        facts=_fact_rows(operation, began, ended),
        items=items,
        findings=list(dict.fromkeys(findings)),
        tables=[
            *_fact_tables({"hooks": operation.get("hooks", ())}),
            *_fact_tables(operation.get("facts", {})),
            *_fact_tables(_overridden_concerns(operation)),
        ],
        ticks=_time_marks(began, ended),
        verbs=list(dict.fromkeys(bar.verb for item in items for bar in item["bars"])),
        words=_VERB_LABELS,
        **_achieved_sections(operation),
    )


def _overridden_concerns(operation: Mapping[str, Any]) -> dict[str, Any]:
    """What was in the way when somebody had the run begin all the same."""
    concerns = (operation.get("override") or {}).get("concerns") or ()
    return {"overridden concerns": [{key: one[key] for key in ("vm", "code", "detail")} for one in concerns]}


def _achieved_sections(operation: Mapping[str, Any]) -> dict[str, Any]:
    achieved, expected = operation.get("achieved"), operation.get("forecast")
    evidence = operation.get("facts", {}).get("evidence")
    return {
        "promises": compare_with_targets(achieved) if achieved else [],
        "recoveries": recovery_times(achieved) if achieved else [],
        "falls": build_waterfall(achieved) if achieved else [],
        "expected": _expected_text(expected) if expected else "",
        "evidence": evidence if isinstance(evidence, Mapping) else {},
    }


def _expected_text(forecast: Mapping[str, Any]) -> str:
    """What past runs let one expect, in one line."""
    p50, p95 = (format_duration(timedelta(seconds=forecast[key])) for key in ("p50", "p95"))
    runs = f"{forecast['runs']} earlier runs" if forecast["runs"] > 1 else "one earlier run"
    return f"{p50} (p50), {p95} (p95), from {runs}"


@cache
def _load_template() -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415  # only reports need it

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["span"] = format_duration
    return environment.get_template("report.html")


def format_duration(took: timedelta) -> str:
    """A duration for people: "2 h 05 min", "10 min 09 s", "24 s"."""
    minutes, seconds = divmod(round(took.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"


def _parse_time(value: Any) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) and value else value or None


def _step_times(operation: Mapping[str, Any]) -> Iterable[datetime]:
    steps = [step for item in operation.get("items", ()) for step in item.get("steps", ())]
    moments = (_parse_time(step.get(name)) for step in steps for name in ("began", "ended", "probed"))
    return (moment for moment in moments if moment)


def _time_span(operation: Mapping[str, Any]) -> tuple[datetime | None, datetime | None]:
    """From the beginning to the end, or to the last that is known of a run under way."""
    moments = list(_step_times(operation))
    began = _parse_time(operation.get("began") or operation.get("startedAt")) or min(moments, default=None)
    ended = _parse_time(operation.get("ended") or operation.get("endedAt")) or max(moments, default=began)
    return began, ended


def _fact_rows(operation: Mapping[str, Any], began: datetime | None, ended: datetime | None) -> list[tuple[str, str]]:
    running = not (operation.get("ended") or operation.get("endedAt"))
    facts = [("Began", _time_text(began)), ("Last news" if running else "Ended", _time_text(ended))]
    if began and ended:
        facts.append(("So far" if running else "Took", format_duration(ended - began)))
    named = (("Phase", "phase"), ("Asked for by", "requestedBy"), ("Waits for", "waitingFor"))
    facts += [(label, str(operation[key])) for label, key in named if operation.get(key)]
    if override := operation.get("override"):
        needed = "" if override["needed"] else " (nothing stood in the way)"
        facts.append(("Override", f"{override['reason']}, said by {override['by']}{needed}"))
    operation_facts = operation.get("facts", {})
    facts += [
        (str(name).capitalize(), _plain_text(value)) for name, value in operation_facts.items() if not _is_table(value)
    ]
    return [(label, value) for label, value in facts if value]


def _is_table(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(row, Mapping) for row in value)


def _fact_tables(facts: Mapping[str, Any]) -> Iterable[FactTable]:
    """Lists of alike things among the facts, such as a preflight's checks: a row each, columns that say anything."""
    for name, rows in facts.items():
        if _is_table(rows):
            columns = [key for key in rows[0] if any(row.get(key) for row in rows)]
            cells = [[_plain_text(row.get(key) or "") for key in columns] for row in rows]
            yield FactTable(str(name).capitalize(), [column.capitalize() for column in columns], cells)


def _time_text(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} {moment.tzname() or ''}".rstrip() if moment else ""


def _item_view(item: Mapping[str, Any], began: datetime | None, ended: datetime | None) -> dict[str, Any]:
    steps = [_step_view(step) for step in item.get("steps", ())]
    bars = [bar for step in steps if (bar := _time_bar(step, began, ended))]
    named = {key: str(item.get(key) or "") for key in ("vm", "state", "azureVm", "address", "detail")}
    if any(step["note"] and step["note"] in named["detail"] for step in steps):  # said already
        named["detail"] = ""
    return {**named, "steps": steps, "bars": bars}


def _step_view(step: Mapping[str, Any]) -> dict[str, Any]:
    began, ended, probed = (_parse_time(step.get(name)) for name in ("began", "ended", "probed"))
    return {
        "verb": str(step.get("verb", "")),
        "outcome": str(step.get("outcome", "")),
        "note": str(step.get("note") or ""),
        "began": began,
        "ended": ended,
        "took": ended - began if began and ended else None,
        "probed": probed - ended if probed and ended else None,
    }


def _time_bar(step: Mapping[str, Any], began: datetime | None, ended: datetime | None) -> TimeBar | None:
    if not (began and ended and step["began"]) or ended <= began:
        return None
    begins, ends = ((moment - began) / (ended - began) * 100 for moment in (step["began"], step["ended"] or ended))
    left, right = (min(100.0, max(0.0, share)) for share in (begins, ends))
    width = max(0.4, right - left)  # a verb of seconds is still to be seen
    label = f"{_VERB_LABELS.get(step['verb'], step['verb'])}, {step['outcome'] or 'running'}"
    label += f", {format_duration(step['took'])}" if step["took"] is not None else ""
    return TimeBar(round(min(left, 100 - width), 2), round(width, 2), step["verb"], step["outcome"], label)


def _time_marks(began: datetime | None, ended: datetime | None) -> list[tuple[int, str]]:
    """Marks of the time line: per cent of its width, and the time since the beginning."""
    if not (began and ended) or ended <= began:
        return []
    return [(share, format_duration((ended - began) * share / 100)) for share in (0, 25, 50, 75, 100)]


def _plain_text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ": ".join(str(value[key]) for key in ("vm", "detail") if value.get(key))
    return "; ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


NARROWEST = 0.4
"""Per cent: a wait of seconds is still to be seen."""
_SPAN = TypeAdapter(timedelta)
_LEG_LABELS = {"wait": "waited to begin", "job": "failover job", "probe": "until its probes passed"}


class Promise(NamedTuple):
    """One promise: what was achieved, what was promised, whether it was kept (None: nothing was promised)."""

    name: str
    achieved: timedelta | None
    target: timedelta | None
    kept: bool | None


class WaterfallStep(NamedTuple):
    """One step of the waterfall, in per cent of its width."""

    vm: str
    what: str
    words: str
    left: float
    width: float
    took: timedelta


class MachineRecovery(NamedTuple):
    """One machine: how long until it was up, and how old its data was."""

    vm: str
    rto: timedelta | None
    rpo: timedelta | None


def compare_with_targets(achieved: Mapping[str, Any]) -> list[Promise]:
    """RTO and RPO, whichever is known or promised."""
    named = (("Recovery time", "rto"), ("Recovery point", "rpo"))
    promises = [
        Promise(name, _parse_duration(achieved[key]), _parse_duration(achieved[f"{key}Target"]), achieved[f"{key}Met"])
        for name, key in named
    ]
    return [one for one in promises if one.achieved is not None or one.target is not None]


def recovery_times(achieved: Mapping[str, Any]) -> list[MachineRecovery]:
    """Each machine, in the plan's order."""
    return [
        MachineRecovery(one["vm"], _parse_duration(one["rto"]), _parse_duration(one["rpo"]))
        for one in achieved["machines"]
    ]


def build_waterfall(achieved: Mapping[str, Any]) -> list[WaterfallStep]:
    """The critical path from the first wait to the last probe."""
    legs = [(leg, _parse_leg_time(leg["began"]), _parse_leg_time(leg["ended"])) for leg in achieved["criticalPath"]]
    if not legs:
        return []
    first, whole = legs[0][1], legs[-1][2] - legs[0][1]
    if whole <= timedelta(0):
        return []
    return [
        WaterfallStep(
            vm=leg["vm"],
            what=leg["what"],
            words=_LEG_LABELS[leg["what"]],
            left=min(100 - NARROWEST, round((began - first) / whole * 100, 2)),
            width=max(NARROWEST, round((ended - began) / whole * 100, 2)),
            took=ended - began,
        )
        for leg, began, ended in legs
    ]


def _parse_duration(value: Any) -> timedelta | None:
    return None if value is None else _SPAN.validate_python(value)


def _parse_leg_time(value: Any) -> datetime:
    return datetime.fromisoformat(value)
