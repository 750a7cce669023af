"""The world that the tests of Site Recovery share."""

from collections.abc import AsyncIterator

import pytest

from tests.lab.azure.site_recovery.world import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A vault with three machines that have replicated for three days."""
    async with World() as built:
        yield built
