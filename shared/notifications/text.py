"""What a notification says: the result first, then why, until when, and the next step. Pure.

Everything in it may come from outside: names, reasons, sentences of Azure. So it is kept as plain text without
secrets, and each channel writes it in a way that nothing in it is read as anything else.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from shared.notifications.contract import Awaited, NotifiedEvent
from shared.notifications.occasions import About, Occasion, about_of
from shared.redaction import redact_text
from shared.wording import count_of, list_briefly

LONGEST, LONGEST_SUBJECT, MOST_SHOWN = 500, 160, 8
"""Characters of a text and of the subject; entries of a list."""
_SPACE = re.compile(r"\s+")
NEXT_STEPS: Mapping[Occasion, str] = {
    "waiting-for-approval": "See what it would do, and approve or reject it.",
    "waiting-for-decision": "See what stands in the way, and decide.",
    "failed": "See what failed, and what can be done about it.",
    "evidence-incomplete": "See whether the evidence store can be reached and takes records.",
    "drill-overdue": "See why the drill cannot begin, and start it.",
    "obligation-late": "See what is owed, and have it done.",
    "obligation-found": "See whether somebody works on it, and have it done.",
    "source-running": "Turn the VMs off on premises: they run twice.",
    "recovery-plan-drifted": "Compare the recovery plan with the plan, and save it anew.",
    "node-needs-person": "See the finding of the repair, and do what it names.",
    "timer-duty-failed": "See what the timer could not do, and correct it.",
}


class Fact(NamedTuple):
    """One thing that is worth knowing."""

    name: str
    value: str


class NotificationText(NamedTuple):
    """What people read.

    Attributes:
        link: Where they can act; empty where the app does not know its own address.
    """

    subject: str
    facts: tuple[Fact, ...]
    next_step: str
    link: str


def write_notification(
    occasion: Occasion, event: NotifiedEvent, awaited: Awaited, reminder: int, base_url: str
) -> NotificationText:
    """The text of one notification.

    Args:
        occasion: What the event is.
        event: What happened.
        awaited: What is known of the run beside it.
        reminder: Which reminder it is; 0 for the first notification.
        base_url: Of the app; empty: not known.
    """
    about = about_of(event.subject, event.data)
    name = plain_text(about.plan or about.site or event.subject.rpartition("/")[2], 60)
    kind = plain_text(event.data.get("kind"), 30)
    subject = _SUBJECTS[occasion](_Said(name, kind, event.data, plain_text(awaited.requested_by, 40)))
    if reminder:
        subject = f"Reminder {reminder}: {subject}"
    facts = tuple(Fact(name, value) for name, value in _facts_of(event, awaited, about) if value)
    return NotificationText(subject[:LONGEST_SUBJECT], facts, NEXT_STEPS[occasion], link_of(event, base_url))


def link_of(event: NotifiedEvent, base_url: str) -> str:
    """The page where a person can act on an event."""
    if not base_url:
        return ""
    run = event.data.get("operation")
    if not isinstance(run, str) or not re.fullmatch(r"[A-Za-z0-9_.-]{1,200}", run):
        return f"{base_url}/api/ui"
    return f"{base_url}/api/ui#/{'approve' if event.data.get('waitsFor') == 'approval' else 'run'}/{run}"


def plain_text(value: Any, longest: int = LONGEST) -> str:
    """A text from outside on one line, without secrets, controls and signs that change how others are read."""
    text = value if isinstance(value, str) else "" if value is None else str(value)
    text = redact_text(_SPACE.sub(" ", text[: 4 * longest]))
    text = "".join(" " if unicodedata.category(sign)[0] == "C" else sign for sign in text)
    text = _SPACE.sub(" ", text).strip()
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def list_text(values: Any) -> str:
    """A list from outside, the first of it."""
    if not isinstance(values, Sequence) or isinstance(values, str):
        return ""
    return list_briefly([plain_text(value, 100) for value in values], MOST_SHOWN)


def time_text(value: Any) -> str:
    """A moment as people read it, in UTC; empty for what is none."""
    try:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        return ""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at.tzinfo else ""


class _Said(NamedTuple):
    """What a subject is made of: all of it plain text but the event's data."""

    name: str
    kind: str
    data: Mapping[str, Any]
    requested_by: str

    @property
    def run(self) -> str:
        return f"{self.name} {self.kind}".strip()

    def time(self, field: str, before: str) -> str:
        text = time_text(self.data.get(field))
        return f"{before}{text}" if text else ""


