"""What the tests of the simulated Azure share."""

from collections.abc import AsyncIterator

import pytest

from tests.lab.azure.cloud import Cloud, Host


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    """The simulated Azure with the scenario `default`."""
    async with Cloud() as built:
        yield built


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    """A stand-in for the product's host."""
    async with Host() as built:
        yield built
