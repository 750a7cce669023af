"""What is written for people points at things that are there, and names no machine that it was written on."""

import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from shared.operations.kinds import PLAN_KINDS
from tests.product_codes import find_codes, source_text
from triggers.decisions import APPROVALS, VERDICTS

ALL_DECISIONS = (*APPROVALS, *VERDICTS)
ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
ANCHOR = re.compile(r"\]\((?!https?:)([^)#]*)#([^)]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
ROW = re.compile(r"^\| (`[^|]+`) \|")
NOT_OF_THIS_APP = {"Events received", "Site Recovery's own numbers"}
"""Sections of the page of codes that list what is counted, or what the service says: not under the name `code`."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_heading_finds_it(page: Path) -> None:
    links = [(page.parent / name if name else page, anchor) for name, anchor in ANCHOR.findall(page.read_text())]
    assert [f"{target.name}#{anchor}" for target, anchor in links if anchor not in anchors_of(target)] == []


def anchors_of(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page, and those that it names itself."""
    headings = [heading.lower().replace(" ", "-") for heading in HEADING.findall(page.read_text())]
    named = re.findall(r'<a id="([^"]+)">', page.read_text())
    return {*named, *(re.sub(r"[^\w-]", "", heading) for heading in headings)}


def codes_by_section() -> dict[str, list[str]]:
    """What docs/codes.md lists in the first column of its tables."""
    sections = (ROOT / "docs/codes.md").read_text().split("\n## ")[1:]
    return {
        section.partition("\n")[0]: [
            code
            for line in section.splitlines()
            if (row := ROW.match(line))
            for code in re.findall(r"`([^`]+)`", row[1])
        ]
        for section in sections
    }


def test_every_code_is_documented() -> None:
    listed = {code for codes in codes_by_section().values() for code in codes}
    missing = [found for found in find_codes() if not any(fnmatchcase(code, found.code) for code in listed)]
    assert [f"{found.code} ({found.place})" for found in missing] == []


def test_no_code_is_documented_that_nothing_gives() -> None:
    given, text = {found.code for found in find_codes()}, source_text()
    listed = [(section, code) for section, codes in codes_by_section().items() for code in codes]
    unknown = [
        code
        for section, code in listed
        if not (code in text if section in NOT_OF_THIS_APP else any(fnmatchcase(code, one) for one in given))
    ]
    assert unknown == []


def test_no_code_is_documented_twice() -> None:
    listed = [code for codes in codes_by_section().values() for code in codes]
    assert sorted({code for code in listed if listed.count(code) > 1}) == []


REQUEST = re.compile(r"`(GET|PUT|POST|DELETE) /([\w/{}-]+)`")
ROUTE = re.compile(r'@bp\.route\((?:"([^"]+)"|ROUTE), methods=\["(\w+)"\](?:, auth_level=[\w.]+)?\)')


def routes_of_app() -> set[tuple[str, str]]:
    """Method and path of each route; a verb and a decision stand for themselves."""
    routes = set()
    for path in (ROOT / "triggers").glob("*.py"):
        text = path.read_text()
        named = re.search(r'^ROUTE = "([^"]+)"', text, re.MULTILINE)
        routes |= {(found[2], found[1] or (named[1] if named else "")) for found in ROUTE.finditer(text)}
    spelt = [("plans/{plan}/{verb}", "verb", PLAN_KINDS), ("operations/{id}/{decision}", "decision", ALL_DECISIONS)]
    for route, name, words in spelt:
        assert ("POST", route) in routes
        routes |= {("POST", route.replace(f"{{{name}}}", word)) for word in words}
    return routes


@pytest.mark.parametrize("page", ["capabilities.md", "api.md"])
def test_every_request_that_is_named_has_its_route(page: str) -> None:
    named = REQUEST.findall((ROOT / "docs" / page).read_text())
    assert len(named) > 20
    assert (
        sorted({f"{method} /{path}" for method, path in named} - {f"{one} /{path}" for one, path in routes_of_app()})
        == []
    )


def test_every_task_has_its_request_and_every_route_its_task() -> None:
    text = (ROOT / "docs/capabilities.md").read_text()
    named = set(REQUEST.findall(text))
    rows = [line.split("|")[1:4] for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    bare = [task.strip() for task, request, _ in rows if not request.strip()]
    assert bare == ["Be told", "Rehearse all of this without Azure"]
    posts = {route for route in routes_of_app() if route[0] == "POST" and "{verb}" not in route[1]}
    assert sorted(posts - named - {("POST", "operations/{id}/{decision}")}) == []


def test_codes_are_found_however_they_are_given() -> None:
    """As an argument, a field, a constant, a cause, a pair, a check, or put together."""
    found = {one.code for one in find_codes()}
    assert {"held", "no-recovery-point", "member-not-ready", "hyper-v-missing", "node-hyper-v", "vm-moved"} <= found
    assert {"*-not-allowed", "replication-*"} <= found
    assert len(found) > 150


def test_the_page_of_the_architecture_names_files_that_are_there() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    names = re.findall(r"`((?:shared|orchestrators|activities|triggers|lab|tests|tools|docs)/[\w./{},-]*)`", page)
    paths = [path for name in names for path in spelt_out(name)]
    assert len(paths) > 40
    assert [path for path in paths if not (ROOT / path).exists()] == []


def spelt_out(name: str) -> list[str]:
    """`shared/{a,b}.py` as the files that it means."""
    head, brace, rest = name.partition("{")
    names, _, tail = rest.partition("}")
    return [head + one.strip() + tail for one in names.split(",")] if brace else [name]


def test_every_dependency_has_its_reason_in_a_decision() -> None:
    pins = re.findall(r'^    "([a-z0-9-]+)==', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    told = " ".join(page.read_text() for page in (ROOT / "docs/decisions").glob("*.md"))
    assert [pin for pin in pins if not re.search(rf"(?<![\w-]){re.escape(pin)}(?![\w-])", told)] == []


def test_make_help_lists_what_one_may_ask_for() -> None:
    listed = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    run = ["help", "run", "lab", "real", "test", "deep", "quick", "check"]
    assert listed == [*run, "verify", "bench", "infra", "sbom", "audit", "ui", "dist", "smoke", "clean"]


def test_every_event_that_is_told_is_documented() -> None:
    code = "".join(path.read_text() for path in (ROOT / "orchestrators").rglob("*.py"))
    told = set(re.findall(r"HciSiteRecovery\.(?:Drill|Obligation|Node|RecoveryPlan|Hold)\.\w+", code))
    told |= {
        f"HciSiteRecovery.Operation.{what.capitalize()}"
        for what in re.findall(r'publish_operation_event\(ctx, \w+, "(\w+)"', code)
    }
    page = (ROOT / "docs/events.md").read_text()
    assert len(told) >= 6
    assert [name for name in sorted(told) if name not in page] == []


@pytest.mark.parametrize("name", ["guide-coverage.md", "security.md"])
def test_the_tests_that_a_page_names_are_there(name: str) -> None:
    page = (ROOT / "docs" / name).read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page)
    assert len(named) > 20
    missing = [
        f"{path}::{test}"
        for path, test in named
        if not (ROOT / path).exists() or (test and f"def {test}(" not in (ROOT / path).read_text())
    ]
    assert missing == []
