"""What is written for people points at things that are there, and names no machine that it was written on."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert broken == []


def test_every_dependency_has_its_reason_in_a_decision() -> None:
    pins = re.findall(r'^    "([a-z0-9-]+)==', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    told = " ".join(page.read_text() for page in (ROOT / "docs/decisions").glob("*.md"))
    assert [pin for pin in pins if not re.search(rf"(?<![\w-]){re.escape(pin)}(?![\w-])", told)] == []


def test_make_help_lists_what_one_may_ask_for() -> None:
    listed = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert listed == ["help", "run", "lab", "test", "quick", "check", "verify", "bench", "clean"]


def test_every_event_that_is_told_is_documented() -> None:
    code = "".join(path.read_text() for path in (ROOT / "orchestrators").rglob("*.py"))
    told = set(re.findall(r"HciSiteRecovery\.(?:Drill|Obligation|Node|RecoveryPlan)\.\w+", code))
    told |= {
        f"HciSiteRecovery.Operation.{what.capitalize()}"
        for what in re.findall(r'publish_operation_event\(ctx, \w+, "(\w+)"', code)
    }
    page = (ROOT / "docs/events.md").read_text()
    assert len(told) >= 6
    assert [name for name in sorted(told) if name not in page] == []
