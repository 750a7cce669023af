"""Which cases of a kind each `make test` runs, and which only `make deep`: the same test with more of its kind."""

from collections.abc import Callable, Collection, Iterable
from typing import Any

import pytest

run_deep = pytest.mark.deep
"""For a whole test whose kind another one shows as well."""


def cases[T](every: Iterable[T], usual: Collection[T], name: Callable[[T], str] | None = None) -> list[Any]:
    """Parameters of a test: those not named in `usual` are only run by `make deep`.

    Args:
        name: Makes the id of a case; by default pytest's own.
    """
    return [
        pytest.param(*_values_of(each), id=name(each) if name else None, marks=() if each in usual else (run_deep,))
        for each in every
    ]


def _values_of(case: Any) -> tuple[Any, ...]:
    return case if type(case) is tuple else (case,)
