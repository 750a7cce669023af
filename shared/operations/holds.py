"""Holds: while one is in effect, nothing new begins at its site, or anywhere. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from shared.messages import Document, Message

HOLDS_KEY = "app:holds"
"""All are kept in one entity, so that one read shows whether anything is held. No plan or site can have this key."""
EVERYWHERE = "*"
"""Where a hold of the whole app is kept: no site can have this name."""
LONGEST_HOLD = timedelta(days=366)
"""A year: what is to rest for longer is withdrawn, not held."""


class Hold(Document):
    """A stop for everything that has not begun.

    Attributes:
        id: Of the change that set it.
        site: Whose; empty for all sites.
        by: The name of who set it, or changed it last; `by_id`: who that is, as Entra knows them.
        since: When it began, also if it was changed later.
        until: When it ends by itself; None for when somebody lifts it.
    """

    id: str
    site: str = ""
    reason: str
    by: str
    by_id: str = ""
    since: datetime
    until: datetime | None = None

    @property
    def key(self) -> str:
        """Under which it is kept."""
        return self.site or EVERYWHERE

    @property
    def url(self) -> str:
        """Where it is read and lifted."""
        return f"/api/sites/{self.site}/hold" if self.site else "/api/hold"

    @property
    def subject(self) -> str:
        """What is on hold, at the beginning of a sentence."""
        return f"The site {self.site}" if self.site else "The whole app"

    def is_over(self, at: datetime) -> bool:
        """Whether its time has come."""
        return self.until is not None and self.until <= at

    def holds_any(self, sites: Iterable[str]) -> bool:
        """Whether one of these sites is held."""
        return not self.site or self.site in sites

    def to_view(self) -> dict[str, Any]:
        """As people read it: `site` is null where all sites are held."""
        return {**self.model_dump(mode="json", by_alias=True), "site": self.site or None}

    def describe(self) -> str:
        """What is held, why, by whom and until when, in one sentence without its stop."""
        until = f"until {self.until.isoformat()}" if self.until else "until somebody lifts it"
        return f"{self.subject} is on hold {until}: {self.reason} ({self.by}, {self.since.isoformat()})"


class HoldLift(Message):
    """Lift the hold of a site, or of the whole app where none is named."""

    site: str = ""


type Holds = Mapping[str, Hold]
"""By site, or EVERYWHERE."""


class HoldChange(Message):
    """What a person, or the passing of time, changes.

    Attributes:
        action: "expire" ends what is over, and shows what is left, as the other two do first.
    """

    id: str
    action: Literal["set", "lift", "expire"]
    site: str = ""
    reason: str = ""
    by: str = ""
    by_id: str = ""
    until: datetime | None = None


class HoldOutcome(Message):
    """What became of a change.

    Attributes:
        outcome: "invalid" for an `until` that cannot be, "missing" where nothing was to be lifted.
        hold: That was set or lifted.
        holds: All that are in effect now.
        detail: What is wrong with `until`.
    """

    outcome: Literal["begun", "changed", "unchanged", "ended", "missing", "invalid", "read"]
    hold: Hold | None = None
    holds: tuple[Hold, ...] = ()
    detail: str = ""


class PastHoldsEnded(Message):
    """The holds whose time had come, and those that are left."""

    ended: tuple[Hold, ...]
    holds: tuple[Hold, ...]


def check_until(until: datetime | None, at: datetime) -> str:
    """What is wrong with the end of a hold; empty when it may be."""
    if until is None:
        return ""
    if until <= at:
        return f"must be in the future: it is {at.isoformat()} now"
    if until - at > LONGEST_HOLD:
        return f"must be within a year ({LONGEST_HOLD.days} days) from now"
    return ""


def with_hold(holds: Holds, new: Hold) -> tuple[Holds, HoldOutcome]:
    """With a hold of this site; the same once more changes nothing, another one takes the place of the old."""
    old = holds.get(new.key)
    if old and (old.reason, old.until) == (new.reason, new.until):
        return holds, HoldOutcome(outcome="unchanged", hold=old, holds=tuple(holds.values()))
    kept = new.model_copy(update={"since": old.since}) if old else new
    changed = {**holds, new.key: kept}
    return changed, HoldOutcome(outcome="changed" if old else "begun", hold=kept, holds=tuple(changed.values()))


def without_hold(holds: Holds, lift: HoldLift) -> tuple[Holds, HoldOutcome]:
    """Without the hold of this site."""
    key = lift.site or EVERYWHERE
    left = {name: hold for name, hold in holds.items() if name != key}
    outcome: Literal["ended", "missing"] = "ended" if key in holds else "missing"
    return left, HoldOutcome(outcome=outcome, hold=holds.get(key), holds=tuple(left.values()))


def without_past_holds(holds: Holds, at: datetime) -> tuple[Holds, PastHoldsEnded]:
    """Without those whose time has come; and these."""
    left = {key: hold for key, hold in holds.items() if not hold.is_over(at)}
    ended = tuple(hold for hold in holds.values() if hold.is_over(at))
    return left, PastHoldsEnded(ended=ended, holds=tuple(left.values()))


def find_holds(holds: Iterable[Hold], sites: Iterable[str]) -> tuple[Hold, ...]:
    """Those that hold any of these sites, that of the whole app first."""
    names = frozenset(sites)
    return tuple(sorted((hold for hold in holds if hold.holds_any(names)), key=lambda hold: hold.site))


def read_kept_holds(state: Mapping[str, Any]) -> tuple[Hold, ...]:
    """From what the entity keeps."""
    return tuple(Hold.model_validate(one) for one in state.values())
