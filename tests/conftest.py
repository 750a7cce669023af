"""What every test runs under: the settings that the app itself runs under, and an order for workers side by side."""

import os
from itertools import groupby

import pytest
from hypothesis import settings

from tests.seals import APP_SETTINGS

settings.register_profile("untimed", deadline=None)  # how long an example takes says nothing on a busy machine
settings.load_profile("untimed")
os.environ["AZURE_FUNCTIONS_DURABLE_STRICT_TYPING"] = "1"
os.environ |= APP_SETTINGS

WAITING = (
    "tests/lab/story/",
    "tests/product/test_faulted_",
    "tests/product/",
    "tests/ui/",
    "tests/lab/host/test_process.py",
)
"""Tests that mostly wait for servers, the longest first; `tests/product` together, as it has servers of its own."""

COMPUTING = ("tests/orchestrators/test_kills.py", "tests/orchestrators/test_seeds.py", "tests/orchestrators/")
"""Tests that compute for long."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give each of two workers its long tests first, one waiting while the other computes; short ones end the run.

    `--dist worksteal` hands each worker its part of the list as it stands, and moves only what is late in it.
    """
    if not hasattr(config, "workerinput"):
        return
    ranks = (*WAITING, *COMPUTING, "")
    ranked = sorted(items, key=lambda item: _rank(item, ranks))
    parts = {rank: list(group) for rank, group in groupby(ranked, lambda item: _rank(item, ranks))}
    waiting, computing = (
        [item for rank in found for item in parts.get(ranks.index(rank), [])] for found in (WAITING, COMPUTING)
    )
    short = parts.get(len(ranks) - 1, [])
    half = max(0, len(items) // 2 - len(waiting))
    items[:] = [*waiting, *short[:half], *computing, *short[half:]]


def _rank(item: pytest.Item, ranks: tuple[str, ...]) -> int:
    return next(number for number, beginning in enumerate(ranks) if item.nodeid.startswith(beginning))
