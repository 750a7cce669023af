"""Writes the two lock files from pyproject.toml, or checks, without a network, that they still belong to it."""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

DEPLOYED = "requirements.txt"
DEVELOPED = "requirements-dev.lock"
COMPILE = (
    *("pip", "compile", "pyproject.toml", "--quiet", "--no-header", "--no-annotate", "--no-emit-index-url"),
    *("--generate-hashes", "--python-version", "3.13", "--python-platform", "x86_64-unknown-linux-gnu"),
)
_DIGEST = "# made by `make lock` from the dependencies in pyproject.toml, sha256:"
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*])?==(?P<version>[^\s;\\]+)")
_HASH = re.compile(r"--hash=(\S+)")


class Pin(NamedTuple):
    """One package of a lock file."""

    version: str
    hashes: frozenset[str]


class Wanted(NamedTuple):
    """What pyproject.toml asks for, by lock file."""

    deployed: tuple[str, ...]
    developed: tuple[str, ...]

    @property
    def by_file(self) -> Mapping[str, tuple[str, ...]]:
        """The requirements that each lock file was made from."""
        return {DEPLOYED: self.deployed, DEVELOPED: self.deployed + self.developed}


def read_wanted(pyproject: str) -> Wanted:
    """Read the requirements of the product and of its development."""
    document = tomllib.loads(pyproject)
    return Wanted(tuple(document["project"]["dependencies"]), tuple(document["dependency-groups"]["dev"]))


def digest(requirements: Sequence[str]) -> str:
    """SHA-256 of a list of requirements, in any order."""
    return hashlib.sha256(json.dumps(sorted(requirements)).encode()).hexdigest()


def read_pins(lock: str) -> dict[str, Pin]:
    """Read a lock file: each package by its normalised name."""
    entries = lock.replace("\\\n", " ").splitlines()
    matches = ((_PIN.match(entry), entry) for entry in entries)
    return {
        _normal(match["name"]): Pin(match["version"], frozenset(_HASH.findall(entry)))
        for match, entry in matches
        if match
    }


def findings(wanted: Wanted, locks: Mapping[str, str]) -> list[str]:
    """Say in what the lock files, by name, do not belong to pyproject.toml or to each other; empty when they do."""
    pins = {name: read_pins(text) for name, text in locks.items()}
    found = []
    for name, requirements in wanted.by_file.items():
        if f"{_DIGEST}{digest(requirements)}" not in locks[name].splitlines():
            found.append(f"{name} was made from other dependencies than pyproject.toml's")
        found += _missing(name, requirements, pins[name])
        found += [f"{name}: {package} has no hash" for package, pin in pins[name].items() if not pin.hashes]
    found += [
        f"{package} differs between {DEPLOYED} and {DEVELOPED}"
        for package, pin in pins[DEPLOYED].items()
        if pins[DEVELOPED].get(package) != pin
    ]
    return found


def _missing(name: str, requirements: Sequence[str], pins: Mapping[str, Pin]) -> list[str]:
    asked = ((requirement, _PIN.match(requirement)) for requirement in requirements)
    return [
        f"{name} does not hold {requirement}"
        for requirement, match in asked
        if not match or _normal(match["name"]) not in pins or pins[_normal(match["name"])].version != match["version"]
    ]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def write_locks(root: Path) -> None:
    """Resolve again, keeping the pins that still fit; the development lock takes over those of the deployment."""
    wanted = read_wanted((root / "pyproject.toml").read_text()).by_file
    _compile(root, DEPLOYED)
    _compile(root, DEVELOPED, "--group", "dev", "--constraint", DEPLOYED)
    for name in (DEPLOYED, DEVELOPED):
        path = root / name
        path.write_text(f"{_DIGEST}{digest(wanted[name])}\n{path.read_text()}")


def _compile(root: Path, lock: str, *more: str) -> None:
    uv = shutil.which("uv", path=f"{root / '.venv/bin'}{os.pathsep}{os.environ['PATH']}")
    if not uv:
        sys.exit("uv is needed to make the lock files: pip install uv")
    subprocess.run([uv, *COMPILE, *more, "--output-file", lock], cwd=root, check=True)  # noqa: S603 - fixed arguments


def main() -> None:
    """Write the lock files, or check them with --check: exit status 1 and a line for each finding."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing and need no network")
    root = Path(__file__).parent.parent
    if not parser.parse_args().check:
        write_locks(root)
    locks = {name: (root / name).read_text() for name in (DEPLOYED, DEVELOPED)}
    if found := findings(read_wanted((root / "pyproject.toml").read_text()), locks):
        sys.exit("\n".join([*found, "make lock makes them again"]))


if __name__ == "__main__":
    main()
