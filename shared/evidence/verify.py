"""Checks evidence with nothing but Python.

    python verify.py PACK [HEAD] [--key FILE]...
    python verify.py --log FOLDER [--checkpoint FILE] [--key FILE]...

PACK is the folder of a pack, or a zip file of one. HEAD is the digest of its last record as it was told elsewhere: in
the operation, in the event of its end, in a ticket. FILE of --key is the app's public key, a JWK or PEM: then the
pack has to be signed with it. Without HEAD and key the pack is only held against itself, and whoever made all of it
anew is not noticed.

FOLDER is a copy of the whole store: its log of heads has to be whole, and each pack that it names has to be there. The
log has acts of administration, too, which are counted. A checkpoint that was kept elsewhere shows whether the log was
cut or exchanged since.

This file needs no other, and a pack may have been made by an enemy: nothing in it is believed before it was checked.

1. Canonical JSON. 2. Signatures. 3. A pack. 4. The log of heads. 5. Reading files. 6. The command.
"""

import argparse
import base64
import binascii
import hashlib
import json
import re
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

MANIFEST = "manifest.json"
LOG_ENTRY = "log-entry.json"
"""The copy of a pack's entry in the log of heads: its signature, and what came before it."""
VERIFIER = "verify.py"
"""This file as it lies in a pack: no evidence, and not looked at."""
RECORD_NAME = re.compile(r"records/([0-9]{6})-([a-z]+(?:-[a-z]+)*)\.json")
LAST_KIND = "outcome"
"""Of the last record of a run, and of no other."""
FACTS = {"state": ("outcome", "state"), "kind": ("outcome", "kind"), "planDigest": ("plan", "digest")}
"""In which record a fact of the manifest stands as well, and what it is called there."""
WITHOUT_HEAD = "Give the HEAD that was told elsewhere, too: a pack that was made anew as a whole looks like this."
LARGEST_INTEGER = 2**53 - 1
"""Up to here every reader of JSON has the same integer; a larger one counts as what ECMAScript makes of it."""
LARGEST_DOUBLE = sys.float_info.max
LARGEST_FILE, LARGEST_PACK, MOST_FILES, MOST_ENTRIES = 32 * 2**20, 512 * 2**20, 100_000, 1_000_000
"""Bytes, bytes, files, and files of a log: what is larger is not read."""
MOST_SHOWN = 20
"""Kinds of acts that a summary names."""


ENTRY_NAME = re.compile(r"heads/([0-9]{8})\.json")
COMMON_MEMBERS = {"seq": int, "previous": str, "kind": str, "at": str}
ENTRY_MEMBERS: Mapping[str, Mapping[str, type]] = {
    "pack": COMMON_MEMBERS | {"pack": str, "head": str, "records": int, "manifest": str},
    "administration": COMMON_MEMBERS | {"id": str, "tenant": str, "acts": list, "leftOut": int},
}
"""Of each entry of the log, by its kind, besides either `key` and `signature`, or `unsigned`: why it is not signed."""
ACT_MEMBERS = {"act": str, "subject": str, "at": str, "until": str, "count": int, "by": str, "byId": str, "facts": dict}
"""Of each act of administration: what a person did to the app, was refused, or read."""
ACT_NAME = re.compile(r"[a-z]{1,20}(?:-[a-z]{1,20}){0,4}")
CHECKPOINT_MEMBERS = {"kind": str, "size": int, "digest": str, "at": str}
RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,199}")


class PackFlaw(NamedTuple):
    """What is wrong with a file of a pack."""

    file: str
    detail: str


class UnreadablePack(Exception):
    """What was given is no pack, or none that is safe to read."""


# 1. Canonical JSON


def canonical_json(value: Any) -> bytes:
    """JSON in the one way that RFC 8785 has for it.

    Raises:
        ValueError: it is no JSON value that all readers have alike.
        RecursionError: it is too deep.
    """
    parts: list[str] = []
    _write_value(value, parts.append)
    return "".join(parts).encode()


def _write_value(value: Any, write: Callable[[str], None]) -> None:
    if isinstance(value, dict):
        mark = "{"
        for name in sorted(value, key=_utf16_of):
            write(f"{mark}{json.dumps(name, ensure_ascii=False)}:")
            _write_value(value[name], write)
            mark = ","
        write("}" if value else "{}")
    elif isinstance(value, list):
        mark = "["
        for one in value:
            write(mark)
            _write_value(one, write)
            mark = ","
        write("]" if value else "[]")
    elif value is None or isinstance(value, bool | str):
        write(json.dumps(value, ensure_ascii=False))
    else:
        write(_number_text(value))


