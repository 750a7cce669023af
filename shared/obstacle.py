"""One thing that stands in the way, has failed, or is worth knowing before something is done."""

from typing import Any, Self

from pydantic import SerializerFunctionWrapHandler, model_serializer

from shared.messages import Document

NO_ANSWER = "no-answer"
"""Something that has to be read or done got no answer for as long as it was asked for."""


class Obstacle(Document):
    """Why something cannot be done, cannot be done now, or failed: one shape for all of these.

    Attributes:
        vm: The VM that it is about; empty when it is about the plan, the site or the node.
        subject: What else it is about: a node, a step, a hook, a part of a site. Empty when it says so itself.
        code: For programs; people read `detail`. docs/codes.md lists all of them.
        detail: What is so, why, and what to do next.
        remedy: What to do, where that is not part of the detail.
        holder: Id of the operation that holds what is needed; empty when nobody does.
        passing: It may pass by itself: ask again later.
        by_hand: A person has to do something and then say so; a run can wait for it.
    """

    vm: str = ""
    subject: str = ""
    code: str
    detail: str
    remedy: str = ""
    holder: str = ""
    passing: bool = False
    by_hand: bool = False

    @classmethod
    def of_error(cls, error: Exception, subject: str = "") -> Self:
        """What a call that was declined, or got no answer, says."""
        detail, code = str(getattr(error, "detail", error)), str(getattr(error, "code", ""))
        return cls(subject=subject, code=code or NO_ANSWER, detail=detail)

    @property
    def text(self) -> str:
        """All of it in one line: "sql-01: 28031: test failover: the VM could not be created"."""
        return ": ".join(filter(None, (self.vm or self.subject, self.code, self.detail)))

    def to_json(self) -> dict[str, Any]:
        """As people and programs read it."""
        return self.model_dump(mode="json", by_alias=True)

    @model_serializer(mode="wrap")
    def _leave_out_what_is_not_so(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Nobody holds most obstacles, and most neither pass nor wait for a person."""
        return {name: value for name, value in serialize(self).items() if name in _ALWAYS or value}


_ALWAYS = frozenset({"vm", "code", "detail"})
