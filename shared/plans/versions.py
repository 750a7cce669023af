"""Declared documents with their versions: a change is accepted only by someone who saw the last one. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import Field

from shared.messages import Message

VERSIONS_KEPT = 50
"""How many former versions are remembered."""


class Version(Message):
    """Who declared what when.

    Attributes:
        digest: Names the content.
        changed: Fields of the document that are other than in the version before; empty for the first.
    """

    version: int
    digest: str
    at: datetime
    by: str
    changed: tuple[str, ...] = ()


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


class Declaration(Message):
    """Wish to declare a document, or to withdraw it.

    Attributes:
        if_match: Entity tag that the caller saw; "*" for any that exists; empty for no condition.
    """

    document: dict[str, Any] = Field(default_factory=dict)
    digest: str = ""
    by: str = ""
    at: datetime
    if_match: str = ""


class DeclarationOutcome(Message):
    """What became of a declaration; `etag` is the one that holds now, empty without a document."""

    outcome: str
    etag: str = ""


def _check_precondition(current: VersionedDocument | None, declaration: Declaration) -> DeclarationOutcome | None:
    if declaration.if_match and (current is None or declaration.if_match not in {"*", current.etag}):
        return DeclarationOutcome(outcome="conflict", etag=current.etag if current else "")
    return None


def _changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(sorted(key for key in {**before, **after} if before.get(key) != after.get(key)))


def declare_document(
    current: VersionedDocument | None, declaration: Declaration
) -> tuple[VersionedDocument | None, DeclarationOutcome]:
    """Declare: "created", "changed", "unchanged" (same content), or "conflict" (someone else was faster)."""
    if conflict := _check_precondition(current, declaration):
        return current, conflict
    if current and current.digest == declaration.digest:
        return current, DeclarationOutcome(outcome="unchanged", etag=current.etag)
    number = current.version + 1 if current else 1
    changed = _changed_fields(current.document, declaration.document) if current else ()
    new_version = Version(
        version=number, digest=declaration.digest, at=declaration.at, by=declaration.by, changed=changed
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
