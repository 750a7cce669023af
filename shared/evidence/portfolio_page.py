"""The portfolio as a page that prints well, and as a table for a spreadsheet."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from shared.evidence.templates_of_pages import load_page
from shared.wording import format_duration

_SPAN = TypeAdapter(timedelta | None)
COLUMNS = (
    "plan",
    "sites",
    "vms",
    "rehearsed",
    "lastGoodDrillAt",
    "lastGoodDrill",
    "rtoTargetSeconds",
    "rtoAchievedSeconds",
    "rtoMet",
    "rpoTargetSeconds",
    "rpoAchievedSeconds",
    "rpoMet",
    "openObligations",
    "lateObligations",
)
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""With these a spreadsheet takes a text for a formula."""


class QuarterBar(NamedTuple):
    """One quarter in the chart: its drills, as shares of the busiest quarter."""

    name: str
    good: float
    bad: float
    text: str


def render_portfolio(portfolio: Mapping[str, Any]) -> str:
    """The page as HTML, of the report as JSON shows it."""
    template = load_page("portfolio.html")
    return template.render(portfolio=portfolio, bars=_bars_of(portfolio["quarters"]), span=_span_text)


def _bars_of(quarters: Sequence[Mapping[str, Any]]) -> list[QuarterBar]:
    most = max((one["drills"] for one in quarters), default=0)
    return [
        QuarterBar(
            one["name"],
            round(one["goodDrills"] / most * 100, 1),
            round((one["drills"] - one["goodDrills"]) / most * 100, 1),
            f"{one['goodDrills']} of {one['drills']} drills well",
        )
        for one in quarters
        if one["drills"]
    ]


def _span_text(value: Any) -> str:
    span = _SPAN.validate_python(value)
    return format_duration(span) if span is not None else ""


def write_csv(portfolio: Mapping[str, Any]) -> str:
    """One row for each plan; spans are seconds, and no text is a formula."""
    written = io.StringIO()
    table = csv.writer(written)
    table.writerow(COLUMNS)
    for plan in portfolio["plans"]:
        table.writerow([_cell_of(value) for value in _row_of(plan)])
    return written.getvalue()


def _row_of(plan: Mapping[str, Any]) -> Iterator[Any]:
    yield from (plan["plan"], " ".join(plan["sites"]), plan["vms"], plan["isRehearsed"])
    yield from (plan["lastGoodDrillAt"], plan["lastGoodDrill"])
    for target in (plan["rto"], plan["rpo"]):
        yield from (_seconds_of(target["target"]), _seconds_of(target["achieved"]), target["met"])
    yield from (plan["openObligations"], plan["lateObligations"])


def _seconds_of(value: Any) -> int | None:
    span = _SPAN.validate_python(value)
    return round(span.total_seconds()) if span is not None else None


def _cell_of(value: Any) -> Any:
    if value is None:
        return ""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value
