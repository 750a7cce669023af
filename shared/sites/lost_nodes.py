"""Nodes that a person has declared lost: they never come back, and nothing waits for what only they could say. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

from shared.messages import Document, Message
from shared.sites.node_health import is_agent_connected
from shared.sites.nodes import NodeView, short_host_name

LOST_REMEDY = (
    "A node that never comes back is not waited for once a person has declared it lost: "
    'POST /api/sites/{site}/nodes/{node}/lost with {"reason": "why"}.'
)
"""With the names left open: it stands where several nodes, of several sites, may be meant."""


class LostNode(Document):
    """A node that never comes back, by the word of a person.

    Attributes:
        id: Of the change that declared it.
        confirmed: The sentence that was repeated.
        by: The name of who said so; `by_id`: who that is, as Entra knows them.
    """

    id: str
    site: str
    node: str
    reason: str
    confirmed: str
    by: str
    by_id: str = ""
    at: datetime

    @property
    def key(self) -> str:
        """Under which it is kept, among the nodes of its site."""
        return short_host_name(self.node)

    def describe(self) -> str:
        """What was declared, by whom and why."""
        return f"{self.node} was declared lost by {self.by} on {self.at.isoformat()} ({self.reason}): {self.confirmed}"


class LostNodeChange(Message):
    """Declare a node lost, or withdraw that."""

    id: str
    action: Literal["declare", "withdraw"]
    site: str
    node: str
    reason: str = ""
    confirmed: str = ""
    by: str = ""
    by_id: str = ""


class NodeWithdrawal(Message):
    """A node that is lost no longer."""

    node: str


class LostNodeOutcome(Message):
    """What became of it; a node that is declared lost already stays so by the first word."""

    outcome: Literal["declared", "unchanged", "withdrawn", "missing"]
    lost: LostNode | None = None


type LostNodes = Mapping[str, LostNode]
"""Of one site, by the node's short name."""


def lost_node_sentence(node: str) -> str:
    """What a person has to repeat, word for word, to declare a node lost."""
    return f"{node} never comes back, and no VM that runs in Azure runs on it."


def with_lost_node(lost_nodes: LostNodes, new: LostNode) -> tuple[LostNodes, LostNodeOutcome]:
    """With one more that is lost."""
    if old := lost_nodes.get(new.key):
        return lost_nodes, LostNodeOutcome(outcome="unchanged", lost=old)
    return {**lost_nodes, new.key: new}, LostNodeOutcome(outcome="declared", lost=new)


def without_lost_node(lost_nodes: LostNodes, node: str) -> tuple[LostNodes, LostNodeOutcome]:
    """Without one that was not lost."""
    key = short_host_name(node)
    if key not in lost_nodes:
        return lost_nodes, LostNodeOutcome(outcome="missing")
    left = {name: lost for name, lost in lost_nodes.items() if name != key}
    return left, LostNodeOutcome(outcome="withdrawn", lost=lost_nodes[key])


def read_lost_nodes(state: Mapping[str, Any] | None) -> tuple[LostNode, ...]:
    """From what the entity keeps."""
    return tuple(LostNode.model_validate(one) for one in (state or {}).values())


def split_lost_nodes(
    nodes: Iterable[NodeView], lost_nodes: Iterable[LostNode]
) -> tuple[list[NodeView], tuple[LostNode, ...]]:
    """The nodes that have to answer, and the words that stand for others; a node that is connected is not lost."""
    lost_by_key = {lost.key: lost for lost in lost_nodes}
    asked, words = list[NodeView](), list[LostNode]()
    for node in nodes:
        lost = None if is_agent_connected(node) else lost_by_key.get(short_host_name(node.name))
        if lost:
            words.append(lost)
        else:
            asked.append(node)
    return asked, tuple(words)
