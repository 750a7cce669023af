"""Writes docs/lab-operations.md: every call that the simulated Azure answers, and what its answer rests on."""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from lab.azure.arm.routing import Route
from lab.azure.providers import PROVIDERS
from lab.azure.site_recovery.items.lifecycle import STATES

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "docs" / "lab-operations.md"
FIXTURES = ROOT / "tests" / "fixtures"
HEADER = """# What the simulated Azure answers, and on what grounds

Made by `python -m tools.lab_table` from the routes of `lab/azure` and the fixtures of `tests/fixtures`; do not edit.
Whatever is not in these tables is answered with 501.

- **recorded**: an exchange with the real service is a fixture, and the tests replay it. The numbers
  are those of the list at the end.
- **specified**: the call is in the OpenAPI documents of the pinned SDKs; its bodies are checked against them.
- **inferred**: neither; it follows from documentation, or is what polling links lead to.
"""


class Call(NamedTuple):
    """A row: what is called, what it rests on, and the recordings of it."""

    method: str
    template: str
    basis: str
    recordings: list[str]


def pattern_of(template: str) -> re.Pattern[str]:
    """A path template as a pattern: names of parameters do not matter, nor does casing."""
    return re.compile(re.sub(r"{\w+}", "[^/]+", template).rstrip("/") + "/?$", re.IGNORECASE)


def recorded_calls() -> list[tuple[str, str, str]]:
    """(key, method, path) of each recorded exchange."""
    exchanges: list[dict[str, Any]] = json.loads((FIXTURES / "recorded-exchanges.json").read_text())
    return [(each["key"], each["request"]["method"], each["request"]["url"].partition("?")[0]) for each in exchanges]


def specified_calls() -> set[tuple[str, str]]:
    """(method, path with nameless parameters) of each operation of the OpenAPI fixtures."""
    found = set()
    for file in sorted((FIXTURES / "openapi").glob("*.json")):
        for path, operations in json.loads(file.read_text()).get("paths", {}).items():
            found |= {(method.upper(), _nameless(path)) for method in operations}
    return found


def _nameless(template: str) -> str:
    return re.sub(r"{\w+}", "{}", template).rstrip("/").lower()


def calls(routes: list[Route]) -> Iterator[Call]:
    """A row for each route."""
    recorded, specified = recorded_calls(), specified_calls()
    for route in sorted(routes, key=lambda each: (each.template.lower(), each.method)):
        pattern = pattern_of(route.template)
        keys = [key for key, method, path in recorded if method == route.method and pattern.match(path)]
        is_specified = (route.method, _nameless(route.template)) in specified
        basis = "recorded" if keys else "specified" if is_specified else "inferred"
        yield Call(route.method, route.template, basis, keys)


def _tables() -> Iterator[str]:
    keys = [key for key, _, _ in recorded_calls()]
    namespaces = sorted({provider.namespace for provider in PROVIDERS})
    for namespace in namespaces:
        providers = [provider for provider in PROVIDERS if provider.namespace == namespace]
        yield f"\n## {namespace}\n"
        for provider in providers:
            versions = ", ".join(sorted(provider.versions))
            yield f"api-version {versions}\n\n| call | rests on | recordings |\n| --- | --- | --- |"
            for call in calls(provider.routes):
                numbers = ", ".join(str(keys.index(key) + 1) for key in call.recordings)
                yield f"| {call.method} `{_short(call.template)}` | {call.basis} | {numbers} |"
            yield ""


def _short(template: str) -> str:
    """A template without the subscription and group that most of them begin with."""
    return re.sub(r"^/subscriptions/{\w+}/resourceGroups/{\w+}/providers/", "", template, flags=re.IGNORECASE)


def _states() -> Iterator[str]:
    yield "## States of a protected item\n"
    yield "| protectionState | description | runs on | rests on |\n| --- | --- | --- | --- |"
    for state in STATES.values():
        yield f"| {state.protection} | {state.description} | {state.location} | {state.source} |"


def _recordings() -> Iterator[str]:
    yield "\n## Recordings\n"
    for number, (key, method, path) in enumerate(recorded_calls(), 1):
        yield f"{number}. {key}: {method} …/{'/'.join(path.strip('/').split('/')[-2:])}"


def page() -> str:
    """The whole page."""
    return "\n".join([HEADER, *_tables(), *_states(), *_recordings(), ""])


def main(arguments: list[str]) -> int:
    """Write the page, or with --check say whether it is up to date: 0 or 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is not up to date")
    if parser.parse_args(arguments).check:
        return 0 if TABLE.exists() and TABLE.read_text() == page() else 1
    TABLE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
