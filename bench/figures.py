"""A measured figure, beside the bound that it should hold."""

import operator
from typing import NamedTuple

HOLDS = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, "=": operator.eq}


class Figure(NamedTuple):
    """One figure.

    Attributes:
        bound: What it should hold: "<= 3.5", ">= 1,000", "= 0"; empty when it is only told.
        firm: Whether the bound holds on any machine; else it is told of an idle one, and missing it is no failure.
    """

    what: str
    value: float
    unit: str
    bound: str = ""
    note: str = ""
    firm: bool = True

    @property
    def missed(self) -> bool:
        """Whether a bound that has to hold does not."""
        if not self.bound or not self.firm:
            return False
        sign, _, limit = self.bound.partition(" ")
        return not HOLDS[sign](self.value, float(limit.replace(",", "")))
