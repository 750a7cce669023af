"""Scans with checkov what infra/ deploys, in each shape; a finding that infra/checkov-answers.json lacks is a failure.

checkov reads neither Bicep's nested templates nor symbolic names whole, so it gets the list of resources that ARM would
send. It has a virtual environment of its own, from a lock of its own; where that cannot be installed, one line says so.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tools.arm.azure_answers import known_to_azure
from tools.arm.deployment import Deployment, Place

ROOT = Path(__file__).parents[1]
INFRA = ROOT / "infra"
LOCK = INFRA / "checkov.lock"
ANSWERS = INFRA / "checkov-answers.json"
FOLDER = ROOT / ".tools" / "checkov"
SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
PLACE = Place("00000000-0000-0000-0000-000000000001", "rg-site-recovery")
_WHOLE = {
    "environmentName": "prod",
    "allowedScopes": "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-dr-vault",
    "authClientId": "00000000-0000-0000-0000-000000000002",
    "alertEmails": "dr@example.com",
}
SHAPES: Mapping[str, Mapping[str, Any]] = {
    "public": {**_WHOLE, "subscribeToFailures": True},
    "private": {
        **_WHOLE,
        "network": "private",
        "privateApp": True,
        "zoneRedundant": True,
        "evidenceRedundancy": "Standard_GZRS",
    },
}
"""The parameters with which the templates are scanned."""


class Finding(NamedTuple):
    """A check that a resource does not pass.

    Attributes:
        on: Type of the resource.
        shape: Of SHAPES.
    """

    check: str
    on: str
    shape: str


def flat_template(shape: str) -> dict[str, Any]:
    """All that a deployment puts, without a nested template or an expression."""
    template = json.loads((INFRA / "main.json").read_text())
    resources = Deployment(template, SHAPES[shape], PLACE, known_to_azure).resources
    return {"$schema": SCHEMA, "contentVersion": "1.0.0.0", "resources": [each.document for each in resources]}


def answered_findings(answers: Path = ANSWERS) -> set[Finding]:
    """What docs/decisions/0072 gives a reason for."""
    listed: Mapping[str, Mapping[str, list[str]]] = json.loads(answers.read_text())
    return {
        Finding(check, kind, shape)
        for check, kinds in listed.items()
        for kind, shapes in kinds.items()
        for shape in shapes
    }


def find_all(checkov: Path) -> set[Finding]:
    """What checkov finds in each shape.

    Raises:
        ScanFailed: it did not read every resource.
    """
    found: set[Finding] = set()
    for shape in SHAPES:
        with tempfile.TemporaryDirectory() as folder:
            template = Path(folder) / "template.json"
            template.write_text(json.dumps(flat_template(shape)))
            found |= set(_findings_of(_scan(checkov, template), shape))
    return found


class ScanFailed(Exception):
    """checkov did not do its work; the message says what it said."""


def _scan(checkov: Path, template: Path) -> dict[str, Any]:
    command = (str(checkov), "--file", str(template), "--framework", "arm", "--skip-download", "--quiet", "-o", "json")
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=template.parent)  # noqa: S603 - our own
    try:
        report: dict[str, Any] = json.loads(done.stdout)
        summary = report["summary"]
    except (ValueError, KeyError, TypeError):
        raise ScanFailed(f"checkov ended with {done.returncode}: {(done.stderr or done.stdout)[-300:]}") from None
    if summary["parsing_errors"] or not summary["passed"] or not summary["resource_count"]:
        raise ScanFailed(f"checkov did not read the template: {summary}")
    return report


def _findings_of(report: Mapping[str, Any], shape: str) -> Iterator[Finding]:
    for each in report["results"]["failed_checks"]:
        kind = ".".join(each["resource"].split(".")[:2])  # of Microsoft.Web/sites/config.func-x/appsettings
        yield Finding(each["check_id"], kind, shape)


def install(folder: Path = FOLDER, run: Callable[..., Any] = subprocess.run) -> Path | None:
    """checkov as its lock says, installed if need be; None where that cannot be done now."""
    checkov, installed = folder / "bin" / "checkov", folder / LOCK.name
    if checkov.exists() and installed.exists() and installed.read_text() == LOCK.read_text():
        return checkov
    try:
        run((sys.executable, "-m", "venv", "--clear", str(folder)), check=True, capture_output=True, timeout=300)
        pip = (str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", "--require-hashes")
        run((*pip, "-r", str(LOCK)), check=True, capture_output=True, timeout=600)
    except (OSError, subprocess.SubprocessError):
        return None
    installed.write_text(LOCK.read_text())
    return checkov


def compare(found: set[Finding], answered: set[Finding]) -> list[str]:
    """A line for each finding without an answer, and for each answer without a finding."""
    lines = [f"{each.check} on {each.on} ({each.shape}) is neither mended nor answered" for each in found - answered]
    lines += [f"{each.check} on {each.on} ({each.shape}) is answered and not found" for each in answered - found]
    return sorted(lines)


def main(arguments: Sequence[str] = ()) -> int:
    """Scan: the exit status. The path of a checkov may be named."""
    checkov = Path(arguments[0]) if arguments else install()
    if checkov is None:
        sys.stdout.write("infra: not scanned, checkov cannot be installed here\n")
        return 0
    try:
        found = find_all(checkov)
    except (ScanFailed, OSError) as failed:
        sys.stderr.write(f"infra: {failed}\n")
        return 1
    lines = compare(found, answered_findings())
    sys.stderr.write("".join(f"infra: {line}\n" for line in lines))
    sys.stdout.write("" if lines else f"infra: {len(found)} findings of checkov, each of them answered\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
