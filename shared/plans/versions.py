"""Declared documents with their versions: a change is accepted only from someone who knows the last one. Pure."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from shared.messages import Document, Message

type DocumentKind = Literal["site", "plan"]
VERSIONS_KEPT = 50
"""How many former versions are remembered."""


class Version(Document):
    """Who declared what when.

    Attributes:
        digest: Names the content.
        changed_fields: Those that are other than in the version before; empty for the first.
    """

    version: int
    digest: str
    declared_at: datetime
    declared_by: str
    changed_fields: tuple[str, ...] = ()


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
        by: Who asks for it.
    """

    document_kind: DocumentKind
    name: str
    action: Literal["put", "remove"]
    document: dict[str, Any] = Field(default_factory=dict)
    digest: str = ""
    by: str = ""
    if_match: str = ""

    @property
    def key(self) -> str:
        """Under which the document is kept."""
        return f"{self.document_kind}:{self.name}"


class Declaration(DocumentChange):
    """The change as it is made, and when."""

    at: datetime


class DeclarationOutcome(Message):
    """What became of a declaration; `etag` is the one that holds now, empty without a document."""

    outcome: str
    etag: str = ""


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
    made = (declaration.at, declaration.by, declaration.digest)
    if current and newest and (newest.declared_at, newest.declared_by, newest.digest) == made:
        return current, DeclarationOutcome(outcome="changed" if current.version > 1 else "created", etag=current.etag)
    if conflict := _check_precondition(current, declaration):
        return current, conflict
    if current and current.digest == declaration.digest:
        return current, DeclarationOutcome(outcome="unchanged", etag=current.etag)
    number = current.version + 1 if current else 1
    before, after = current.document if current else declaration.document, declaration.document
    new_version = Version(
        version=number,
        digest=declaration.digest,
        declared_at=declaration.at,
        declared_by=declaration.by,
        changed_fields=tuple(sorted(key for key in {**before, **after} if before.get(key) != after.get(key))),
    )
    history = (*(current.history if current else ()), new_version)[-VERSIONS_KEPT:]
    fresh = VersionedDocument(document=declaration.document, version=number, digest=declaration.digest, history=history)
    return fresh, DeclarationOutcome(outcome="changed" if current else "created", etag=fresh.etag)


def withdraw_document(
    current: VersionedDocument | None, declaration: Declaration
) -> tuple[VersionedDocument | None, DeclarationOutcome]:
    """Withdraw: "removed", "missing", or "conflict"."""
    if current is None and not declaration.if_match:
        return None, DeclarationOutcome(outcome="missing")
    if conflict := _check_precondition(current, declaration):
        return current, conflict
    return None, DeclarationOutcome(outcome="removed")