def _utf16_of(name: Any) -> bytes:
    """By what members are sorted: not the order of Python's texts once a character is beyond the first 65,536."""
    if not isinstance(name, str):
        raise ValueError(f"{name!r} is no name of a member")  # noqa: TRY004 - for whoever asks it is no JSON
    return name.encode("utf-16-be")


def _number_text(number: Any) -> str:
    """A number as ECMAScript writes it, to which each is a double."""
    if isinstance(number, int) and abs(number) <= LARGEST_INTEGER:
        return str(number)
    if not isinstance(number, int | float) or not abs(number) <= LARGEST_DOUBLE:  # nor what is no number
        raise ValueError(f"no number that all read alike: {type(number).__name__}")
    number = float(number)
    mantissa, _, exponent = repr(abs(number)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    every = (whole + fraction).lstrip("0")
    digits = every.rstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(every))  # digits before the point
    return ("-" if number < 0 else "") + _place_point(digits, point) if digits else "0"


def _place_point(digits: str, point: int) -> str:
    if 0 < point <= 21:
        return digits[:point].ljust(point, "0") + (f".{digits[point:]}" if digits[point:] else "")
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    return digits[0] + (f".{digits[1:]}" if digits[1:] else "") + f"e{point - 1:+}"


# 2. Signatures: ES256, which is ECDSA with P-256 and SHA-256 (FIPS 186-5, RFC 7518)

FIELD = 2**256 - 2**224 + 2**192 + 2**96 - 1
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
CONSTANT = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
BASE_X = 0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296
BASE_Y = 0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5
SPKI_HEAD = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
"""How the DER of a public key on P-256 begins (RFC 5480): its two coordinates follow."""


class UnusableKey(Exception):
    """It is no public key of ES256."""


class PublicKey(NamedTuple):
    """A point on P-256."""

    x: int
    y: int

    @property
    def jwk(self) -> dict[str, str]:
        """As RFC 7517 has it, without what is not needed."""
        return {"crv": "P-256", "kty": "EC", "x": _base64url(self.x), "y": _base64url(self.y)}

    @property
    def thumbprint(self) -> str:
        """What entries call it (RFC 7638)."""
        digest = hashlib.sha256(canonical_json(self.jwk)).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def read_key(content: bytes) -> PublicKey:
    """A public key, of a JWK or of a PEM.

    Raises:
        UnusableKey: it is none, of another curve, or a private one.
    """
    if b"-----BEGIN" in content:
        return _key_at(*_read_pem(content))
    jwk = _parse_json(content)
    if jwk is None or jwk.get("kty") != "EC" or jwk.get("crv") != "P-256" or "d" in jwk:
        raise UnusableKey("it is neither PEM nor the JWK of a public key on P-256")
    x, y = _integer_of(jwk.get("x"), 32), _integer_of(jwk.get("y"), 32)
    if x is None or y is None:
        raise UnusableKey("its coordinates are not 32 bytes each, in base64url")
    return _key_at(x, y)


def _read_pem(content: bytes) -> tuple[int, int]:
    found = re.fullmatch(rb"\s*-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----\s*", content)
    try:
        der = base64.b64decode(b"".join(found[1].split()), validate=True) if found else b""
    except binascii.Error:
        der = b""
    if len(der) != len(SPKI_HEAD) + 64 or not der.startswith(SPKI_HEAD):
        raise UnusableKey("it is no PEM of a public key on P-256")
    return int.from_bytes(der[-64:-32], "big"), int.from_bytes(der[-32:], "big")


def _key_at(x: int, y: int) -> PublicKey:
    if x >= FIELD or y >= FIELD or (y * y - x * x * x + 3 * x - CONSTANT) % FIELD:
        raise UnusableKey("it is no point on P-256")
    return PublicKey(x, y)


def is_signed_by(key: PublicKey, message: bytes, signature: Any) -> bool:
    """Whether a signature of 64 bytes in base64url, r and s, is that of a message.

    Of the two that are each other's mirror only the one with the smaller s counts: then nobody can write another.
    """
    both = _integer_of(signature, 64)
    if both is None:
        return False
    r, s = divmod(both, 2**256)
    if not 0 < r < ORDER or not 0 < s <= ORDER // 2:
        return False
    inverse = pow(s, -1, ORDER)
    digest = int.from_bytes(hashlib.sha256(message).digest(), "big")
    x, _, z = _add_multiples(digest * inverse % ORDER, r * inverse % ORDER, (key.x, key.y, 1))
    return z != 0 and x * pow(z, -2, FIELD) % FIELD % ORDER == r


type _Point = tuple[int, int, int]
"""In Jacobian coordinates; z is 0 of the point at infinity."""


