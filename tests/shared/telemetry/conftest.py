"""What the tests of this folder share."""

from collections.abc import Iterator

import pytest

from tests.telemetry import Recorded, recording


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    """All that is recorded during the test."""
    with recording(monkeypatch) as recorded:
        yield recorded
