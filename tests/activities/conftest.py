"""What the tests of activities share: a fake ARM for each test that asks for one, and a lab for each module."""

from collections.abc import AsyncIterator, Iterator

import pytest

from shared.azure.clients import close_azure
from tests.activities.lab import Lab, running
from tests.shared.azure.fake import FakeArm, point_at, standing


@pytest.fixture
async def arm(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeArm]:
    async with standing(monkeypatch) as fake:
        yield fake


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture
async def lab(server: Lab, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Lab]:
    """The simulated Azure with its default scenario as new, and no faults."""
    server.reset()
    server.faults()
    point_at(server.base, "lab-identity", monkeypatch)
    yield server
    await close_azure()
