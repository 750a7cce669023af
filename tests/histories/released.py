"""What a release has recorded: once it is out, its files stay as they are, byte for byte.

`RELEASED` is as `sha256sum` writes it, so that `sha256sum --check RELEASED` says the same in this folder.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

RECORDS = Path(__file__).parent
LIST = "RELEASED"


def releases_in(records: Path = RECORDS) -> list[str]:
    """The releases that are out, the last one at the end."""
    releases = {name.partition("/")[0] for name in _listed_digests(records)}
    return sorted(releases, key=lambda release: [int(number) for number in release.split(".")])


def mark_as_released(release: str, records: Path = RECORDS) -> int:
    """Write down the digest of each file of a release; how many there are.

    Raises:
        ValueError: it is out already, or has recorded nothing.
    """
    names = _names_in(records, release)
    if release in releases_in(records) or not names:
        raise ValueError(f"{release} is out already, or has no records")
    lines = [f"{_digest_of(records / name)}  {name}\n" for name in names]
    with (records / LIST).open("a") as released:
        released.writelines(lines)
    return len(lines)


def changes_since_release(records: Path = RECORDS) -> Iterator[str]:
    """What was changed, removed or added of releases that are out."""
    digests = _listed_digests(records)
    for name, digest in digests.items():
        if not (records / name).exists():
            yield f"{name} is gone"
        elif _digest_of(records / name) != digest:
            yield f"{name} was changed"
    for release in releases_in(records):
        yield from (f"{name} was added" for name in _names_in(records, release) if name not in digests)


def _listed_digests(records: Path) -> dict[str, str]:
    lines = (records / LIST).read_text().splitlines() if (records / LIST).exists() else []
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def _names_in(records: Path, release: str) -> list[str]:
    return sorted(f"{release}/{path.name}" for path in (records / release).glob("*.json*"))


def _digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
