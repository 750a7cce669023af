"""Checks a pack of evidence with nothing but Python: `python verify.py PACK [HEAD]`.

PACK is the folder of a pack, or a zip file of one. HEAD is the digest of its last record as it was told elsewhere: in
the operation, in the event of its end, in a ticket. Without HEAD the pack is only held against itself, and whoever
made all of it anew is not noticed.

This file needs no other, and a pack may have been made by an enemy: nothing in it is believed before it was checked.
"""

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
LARGEST_FILE, LARGEST_PACK, MOST_FILES = 32 * 2**20, 512 * 2**20, 100_000
"""Bytes, bytes and files: what is larger is not read."""


class PackFlaw(NamedTuple):
    """What is wrong with a file of a pack."""

    file: str
    detail: str


class UnreadablePack(Exception):
    """What was given is no pack, or none that is safe to read."""


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


def sha256_of(content: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()


def seal_of(content: Mapping[str, Any]) -> str:
    """Digest of a manifest without its seal."""
    return sha256_of(canonical_json({key: value for key, value in content.items() if key != "seal"}))


def first_previous(pack: str) -> str:
    """What the first record of a pack names as the digest before: no record of another run can stand there."""
    return sha256_of(f"hci-site-recovery evidence of {pack}".encode())


def check_pack(files: Mapping[str, bytes], head: str = "", pack: str = "") -> list[PackFlaw]:
    """What is wrong with a pack, the first record that was altered first; nothing when it is as it was sealed.

    Args:
        files: Content by name within the pack.
        head: Digest of the last record as it was told elsewhere: then not even a whole pack can be exchanged.
        pack: The run that it has to be of; by default any.
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
    return found + [PackFlaw(name, "belongs to no record") for name in find_unlisted(files)]


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
    return sorted(set(files) - {MANIFEST, VERIFIER, *records} - attached)


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


def load_pack(place: Path) -> dict[str, bytes]:
    """The files of a pack, from its folder or its zip file.

    Raises:
        OSError: there is none.
        UnreadablePack: it is no pack, or none that is safe to read.
    """
    return _load_folder(place) if place.is_dir() else _load_zip(place)


def _load_folder(place: Path) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    room = LARGEST_PACK
    for path in place.rglob("*"):
        if path.name[0] == "." or (path.is_dir() and not path.is_symlink()):
            continue
        name = path.relative_to(place).as_posix()
        if path.is_symlink() or not path.is_file():
            raise UnreadablePack(f"{name} is no file")
        _require_room(name, len(files), path.stat().st_size, room)
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


def _require_room(name: str, files: int, size: int, room: int) -> None:
    if files >= MOST_FILES or size > min(LARGEST_FILE, room):
        raise UnreadablePack(f"{name}: a pack has {LARGEST_FILE:,} bytes a file and {LARGEST_PACK:,} in all at most")


def main(arguments: list[str]) -> int:
    """0 when the pack is as it was sealed, 1 with a line for each finding, 2 when there is nothing to check."""
    if len(arguments) not in {1, 2} or arguments[0].startswith("-"):
        print("usage: python verify.py PACK [HEAD]", file=sys.stderr)  # noqa: T201 - a command
        return 2
    try:
        files = load_pack(Path(arguments[0]))
    except (OSError, UnreadablePack) as error:
        print(printable(f"{arguments[0]}: {error}"), file=sys.stderr)  # noqa: T201 - a command
        return 2
    found = check_pack(files, *arguments[1:])
    print_verdict(files, found, is_anchored=len(arguments) == 2)
    return 1 if found else 0


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
