"""Checks a pack without any Azure: `python -m shared.evidence.verify PACK` says what was altered first.

PACK is the folder of a pack, or a zip file of one.
"""

import json
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from shared.evidence.chain import MANIFEST, START, canonical, digest, seal


class Finding(NamedTuple):
    """What is wrong with a file of a pack."""

    file: str
    detail: str


def check(files: Mapping[str, bytes], head: str = "") -> list[Finding]:
    """What is wrong with a pack, the first record that was altered first; nothing when it is as it was sealed.

    Args:
        files: Content by name within the pack.
        head: Digest of the newest record as the operation tells it: then not even a whole pack can be exchanged.
    """
    found = list(_records(files))
    told = _read(files.get(MANIFEST))
    if told is None:
        return [*found, Finding(MANIFEST, "is missing or no JSON: the pack was not sealed")]
    if told.get("seal") != seal(told) or files[MANIFEST] != canonical(told):  # a blank more changes no meaning
        found.append(Finding(MANIFEST, "was altered after it was sealed"))
    if head and told.get("head") != head:
        found.append(Finding(MANIFEST, f"ends with {told.get('head')}, not with {head}"))
    return found + [Finding(name, "belongs to no record") for name in _strangers(files)]


def _records(files: Mapping[str, bytes]) -> Iterator[Finding]:
    """Follow the chain; what the manifest lists must be there, and be what it was."""
    told = _read(files.get(MANIFEST)) or {}
    named: Any = told.get("records")
    lines = [one for one in named if isinstance(one, dict)] if isinstance(named, list) else []
    listed = {one["name"]: one["sha256"] for one in lines if {"name", "sha256"} <= one.keys()}
    previous = START
    for seq, name in enumerate(sorted({*listed, *(name for name in files if name.startswith("records/"))}), 1):
        content = files.get(name)
        if content is None:
            yield Finding(name, "is missing")
            previous = listed[name]
            continue
        if listed and listed.get(name) != digest(content):
            yield Finding(name, "was altered" if name in listed else "is not in the manifest")
        yield from _links(name, content, seq, previous)
        yield from _attachments(name, content, files)
        previous = listed.get(name) or digest(content)


def _links(name: str, content: bytes, seq: int, previous: str) -> Iterator[Finding]:
    said = _read(content)
    if said is None:
        yield Finding(name, "is no record")
    elif (said.get("seq"), said.get("previous")) != (seq, previous):
        yield Finding(name, "does not follow the record before it")


def _attachments(name: str, content: bytes, files: Mapping[str, bytes]) -> Iterator[Finding]:
    for attached, sha in _attached(content).items():
        held = files.get(f"attachments/{attached}")
        if held is None or digest(held) != sha:
            yield Finding(name, f"its attachment {attached} {'is missing' if held is None else 'was altered'}")


def _attached(content: bytes) -> dict[str, str]:
    named = (_read(content) or {}).get("attachments")
    return named if isinstance(named, dict) else {}


def _strangers(files: Mapping[str, bytes]) -> list[str]:
    records = [name for name in files if name.startswith("records/")]
    attached = {f"attachments/{one}" for name in records for one in _attached(files[name])}
    return sorted(set(files) - {MANIFEST, *records} - attached)


def read(content: bytes) -> dict[str, Any]:
    """A record or a manifest; empty when it is none."""
    return _read(content) or {}


def _read(content: bytes | None) -> dict[str, Any] | None:
    try:
        said = json.loads(content or b"")
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def load(place: Path) -> dict[str, bytes]:
    """The files of a pack, from its folder or its zip file.

    Raises:
        OSError: there is none.
    """
    if place.is_dir():
        return {str(f.relative_to(place).as_posix()): f.read_bytes() for f in place.rglob("*") if f.is_file()}
    with zipfile.ZipFile(place) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}


def main(arguments: list[str]) -> int:
    """0 when the pack is as it was sealed, 1 with a line for each finding, 2 when there is nothing to check."""
    if len(arguments) not in {1, 2}:
        print("usage: python -m shared.evidence.verify PACK [HEAD]", file=sys.stderr)  # noqa: T201 - a command
        return 2
    try:
        files = load(Path(arguments[0]))
    except (OSError, zipfile.BadZipFile) as error:
        print(f"{arguments[0]}: {error}", file=sys.stderr)  # noqa: T201 - a command
        return 2
    found = check(files, *arguments[1:])
    for one in found:
        print(f"{one.file}: {one.detail}")  # noqa: T201 - a command
    records = sum(name.startswith("records/") for name in files)
    print(f"{records} records, {'as they were sealed' if not found else 'NOT as they were sealed'}")  # noqa: T201 - a command
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
