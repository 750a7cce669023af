"""The time line of a report: a bar for each verb on each VM, in per cent of the whole width."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from shared.site_recovery.verb_rules import RULES
from shared.wording import format_duration

VERB_LABELS: Mapping[str, str] = {verb: rule.label for verb, rule in RULES.items()}
NARROWEST = 0.4
"""Per cent: what took seconds is still to be seen."""


class ReportStep(NamedTuple):
    """A verb on a VM; `probed_after` is the time from its end until the probes passed."""

    verb: str
    outcome: str
    note: str
    began: datetime | None
    ended: datetime | None
    took: timedelta | None
    probed_after: timedelta | None


class TimeBar(NamedTuple):
    """A verb on the time line, in per cent of its width."""

    left: float
    width: float
    verb: str
    outcome: str
    label: str


class TimeLine(NamedTuple):
    """From the beginning of a run to its end, or to the last that is known of one under way."""

    began: datetime | None
    ended: datetime | None

    @property
    def marks(self) -> list[tuple[int, str]]:
        """Per cent of the width, and the time since the beginning."""
        if not (self.began and self.ended) or self.ended <= self.began:
            return []
        whole = self.ended - self.began
        return [(share, format_duration(whole * share / 100)) for share in (0, 25, 50, 75, 100)]

    def bar_of(self, step: ReportStep) -> TimeBar | None:
        """Where a verb stands; None where that is not known."""
        if not (self.began and self.ended and step.began) or self.ended <= self.began:
            return None
        whole = self.ended - self.began
        shares = ((moment - self.began) / whole * 100 for moment in (step.began, step.ended or self.ended))
        left, right = (min(100.0, max(0.0, share)) for share in shares)
        width = max(NARROWEST, right - left)
        label = f"{VERB_LABELS.get(step.verb, step.verb)}, {step.outcome or 'running'}"
        label += f", {format_duration(step.took)}" if step.took is not None else ""
        return TimeBar(round(min(left, 100 - width), 2), round(width, 2), step.verb, step.outcome, label)


def read_step(step: Mapping[str, Any]) -> ReportStep:
    """A step of an item, as the operation's JSON has it."""
    began, ended, probed = (parse_time(step.get(name)) for name in ("startedAt", "endedAt", "probedAt"))
    return ReportStep(
        verb=str(step.get("verb", "")),
        outcome=str(step.get("outcome", "")),
        note=str(step.get("detail") or ""),
        began=began,
        ended=ended,
        took=ended - began if began and ended else None,
        probed_after=probed - ended if probed and ended else None,
    )


def time_line_of(operation: Mapping[str, Any], steps: Iterable[Mapping[str, Any]]) -> TimeLine:
    """The span of an operation: by its own times, else by those of its steps."""
    names = ("startedAt", "endedAt", "probedAt")
    moments = [moment for step in steps for name in names if (moment := parse_time(step.get(name)))]
    began = parse_time(operation.get("startedAt")) or min(moments, default=None)
    ended = parse_time(operation.get("endedAt")) or max(moments, default=began)
    return TimeLine(began, ended)


def parse_time(value: Any) -> datetime | None:
    """A time of the operation's JSON; None where it is not known."""
    return datetime.fromisoformat(value) if isinstance(value, str) and value else value or None
