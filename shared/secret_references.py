"""Secrets that a plan names and does not hold: references to secrets of a key vault. Pure."""

import re
from collections.abc import Iterable
from typing import NamedTuple

PREFIX = "@kv:"
HOW = "keep it in a key vault, and write @kv:<vault>/<secret> or @kv:https://<vault>.vault.azure.net/secrets/<secret>"
_NAME = r"(?P<vault>[A-Za-z](?:-?[A-Za-z0-9]){2,23})"
_SECRET = r"(?P<secret>[0-9A-Za-z-]{1,127})(?:/(?P<version>[0-9a-f]{32}))?"  # noqa: S105 - a pattern of names
_SHORT = re.compile(rf"{_NAME}/{_SECRET}")
_LONG = re.compile(rf"https://{_NAME}\.(?P<domain>[a-z.]+)/secrets/{_SECRET}/?", re.IGNORECASE)
DOMAINS = frozenset({"vault.azure.net", "vault.azure.cn", "vault.usgovcloudapi.net"})
"""Where key vaults are: in Azure, in Azure operated by 21Vianet, and in Azure Government."""


class SecretReference(NamedTuple):
    """A secret of a key vault.

    Attributes:
        version: Empty for the newest.
    """

    vault: str
    secret: str
    version: str = ""
    domain: str = "vault.azure.net"


def is_reference(text: str) -> bool:
    """Whether it is meant as a reference, well written or not."""
    return text.lstrip().startswith(PREFIX)


def parse_reference(text: str) -> SecretReference:
    """The reference.

    Raises:
        ValueError: it names no secret of a key vault in Azure.
    """
    place = text.strip().removeprefix(PREFIX)
    found = _SHORT.fullmatch(place) or _LONG.fullmatch(place)
    domain = (found.groupdict().get("domain") or "vault.azure.net").lower() if found else ""
    if not text.strip().startswith(PREFIX) or found is None or domain not in DOMAINS:
        raise ValueError(f"{text[:200]!r} names no secret of a key vault: {HOW}")
    return SecretReference(found["vault"].lower(), found["secret"], found["version"] or "", domain)


def references_in(values: Iterable[str]) -> tuple[str, ...]:
    """Those of these values that are references."""
    return tuple(dict.fromkeys(value for value in values if is_reference(value)))