def _add_multiples(of_base: int, of_point: int, point: _Point) -> _Point:
    base = (BASE_X, BASE_Y, 1)
    summands = (None, base, point, _add(base, point))
    total: _Point = (1, 1, 0)
    for bit in range(255, -1, -1):
        total = _double(total)
        summand = summands[(of_base >> bit & 1) + 2 * (of_point >> bit & 1)]
        total = _add(total, summand) if summand else total
    return total


def _double(point: _Point) -> _Point:
    x, y, z = point
    square = y * y % FIELD
    middle = 4 * x * square % FIELD
    slope = 3 * (x - z * z) * (x + z * z) % FIELD
    new_x = (slope * slope - 2 * middle) % FIELD
    return new_x, (slope * (middle - new_x) - 8 * square * square) % FIELD, 2 * y * z % FIELD


def _add(one: _Point, other: _Point) -> _Point:
    (x1, y1, z1), (x2, y2, z2) = one, other
    if not z1 or not z2:
        return other if not z1 else one
    square1, square2 = z1 * z1 % FIELD, z2 * z2 % FIELD
    left, right = x1 * square2 % FIELD, x2 * square1 % FIELD
    up, down = y1 * square2 * z2 % FIELD, y2 * square1 * z1 % FIELD
    if left == right:
        return _double(one) if up == down else (1, 1, 0)
    width, height = right - left, down - up
    cube = width * width % FIELD * width % FIELD
    middle = left * width % FIELD * width % FIELD
    x = (height * height - cube - 2 * middle) % FIELD
    return x, (height * (middle - x) - up * cube) % FIELD, z1 * z2 % FIELD * width % FIELD


def _base64url(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(32, "big")).decode().rstrip("=")


