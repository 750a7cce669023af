"""What a route says of itself: who may use it, what it takes and answers. Guards and the API description read it."""

from collections.abc import Mapping
from typing import NamedTuple, TypedDict

from shared.messages import Message


class Variant(NamedTuple):
    """What one word in the path of a route stands for, such as a verb.

    Attributes:
        role: Who may do it; a preview needs no more than "Dr.Read".
        without: The fields of the body that it does not take.
    """

    role: str
    body: type[Message]
    without: frozenset[str] = frozenset()


class EndpointRules(NamedTuple):
    """The rules of one route.

    Attributes:
        role: Who gets in; a preview needs no more than "Dr.Read".
        parameters: The query parameters that it knows.
        is_conditional: Whether it looks at If-Match.
        body: What its body has to be; None when it takes none.
        action_roles: The roles of what it does after it has let the caller in, where those depend on the request.
        variants: By the last part of the path, where that is a parameter of few words.
        statuses: What it answers where nothing is wrong; 200 also to a preview.
        media_types: What it answers with.
        is_evidence: Whether it answers with evidence: who reads that is written down.
    """

    role: str
    parameters: tuple[str, ...] = ()
    is_conditional: bool = False
    body: type[Message] | None = None
    action_roles: tuple[str, ...] = ()
    variants: Mapping[str, Variant] = {}
    statuses: tuple[int, ...] = (200,)
    media_types: tuple[str, ...] = ("application/json",)
    is_evidence: bool = False


class MoreRules(TypedDict, total=False):
    """The rules beside role and query parameters."""

    is_conditional: bool
    body: type[Message]
    action_roles: tuple[str, ...]
    variants: Mapping[str, Variant]
    statuses: tuple[int, ...]
    media_types: tuple[str, ...]
    is_evidence: bool
