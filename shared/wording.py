"""How lists are told to people."""

from collections.abc import Sequence


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