def _approval_subject(said: _Said) -> str:
    by = f", asked for by {said.requested_by}" if said.requested_by else ""
    approvals = _count_text(said.data.get("needed"), "approval")
    return f"{said.run} waits for {approvals}{by}{said.time('until', ': until ')}"


def _decision_subject(said: _Said) -> str:
    vms = list_text(said.data.get("vms")) or plain_text(said.data.get("what"), 80)
    what = "to be resumed" if said.data.get("waitsFor") == "resume" else "for a decision"
    return f"{said.run} waits {what}" + (f": {vms}" if vms else "")


def _timer_subject(said: _Said) -> str:
    duty, about = plain_text(said.data.get("duty"), 40), plain_text(said.data.get("about"), 60)
    return f"the timer could not do its duty {duty}" + (f" for {about}" if about else "")


_SUBJECTS: Mapping[Occasion, Callable[[_Said], str]] = {
    "waiting-for-approval": _approval_subject,
    "waiting-for-decision": _decision_subject,
    "failed": lambda said: f"{said.run} failed",
    "evidence-incomplete": lambda said: f"{said.run}: evidence is not written",
    "drill-overdue": lambda said: f"{said.name}: a drill is overdue" + said.time("due", ", due "),
    "obligation-late": lambda said: (
        f"{said.name}: {said.kind or 'something owed'} is late" + said.time("due", ", due ")
    ),
    "obligation-found": lambda said: f"{said.name}: {said.kind or 'something owed'} was found that no run is known for",
    "source-running": lambda said: f"{said.name}: VMs run on premises too: {list_text(said.data.get('running'))}",
    "recovery-plan-drifted": lambda said: f"{said.name}: recovery plans differ from the plan",
    "node-needs-person": lambda said: f"node {said.name} needs a person",
    "timer-duty-failed": _timer_subject,
}


def _count_text(count: Any, noun: str) -> str:
    return count_of(count, noun) if isinstance(count, int) and not isinstance(count, bool) else f"an {noun}"


def _facts_of(event: NotifiedEvent, awaited: Awaited, about: About) -> Iterator[tuple[str, str]]:
    data = event.data
    yield "Plan", plain_text(about.plan, 100)
    yield "Site", plain_text(about.site, 100)
    yield "Asked for by", plain_text(awaited.requested_by, 100)
    yield "Why", plain_text(awaited.reason)
    yield "Cannot be undone", plain_text("; ".join(awaited.irreversible))
    yield "Data that would be lost", plain_text(awaited.data_loss)
    yield "VMs", list_text(data.get("vms"))
    yield "What", plain_text(data.get("what"))
    yield "Failures", _failures_text(data.get("failures"))
    yield "Cause", plain_text(data.get("cause"))
    yield "Remedy", plain_text(data.get("remedy"))
    yield "Differences", list_text(data.get("differences"))
    yield "Until", time_text(data.get("until"))
    yield "Due", time_text(data.get("due"))
    yield "At", time_text(event.at)
    yield "Run", plain_text(data.get("operation"), 200)


def _failures_text(failures: Any) -> str:
    """Which VMs failed by which code; no detail: a hook may have written into it."""
    if not isinstance(failures, Sequence) or isinstance(failures, str):
        return ""
    named = [failure for failure in failures if isinstance(failure, Mapping)]
    return list_text([f"{one.get('vm') or one.get('subject') or ''} {one.get('code', '')}".strip() for one in named])
