"""A fake ARM for each test that asks for one."""

from collections.abc import AsyncIterator

import pytest

from tests.shared.azure.fake import FakeArm, standing


@pytest.fixture
async def arm(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeArm]:
    async with standing(monkeypatch) as fake:
        yield fake
