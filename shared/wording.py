"""Lists and durations as people read them."""

from collections.abc import Sequence
from datetime import timedelta


def list_briefly(entries: Sequence[str], most: int = 4, separator: str = ", ") -> str:
    """The first of them in a row, and how many more there are: "a, b, c, d and 3 more"."""
    return separator.join(entries[:most]) + and_more(len(entries) - most)


def and_more(rest: int) -> str:
    """What ends a list that was cut: " and 3 more", or nothing when nothing was left out."""
    return f" and {rest} more" if rest > 0 else ""


def shortened(entries: Sequence[str], most: int) -> tuple[str, ...]:
    """The first of them, and a last entry that says how many more there are."""
    rest = len(entries) - most
    return (*entries[:most], f"and {rest} more") if rest > 0 else tuple(entries)


def format_duration(span: timedelta) -> str:
    """A duration for people: "2 h 05 min", "10 min 09 s", "24 s"."""
    minutes, seconds = divmod(round(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"


def format_roughly(span: timedelta) -> str:
    """A duration for people that is only an estimate: "2 h 5 min", "10 min"; never less than a minute."""
    minutes = max(1, round(span.total_seconds() / 60))
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def count_of(number: int, noun: str) -> str:
    """How many of something, such as "1 plan" or "3 plans"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
