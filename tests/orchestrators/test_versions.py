"""Runs of an earlier release go on as they began, and later ones otherwise."""

from collections.abc import Generator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrators.durable.steps import Context
from orchestrators.durable.versions import began_before
from tests.driver import Driver
from tests.release import RELEASE


@pytest.mark.parametrize(
    ("version", "release", "expected"),
    [
        ("0.1.0", "0.2.0", True),
        ("0.2.0", "0.2.0", False),
        ("0.10.0", "0.9.1", False),
        ("1.9.12", "1.10.0", True),
        (None, "0.1.0", True),
        ("", "0.1.0", True),
    ],
)
def test_a_run_knows_the_release_that_it_began_with(version: str | None, release: str, expected: bool) -> None:
    assert began_before(cast("Context", SimpleNamespace(version=version)), release) is expected


def test_a_run_knows_its_release_in_each_generation() -> None:
    def two_generations(ctx: Any, payload: dict[str, Any]) -> Generator[Any, Any, dict[str, Any] | None]:
        yield from ()
        found = [*payload.get("found", []), began_before(ctx, RELEASE), began_before(ctx, "999.0.0")]
        if len(found) < 4:
            ctx.continue_as_new({"found": found})
            return None
        return {"found": found}

    assert Driver().run(two_generations, {}).output == {"found": [False, True, False, True]}
