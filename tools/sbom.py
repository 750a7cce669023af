"""Writes dist/sbom.cdx.json: what is deployed, as CycloneDX, from requirements.txt: equal locks give equal files.

cyclonedx-py lists the packages with their hashes; versions, package URLs and licences are those of the lock and of the
packages' own metadata.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tools.licences import LOCK, ROOT, licence_of

SBOM = ROOT / "dist" / "sbom.cdx.json"


def make_sbom(lock: Path = LOCK) -> str:
    """The bill of materials as JSON.

    Raises:
        CalledProcessError: the lock cannot be read.
    """
    command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", str(lock)]
    command += ["--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible", "--output-format", "JSON"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - a fixed command
    bill = json.loads(done.stdout)
    for component in bill["components"]:
        component["licenses"] = [_licence_entry(licence_of(component["name"]))]
        component.pop("description", None)  # the line of the lock, hashes and all
    return json.dumps(bill, indent=2, sort_keys=True) + "\n"


def _licence_entry(licence: str) -> dict[str, Any]:
    return {"expression": licence} if " " in licence else {"license": {"name": licence}}


def main() -> int:
    """Write it: the exit status."""
    SBOM.parent.mkdir(exist_ok=True)
    SBOM.write_text(make_sbom(), encoding="utf-8")
    sys.stdout.write(f"{SBOM.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
