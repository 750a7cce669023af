"""One self-contained HTML page for an operation: how it ended, what each VM did and when."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from shared.evidence import report_sections
from shared.evidence.achieved import build_waterfall, compare_with_targets, describe_counted_to, recovery_times
from shared.evidence.report_sections import cell_text, is_table, item_note, sections_of, time_text
from shared.evidence.templates_of_pages import load_page
from shared.evidence.time_line import VERB_LABELS, TimeLine, read_step, time_line_of
from shared.wording import format_duration

LABELLED_FIELDS = (
    ("Phase", "phase"),
    ("Requested by", "requestedBy"),
    ("Waiting for", "waitingForText"),
    ("Expected end", "expectedEnd"),
    ("Action", "action"),
    ("Networks", "networks"),
)
TEXT_FIELDS = ("vm", "state", "azureVm", "privateIp", "recoveryPoint")
SHOWN_DIGEST = 12
"""Hex digits of a digest that people compare."""


def render_report(operation: Mapping[str, Any]) -> str:
    """The page as HTML.

    Args:
        operation: As `GET /api/operations/{id}` shows it; what is missing is left out.
    """
    items = operation.get("items", ())
    line = _line_of(operation)
    shown = [_item_view(item, line) for item in items]
    achieved = operation.get("achieved")
    evidence = operation.get("facts", {}).get("evidence")
    return load_page("report.html").render(
        operation=operation,
        subject=operation.get("plan") or operation.get("node") or operation.get("site") or "",
        facts=fact_rows_of(operation),
        sections=sections_of(operation),
        names=report_sections,
        items=shown,
        ticks=line.marks,
        verbs=list(dict.fromkeys(bar.verb for item in shown for bar in item["bars"])),
        verb_labels=VERB_LABELS,
        promises=compare_with_targets(achieved) if achieved else [],
        loss_counted_to=describe_counted_to(achieved) if achieved else "",
        recoveries=recovery_times(achieved) if achieved else [],
        waterfall=build_waterfall(achieved) if achieved else [],
        evidence=evidence if isinstance(evidence, Mapping) else {},
    )


def _line_of(operation: Mapping[str, Any]) -> TimeLine:
    return time_line_of(operation, [step for item in operation.get("items", ()) for step in item.get("steps", ())])


def _expected_text(forecast: Mapping[str, Any] | None) -> str:
    """What past runs let one expect, in one line."""
    if not forecast:
        return ""
    median, p95 = (format_duration(timedelta(seconds=forecast[key])) for key in ("medianSeconds", "p95Seconds"))
    count = forecast["basedOnRuns"]
    return f"{median} (median), {p95} (95th percentile), from {f'{count} earlier runs' if count > 1 else 'one run'}"


def fact_rows_of(operation: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What stands above the sections: when, who, of which plan, and the run's own facts."""
    line, running = _line_of(operation), not operation.get("endedAt")
    facts = [("Started", time_text(line.began)), ("Updated" if running else "Ended", time_text(line.ended))]
    if line.began and line.ended:
        facts.append(("Elapsed" if running else "Took", format_duration(line.ended - line.began)))
    facts.append(("Recovery time expected", _expected_text(operation.get("forecast"))))
    facts += [(label, cell_text(operation[key])) for label, key in LABELLED_FIELDS if operation.get(key)]
    facts += [("Plan", _plan_text(operation)), ("Progress", _progress_text(operation)), *_request_rows(operation)]
    own_facts = {name: operation[name] for name in ("verdict", "changed", "counts", "rung") if name in operation}
    own_facts |= operation.get("facts", {})
    facts += [
        (str(name).capitalize(), _fact_text(value))
        for name, value in own_facts.items()
        if not is_table(value) and not (name == "evidence" and isinstance(value, Mapping))
    ]
    return [(label, value) for label, value in facts if value]


def _request_rows(operation: Mapping[str, Any]) -> list[tuple[str, str]]:
    """How it was asked for, and why although something stood in the way."""
    rows = [("Asked for with", _fact_text(operation.get("options") or {}))]
    if override := operation.get("override"):
        needed = "" if override["wasNeeded"] else " (nothing stood in the way)"
        rows.append(("Override", f"{override['reason']}, by {override['personName']}{needed}"))
    if budget := operation.get("waitingForBudget"):
        rows.append(("Waiting for the request budget", f"{budget['vmCount']} VMs, until {time_text(budget['until'])}"))
    for label, key in (("Evidence not written", "evidenceUnwritten"), ("Failed looks", "failedObservations")):
        if operation.get(key):
            rows.append((label, _fact_text(operation[key])))
    return rows


def _fact_text(value: Any) -> str:
    if not isinstance(value, Mapping):
        return cell_text(value)
    return ", ".join(f"{name} {cell_text(one)}" for name, one in value.items() if one is not None)


def _plan_text(operation: Mapping[str, Any]) -> str:
    """Which version of the plan the run went by, and how its digest begins."""
    digest, version = operation.get("planDigest"), operation.get("planVersion")
    return f"{f'version {version}, ' if version else ''}digest {digest[:SHOWN_DIGEST]}" if digest else ""


def _progress_text(operation: Mapping[str, Any]) -> str:
    progress = operation.get("progress")
    return f"{progress['completed']} of {progress['total']}" if progress else ""


def _item_view(item: Mapping[str, Any], line: TimeLine) -> dict[str, Any]:
    steps = [(read_step(step), time_text(step.get("recoveryPointTime"))) for step in item.get("steps", ())]
    texts = {key: str(item.get(key) or "") for key in TEXT_FIELDS}
    bars = [bar for step, _ in steps if (bar := line.bar_of(step))]
    return {**texts, "detail": item_note(item), "steps": steps, "bars": bars}
