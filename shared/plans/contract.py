"""What runs read of the app's own documents: sites, plans, obligations, and the histories of plans."""

from datetime import datetime
from typing import Any

from shared.activity import Activity
from shared.messages import Message
from shared.operations.holds import Hold
from shared.sites.lost_nodes import LostNode


class ReadDocuments(Message):
    """Read all that is declared: the timers' only view of it.

    Attributes:
        look_at: When the timer looks, so that what is late is measured; None for anybody else.
    """

    look_at: datetime | None = None


class DeclaredDocument(Message):
    """A declared document as its entity keeps it."""

    name: str
    document: dict[str, Any]
    declared: datetime


class StoredPlanHistory(Message):
    """What is remembered of a plan, as its entity keeps it, with no more of the past than its newest good drill."""

    name: str
    plan_history: dict[str, Any]


class DocumentsRead(Message):
    """Sites, plans and approval policies by name, what is owed, and what is remembered of the plans' drills.

    Attributes:
        settled_obligations: What persons have settled, and is kept for the record.
        unreadable: What is kept of these cannot be read: keys of entities.
        holds: What is kept of holds; a look takes those that are in effect then.
    """

    sites: tuple[DeclaredDocument, ...]
    plans: tuple[DeclaredDocument, ...]
    approval_policies: tuple[DeclaredDocument, ...] = ()
    obligations: tuple[dict[str, Any], ...]
    settled_obligations: tuple[dict[str, Any], ...] = ()
    plan_histories: tuple[StoredPlanHistory, ...] = ()
    unreadable: tuple[str, ...] = ()
    holds: tuple[Hold, ...] = ()
    lost_nodes: tuple[LostNode, ...] = ()


READ_DOCUMENTS = Activity("read_documents", ReadDocuments, DocumentsRead)
