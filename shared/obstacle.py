"""One thing that stands in the way, or is worth knowing before something is done."""

from typing import Any

from pydantic import SerializerFunctionWrapHandler, model_serializer

from shared.messages import Document


class Obstacle(Document):
    """Why something cannot be done, or cannot be done now.

    Attributes:
        vm: The VM that it is about; empty when it is about the plan, the site or the node.
        code: For programs; people read `detail`. docs/codes.md lists all of them.
        detail: What is so, why, and what to do next.
        holder: Id of the operation that holds what is needed; empty when nobody does.
        passing: It may pass by itself: ask again later.
        by_hand: A person has to do something and then say so; a run can wait for it.
    """

    vm: str = ""
    code: str
    detail: str
    holder: str = ""
    passing: bool = False
    by_hand: bool = False

    @model_serializer(mode="wrap")
    def _leave_out_what_is_not_so(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Nobody holds most obstacles, and most neither pass nor wait for a person."""
        return {name: value for name, value in serialize(self).items() if name in _ALWAYS or value}


_ALWAYS = frozenset({"vm", "code", "detail"})