def _integer_of(text: Any, size: int) -> int | None:
    """A number of so many bytes in base64url, written in the one way there is."""
    if not isinstance(text, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", text):
        return None
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        return None
    is_plain = base64.urlsafe_b64encode(raw).decode().rstrip("=") == text
    return int.from_bytes(raw, "big") if is_plain and len(raw) == size else None


def signed_part(statement: Mapping[str, Any]) -> bytes:
    """Of an entry or a checkpoint, what is signed: all but the signature."""
    return canonical_json({name: value for name, value in statement.items() if name != "signature"})


def _find_signature_flaw(statement: Mapping[str, Any], keys: Sequence[PublicKey]) -> str:
    """Why it is not signed by one of these keys; empty when it is, or when there are none to hold it against."""
    if not keys:
        return ""
    if "signature" not in statement:
        return f"is not signed: {statement.get('unsigned')}"
    named = [key for key in keys if key.thumbprint == statement.get("key")]
    if not named:
        return f"is signed by another key than those given: {statement.get('key')}"
    is_good = is_signed_by(named[0], signed_part(statement), statement["signature"])
    return "" if is_good else "has a signature that is not that of its content"


# 3. A pack


def sha256_of(content: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()


def seal_of(content: Mapping[str, Any]) -> str:
    """Digest of a manifest without its seal."""
    return sha256_of(canonical_json({key: value for key, value in content.items() if key != "seal"}))


def first_previous(pack: str) -> str:
    """What the first record of a pack names as the digest before: no record of another run can stand there."""
    return sha256_of(f"hci-site-recovery evidence of {pack}".encode())


def check_pack(
    files: Mapping[str, bytes], head: str = "", pack: str = "", keys: Sequence[PublicKey] = ()
) -> list[PackFlaw]:
    """What is wrong with a pack, the first record that was altered first; nothing when it is as it was sealed.

    Args:
        files: Content by name within the pack.
        head: Digest of the last record as it was told elsewhere: then not even a whole pack can be exchanged.
        pack: The run that it has to be of; by default any.
        keys: Of which one has to have signed it; by default no signature is looked at.
    """
    manifest = _parse_json(files.get(MANIFEST))
    run = manifest.get("pack") if manifest else None
    names = sorted(name for name in files if name.startswith("records/"))
    found = list(_check_records(files, names, _listed_in(manifest or {}), run if isinstance(run, str) else pack))
    if manifest is None:
        return [*found, PackFlaw(MANIFEST, "is missing or no JSON: the pack was not sealed")]
    found += _check_manifest(files, names, manifest)
    last = sha256_of(files[names[-1]]) if names else ""
    if head and last != head.strip().lower():
        found.append(PackFlaw(names[-1] if names else MANIFEST, f"ends with {last or 'nothing'}, not with {head}"))
    if pack and run != pack:
        found.append(PackFlaw(MANIFEST, f"is of {run!r}, not of {pack!r}"))
    found += [PackFlaw(LOG_ENTRY, detail) for detail in _check_own_entry(files, names, manifest, keys)]
    return found + [PackFlaw(name, "belongs to no record") for name in find_unlisted(files)]


def _check_own_entry(
    files: Mapping[str, bytes], names: Sequence[str], manifest: Mapping[str, Any], keys: Sequence[PublicKey]
) -> Iterator[str]:
    """Hold a pack against its entry in the log of heads."""
    if LOG_ENTRY not in files:
        if keys:
            yield "is missing: the pack is not signed"
        return
    if flaw := _find_entry_flaw(files[LOG_ENTRY], keys):
        yield flaw
        return
    entry = read_json(files[LOG_ENTRY])
    if entry["kind"] != "pack":
        yield "is not of this pack"
        return
    last = sha256_of(files[names[-1]]) if names else ""
    facts = (manifest.get("pack"), last, len(names), sha256_of(files[MANIFEST]))
    if tuple(entry[name] for name in ("pack", "head", "records", "manifest")) != facts:
        yield "is not of this pack"
    size, head = _log_before(manifest)
    if "log" in manifest and (not 0 <= size < entry["seq"] or (size == entry["seq"] - 1 and head != entry["previous"])):
        yield "does not follow what the log was when the pack was sealed"


def _log_before(manifest: Mapping[str, Any]) -> tuple[int, str]:
    """How many entries the log had when a pack was sealed, and the digest of the last; -1 where that is not said."""
    log = manifest.get("log")
    size, head = (log.get("size"), log.get("head")) if isinstance(log, dict) else (None, None)
    return (size, head) if type(size) is int and isinstance(head, str) else (-1, "")


def _check_manifest(files: Mapping[str, bytes], names: Sequence[str], manifest: Mapping[str, Any]) -> list[PackFlaw]:
    """Hold the manifest against itself and against what it lists."""
    details = []
    if not _is_as_sealed(files[MANIFEST], manifest):
        details.append("was altered after it was sealed")
    if not isinstance(manifest.get("pack"), str) or not manifest["pack"]:
        details.append("does not say of which run it is")
    listed = manifest.get("records")
    if not isinstance(listed, list) or [_name_in(one) for one in listed] != list(names):
        details.append("does not list the records that are there, each once and in order")
    if not names:
        details.append("has no records")
    elif manifest.get("head") != sha256_of(files[names[-1]]):
        details.append("does not end with the last record")
    details += [f"says another {fact} than the records" for fact in _find_contradictions(files, names, manifest)]
    return [PackFlaw(MANIFEST, detail) for detail in details]


def _find_contradictions(files: Mapping[str, bytes], names: Sequence[str], manifest: Mapping[str, Any]) -> list[str]:
    """Facts of the manifest that are not those of the records: only these are vouched for by the last digest."""
    return [
        fact
        for fact, (kind, member) in FACTS.items()
        for name in names
        if fact in manifest and name.endswith(f"-{kind}.json")
        for body in [read_json(files[name]).get("body")]
        if isinstance(body, dict) and member in body and body[member] != manifest[fact]
    ]


def _is_as_sealed(content: bytes, manifest: Mapping[str, Any]) -> bool:
    """Whether its seal is that of its content, and its bytes are as they are written, to the last blank."""
    return _is_canonical(content, manifest) and bool(manifest.get("seal") == seal_of(manifest))


def _is_canonical(content: bytes, value: Mapping[str, Any]) -> bool:
    try:
        return content == canonical_json(value)
    except (ValueError, RecursionError):
        return False


def _name_in(line: Any) -> Any:
    return line.get("name") if isinstance(line, dict) and line.keys() == {"name", "sha256"} else None


def _listed_in(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Digests by name, as far as the manifest has any."""
    lines = manifest.get("records")
    known = [one for one in lines if isinstance(one, dict)] if isinstance(lines, list) else []
    pairs = [(one.get("name"), one.get("sha256")) for one in known]
    return {name: digest for name, digest in pairs if isinstance(name, str) and isinstance(digest, str)}


def _check_records(
    files: Mapping[str, bytes], names: Sequence[str], listed: Mapping[str, str], run: str
) -> Iterator[PackFlaw]:
    """Follow the chain; what the manifest lists must be there, and be what it was."""
    previous = first_previous(run) if run else None  # nobody can say without a manifest, which is told apart
    for seq, name in enumerate(sorted({*listed, *names}), 1):
        content = files.get(name)
        if content is None:
            yield PackFlaw(name, "is missing")
            previous = listed[name]
            continue
        if listed and listed.get(name) != sha256_of(content):
            yield PackFlaw(name, "was altered" if name in listed else "is not in the manifest")
        yield from _check_record(name, content, seq, previous)
        yield from _check_attachments(name, content, files)
        previous = listed.get(name) or sha256_of(content)
    kinds = [parts[2] for parts in map(RECORD_NAME.fullmatch, names) if parts]
    if kinds and (kinds[-1] != LAST_KIND or LAST_KIND in kinds[:-1]):
        yield PackFlaw(names[-1], f"a run ends with one record of kind {LAST_KIND}, and with nothing after it")


def _check_record(name: str, content: bytes, seq: int, previous: str | None) -> Iterator[PackFlaw]:
    record, parts = _parse_json(content), RECORD_NAME.fullmatch(name)
    if record is None:
        yield PackFlaw(name, "is no record")
    elif not _is_canonical(content, record):
        yield PackFlaw(name, "is not written as RFC 8785 says: others may read something else")
    elif parts is None or (int(parts[1]), parts[2]) != (record.get("seq"), record.get("kind")):
        yield PackFlaw(name, "is not the record that its name says")
    elif (type(record["seq"]), record["seq"], record.get("previous")) != (int, seq, previous or record.get("previous")):
        yield PackFlaw(name, "does not follow the record before it")


def _check_attachments(name: str, content: bytes, files: Mapping[str, bytes]) -> Iterator[PackFlaw]:
    named = (_parse_json(content) or {}).get("attachments")
    if not isinstance(named, dict):
        yield PackFlaw(name, "does not say what is attached to it")
        return
    for attached, digest in named.items():
        held = files.get(f"attachments/{attached}")
        if held is None or sha256_of(held) != digest:
            yield PackFlaw(name, f"its attachment {attached} {'is missing' if held is None else 'was altered'}")


def find_unlisted(files: Mapping[str, bytes]) -> list[str]:
    """Files of a pack that no record names."""
    records = [name for name in files if name.startswith("records/")]
    attached = {f"attachments/{one}" for name in records for one in _attachments_of(files[name])}
    return sorted(set(files) - {MANIFEST, LOG_ENTRY, VERIFIER, *records} - attached)


def find_unlisted_attachments(files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Names of attachments that no record names, as an entry names them: what was seen, and not recorded any more."""
    begin = "attachments/"
    return tuple(name.removeprefix(begin) for name in find_unlisted(files) if name.startswith(begin))


def _attachments_of(content: bytes) -> list[str]:
    named = (_parse_json(content) or {}).get("attachments")
    return list(named) if isinstance(named, dict) else []


def read_json(content: bytes) -> dict[str, Any]:
    """A record or a manifest; empty when it is none."""
    return _parse_json(content) or {}


def _parse_json(content: bytes | None) -> dict[str, Any] | None:
    """A JSON object that all read alike: UTF-8, each member once, no number and no character that is none."""
    try:
        value = json.loads(
            (content or b"").decode(),
            object_pairs_hook=_each_once,
            parse_constant=_refuse,
            parse_float=_finite,
            parse_int=_integer,
        )
        json.dumps(value, ensure_ascii=False).encode()  # half a character cannot be written again, nor what is too deep
    except (ValueError, RecursionError, MemoryError):
        return None
    return value if isinstance(value, dict) else None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member stands there twice")
    return found


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def _integer(text: str) -> int | float:
    number = _finite(text)
    return int(text) if abs(number) <= LARGEST_INTEGER else number


def _finite(text: str) -> float:
    number = float(text)
    return number if abs(number) != float("inf") else _refuse(text)


# 4. The log of heads: heads/00000001.json and so on, each of which names the digest of the one before

FIRST_ENTRY_PREVIOUS = sha256_of(b"hci-site-recovery log of heads")
"""What the first entry names, and the digest of a log that has none."""
LOG = "heads"


def entry_name(seq: int) -> str:
    """Where an entry is kept, from 1."""
    return f"{LOG}/{seq:08}.json"


def find_log_flaws(
    entries: Mapping[str, bytes], checkpoint: Mapping[str, Any] | None = None, keys: Sequence[PublicKey] = ()
) -> list[PackFlaw]:
    """What is wrong with a log of heads, without its packs.

    Args:
        entries: Content by name.
        checkpoint: What was kept elsewhere of it. What it covers was looked at then, and needs no signature any more.
        keys: Of which one has to have signed each entry, and the checkpoint.
    """
    vouched = -1
    found = []
    if checkpoint is not None:
        flaw = _find_checkpoint_flaw(entries, checkpoint, keys)
        found = [PackFlaw("checkpoint", flaw)] if flaw else []
        vouched = -1 if flaw else checkpoint["size"]
    return found + list(_follow_log(entries, vouched, keys))


def _follow_log(entries: Mapping[str, bytes], vouched: int, keys: Sequence[PublicKey]) -> Iterator[PackFlaw]:
    previous, seq, named = FIRST_ENTRY_PREVIOUS, 0, set[str]()
    for name in sorted(entries):
        parts, content = ENTRY_NAME.fullmatch(name), entries[name]
        if parts is None:
            yield PackFlaw(name, "is no entry of the log")
            continue
        if int(parts[1]) != seq + 1:
            yield PackFlaw(name, f"follows entry {seq}: those between are missing")
        seq = int(parts[1])
        entry = _parse_json(content) or {}
        covered = seq <= vouched and "unsigned" in entry
        if flaw := _find_entry_flaw(content, () if covered else keys):
            yield PackFlaw(name, flaw)
        elif (entry["seq"], entry["previous"]) != (seq, previous):
            yield PackFlaw(name, "does not follow the entry before it")
        elif _named_by(entry) in named:
            yield PackFlaw(name, f"names {_named_by(entry)} once more")
        else:
            named.add(_named_by(entry))
        previous = sha256_of(content)


def _find_entry_flaw(content: bytes, keys: Sequence[PublicKey]) -> str:
    """What is wrong with an entry by itself; empty when nothing is."""
    entry = _parse_json(content)
    kind = entry.get("kind") if entry else None
    if entry is None or not isinstance(kind, str) or not _has_members(entry, ENTRY_MEMBERS.get(kind, {})):
        return "is no entry of the log"
    if not _is_canonical(content, entry):
        return "is not written as RFC 8785 says: others may read something else"
    if entry["seq"] < 1 or not RUN_NAME.fullmatch(_named_by(entry)) or _named_by(entry) == LOG:
        return "names no run"
    if kind == "administration" and not _has_acts(entry):
        return "names no acts of administration"
    return _find_signature_flaw(entry, keys)


def _named_by(entry: Mapping[str, Any]) -> str:
    """The run that an entry is of: the one whose pack it names, or that has written it."""
    return str(entry["pack"] if entry["kind"] == "pack" else entry["id"])


def _has_acts(entry: Mapping[str, Any]) -> bool:
    """Whether it says of each act what all say, and nothing else."""
    return entry["leftOut"] >= 0 and bool(entry["acts"]) and all(map(_is_act, entry["acts"]))


def _is_act(act: Any) -> bool:
    if not isinstance(act, dict) or act.keys() != ACT_MEMBERS.keys():
        return False
    is_whole = all(type(act[name]) is kind for name, kind in ACT_MEMBERS.items())
    return is_whole and act["count"] >= 1 and ACT_NAME.fullmatch(act["act"]) is not None


def read_administration(content: bytes) -> dict[str, Any]:
    """An entry of administration, whose signature was not looked at; empty when it is none."""
    entry = {} if _find_entry_flaw(content, ()) else read_json(content)
    return entry if entry.get("kind") == "administration" else {}


def describe_administration(entries: Mapping[str, bytes]) -> str:
    """How many acts of which kind a log has, and by how many persons; empty when it has none."""
    found = [entry for content in entries.values() if (entry := read_administration(content))]
    acts = [act for entry in found for act in entry["acts"]]
    counts: dict[str, int] = {}
    for act in acts:
        counts[act["act"]] = counts.get(act["act"], 0) + act["count"]
    persons = len({act["byId"] for act in acts if act["byId"]})
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())[:MOST_SHOWN])
    left_out = sum(entry["leftOut"] for entry in found)
    more = f"; {left_out} more requests are counted without who sent them" if left_out else ""
    return f"{len(found)} of them of administration: {kinds}, by {persons} known persons{more}" if found else ""


def _has_members(statement: Mapping[str, Any], wanted: Mapping[str, type]) -> bool:
    """Whether it has just these members, and either a signature or the reason why it has none."""
    rest = statement.keys() - wanted.keys()
    is_whole = all(type(statement.get(name)) is kind for name, kind in wanted.items())
    is_signed_or_not = rest in ({"key", "signature"}, {"unsigned"})
    return bool(wanted) and is_whole and is_signed_or_not and all(type(statement[one]) is str for one in rest)


def _find_checkpoint_flaw(
    entries: Mapping[str, bytes], checkpoint: Mapping[str, Any], keys: Sequence[PublicKey]
) -> str:
    if not _has_members(checkpoint, CHECKPOINT_MEMBERS) or checkpoint["kind"] != "checkpoint" or checkpoint["size"] < 0:
        return "is no checkpoint"
    if flaw := _find_signature_flaw(checkpoint, keys):
        return flaw
    size = checkpoint["size"]
    if size and entry_name(size) not in entries:
        return f"has {size} entries, of which the last is not in the log any more: the log was cut"
    if checkpoint["digest"] != (sha256_of(entries[entry_name(size)]) if size else FIRST_ENTRY_PREVIOUS):
        return f"has another entry {size} than the log: the log was exchanged"
    return ""


def check_log(
    store: Path, checkpoint: Mapping[str, Any] | None = None, keys: Sequence[PublicKey] = ()
) -> tuple[list[PackFlaw], int]:
    """What is wrong with a store: its log, and each pack that it names or has; and how many entries there are.

    Raises:
        OSError: it cannot be read.
        UnreadablePack: the log is not safe to read.
    """
    entries = load_log(store)
    return _check_entries(store, entries, checkpoint, keys), len(entries)


def load_log(store: Path) -> dict[str, bytes]:
    """The entries of a store's log by name.

    Raises:
        OSError: it cannot be read.
        UnreadablePack: it is not there, or not safe to read.
    """
    if not (store / LOG).is_dir() or (store / LOG).is_symlink():
        raise UnreadablePack("it has no log of heads")
    return {f"{LOG}/{name}": content for name, content in _load_folder(store / LOG, MOST_ENTRIES).items()}


def _check_entries(
    store: Path, entries: Mapping[str, bytes], checkpoint: Mapping[str, Any] | None, keys: Sequence[PublicKey]
) -> list[PackFlaw]:
    found = find_log_flaws(entries, checkpoint, keys)
    named = set()
    for content in entries.values():
        entry = {} if _find_entry_flaw(content, ()) else read_json(content)
        if entry.get("kind") == "pack":
            named.add(entry["pack"])
            found += [
                PackFlaw(f"{entry['pack']}/{one.file}", one.detail) for one in _check_logged(store, entry, content)
            ]
            found += _check_log_before(store, entry, entries)
    sealed = {path.parent.name for path in store.glob(f"*/{MANIFEST}")}
    return found + [PackFlaw(name, "is sealed, and not in the log") for name in sorted(sealed - named)]


def _check_logged(store: Path, entry: Mapping[str, Any], content: bytes) -> list[PackFlaw]:
    place = store / entry["pack"]
    if not place.is_dir() or place.is_symlink():
        return [PackFlaw("", f"is missing, which is entry {entry['seq']} of the log")]
    try:
        files = _load_folder(place)
    except (OSError, UnreadablePack) as error:
        return [PackFlaw("", str(error))]
    if files.setdefault(LOG_ENTRY, content) != content:
        return [PackFlaw(LOG_ENTRY, f"is not entry {entry['seq']} of the log")]
    return check_pack(files, entry["head"], entry["pack"])


def _check_log_before(store: Path, entry: Mapping[str, Any], entries: Mapping[str, bytes]) -> list[PackFlaw]:
    """Each pack says how the log was when it was sealed: one that was cut and written anew is found so, too."""
    place = store / entry["pack"] / MANIFEST
    is_readable = place.is_file() and not place.is_symlink() and place.stat().st_size <= LARGEST_FILE
    size, head = _log_before(read_json(place.read_bytes())) if is_readable else (0, FIRST_ENTRY_PREVIOUS)
    known = entries.get(entry_name(size)) if size > 0 else None
    digest = sha256_of(known) if known is not None else FIRST_ENTRY_PREVIOUS if size == 0 else ""
    return [] if head == digest else [PackFlaw(f"{entry['pack']}/{MANIFEST}", "was sealed with another log than this")]


# 5. Reading files


def load_pack(place: Path) -> dict[str, bytes]:
    """The files of a pack, from its folder or its zip file.

    Raises:
        OSError: there is none.
        UnreadablePack: it is no pack, or none that is safe to read.
    """
    return _load_folder(place) if place.is_dir() else _load_zip(place)


def _load_folder(place: Path, most: int = MOST_FILES) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    room = LARGEST_PACK
    for path in place.rglob("*"):
        if path.name[0] == "." or (path.is_dir() and not path.is_symlink()):
            continue
        name = path.relative_to(place).as_posix()
        if path.is_symlink() or not path.is_file():
            raise UnreadablePack(f"{name} is no file")
        _require_room(name, len(files), path.stat().st_size, room, most)
        files[name] = path.read_bytes()
        room -= len(files[name])
    return files


def _load_zip(place: Path) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    room = LARGEST_PACK
    try:
        with zipfile.ZipFile(place) as archive:
            for member in archive.infolist():
                if member.is_dir():
                    continue
                if member.filename in files:
                    raise UnreadablePack(f"{member.filename} stands in the archive twice")
                _require_room(member.filename, len(files), member.file_size, room)
                with archive.open(member) as stream:
                    content = stream.read(LARGEST_FILE + 1)  # what the archive says of its size may be a lie
                _require_room(member.filename, len(files), len(content), room)
                files[member.filename] = content
                room -= len(content)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, ValueError, EOFError) as error:
        raise UnreadablePack(f"it is no zip file that can be read: {error}") from error
    except (zlib.error, OverflowError, MemoryError) as error:
        raise UnreadablePack(f"it is damaged: {type(error).__name__}") from error
    return files


