"""A report as text, for a terminal: the same lines and sections as the page."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shared.evidence.report import fact_rows_of
from shared.evidence.report_sections import Section, sections_of

WIDEST_CELL = 60
"""Characters of a cell that others are aligned to; what is longer stands out."""


def render_table(operation: Mapping[str, Any], own_texts: Mapping[str, str] | None = None) -> str:
    """The report as text; the last line has state and id.

    Args:
        operation: As for the page.
        own_texts: Sections that have a text of their own, by name.
    """
    texts = own_texts or {}
    subject = operation.get("plan") or operation.get("node") or operation.get("site") or ""
    lines = [f"{operation['kind']} {subject}: {operation['state']}", str(operation.get("summary", "")), ""]
    lines += [f"{label}: {value}" for label, value in fact_rows_of(operation)]
    for section in sections_of(operation):
        body = texts[section.name].rstrip("\n").split("\n") if section.name in texts else list(_table_lines(section))
        lines += ["", section.name, "-" * len(section.name), *body]
    return "\n".join([*lines, "", f"{str(operation['state']).upper()}: {operation['id']}", ""])


def _table_lines(section: Section) -> Iterator[str]:
    if not section.columns:
        yield from (f"- {row[0]}" for row in section.rows)
        return
    rows = [section.columns, *section.rows]
    widths = [min(WIDEST_CELL, max(len(row[at]) for row in rows)) for at in range(len(section.columns))]
    yield from (_row_line(row, widths) for row in rows)


def _row_line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.replace("\n", " ").ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
