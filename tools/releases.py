"""Keeps the package of each deployment in the container `releases`, and brings one back: Flex overwrites its own.

    python -m tools.releases keep dist/hci-site-recovery-0.1.0.zip
    python -m tools.releases list
    python -m tools.releases get hci-site-recovery-0.1.0-1f2e3d4c5b6a.zip
    python -m tools.releases works hci-site-recovery-0.1.0-1f2e3d4c5b6a.zip     # deployed, and it passed its smoke test
    python -m tools.releases last                                               # the last that did

A package is kept under its release and the beginning of its SHA-256, once. The Azure CLI does the work, for whoever is
signed in there; RELEASES_ACCOUNT names the storage account, as the deployment gives it.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CONTAINER = "releases"
LAST_GOOD = "last-good.txt"
"""The blob that names the package which passed its smoke test last."""
DIGEST_SHOWN = 12


class NotKept(Exception):
    """The Azure CLI refused, or is not there; the message is what it said."""


def name_of(package: Path) -> str:
    """Under which a package is kept: another one of the same release has another name."""
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    return f"{package.stem}-{digest[:DIGEST_SHOWN]}{package.suffix}"


def keep_package(account: str, package: Path) -> str:
    """Upload it, unless it is there already: its name.

    Raises:
        NotKept: it is not there now.
    """
    name = name_of(package)
    if name not in list_packages(account):
        _az(account, "upload", "--name", name, "--file", str(package), "--overwrite", "false", "--no-progress")
    return name


def list_packages(account: str) -> list[str]:
    """Names of all packages that are kept, the newest last.

    Raises:
        NotKept: nobody can say.
    """
    blobs: list[dict[str, Any]] = json.loads(_az(account, "list") or "[]")
    by_age = sorted(blobs, key=lambda blob: str(blob["properties"]["creationTime"]))
    return [blob["name"] for blob in by_age if blob["name"] != LAST_GOOD]


def note_working(account: str, name: str) -> None:
    """Remember that this package works.

    Raises:
        NotKept: it is none that is kept, or it could not be noted.
    """
    if name not in list_packages(account):
        raise NotKept(f"{name} is not kept")
    with tempfile.TemporaryDirectory() as folder:
        note = Path(folder) / LAST_GOOD
        note.write_text(f"{name}\n")
        _az(account, "upload", "--name", LAST_GOOD, "--file", str(note), "--overwrite", "true", "--no-progress")


def find_working(account: str) -> str:
    """The package that passed its smoke test last.

    Raises:
        NotKept: none has, or nobody can say.
    """
    with tempfile.TemporaryDirectory() as folder:
        note = Path(folder) / LAST_GOOD
        _az(account, "download", "--name", LAST_GOOD, "--file", str(note), "--no-progress")
        return note.read_text().strip()


def get_package(account: str, name: str, folder: Path) -> Path:
    """Download one, and see that it is what was kept.

    Raises:
        NotKept: it is not there, or its bytes are others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / name
    _az(account, "download", "--name", name, "--file", str(target), "--no-progress")
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    if target.stem.rpartition("-")[2] != digest[:DIGEST_SHOWN]:
        target.unlink()
        raise NotKept(f"{name} has the SHA-256 {digest}: it is not what was kept under this name")
    return target


def _az(account: str, verb: str, *options: str) -> str:
    signed_in = ("--account-name", account, "--container-name", CONTAINER, "--auth-mode", "login", "--output", "json")
    try:
        command = ("az", "storage", "blob", verb, *options, *signed_in)
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - az of the PATH
    except OSError as missing:
        raise NotKept(f"the Azure CLI is needed: {missing}") from None
    if done.returncode:
        raise NotKept(done.stderr.strip() or f"az ended with {done.returncode}")
    return done.stdout


def main(arguments: Sequence[str], account: str) -> int:
    """Do what is asked: the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.releases", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("keep").add_argument("package", type=Path)
    verbs.add_parser("list")
    verbs.add_parser("last")
    for verb in ("get", "works"):
        verbs.add_parser(verb).add_argument("name")
    asked = parser.parse_args(arguments)
    if not account:
        sys.stderr.write("releases: RELEASES_ACCOUNT does not name the storage account\n")
        return 2
    try:
        sys.stdout.write("".join(f"{line}\n" for line in _lines_of(asked, account)))
    except (NotKept, OSError) as refused:
        sys.stderr.write(f"releases: {refused}\n")
        return 1
    return 0


def _lines_of(asked: argparse.Namespace, account: str) -> list[str]:
    match asked.verb:
        case "keep":
            return [keep_package(account, asked.package)]
        case "list":
            return list_packages(account)
        case "get":
            return [str(get_package(account, asked.name, Path("dist")))]
        case "works":
            note_working(account, asked.name)
            return []
        case _:
            return [find_working(account)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ.get("RELEASES_ACCOUNT", "")))
