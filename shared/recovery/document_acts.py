"""Declarations as acts of administration: who made a document what it is now, and with whose approval. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from shared.evidence.administration import Act, ActKind
from shared.plans.versions import DeclarationOutcome, DocumentChange
from shared.recovery.people import Approval

ACT_BY_OUTCOME: Mapping[str, ActKind] = {"created": "declared", "changed": "changed", "removed": "withdrawn"}
"""Of a declaration that changed something."""


def document_act(
    change: DocumentChange, outcome: DeclarationOutcome, at: datetime, approvals: Iterable[Approval] = ()
) -> Act | None:
    """What a declaration did; None where everything stays as it was."""
    act = ACT_BY_OUTCOME.get(outcome.outcome)
    if act is None:
        return None
    facts = {
        "etag": outcome.etag,
        "digestBefore": outcome.digest_before,
        "digest": change.digest,
        "changedFields": list(outcome.changed_fields),
    }
    approved = approvals_in_words(approvals)
    return Act(
        act=act,
        subject=change.path,
        at=at,
        by=change.by,
        by_id=change.by_id,
        facts=facts | ({"approvals": approved} if approved else {}),
    )


def approvals_in_words(approvals: Iterable[Approval]) -> list[str]:
    """Who approved or rejected: names, with object ids."""
    return [f"{'approved' if one.approved else 'rejected'} by {one.by} ({one.person})" for one in approvals]
