"""Acts of administration: what persons did to the app itself, were refused, or read; in the log of heads. Pure.

An entry of the log is {seq, previous, kind: "administration", at, id, tenant, acts, leftOut}, signed like that of a
pack; each act is {act, subject, at, until, count, by, byId, facts}. `id` is that of the run that wrote it.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from pydantic import Field

from shared.evidence.canonical import to_canonical_json
from shared.evidence.log_of_heads import LogEnd
from shared.evidence.verify import read_json
from shared.messages import Message
from shared.redaction import redact_json, redact_text

type ActKind = Literal[
    "declared",
    "changed",
    "withdrawn",
    "change-not-made",
    "start-approved",
    "hold-set",
    "hold-changed",
    "hold-lifted",
    "node-declared-lost",
    "lost-node-withdrawn",
    "obligation-settled",
    "evidence-read",
    "refused",
]
ACT_KINDS: tuple[ActKind, ...] = ActKind.__value__.__args__
COUNTS_KEY, LATE, CAUGHT_UP, UNWRITTEN = "administration", "late", "caughtUp", "unwritten"
"""Under which key it is counted what became of records: not written at the first try, written later, and never."""
MOST_ACTS = 50
"""Of one entry."""
LONGEST_TEXT, MOST_VALUES = 500, 50
"""Characters of a text, and values of a list, in what an act says."""


class Act(Message):
    """Something that a person did to the app itself, was refused, or read.

    Attributes:
        act: What was done.
        subject: To what: "plans/payroll"; of what was gathered the function that was asked.
        at: When; of several that are equal the first.
        until: When the last of them was.
        count: How many there were.
        by: The name of who did it; `by_id`: who that is, as Entra knows them, empty for a key and for nobody.
        facts: What else is known, each a text, a number, yes or no, or a list of texts.
    """

    act: ActKind
    subject: str
    at: datetime
    until: datetime | None = None
    count: int = 1
    by: str = ""
    by_id: str = ""
    facts: dict[str, Any] = Field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As it is kept: of bounded length, and without secrets."""
        return {
            "act": self.act,
            "subject": _bounded_text(self.subject),
            "at": self.at.isoformat(),
            "until": (self.until or self.at).isoformat(),
            "count": self.count,
            "by": _bounded_text(self.by),
            "byId": _bounded_text(self.by_id),
            "facts": _bounded_facts(self.facts),
        }


class AdministrationRecord(Message):
    """Acts that become one entry of the log.

    Attributes:
        id: Of the run that writes it: the log has it once.
        acts: From 1 to MOST_ACTS.
        left_out: How many requests were counted here alone, because too many different ones came.
    """

    id: str
    acts: tuple[Act, ...]
    left_out: int = 0


def _bounded_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    clean: Mapping[str, Any] = redact_json(dict(facts))
    return {name[:LONGEST_TEXT]: _bounded_value(value) for name, value in list(clean.items())[:MOST_VALUES]}


def _bounded_value(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_bounded_text(str(one)) for one in value[:MOST_VALUES]]
    return value if value is None or isinstance(value, bool | int) else _bounded_text(str(value))


def _bounded_text(text: str) -> str:
    """Without secrets, and then cut: a secret that is cut first may not look like one any more."""
    return redact_text(text[: LONGEST_TEXT * 4])[:LONGEST_TEXT]


class LoggedActs(NamedTuple):
    """What an entry of the log vouches for."""

    id: str
    tenant: str
    acts: list[dict[str, Any]]
    leftOut: int  # noqa: N815 - as it stands in the entry

    @classmethod
    def of(cls, record: AdministrationRecord, tenant: str) -> "LoggedActs":
        """As they are kept.

        Args:
            tenant: In which the persons are; empty where keys are the door.
        """
        acts = [act.to_json() for act in record.acts[:MOST_ACTS]]
        kept = read_json(to_canonical_json({"acts": acts}))  # as it is read again: a later try has to know it
        return cls(record.id, tenant, kept["acts"], record.left_out)

    def is_in(self, content: bytes) -> bool:
        """Whether an entry is of these very acts, whatever the settings said when it was written."""
        entry = read_json(content)
        return all(entry.get(name) == value for name, value in self._asdict().items() if name != "tenant")

    def to_statement(self, end: LogEnd, at: datetime) -> dict[str, Any]:
        """The entry after this end of the log, before it is signed."""
        facts = {"seq": end.size + 1, "previous": end.head, "kind": "administration", "at": at.isoformat()}
        return {**facts, **self._asdict()}


class ActQuestion(NamedTuple):
    """Which acts are asked for; empty and None for all.

    Attributes:
        person: Object id or name of who did them.
        before: Only entries with a lower number; 0 for all.
    """

    act: str = ""
    person: str = ""
    since: datetime | None = None
    until: datetime | None = None
    before: int = 0

    def is_met_by(self, act: Mapping[str, Any]) -> bool:
        """Whether an act, as it is kept, is one of them."""
        if self.act not in {"", act["act"]}:
            return False
        if self.person and self.person.casefold() not in {act["by"].casefold(), act["byId"].casefold()}:
            return False
        begins, ends = _read_time(act["at"]), _read_time(act["until"])
        is_after = self.since is None or (ends is not None and ends >= self.since)
        return is_after and (self.until is None or (begins is not None and begins <= self.until))


def acts_in(seq: int, entry: Mapping[str, Any], question: ActQuestion) -> Iterable[dict[str, Any]]:
    """The acts of an entry that are asked for, newest first, each with the number under which the entry stands."""
    is_signed = "signature" in entry
    for act in reversed(entry.get("acts", ())):
        if question.is_met_by(act):
            yield {"entry": seq, "signed": is_signed, **act}


def is_before(entry: Mapping[str, Any], since: datetime | None) -> bool:
    """Whether an entry was written before a time: then its acts were before that, too."""
    at = _read_time(entry["at"])
    return since is not None and at is not None and at < since


def _read_time(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else None
