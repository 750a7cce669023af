"""Asks pip-audit for known vulnerabilities of what is deployed, and tells apart "none" and "nobody could say".

Exit status: 0 where each package was looked up and none is known; 1 with those that are; 3 where some could not be
looked up. pip-audit alone ends with 0 and "No known vulnerabilities found" where it found no package at all.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from tools.licences import LOCK, read_pins

KNOWN, UNKNOWN = 1, 3


class Verdict(NamedTuple):
    """The exit status, and the lines that say why."""

    status: int
    lines: tuple[str, ...]


def judge(report: Any, packages: Sequence[str]) -> Verdict:
    """What a report of pip-audit comes to.

    Args:
        report: Its JSON; None where there is none.
        packages: All that have to be in it.
    """
    entries = {entry["name"].lower(): entry for entry in (report or {}).get("dependencies", ())}
    known = tuple(
        f"audit: {entry['name']} {entry.get('version', '')}: {hole['id']}, mended in "
        f"{', '.join(hole.get('fix_versions') or ()) or 'no version yet'}"
        for entry in entries.values()
        for hole in entry.get("vulns") or ()
    )
    unseen = [name for name in packages if "vulns" not in entries.get(name.lower(), {})]
    unknown = f"audit: {len(unseen)} of {len(packages)} packages could not be looked up, nothing is known of them"
    if known:
        return Verdict(KNOWN, (*known, *((unknown,) if unseen else ())))
    if unseen or not packages:
        return Verdict(UNKNOWN, (unknown,))
    return Verdict(0, (f"audit: no known vulnerability in {len(packages)} packages",))


def ask_pip_audit() -> Any:
    """Its report on the lock; None where it made none."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(LOCK), "--require-hashes", "--disable-pip"]
    command += ["--format", "json", "--progress-spinner", "off"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a fixed command
    try:
        return json.loads(done.stdout)
    except ValueError:
        sys.stderr.write(done.stderr)
        return None


def main() -> int:
    """Ask, and say what is known: the exit status."""
    verdict = judge(ask_pip_audit(), list(read_pins(LOCK.read_text(encoding="utf-8"))))
    sys.stdout.write("\n".join(verdict.lines) + "\n")
    return verdict.status


if __name__ == "__main__":
    sys.exit(main())
