"""Makes the package that is deployed: one zip of what .funcignore does not leave out, equal to the byte each time.

Beside it stands the list of what it needs, as CycloneDX, where `make sbom` has made one.
"""

import hashlib
import json
import sys
import zipfile
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[1]
EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The time of every entry: a zip knows none before it, and ours says nothing of when it was made."""
PLAIN_FILE = 0o100644 << 16


def version_of(root: Path) -> str:
    """The release, as the engine knows it."""
    return str(json.loads((root / "host.json").read_text())["extensions"]["durableTask"]["defaultVersion"])


def files_of(root: Path) -> Iterator[Path]:
    """What is deployed, in the order of its names, relative to the root."""
    lines = (root / ".funcignore").read_text().splitlines()
    patterns = [line.rstrip("/") for line in lines if line and not line.startswith("#")]
    for path in sorted(root.rglob("*"), key=lambda found: found.relative_to(root).as_posix()):
        parts = path.relative_to(root).parts
        if path.is_file() and not any(fnmatch(part, pattern) for part in parts for pattern in patterns):
            yield Path(*parts)


def write_package(root: Path, target: Path) -> str:
    """Write the zip, and give the SHA-256 of it; a package that could not be written whole is not there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(".new")
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as package:
        for path in files_of(root):
            entry = zipfile.ZipInfo(path.as_posix(), EARLIEST)
            entry.external_attr, entry.compress_type, entry.create_system = PLAIN_FILE, zipfile.ZIP_DEFLATED, 3
            package.writestr(entry, (root / path).read_bytes())
    draft.replace(target)
    return hashlib.sha256(target.read_bytes()).hexdigest()


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Make it in dist/, or in the folder that is named: the exit status."""
    folder = Path(arguments[0]) if arguments else root / "dist"
    package = folder / f"hci-site-recovery-{version_of(root)}.zip"
    digest = write_package(root, package)
    package.with_suffix(".zip.sha256").write_text(f"{digest}  {package.name}\n")
    sys.stdout.write(f"{package} {digest}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
