"""A change that others have to approve before it is made: of a document, or of what is protected."""

import hashlib
import json
from typing import Literal

from shared.messages import Message
from shared.operations.contract import StartRun
from shared.plans.approvals import RequiredApprovals
from shared.plans.versions import DocumentChange


class GuardedChange(Message):
    """What a run of the kind `change` starts from.

    Attributes:
        id: Instance id of the run.
        subject: What it is about, as in URLs: "plans/payroll".
        requester_id: Who asked, as Entra knows them.
        sites: Sites whose holds keep it from being approved; empty for a document.
        detail: What it does, in a sentence.
        changed_fields: Of a document: those that would be other than now.
        required: Whose approvals it waits for.
        document: The document that is declared or withdrawn then; None where a run is started.
        start: The run that is started then.
    """

    id: str
    kind: Literal["change"] = "change"
    subject: str
    requested_by: str
    requester_id: str
    sites: tuple[str, ...] = ()
    detail: str
    changed_fields: tuple[str, ...] = ()
    required: tuple[RequiredApprovals, ...]
    document: DocumentChange | None = None
    start: StartRun | None = None

    @property
    def digest(self) -> str:
        """Names what is approved."""
        content = self.model_dump(mode="json", include={"subject", "document", "start"})
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
