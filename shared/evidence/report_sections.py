"""The sections of a report: what the page and the table say of an operation, in the same words and the same order.

Each section says which fields of the operation it shows: nothing that `GET /operations/{id}` has is left out of both.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from shared.evidence.achieved import build_waterfall, compare_with_targets, recovery_times
from shared.evidence.time_line import VERB_LABELS, parse_time, read_step
from shared.wording import format_duration

FINDINGS, NEXT_STEPS, TARGETS, WATERFALL, TIME_LINE, RECOVERIES, VMS = (
    "Findings",
    "Next steps",
    "Targets",
    "What took the time",
    "Time line",
    "Recovery of each VM",
    "VMs",
)
HEADINGS: Mapping[str, str] = {
    "approvals": "Approvals",
    "decisions": "Decisions",
    "leftOut": "Left out",
    "obligations": "Owed",
    "overridden concerns": "Overridden concerns",
}
"""Tables whose field has another name than they have; the others are called as their field is."""
COLUMNS: Mapping[str, Mapping[str, str]] = {
    "approvals": {"by": "Who", "approved": "Approved", "at": "When", "comment": "Comment"},
    "decisions": {"by": "Who", "verdict": "Decision", "vms": "VMs", "at": "When", "comment": "Comment"},
    "leftOut": {"vm": "VM", "code": "Code", "detail": "Why"},
    "obligations": {"kind": "What", "vms": "VMs", "due": "Due", "remedy": "What settles it"},
    "overridden concerns": {"vm": "VM", "code": "Code", "detail": "What"},
}
TABLES = ("approvals", "decisions", "overridden concerns", "leftOut", "obligations", "hooks")
SITE_TABLES = ("checks", "drift", "steps", "nodes", "unprotected", "timeline")
IN_SECTIONS: Mapping[str, str] = {
    "limitations": FINDINGS,
    "failures": FINDINGS,
    "obstacles": FINDINGS,
    "nextSteps": NEXT_STEPS,
    "achieved": TARGETS,
    "items": VMS,
    **{name: HEADINGS.get(name, name.capitalize()) for name in (*TABLES, *SITE_TABLES) if " " not in name},
}
"""The fields of an operation that a section shows; all others are in the lines above the sections."""
ABOVE_SECTIONS = frozenset(
    {
        "id",
        "kind",
        "plan",
        "site",
        "node",
        "subject",
        "state",
        "phase",
        "requestedBy",
        "requesterId",
        "waitingFor",
        "waitingForText",
        "progress",
        "createdAt",
        "updatedAt",
        "startedAt",
        "endedAt",
        "expectedEnd",
        "summary",
        "facts",
        "override",
        "options",
        "planDigest",
        "planVersion",
        "networks",
        "forecast",
        "verdict",
        "changed",
        "counts",
        "action",
        "detail",
        "changedFields",
        "digest",
        "rung",
        "waitingForBudget",
        "evidenceUnwritten",
        "failedObservations",
    }
)
NOT_IN_REPORTS = frozenset({"links", "preview", "document"})
"""Links are for programs; a preview and a document are read where they are approved."""


class Section(NamedTuple):
    """A table, or a list of one column without a heading of its own; cells in the order of the columns."""

    name: str
    columns: list[str]
    rows: list[list[str]]


def sections_of(operation: Mapping[str, Any]) -> list[Section]:
    """Those that have anything to say, in the order of the page.

    Args:
        operation: As `GET /operations/{id}` shows it.
    """
    achieved = operation.get("achieved")
    sections = [Section(FINDINGS, [], [[text] for text in findings_of(operation)]), _next_steps_section(operation)]
    sections += [_targets_section(achieved), _waterfall_section(achieved)] if achieved else []
    sections += [_time_line_section(operation), *_tables_of(operation)]
    sections += [_recoveries_section(achieved)] if achieved else []
    return [section for section in [*sections, _vms_section(operation)] if section.rows]


def findings_of(operation: Mapping[str, Any]) -> list[str]:
    """What went wrong, what is in the way, and what does not work as before; each once."""
    found = [plain_text(one) for name in ("failures", "obstacles") for one in operation.get(name, ())]
    return list(dict.fromkeys([*found, *operation.get("limitations", ())]))


def _next_steps_section(operation: Mapping[str, Any]) -> Section:
    keys = ("verb", "vms", "why", "route")
    rows = [[plain_text(step.get(key) or "") for key in keys] for step in operation.get("nextSteps", ())]
    return Section(NEXT_STEPS, ["What", "VMs", "Why", "Request"], rows)


def _span_text(span: timedelta | None, unknown: str) -> str:
    return unknown if span is None else format_duration(span)


def _targets_section(achieved: Mapping[str, Any]) -> Section:
    kept_text = {None: "", True: "kept", False: "missed"}
    rows = [
        [one.name, _span_text(one.achieved, "not known"), _span_text(one.target, "none"), kept_text[one.kept]]
        for one in compare_with_targets(achieved)
    ]
    return Section(TARGETS, ["Target of", "Achieved", "Target", "Kept"], rows)


def _waterfall_section(achieved: Mapping[str, Any]) -> Section:
    rows = [[leg.vm, leg.label, format_duration(leg.took)] for leg in build_waterfall(achieved)]
    return Section(WATERFALL, ["VM", "What", "Took"], rows)


def _time_line_section(operation: Mapping[str, Any]) -> Section:
    steps = [(item["vm"], step) for item in operation.get("items", ()) for step in item.get("steps", ())]
    rows = [
        [
            vm,
            VERB_LABELS.get(step["verb"], step["verb"]),
            *(time_text(step.get(key)) for key in ("startedAt", "endedAt")),
        ]
        for vm, step in steps
    ]
    return Section(TIME_LINE, ["VM", "Step", "Began", "Ended"], rows)


def _recoveries_section(achieved: Mapping[str, Any]) -> Section:
    rows = [
        [one.vm, _span_text(one.rto, "did not come up"), _span_text(one.rpo, "not known")]
        for one in recovery_times(achieved)
    ]
    return Section(RECOVERIES, ["VM", "Up after", "Data older by"], rows)


def _vms_section(operation: Mapping[str, Any]) -> Section:
    columns = ["VM", "State", "Step", "Outcome", "Took", "Probes passed after", "Recovery point", "Note"]
    rows = [row for item in operation.get("items", ()) for row in _item_rows(item)]
    return Section(VMS, columns, rows)


def _item_rows(item: Mapping[str, Any]) -> Iterator[list[str]]:
    names = [str(item["vm"]), f"({item['azureVm']})" if item.get("azureVm") not in {None, "", item["vm"]} else ""]
    name = " ".join(filter(None, (*names, item.get("privateIp"))))
    steps = item.get("steps") or [None]
    for number, step in enumerate(steps):
        head = [name, str(item["state"])] if number == 0 else ["", ""]
        last_note = item_note(item) if number == len(steps) - 1 else ""
        yield [*head, *_step_cells(step, last_note, item)]


def _step_cells(step: Mapping[str, Any] | None, last_note: str, item: Mapping[str, Any]) -> list[str]:
    if step is None:
        return ["", "", "", "", str(item.get("recoveryPoint") or ""), last_note]
    read = read_step(step)
    return [
        VERB_LABELS.get(read.verb, read.verb),
        read.outcome or "running",
        _span_text(read.took, ""),
        _span_text(read.probed_after, ""),
        time_text(step.get("recoveryPointTime")) or str(item.get("recoveryPoint") or ""),
        " ".join(filter(None, (read.note, last_note))),
    ]


def item_note(item: Mapping[str, Any]) -> str:
    """What is said of a VM beside its steps; of a step that failed its own note says it already."""
    steps = item.get("steps") or [{}]
    shown = steps[-1].get("outcome") == "failed" and steps[-1].get("detail")
    extras = [f"{item['percent']} %"] if item.get("percent") is not None else []
    extras += [f"{item['minutesLeft']} min left"] if item.get("minutesLeft") else []
    parts = () if shown else (item.get("detail"), item.get("cause"), item.get("remedy"))
    return " ".join(str(part) for part in (*extras, *parts) if part)


def _tables_of(operation: Mapping[str, Any]) -> Iterator[Section]:
    """What people said, what is owed, and what a run found out about many alike things."""
    concerns = (operation.get("override") or {}).get("concerns") or ()
    own = {name: operation.get(name, ()) for name in TABLES} | {"overridden concerns": concerns}
    own["obligations"] = [one for one in own["obligations"] if one.get("owner") == operation["id"]]
    facts = {name: operation[name] for name in SITE_TABLES if operation.get(name)} | dict(operation.get("facts", {}))
    if operation.get("items"):
        facts.pop("vms", None)  # a replication has the same under both names
    for name, rows in (own | facts).items():
        if is_table(rows):
            yield _table_section(name, rows)


def _table_section(name: str, rows: Sequence[Mapping[str, Any]]) -> Section:
    """A row each, with the columns that say anything."""
    headings = COLUMNS.get(name) or {key: key.capitalize() for key in rows[0]}
    keys = [key for key in headings if any(row.get(key) or row.get(key) is False for row in rows)]
    cells = [[cell_text(row.get(key)) for key in keys] for row in rows]
    return Section(HEADINGS.get(name, str(name).capitalize()), [headings[key] for key in keys], cells)


def is_table(value: Any) -> bool:
    """Whether it is a list of objects."""
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(row, Mapping) for row in value)


def cell_text(value: Any) -> str:
    """A value as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return plain_text(value or "") if value != 0 else "0"


def plain_text(value: Any) -> str:
    """A value as people read it; of what is in the way or failed whom it is about, what is so, and its code."""
    if isinstance(value, Mapping):
        return obstacle_text(value)
    return "; ".join(map(plain_text, value)) if isinstance(value, list | tuple) else str(value)


def obstacle_text(one: Mapping[str, Any]) -> str:
    """Such as "sql-01: test failover: the VM could not be created (28031)"."""
    text = ": ".join(filter(None, (one.get("vm") or one.get("subject"), one.get("detail"))))
    return " ".join(filter(None, (text, f"({one['code']})" if one.get("code") else "", one.get("remedy"))))


def time_text(value: Any) -> str:
    """A time to the second, empty where there is none."""
    moment = parse_time(value)
    return f"{moment:%Y-%m-%d %H:%M:%S} {moment.tzname() or ''}".rstrip() if moment else ""


def names_of(sections: Iterable[Section]) -> list[str]:
    """The headings of some sections, in their order."""
    return [section.name for section in sections]
