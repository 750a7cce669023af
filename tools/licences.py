"""The licence of each package that is deployed, as its own metadata says it."""

import re
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.txt"
ALLOWED = frozenset(
    {"0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0"}
)
"""What may be deployed: permissive ones, and MPL, whose terms end at the package's own files."""
_SPELLINGS: Mapping[str, str] = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd license": "BSD",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
}
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)", re.MULTILINE)


def read_pins(lock: str) -> dict[str, str]:
    """Version of each package of a lock file, by name."""
    return dict(_PIN.findall(lock))


def licence_of(package: str) -> str:
    """An SPDX expression, or what the package calls its licence where that is none; empty where it says nothing.

    Raises:
        PackageNotFoundError: it is not installed here.
    """
    about = metadata.metadata(package)
    if expression := about.get("License-Expression"):
        return str(expression)
    classified = [line.rpartition(" :: ")[2] for line in about.get_all("Classifier") or () if "License ::" in line]
    stated = classified[0] if classified else str(about.get("License") or "").strip().partition("\n")[0]
    return _SPELLINGS.get(stated.lower(), stated)


def is_allowed(licence: str) -> bool:
    """Whether an expression may be deployed: all of what is joined by AND, one of what is joined by OR."""
    choices = [choice.split(" AND ") for choice in licence.replace("(", "").replace(")", "").split(" OR ")]
    return any(all(part.strip() in ALLOWED for part in parts) for parts in choices)