def _require_room(name: str, files: int, size: int, room: int, most: int = MOST_FILES) -> None:
    if files >= most or size > min(LARGEST_FILE, room):
        limits = f"{LARGEST_FILE:,} bytes a file, {LARGEST_PACK:,} in all, and {most:,} files"
        raise UnreadablePack(f"{name}: what is checked has {limits} at most")


# 6. The command


def main(arguments: list[str]) -> int:
    """0 when all is as it was sealed, 1 with a line for each finding, 2 when there is nothing to check."""
    parser = argparse.ArgumentParser("verify.py", description="Check a pack of evidence, or the whole store of packs.")
    parser.add_argument("pack", nargs="?", help="folder or zip file of a pack")
    parser.add_argument("head", nargs="?", default="", help="digest of its last record, as it was told elsewhere")
    parser.add_argument("--key", action="append", default=[], help="public key of the app, JWK or PEM; more than once")
    parser.add_argument("--log", help="folder of the whole store: check its log of heads and all packs")
    parser.add_argument("--checkpoint", help="file with a checkpoint of the log that was kept elsewhere")
    try:
        options = parser.parse_args(arguments)
    except SystemExit as usage:
        return 2 if usage.code else 0
    if (options.pack is None) == (options.log is None) or (options.checkpoint and not options.log):
        parser.print_usage(sys.stderr)
        return 2
    try:
        return _check_all(options) if options.log else _check_one(options)
    except (OSError, UnreadablePack, UnusableKey) as error:
        print(printable(f"{options.log or options.pack}: {error}"), file=sys.stderr)  # noqa: T201 - a command
        return 2


