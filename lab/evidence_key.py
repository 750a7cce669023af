"""The key with which the lab has the app sign its evidence: made once for each state, in place of a key vault's."""

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec


def make_evidence_key(state: Path) -> Path:
    """A file with a key on P-256, PEM, which nobody else can read; one that is there stays."""
    path = state.resolve() / "evidence-key.pem"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(
            ec.generate_private_key(ec.SECP256R1()).private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    return path
