"""What a run still owes: kept apart from the run, so that it survives it."""

from datetime import datetime
from typing import Literal

from shared.messages import Document

ObligationKind = Literal["cleanup", "commit", "reprotect"]


class Obligation(Document):
    """One thing owed for a plan.

    Attributes:
        owner: The operation that incurred it.
        due: When it is late; a timer acts on it or reminds then.
        vms: Whom it concerns.
    """

    kind: ObligationKind
    plan: str
    owner: str
    opened: datetime
    due: datetime
    vms: tuple[str, ...] = ()
    detail: str = ""

    @property
    def id(self) -> str:
        """One of a kind for a plan: a later run takes over what an earlier one owed."""
        return f"{self.plan}:{self.kind}"
