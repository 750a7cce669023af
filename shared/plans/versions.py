"""Declared documents with their versions: a change is accepted only from someone who knows the last one. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from shared.messages import Document, Message
from shared.wording import shortened

type DocumentKind = Literal["site", "plan", "approval-policy", "notification-rule"]
COLLECTIONS: Mapping[DocumentKind, str] = {
    "site": "sites",
    "plan": "plans",
    "approval-policy": "approval-policies",
    "notification-rule": "notification-rules",
}
"""Under which path documents of a kind stand."""
VERSIONS_KEPT, SHOWN_CHANGES = 50, 5
"""How many former versions are remembered, and how many changes a sentence names."""


class Version(Document):
    """Who declared what when.

    Attributes:
        digest: Names the content.
        declared_by_id: Who it was, as Entra knows them: names are not unique. Empty for a function key.
        changed_fields: Those that are other than in the version before; empty for the first.
    """

    version: int
    digest: str
    declared_at: datetime
    declared_by: str
    declared_by_id: str = ""
    changed_fields: tuple[str, ...] = ()


def describe_changes_since(versions: Sequence[Version], digest: str) -> tuple[str, ...]:
    """What has changed in a plan since the version with this digest, in words, the newest change last.

    Args:
        versions: Those that are kept, oldest first.
    """
    places = [place for place, one in enumerate(versions) if one.digest == digest]
    later = versions[places[-1] + 1 :] if places else ()
    changes = [
        f"{', '.join(one.changed_fields)} of the plan changed in version {one.version}"
        f" ({one.declared_by}, {one.declared_at:%Y-%m-%d %H:%M} UTC)"
        for one in later
    ]
    return shortened(changes, SHOWN_CHANGES) or ("the plan has changed",)


class VersionedDocument(Message):
    """A document as it stands.

    Attributes:
        history: Former versions and this one, newest last.
    """

    document: dict[str, Any]
    version: int
    digest: str
    history: tuple[Version, ...] = ()

    @property
    def etag(self) -> str:
        """Changes with each version: an old content declared again is a new version."""
        return f'"{self.version}-{self.digest[:12]}"'


class DocumentChange(Message):
    """A request to declare a document, or to withdraw it.

    Attributes:
        action: "put" declares it, "remove" withdraws it.
        if_match: Entity tag that the caller read; "*" for any that exists; empty for no condition.
        by: The name of who asks for it; `by_id`: who that is, as Entra knows them.
    """

    document_kind: DocumentKind
    name: str
    action: Literal["put", "remove"]
    document: dict[str, Any] = Field(default_factory=dict)
    digest: str = ""
    by: str = ""
    by_id: str = ""
    if_match: str = ""

    @property
    def key(self) -> str:
        """Under which the document is kept."""
        return f"{self.document_kind}:{self.name}"

    @property
    def path(self) -> str:
        """Where the document stands below /api: "plans/payroll"."""
        return f"{COLLECTIONS[self.document_kind]}/{self.name}"


class Declaration(DocumentChange):
    """The change as it is made, and when."""

    at: datetime


class DeclarationOutcome(Message):
    """What became of a declaration.

    Attributes:
        etag: That holds now; empty without a document.
        digest_before: Of the document as it was, where it is other than before; empty without one.
        changed_fields: Those that are other than before.
    """

    outcome: str
    etag: str = ""
    digest_before: str = ""
    changed_fields: tuple[str, ...] = ()


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields of a document that are other than before."""
    return tuple(sorted(key for key in {**before, **after} if before.get(key) != after.get(key)))


def _check_precondition(current: VersionedDocument | None, declaration: Declaration) -> DeclarationOutcome | None:
    if declaration.if_match and (current is None or declaration.if_match not in {"*", current.etag}):
        return DeclarationOutcome(outcome="conflict", etag=current.etag if current else "")
    return None


def declare_document(
    current: VersionedDocument | None, declaration: Declaration
) -> tuple[VersionedDocument | None, DeclarationOutcome]:
    """Declare: "created", "changed", "unchanged" (same content), or "conflict" (someone else was faster).

    A declaration that arrives once more, because the worker died before it could answer, is answered as before.
    """
    newest = current.history[-1] if current and current.history else None
    made = (declaration.at, declaration.by, declaration.by_id, declaration.digest)
    was_made = newest and (newest.declared_at, newest.declared_by, newest.declared_by_id, newest.digest) == made
    if current and was_made:
        return current, _outcome_of_newest(current)
    if conflict := _check_precondition(current, declaration):
        return current, conflict
    if current and current.digest == declaration.digest:
        return current, DeclarationOutcome(outcome="unchanged", etag=current.etag)
    number = current.version + 1 if current else 1
    before = current.document if current else declaration.document
    new_version = Version(
        version=number,
        digest=declaration.digest,
        declared_at=declaration.at,
        declared_by=declaration.by,
        declared_by_id=declaration.by_id,
        changed_fields=changed_fields(before, declaration.document),
    )
    history = (*(current.history if current else ()), new_version)[-VERSIONS_KEPT:]
    fresh = VersionedDocument(document=declaration.document, version=number, digest=declaration.digest, history=history)
    return fresh, _outcome_of_newest(fresh)


def _outcome_of_newest(made: VersionedDocument) -> DeclarationOutcome:
    """What became of the declaration that made the newest version."""
    before = made.history[-2].digest if len(made.history) > 1 else ""
    changed = made.history[-1].changed_fields
    outcome = "changed" if made.version > 1 else "created"
    return DeclarationOutcome(outcome=outcome, etag=made.etag, digest_before=before, changed_fields=changed)


def withdraw_document(
    current: VersionedDocument | None, declaration: Declaration
) -> tuple[VersionedDocument | None, DeclarationOutcome]:
    """Withdraw: "removed", "missing", or "conflict"."""
    if current is None and not declaration.if_match:
        return None, DeclarationOutcome(outcome="missing")
    if conflict := _check_precondition(current, declaration):
        return current, conflict
    return None, DeclarationOutcome(outcome="removed", digest_before=current.digest if current else "")
