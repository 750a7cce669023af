"""What checkov finds is mended, or answered by its id in docs/decisions/0072-infra.md; checkov itself is not needed."""

import json
import os
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.infra.templates import INFRA, ROOT
from tools import scan_infra
from tools.scan_infra import ANSWERS, SHAPES, Finding, answered_findings, compare, flat_template, install, main

PAGE = ROOT / "docs/decisions/0072-infra.md"
ONE = Finding("CKV_AZURE_1", "Microsoft.A/b", "public")


def test_the_page_gives_a_reason_for_each_answer_and_for_nothing_else() -> None:
    rows = re.findall(r"^\| ([\d, ]+) \| ([^|]+) \| ([^|]+) \|$", PAGE.read_text(), re.MULTILINE)
    reasons = {f"CKV_AZURE_{number}": reason for numbers, _, reason in rows for number in numbers.split(", ")}
    assert set(reasons) == set(json.loads(ANSWERS.read_text()))
    assert all(len(reason) > 20 for reason in reasons.values())


def test_answers_name_shapes_that_are_scanned() -> None:
    assert {each.shape for each in answered_findings()} == set(SHAPES)


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_scanned_is_whole_and_has_no_expression(shape: str) -> None:
    resources = flat_template(shape)["resources"]
    assert len(resources) > 30
    assert all(isinstance(each["name"], str) and not each["name"].startswith("[") for each in resources)
    assert not any(each["type"] == "Microsoft.Resources/deployments" for each in resources)


def test_a_finding_without_an_answer_fails_and_so_does_an_answer_without_a_finding() -> None:
    assert compare({ONE}, {ONE}) == []
    assert compare({ONE}, set()) == ["CKV_AZURE_1 on Microsoft.A/b (public) is neither mended nor answered"]
    assert compare(set(), {ONE}) == ["CKV_AZURE_1 on Microsoft.A/b (public) is answered and not found"]


def checkov_that_says(folder: Path, text: str, status: int = 0) -> str:
    script = folder / "checkov"
    script.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\nexit {status}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return str(script)


def report(*failed: tuple[str, str], errors: int = 0) -> str:
    checks = [{"check_id": check, "resource": resource} for check, resource in failed]
    summary = {"passed": 9, "failed": len(failed), "parsing_errors": errors, "resource_count": 40}
    return json.dumps({"summary": summary, "results": {"failed_checks": checks}})


def test_a_new_finding_is_a_failure_that_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkov = checkov_that_says(tmp_path, report(("CKV_AZURE_999", "Microsoft.Web/sites/config.func-x/appsettings")), 1)
    assert main([checkov]) == 1
    assert "CKV_AZURE_999 on Microsoft.Web/sites/config (public) is neither mended" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["", "Killed", "[]", report(errors=1), '{"summary": {"passed": 0, "parsing_errors": 0}}']
)
def test_a_scan_that_did_not_read_the_template_is_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    assert main([checkov_that_says(tmp_path, text)]) == 1
    assert "infra: checkov" in capsys.readouterr().err


def test_a_checkov_that_cannot_be_installed_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(scan_infra, "install", lambda: None)
    assert main() == 0
    assert capsys.readouterr().out == "infra: not scanned, checkov cannot be installed here\n"


@pytest.mark.parametrize(
    "failure", [subprocess.CalledProcessError(1, "pip"), subprocess.TimeoutExpired("pip", 600), OSError("no network")]
)
def test_an_installation_that_fails_is_none_and_is_tried_again(tmp_path: Path, failure: Exception) -> None:
    def refuse(*_command: Any, **_options: Any) -> None:
        raise failure

    assert install(tmp_path, refuse) is None
    assert list(tmp_path.iterdir()) == []


def test_it_is_installed_once_for_each_lock_and_by_hashes_only(tmp_path: Path) -> None:
    commands: list[tuple[str, ...]] = []

    def run(command: tuple[str, ...], **_options: Any) -> None:
        commands.append(command)
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / "checkov").touch()

    assert install(tmp_path, run) == install(tmp_path, run) == tmp_path / "bin" / "checkov"
    assert len(commands) == 2
    assert "--require-hashes" in commands[1]
    (tmp_path / scan_infra.LOCK.name).write_text("another")
    install(tmp_path, run)
    assert len(commands) == 4


def test_the_lock_has_the_version_that_is_asked_for_and_a_hash_for_each_package() -> None:
    asked = re.findall(r"^[\w.-]+==\S+$", (INFRA / "checkov.in").read_text(), re.MULTILINE)
    entries = (INFRA / "checkov.lock").read_text().replace("\\\n", " ").splitlines()
    packages = [entry for entry in entries if entry and not entry.startswith("#")]
    assert len(asked) == 1
    assert any(entry.startswith(f"{asked[0]} ") for entry in packages)
    assert [entry for entry in packages if "--hash=sha256:" not in entry] == []
    assert [entry for entry in packages if "://" in entry or entry.startswith("-")] == []


INSTALLED = scan_infra.FOLDER / "bin" / "checkov"


@pytest.mark.skipif(
    not INSTALLED.exists() and not os.environ.get("CHECKOV"), reason="checkov is not installed: make infra"
)
def test_checkov_finds_what_is_answered_and_nothing_else() -> None:
    assert main([os.environ.get("CHECKOV") or str(INSTALLED)]) == 0
