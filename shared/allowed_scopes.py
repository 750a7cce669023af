"""Which scopes of Azure the app may work in, and whether something lies within one of them. Pure.

Ids are compared segment by segment without regard to case: "/subscriptions/1" does not hold "/subscriptions/11". What
is no plain path, because of "..", an empty segment or an encoded slash, lies within nothing.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from shared.obstacle import Obstacle
from shared.problem_details import FieldError
from shared.secret_references import is_reference, parse_reference

SCOPE_CODE = "scope-not-allowed"
_SUBSCRIPTION = "/subscriptions/"
_SCOPE = re.compile(
    r"/subscriptions/[\w-]+(?:/resourceGroups/[^/]+(?:/providers/[\w.]+(?:/[^/]+/[^/]+)+)?)?", re.IGNORECASE
)
_KEY_VAULT = re.compile(r"/subscriptions/.*/providers/microsoft\.keyvault/vaults/([^/]+)", re.IGNORECASE)

type Scopes = tuple[str, ...]


def check_scopes(scopes: Scopes) -> Scopes:
    """The scopes as they were given.

    Raises:
        ValueError: one is not the ARM id of a subscription, a resource group or a resource.
    """
    if wrong := [scope for scope in scopes if not _SCOPE.fullmatch(scope) or not _segments_of(scope)]:
        raise ValueError(f"not the ARM id of a subscription, a resource group or a resource: {', '.join(wrong)}")
    return scopes


def is_allowed(scopes: Scopes, arm_id: str) -> bool:
    """Whether a resource is one of the scopes, or lies within one; without scopes everything does."""
    if not scopes:
        return True
    segments = _segments_of(arm_id)
    return bool(segments) and any(segments[: len(held)] == held for held in map(_segments_of, scopes))


def _segments_of(arm_id: str) -> tuple[str, ...]:
    """The parts of an id in lower case; none where it is no plain path."""
    parts = arm_id.removeprefix("/").removesuffix("/").split("/")
    segments = tuple(unquote(part).lower() for part in parts)
    is_plain = all(segment.strip(". ") and not set(segment) & set("/\\%?#\n\r\t") for segment in segments)
    return segments if is_plain else ()


def is_allowed_secret(scopes: Scopes, reference: str, domain: str) -> bool:
    """Whether the key vault of a reference is one of the scopes by its own id: a short name says no group.

    Args:
        domain: Where key vaults of the app's cloud are: a name is unique within one cloud only.
    """
    try:
        named = parse_reference(reference)
    except ValueError:
        return False
    vaults = (found for scope in scopes if (found := _KEY_VAULT.fullmatch(scope.rstrip("/"))))
    return not scopes or (named.domain == domain and any(vault[1].lower() == named.vault for vault in vaults))


def find_scope_errors(scopes: Scopes, document: Mapping[str, Any], domain: str, under: str = "") -> list[FieldError]:
    """The fields of a document whose resources lie within none of the scopes.

    Args:
        document: As JSON. An ARM id among the parameters of a script is only handed on, and not looked at.
        under: Where the document stands, such as "sites.hci-01"; empty for what was sent itself.
    """
    if not scopes:
        return []
    outside = [
        (field, value)
        for field, value in _texts_in(document, under)
        if (is_reference(value) and not is_allowed_secret(scopes, value, domain))
        or (_is_arm_id(value) and ".parameters." not in field and not is_allowed(scopes, value))
    ]
    return [scope_error(field, value) for field, value in outside]


def scope_error(field: str, value: str) -> FieldError:
    """What is said of a field that names something outside of the scopes."""
    detail = f"{value} lies within none of the scopes that this app may work in: see ALLOWED_SCOPES"
    return FieldError(field=field, detail=detail, obstacle=Obstacle(code=SCOPE_CODE, detail=detail))


def _is_arm_id(text: str) -> bool:
    return f"/{text.strip().strip('/')}/".lower().startswith(_SUBSCRIPTION)


def _texts_in(value: Any, field: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield field, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _texts_in(inner, f"{field}.{name}" if field else str(name))
    elif isinstance(value, Sequence):
        for place, inner in enumerate(value):
            yield from _texts_in(inner, f"{field}[{place}]")
