"""Keys on P-256 for tests, and what they sign."""

from typing import Any, NamedTuple

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from shared.evidence.canonical import to_canonical_json
from shared.evidence.verify import PublicKey, signed_part
from shared.signing_key import signature_text


class Signer(NamedTuple):
    """A private key."""

    private: ec.EllipticCurvePrivateKey

    @property
    def public(self) -> PublicKey:
        numbers = self.private.public_key().public_numbers()
        return PublicKey(numbers.x, numbers.y)

    def raw(self, message: bytes) -> tuple[int, int]:
        return decode_dss_signature(self.private.sign(message, ec.ECDSA(hashes.SHA256())))

    def text(self, message: bytes) -> str:
        return signature_text(*self.raw(message))

    def sign(self, statement: dict[str, Any]) -> bytes:
        """A statement as it is kept."""
        named = {**statement, "key": self.public.thumbprint}
        return to_canonical_json({**named, "signature": self.text(signed_part(named))})

    def private_pem(self) -> bytes:
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def public_pem(self) -> bytes:
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


def signer(number: int) -> Signer:
    """The key with this private number, the same each time."""
    return Signer(ec.derive_private_key(number, ec.SECP256R1()))
