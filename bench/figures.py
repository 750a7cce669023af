"""A measured figure, beside the bound that it should hold."""

from typing import NamedTuple


class Figure(NamedTuple):
    """One figure.

    Attributes:
        bound: What it should hold, in words ("<= 3.5"), empty when it is only told.
    """

    what: str
    value: float
    unit: str
    bound: str = ""
    note: str = ""