def _check_one(options: argparse.Namespace) -> int:
    files, keys = load_pack(Path(options.pack)), _load_keys(options.key)
    found = check_pack(files, options.head, keys=keys)
    print_verdict(files, found, is_anchored=bool(options.head or keys))
    if not found and not keys:
        print(printable(signature_in_words(files)))  # noqa: T201 - a command
    return 1 if found else 0


def _check_all(options: argparse.Namespace) -> int:
    checkpoint = _read_json_file(options.checkpoint) if options.checkpoint else None
    entries = load_log(Path(options.log))
    found = _check_entries(Path(options.log), entries, checkpoint, _load_keys(options.key))
    for flaw in found:
        print(printable(f"{flaw.file}: {flaw.detail}"))  # noqa: T201 - a command
    print(f"{len(entries)} entries, {'the log and its packs are' if not found else 'NOT'} whole")  # noqa: T201 - a command
    if not found and (summary := describe_administration(entries)):
        print(printable(summary))  # noqa: T201 - a command
    for wanted, option in ((options.key, "--key"), (options.checkpoint, "--checkpoint")):
        if not found and not wanted:
            print(f"Give {option}, too: a log that was made anew, or cut at its end, looks like this.")  # noqa: T201 - a command
    return 1 if found else 0


def _load_keys(places: Sequence[str]) -> list[PublicKey]:
    return [read_key(_read_small_file(place)) for place in places]


