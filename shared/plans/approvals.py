"""Who else has to agree before a verb of a plan begins. Pure."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from shared.documents import Fault, Span, Whole, raise_faults
from shared.messages import Document
from shared.operations.kinds import PlanKind
from shared.principals import OBJECT_ID


def _check_object_id(text: str) -> str:
    if not OBJECT_ID.fullmatch(text):
        raise ValueError(
            "must be an object id in Entra, such as 00000000-0000-0000-0000-000000000000: names are not unique"
        )
    return text.lower()


Approver = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_check_object_id)]
_ROUND_TRIP = frozenset({"failover", "commit", "failback", "reprotect"})


class Approvals(Document):
    """Who else has to agree before a verb begins.

    Attributes:
        count: Different persons, none of them the one who asked.
        expires: How long the request waits for them.
        verbs: Kinds of operation that need it; by default all that bring machines elsewhere, or cannot be undone.
        approvers: Object ids in Entra of those who may agree; empty for every person who has the role. Apps, which
            somebody owns, may only agree, or ask, where they are named here.
    """

    count: Annotated[Whole, Field(ge=1, le=10)] = 1
    expires: Span = timedelta(hours=4)
    verbs: tuple[PlanKind, ...] = ("failover", "commit", "cancel", "change-point", "failback", "reprotect")
    approvers: Annotated[tuple[Approver, ...], Field(max_length=50)] = ()

    @model_validator(mode="after")
    def _check_approvers(self) -> Self:
        approvers = set(self.approvers)
        wrong = []
        if len(approvers) < len(self.approvers):
            wrong.append(Fault(("approvers",), "twice", "an approver is named twice"))
        if approvers and self.count > len(approvers):
            detail = f"{self.count} of {len(approvers)} approvers can never agree"
            wrong.append(Fault(("count",), "too_many", detail))
        if wrong:
            raise_faults(type(self).__name__, wrong, self.count)
        return self

    def is_approver(self, person: str) -> bool:
        """Whether whoever has this object id may approve."""
        return not self.approvers or person.lower() in self.approvers

    def needs_approval(self, kind: str) -> bool:
        """Whether an operation of this kind needs it: a round trip does where any of its parts would."""
        parts = _ROUND_TRIP if kind == "roundtrip" else frozenset[str]()
        return bool({kind, *parts} & set(self.verbs))
