"""The release that is being prepared: what it is called, and where its records lie."""

import json
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]

RELEASE = str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])
"""The one place of it; host.json, which is deployed, has it as well."""


def version_in_host_file(folder: Path = ROOT) -> str:
    """With which version the engine begins runs."""
    return str(json.loads((folder / "host.json").read_text())["extensions"]["durableTask"]["defaultVersion"])
