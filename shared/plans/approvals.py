"""Who else has to agree before something begins. Pure."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Protocol, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from shared.documents import Fault, Span, Whole, raise_faults
from shared.messages import Document
from shared.operations.kinds import PlanKind
from shared.principals import OBJECT_ID
from shared.wording import list_briefly


def _check_object_id(text: str) -> str:
    if not OBJECT_ID.fullmatch(text):
        raise ValueError(
            "must be an object id in Entra, such as 00000000-0000-0000-0000-000000000000: names are not unique"
        )
    return text.lower()


Approver = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_check_object_id)]
ANYONE = "anyone who may approve, other than who asked"


class ApprovalRule(Document):
    """How many others have to agree, and who they are.

    Attributes:
        count: Different persons, none of them the one who asked.
        expires: How long the request waits for them.
        approvers: Object ids in Entra of those who may agree; empty for every person who has the role. Apps, which
            somebody owns, may only agree, or ask, where they are named here.
    """

    count: Annotated[Whole, Field(ge=1, le=10)] = 1
    expires: Span = timedelta(hours=4)
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


class Approvals(ApprovalRule):
    """Who else has to agree before a verb begins that touches a VM of this plan, in whatever plan it is run.

    Attributes:
        verbs: Kinds of operation that need it; by default all that bring machines elsewhere, or cannot be undone.
    """

    verbs: tuple[PlanKind, ...] = ("failover", "commit", "cancel", "change-point", "failback", "reprotect")


class ApprovalLike(Protocol):
    """A person's word on something, as far as it is counted."""

    @property
    def person(self) -> str:
        """Object id in Entra."""

    @property
    def is_app(self) -> bool:
        """Whether it was an app."""


class RequiredApprovals(Document):
    """What one policy or plan asks for before something begins; a run that several ask for waits for all of them.

    Attributes:
        source: Who asks: "approval policy production" or "plan payroll".
    """

    source: str
    count: int = 1
    expires: timedelta = timedelta(hours=4)
    approvers: tuple[str, ...] = ()

    @classmethod
    def of(cls, source: str, rule: ApprovalRule) -> Self:
        """As a policy or a plan has it."""
        return cls(source=source, count=rule.count, expires=rule.expires, approvers=rule.approvers)

    def counts(self, approval: ApprovalLike) -> bool:
        """Whether this person's word is one of those that are asked for."""
        return approval.person.lower() in self.approvers if self.approvers else not approval.is_app

    def missing(self, given: Iterable[ApprovalLike]) -> int:
        """How many persons have still to agree, of those who have so far."""
        return max(0, self.count - len({one.person.lower() for one in given if self.counts(one)}))

    def describe_missing(self, given: Iterable[ApprovalLike]) -> str:
        """How many, for whom and from whom."""
        left = self.missing(given)
        noun = "approval" if left == 1 else "approvals"
        return f"{left} {noun} for the {self.source} ({list_briefly(self.approvers) or ANYONE})"
