"""How versions of orchestrations are compared."""

import pytest

from lab.host.engine.versions import compare_versions

RISING = [None, "0.9", "0.9.0", "0.9.1", "0.10.0", "1.0", "1.0.0.0", "1.0.0.1", "2.0-beta", "next"]


@pytest.mark.parametrize("at", range(len(RISING) - 1))
def test_a_version_is_newer_than_those_before_it(at: int) -> None:
    one, other = RISING[at : at + 2]
    assert (compare_versions(one, other), compare_versions(other, one)) == (-1, 1)


@pytest.mark.parametrize(("one", "other"), [(None, ""), ("1.0", "1.0"), ("1.00", "1.0"), ("Next", "next")])
def test_versions_that_are_the_same(one: str | None, other: str | None) -> None:
    assert compare_versions(one, other) == 0
