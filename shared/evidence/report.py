"""One self-contained HTML page for an operation: how it ended, what each VM did and when."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from shared.evidence.achieved import build_waterfall, compare_with_targets, recovery_times
from shared.evidence.time_line import VERB_LABELS, TimeLine, read_step, time_line_of
from shared.wording import format_duration

if TYPE_CHECKING:
    from jinja2 import Template

_TEMPLATES = Path(__file__).parent / "templates"
LABELLED_FIELDS = (("Phase", "phase"), ("Requested by", "requestedBy"), ("Waiting for", "waitingForText"))
TEXT_FIELDS = ("vm", "state", "azureVm", "privateIp", "detail")


class FactTable(NamedTuple):
    """What a run found out about many alike things; cells in the order of the columns."""

    name: str
    columns: list[str]
    rows: list[list[str]]


def render_report(operation: Mapping[str, Any]) -> str:
    """The page as HTML.

    Args:
        operation: As `GET /api/operations/{id}` shows it: {id, kind, plan or node or site, state, phase, startedAt,
            endedAt, items, limitations, failures, obstacles, hooks, facts, achieved, forecast, override}. Hooks, and a
            list of objects among the facts, become tables. What is missing is left out.
    """
    items = operation.get("items", ())
    line = time_line_of(operation, [step for item in items for step in item.get("steps", ())])
    shown = [_item_view(item, line) for item in items]
    findings = list(operation.get("limitations", ()))
    findings += [_plain_text(one) for name in ("failures", "obstacles") for one in operation.get(name, ())]
    concerns = (operation.get("override") or {}).get("concerns") or ()
    overridden = [{key: one[key] for key in ("vm", "code", "detail")} for one in concerns]
    facts, achieved = operation.get("facts", {}), operation.get("achieved")
    evidence = facts.get("evidence")
    tables = {"hooks": operation.get("hooks", ()), **facts, "overridden concerns": overridden}
    return _load_template().render(
        operation=operation,
        subject=operation.get("plan") or operation.get("node") or operation.get("site") or "",
        facts=_fact_rows(operation, line),
        items=shown,
        findings=list(dict.fromkeys(findings)),
        tables=list(_fact_tables(tables)),
        ticks=line.marks,
        verbs=list(dict.fromkeys(bar.verb for item in shown for bar in item["bars"])),
        verb_labels=VERB_LABELS,
        promises=compare_with_targets(achieved) if achieved else [],
        recoveries=recovery_times(achieved) if achieved else [],
        waterfall=build_waterfall(achieved) if achieved else [],
        expected=_expected_text(operation.get("forecast")),
        evidence=evidence if isinstance(evidence, Mapping) else {},
    )


def _expected_text(forecast: Mapping[str, Any] | None) -> str:
    """What past runs let one expect, in one line."""
    if not forecast:
        return ""
    median, p95 = (format_duration(timedelta(seconds=forecast[key])) for key in ("medianSeconds", "p95Seconds"))
    count = forecast["basedOnRuns"]
    return f"{median} (median), {p95} (95th percentile), from {f'{count} earlier runs' if count > 1 else 'one run'}"


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


def _fact_rows(operation: Mapping[str, Any], line: TimeLine) -> list[tuple[str, str]]:
    running = not operation.get("endedAt")
    facts = [("Started", _time_text(line.began)), ("Updated" if running else "Ended", _time_text(line.ended))]
    if line.began and line.ended:
        facts.append(("Elapsed" if running else "Took", format_duration(line.ended - line.began)))
    facts += [(label, str(operation[key])) for label, key in LABELLED_FIELDS if operation.get(key)]
    if override := operation.get("override"):
        needed = "" if override["wasNeeded"] else " (nothing stood in the way)"
        facts.append(("Override", f"{override['reason']}, by {override['personName']}{needed}"))
    own_facts = operation.get("facts", {}).items()
    facts += [(str(name).capitalize(), _plain_text(value)) for name, value in own_facts if not _is_table(value)]
    return [(label, value) for label, value in facts if value]


def _time_text(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} {moment.tzname() or ''}".rstrip() if moment else ""


def _is_table(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(row, Mapping) for row in value)


def _fact_tables(facts: Mapping[str, Any]) -> Iterable[FactTable]:
    """Lists of alike things among the facts, such as a preflight's checks: a row each, columns that say anything."""
    for name, rows in facts.items():
        if _is_table(rows):
            columns = [key for key in rows[0] if any(row.get(key) for row in rows)]
            cells = [[_plain_text(row.get(key) or "") for key in columns] for row in rows]
            yield FactTable(str(name).capitalize(), [column.capitalize() for column in columns], cells)


def _item_view(item: Mapping[str, Any], line: TimeLine) -> dict[str, Any]:
    steps = [read_step(step) for step in item.get("steps", ())]
    texts = {key: str(item.get(key) or "") for key in TEXT_FIELDS}
    if steps and steps[-1].outcome == "failed" and steps[-1].note:  # the step shows it already
        texts["detail"] = ""
    return {**texts, "steps": steps, "bars": [bar for step in steps if (bar := line.bar_of(step))]}


def _plain_text(value: Any) -> str:
    if isinstance(value, Mapping):
        text = ": ".join(filter(None, (value.get("vm") or value.get("subject"), value.get("detail"))))
        return " ".join(filter(None, (text, f"({value['code']})" if value.get("code") else "", value.get("remedy"))))
    return "; ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