def _read_json_file(place: str) -> dict[str, Any]:
    return _parse_json(_read_small_file(place)) or {}


def _read_small_file(place: str) -> bytes:
    with Path(place).open("rb") as stream:
        return stream.read(2**16)


def signature_in_words(files: Mapping[str, bytes]) -> str:
    """Whether a pack is signed; a signature is not looked at here."""
    entry = read_json(files.get(LOG_ENTRY, b""))
    if "signature" in entry:
        return f"It has a signature of the key {entry.get('key')}, which was not checked: give the key with --key."
    return f"It is not signed: {entry.get('unsigned') or 'it is not in the log of heads'}"


def print_verdict(files: Mapping[str, bytes], found: Sequence[PackFlaw], *, is_anchored: bool) -> None:
    """A line for each flaw, and one for the whole pack."""
    for flaw in found:
        print(printable(f"{flaw.file}: {flaw.detail}"))  # noqa: T201 - a command
    records = sum(name.startswith("records/") for name in files)
    print(f"{records} records, {'as they were sealed' if not found else 'NOT as they were sealed'}")  # noqa: T201 - a command
    if not found and not is_anchored:
        print(WITHOUT_HEAD)  # noqa: T201 - a command


def printable(text: str) -> str:
    """Text of which no character moves, hides or colours anything on a terminal, or looks like another one."""
    return "".join(one if " " <= one <= "~" else f"\\u{ord(one):04x}" for one in text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
