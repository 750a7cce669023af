"""The verifier's own ES256 says yes to what the library signs, and to nothing else."""

import base64
import json

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.evidence.verify import BASE_X, BASE_Y, FIELD, ORDER, PublicKey, UnusableKey, is_signed_by, read_key
from shared.signing_key import ORDER as SIGNED_BELOW
from tests.shared.evidence.signing import signer

ONE = signer(4711)
MESSAGE = b"the head of a pack"
R, EITHER_S = ONE.raw(MESSAGE)
S = min(EITHER_S, ORDER - EITHER_S)
NUMBERS = st.sampled_from([0, 1, 2, ORDER - 1, ORDER, ORDER + 1, FIELD, 2**256 - 1]) | st.integers(0, 2**256 - 1)


def both(r: int, s: int) -> str:
    return base64.urlsafe_b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big")).decode().rstrip("=")


def is_taken_by_the_library(key: PublicKey, message: bytes, r: int, s: int) -> bool:
    public = ec.EllipticCurvePublicNumbers(key.x, key.y, ec.SECP256R1()).public_key()
    try:
        public.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


@settings(max_examples=40, deadline=None)
@given(st.integers(1, ORDER - 1), st.binary(max_size=99))
def test_what_the_library_signs_is_taken(number: int, message: bytes) -> None:
    key = signer(number)
    assert is_signed_by(key.public, message, key.text(message))
    assert not is_signed_by(key.public, message + b"x", key.text(message))
    assert not is_signed_by(signer(number % (ORDER - 1) + 1).public, message, key.text(message))


@settings(max_examples=150, deadline=None)
@given(NUMBERS, NUMBERS, st.binary(max_size=9))
def test_any_two_numbers_are_judged_as_the_library_judges_them(r: int, s: int, message: bytes) -> None:
    expected = s <= ORDER // 2 and is_taken_by_the_library(ONE.public, message, r, s)
    assert is_signed_by(ONE.public, message, both(r, s)) == expected


OUT_OF_RANGE = {
    "r is 0": (0, S),
    "s is 0": (R, 0),
    "both are 0": (0, 0),
    "r is the order": (ORDER, S),
    "s is the order": (R, ORDER),
    "the mirrored s": (R, ORDER - S),
    "exchanged": (S, R),
}


@pytest.mark.parametrize(("r", "s"), OUT_OF_RANGE.values(), ids=OUT_OF_RANGE)
def test_numbers_out_of_range_and_the_mirrored_signature_are_not_taken(r: int, s: int) -> None:
    assert is_signed_by(ONE.public, MESSAGE, both(R, S))
    assert not is_signed_by(ONE.public, MESSAGE, both(r, s))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 511), st.integers(0, 8 * len(MESSAGE) - 1))
def test_one_bit_makes_it_another(of_signature: int, of_message: int) -> None:
    r, s = divmod((R << 256 | S) ^ 1 << of_signature, 2**256)
    assert not is_signed_by(ONE.public, MESSAGE, both(r, s))
    other = (int.from_bytes(MESSAGE, "big") ^ 1 << of_message).to_bytes(len(MESSAGE), "big")
    assert not is_signed_by(ONE.public, other, both(R, S))


OTHERWISE = {
    "empty": "",
    "padding alone": "=",
    "padded": both(R, S) + "=",
    "shorter": both(R, S)[:-1],
    "longer": both(R, S) + "A",
    "a blank before": " " + both(R, S),
    "a number": 7,
    "none": None,
}


@pytest.mark.parametrize("text", OTHERWISE.values(), ids=OTHERWISE)
def test_a_signature_is_written_in_one_way(text: object) -> None:
    assert not is_signed_by(ONE.public, MESSAGE, text)


def test_the_last_character_has_no_free_bits() -> None:
    """86 characters have four bits more than 64 bytes."""
    good = both(R, S)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert [one for one in alphabet if is_signed_by(ONE.public, MESSAGE, good[:-1] + one)] == [good[-1]]


def test_a_key_is_read_from_jwk_and_pem() -> None:
    assert read_key(json.dumps({**ONE.public.jwk, "kid": "x", "alg": "ES256"}).encode()) == ONE.public
    assert read_key(ONE.public_pem()) == read_key(b"\n" + ONE.public_pem().replace(b"\n", b"\r\n")) == ONE.public
    assert SIGNED_BELOW == ORDER
    assert signer(1).public == (BASE_X, BASE_Y)


def pem_of(private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def jwk(**changes: object) -> bytes:
    return json.dumps({**ONE.public.jwk, **changes}).encode()


def point(x: int, y: int) -> bytes:
    x_text, y_text = (base64.urlsafe_b64encode(one.to_bytes(32, "big")).decode().rstrip("=") for one in (x, y))
    return jwk(x=x_text, y=y_text)


BAD_KEYS = {
    "P-384": pem_of(ec.generate_private_key(ec.SECP384R1())),
    "secp256k1, of the same size": pem_of(ec.generate_private_key(ec.SECP256K1())),
    "RSA": pem_of(rsa.generate_private_key(65537, 2048)),
    "private, PEM": ONE.private_pem(),
    "private, JWK": jwk(d=ONE.public.jwk["x"]),
    "another curve": jwk(crv="secp256k1"),
    "another kind": jwk(kty="RSA"),
    "off the curve": point(ONE.public.x, ONE.public.y ^ 1),
    "zero": point(0, 0),
    "infinity, nearly": point(0, 1),
    "coordinates beyond the field": point(FIELD + 5, ONE.public.y),
    "short": jwk(x="AA"),
    "numbers": jwk(x=1, y=2),
    "no y": json.dumps({"kty": "EC", "crv": "P-256", "x": ONE.public.jwk["x"]}).encode(),
    "a member twice": jwk().replace(b"{", b'{"kty": "EC", ', 1),
    "half a PEM": ONE.public_pem()[:100],
    "two PEMs": ONE.public_pem() * 2,
    "nothing": b"",
    "no text": b"\xff\xfe",
    "a list": b"[]",
}


@pytest.mark.parametrize("content", BAD_KEYS.values(), ids=BAD_KEYS)
def test_what_is_no_public_key_on_p_256_is_refused(content: bytes) -> None:
    with pytest.raises(UnusableKey):
        read_key(content)


@given(st.binary(max_size=200) | st.text(max_size=99).map(lambda text: f"-----BEGIN PUBLIC KEY-----{text}".encode()))
def test_nothing_is_stumbled_over_as_a_key(content: bytes) -> None:
    with pytest.raises(UnusableKey):
        read_key(content)
