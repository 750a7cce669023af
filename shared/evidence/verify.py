"""Checks a pack without any Azure: `python -m shared.evidence.verify PACK` says what was altered first.

PACK is the folder of a pack, or a zip file of one.
"""

import json
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from shared.evidence.chain import FIRST_PREVIOUS, MANIFEST, canonical_json, seal_of, sha256_of


class PackFlaw(NamedTuple):
    """What is wrong with a file of a pack."""

    file: str
    detail: str


def check_pack(files: Mapping[str, bytes], head: str = "") -> list[PackFlaw]:
    """What is wrong with a pack, the first record that was altered first; nothing when it is as it was sealed.

    Args:
        files: Content by name within the pack.
        head: Digest of the newest record as the operation shows it: then not even a whole pack can be exchanged.
    """
    found = list(_check_records(files))
    manifest = _parse_json(files.get(MANIFEST))
    if manifest is None:
        return [*found, PackFlaw(MANIFEST, "is missing or no JSON: the pack was not sealed")]
    if manifest.get("seal") != seal_of(manifest) or files[MANIFEST] != canonical_json(
        manifest
    ):  # a blank more changes no meaning
        found.append(PackFlaw(MANIFEST, "was altered after it was sealed"))
    if head and manifest.get("head") != head:
        found.append(PackFlaw(MANIFEST, f"ends with {manifest.get('head')}, not with {head}"))
    return found + [PackFlaw(name, "belongs to no record") for name in find_unlisted(files)]


def find_unlisted(files: Mapping[str, bytes]) -> list[str]:
    """Files of a pack that no record names."""
    records = [name for name in files if name.startswith("records/")]
    attached = {f"attachments/{one}" for name in records for one in _attachments_of(files[name])}
    return sorted(set(files) - {MANIFEST, *records} - attached)


def find_unlisted_attachments(files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Names of attachments that no record names, as an entry names them: what was seen, and not recorded any more."""
    begin = "attachments/"
    return tuple(name.removeprefix(begin) for name in find_unlisted(files) if name.startswith(begin))


def _check_records(files: Mapping[str, bytes]) -> Iterator[PackFlaw]:
    """Follow the chain; what the manifest lists must be there, and be what it was."""
    manifest = _parse_json(files.get(MANIFEST)) or {}
    named: Any = manifest.get("records")
    lines = [one for one in named if isinstance(one, dict)] if isinstance(named, list) else []
    listed = {one["name"]: one["sha256"] for one in lines if {"name", "sha256"} <= one.keys()}
    previous = FIRST_PREVIOUS
    for seq, name in enumerate(sorted({*listed, *(name for name in files if name.startswith("records/"))}), 1):
        content = files.get(name)
        if content is None:
            yield PackFlaw(name, "is missing")
            previous = listed[name]
            continue
        if listed and listed.get(name) != sha256_of(content):
            yield PackFlaw(name, "was altered" if name in listed else "is not in the manifest")
        yield from _check_link(name, content, seq, previous)
        for attached, sha in _attachments_of(content).items():
            held = files.get(f"attachments/{attached}")
            if held is None or sha256_of(held) != sha:
                yield PackFlaw(name, f"its attachment {attached} {'is missing' if held is None else 'was altered'}")
        previous = listed.get(name) or sha256_of(content)


def _check_link(name: str, content: bytes, seq: int, previous: str) -> Iterator[PackFlaw]:
    record = _parse_json(content)
    if record is None:
        yield PackFlaw(name, "is no record")
    elif (record.get("seq"), record.get("previous")) != (seq, previous):
        yield PackFlaw(name, "does not follow the record before it")


def _attachments_of(content: bytes) -> dict[str, str]:
    named = (_parse_json(content) or {}).get("attachments")
    return named if isinstance(named, dict) else {}


def read_json(content: bytes) -> dict[str, Any]:
    """A record or a manifest; empty when it is none."""
    return _parse_json(content) or {}


def _parse_json(content: bytes | None) -> dict[str, Any] | None:
    try:
        value = json.loads(content or b"")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def load_pack(place: Path) -> dict[str, bytes]:
    """The files of a pack, from its folder or its zip file.

    Raises:
        OSError: there is none.
    """
    if place.is_dir():
        return {
            str(f.relative_to(place).as_posix()): f.read_bytes()
            for f in place.rglob("*")
            if f.is_file() and f.name[0] != "."
        }
    with zipfile.ZipFile(place) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}


def main(arguments: list[str]) -> int:
    """0 when the pack is as it was sealed, 1 with a line for each finding, 2 when there is nothing to check."""
    if len(arguments) not in {1, 2}:
        print("usage: python -m shared.evidence.verify PACK [HEAD]", file=sys.stderr)  # noqa: T201 - a command
        return 2
    try:
        files = load_pack(Path(arguments[0]))
    except (OSError, zipfile.BadZipFile) as error:
        print(f"{arguments[0]}: {error}", file=sys.stderr)  # noqa: T201 - a command
        return 2
    found = check_pack(files, *arguments[1:])
    print_verdict(files, found)
    return 1 if found else 0


def print_verdict(files: Mapping[str, bytes], found: Sequence[PackFlaw]) -> None:
    """A line for each flaw, and one for the whole pack."""
    for flaw in found:
        print(f"{flaw.file}: {flaw.detail}")  # noqa: T201 - a command
    records = sum(name.startswith("records/") for name in files)
    print(f"{records} records, {'as they were sealed' if not found else 'NOT as they were sealed'}")  # noqa: T201 - a command


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
