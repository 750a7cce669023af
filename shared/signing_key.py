"""The key that signs evidence: where it is, and its signatures as the verifier takes them. Pure."""

import base64
import re
from pathlib import Path
from typing import NamedTuple

from shared.secret_references import DOMAINS

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the group of P-256 (SP 800-186): a signature's halves are below it."""
_KEY = re.compile(
    r"https://(?P<vault>[A-Za-z](?:-?[A-Za-z0-9]){2,23})\.(?P<domain>[a-z.]+)"
    r"/keys/(?P<key>[0-9A-Za-z-]{1,127})(?:/(?P<version>[0-9a-f]{32}))?/?",
    re.IGNORECASE,
)


class KeyReference(NamedTuple):
    """A key of a key vault.

    Attributes:
        version: Empty for the newest.
    """

    vault: str
    domain: str
    key: str
    version: str = ""


def parse_key_place(place: str) -> KeyReference | Path:
    """Where the key is: in a key vault, or in a file of this machine.

    Raises:
        ValueError: neither is named.
    """
    if place.startswith("file:/"):
        return Path(place.removeprefix("file:"))
    found = _KEY.fullmatch(place)
    if found is None or found["domain"].lower() not in DOMAINS:
        raise ValueError(f"no key of a key vault, https://<vault>.vault.azure.net/keys/<key>, nor file:/...: {place!r}")
    return KeyReference(found["vault"].lower(), found["domain"].lower(), found["key"], found["version"] or "")


def signature_text(r: int, s: int) -> str:
    """A signature in base64url; of the two that are each other's mirror the one with the smaller s.

    Source: RFC 7518, 3.4.
    """
    smaller = min(s, ORDER - s)
    return to_base64url(r.to_bytes(32, "big") + smaller.to_bytes(32, "big"))


def to_base64url(raw: bytes) -> str:
    """Without padding."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
