"""What signs evidence: a key of a key vault, which never leaves it, or one in a file for machines of one's own.

Source: Key Vault 7.4, GET {vault}/keys/{name}[/{version}] and POST {vault}/keys/{name}/{version}/sign. Its SDK is not
used: it lets whoever answers say for whom to get a token, takes no other host, and sends requests again.
"""

import asyncio
import base64
import binascii
import os
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from azure.core.rest import HttpRequest

from shared.azure.api_versions import KEY_VAULT_API
from shared.azure.clients import azure
from shared.azure.errors import translate_errors
from shared.azure.json_fields import object_at, text_of
from shared.errors import Refused, Throttled, Transient
from shared.evidence.canonical import to_canonical_json
from shared.evidence.verify import PublicKey, UnusableKey, is_signed_by, read_key
from shared.settings import AzureSettings
from shared.signing_key import ORDER, KeyReference, parse_key_place, signature_text, to_base64url

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

SIGNED_WITHIN = 10.0
"""Seconds for a key vault to answer."""
UNUSABLE = "evidence-key-unusable"


class SigningKey(Protocol):
    """A key on P-256."""

    async def read_public_key(self) -> PublicKey:
        """Its public half.

        Raises:
            Refused: evidence-key-unusable: it is no key on P-256, or is not to be used by this app.
            Transient: the key vault did not answer.
        """

    async def sign(self, message: bytes) -> str:
        """A signature by ES256, in base64url; raises the same."""


class KeyFile(NamedTuple):
    """A key in a file, PEM."""

    path: Path

    async def read_public_key(self) -> PublicKey:
        """Read the file."""
        numbers = (await asyncio.to_thread(self._read)).public_key().public_numbers()
        return PublicKey(numbers.x, numbers.y)

    async def sign(self, message: bytes) -> str:
        """Sign here."""
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA  # noqa: PLC0415 - only when used
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature  # noqa: PLC0415 - only when used
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - only when used

        key = await asyncio.to_thread(self._read)
        return signature_text(*decode_dss_signature(key.sign(message, ECDSA(SHA256()))))

    def _read(self) -> "EllipticCurvePrivateKey":
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - only when used
        from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey  # noqa: PLC0415 - only when used
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - only when used

        try:
            key = load_pem_private_key(self.path.read_bytes(), password=None)
        except OSError as error:
            raise Refused(UNUSABLE, f"the key file of EVIDENCE_KEY cannot be read: {error.strerror}") from None
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise Refused(UNUSABLE, "the file of EVIDENCE_KEY is no private key in PEM without a password") from None
        if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
            raise Refused(UNUSABLE, "the key of EVIDENCE_KEY is not on P-256")
        return key


class VaultKey:
    """A key of a key vault. Its version is asked first, as sign needs one, and its public half, to check."""

    def __init__(self, named: KeyReference) -> None:
        self._named = named
        self._version = named.version
        self._public_key: PublicKey | None = None

    async def read_public_key(self) -> PublicKey:
        """Ask the key vault, once."""
        self._public_key = self._public_key or await self._ask_public_key()
        return self._public_key

    async def _ask_public_key(self) -> PublicKey:
        key = object_at(await self._ask("GET", self._version), "key")
        self._version = text_of(key.get("kid")).rpartition("/")[2]
        try:
            return read_key(to_canonical_json({name: key.get(name) for name in ("crv", "x", "y")} | {"kty": "EC"}))
        except UnusableKey as flaw:
            raise Refused(UNUSABLE, f"the key {self._named.key} of {self._named.vault}: {flaw}") from None

    async def sign(self, message: bytes) -> str:
        """Have the key vault sign a digest; what it answers is checked before it is believed."""
        public_key = await self.read_public_key()
        content = {"alg": "ES256", "value": to_base64url(sha256(message).digest())}
        value = text_of((await self._ask("POST", f"{self._version}/sign", content)).get("value"))
        signature = _with_smaller_s(value)
        if not is_signed_by(public_key, message, signature):
            raise Transient(f"the key vault {self._named.vault} answered a signature that is not one of its key")
        return signature

    async def _ask(self, method: str, place: str, content: Any = None) -> dict[str, Any]:
        base, client = azure().key_vault_client(self._named)
        path = f"{base}/keys/{self._named.key}" + (f"/{place}" if place else "")
        request = HttpRequest(method, path, params={"api-version": KEY_VAULT_API}, json=content)
        try:
            async with asyncio.timeout(SIGNED_WITHIN):
                with translate_errors():
                    answer = await client.send_request(request)
                    answer.raise_for_status()
                    body = answer.json()
        except Throttled as full:  # no budget of Azure Resource Manager: nobody else waits for it
            raise Transient(f"the key vault {self._named.vault}: {full}") from None
        except TimeoutError:
            raise Transient(f"the key vault {self._named.vault} said nothing for {SIGNED_WITHIN:.0f} s") from None
        except Refused as refusal:
            detail = f"the key {self._named.key} of {self._named.vault}: {refusal.code}: {refusal.detail}"
            raise Refused(UNUSABLE, detail) from None
        if answer.status_code != 200 or not isinstance(body, dict):
            raise Transient(f"the key vault {self._named.vault} answered {answer.status_code} without a key")
        return body


def _with_smaller_s(value: str) -> str:
    """The signature of a key vault, as this product writes them; what is none stays as it is, and does not verify."""
    try:
        raw = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    except (binascii.Error, ValueError):
        return value
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    return signature_text(r, s) if len(raw) == 64 and s < ORDER else value


def open_signing_key() -> SigningKey | None:
    """The key that the settings name, None when they name none."""
    place = AzureSettings.from_environment(os.environ).evidence_key
    if place is None:
        return None
    named = parse_key_place(place)
    return KeyFile(named) if isinstance(named, Path) else VaultKey(named)
