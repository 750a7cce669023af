"""What is deployed is listed, its licences are allowed, and an audit that could look nothing up never says "none"."""

import json
from typing import Any

import pytest

from tools.audit import KNOWN, UNKNOWN, judge
from tools.licences import LOCK, is_allowed, licence_of, read_pins
from tools.sbom import make_sbom

PINS = read_pins(LOCK.read_text())


def test_the_licence_of_each_deployed_package_is_allowed() -> None:
    licences = {package: licence_of(package) for package in PINS}
    assert len(licences) > 40
    assert {package: licence for package, licence in licences.items() if not is_allowed(licence)} == {}


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("MIT", True),
        ("Apache-2.0 AND MIT", True),
        ("Apache-2.0 OR GPL-3.0-only", True),
        ("(GPL-2.0-only OR MIT)", True),
        ("Apache-2.0 AND GPL-3.0-only", False),
        ("AGPL-3.0-only", False),
        ("MIT-like", False),
        ("Proprietary", False),
        ("UNKNOWN", False),
        ("", False),
    ],
)
def test_a_licence_that_nobody_allowed_is_not(licence: str, allowed: bool) -> None:
    assert is_allowed(licence) is allowed


def test_the_bill_of_materials_has_each_pin_with_its_hashes_and_licence_and_is_the_same_each_time() -> None:
    made = make_sbom()
    bill = json.loads(made)
    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == ("CycloneDX", "hci-site-recovery")
    assert {one["name"]: one["version"] for one in bill["components"]} == PINS
    for component in bill["components"]:
        assert component["purl"].startswith(f"pkg:pypi/{component['name']}@")
        assert component["externalReferences"][0]["hashes"]
        assert component["licenses"]
    assert make_sbom() == made


def entry(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "version": "1.0", **more}


HOLE = {"id": "PYSEC-2026-1", "fix_versions": ["1.1"]}


@pytest.mark.parametrize(
    ("report", "status", "said"),
    [
        ([entry("a", vulns=[]), entry("b", vulns=[])], 0, "no known vulnerability in 2"),
        ([entry("A", vulns=[]), entry("b", vulns=[])], 0, "no known vulnerability in 2"),
        ([entry("a", vulns=[HOLE]), entry("b", vulns=[])], KNOWN, "a 1.0: PYSEC-2026-1, mended in 1.1"),
        ([entry("a", vulns=[HOLE]), entry("b", skip_reason="not found")], KNOWN, "1 of 2 packages could not"),
        ([entry("a", vulns=[]), entry("b", skip_reason="not found")], UNKNOWN, "1 of 2 packages could not"),
        ([entry("a", skip_reason="x"), entry("b", skip_reason="x")], UNKNOWN, "2 of 2 packages could not"),
        ([entry("a", vulns=[])], UNKNOWN, "1 of 2 packages could not"),
        ([], UNKNOWN, "2 of 2 packages could not"),
        (None, UNKNOWN, "2 of 2 packages could not"),
    ],
)
def test_only_what_was_looked_up_is_called_clean(report: Any, status: int, said: str) -> None:
    verdict = judge(None if report is None else {"dependencies": report}, ["a", "b"])
    assert verdict.status == status
    assert said in " ".join(verdict.lines)
    assert status == 0 or "no known" not in " ".join(verdict.lines)


def test_a_lock_without_packages_is_not_called_clean() -> None:
    assert judge({"dependencies": []}, []).status == UNKNOWN
