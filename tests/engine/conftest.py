"""A task hub for a whole module: it takes a second to start, and some more on Microsoft's engine."""

from collections.abc import Iterator

import pytest

from tests.engine.hubs import Hub, running_hub


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """One host, and nothing in its task hub yet."""
    with running_hub(tmp_path_factory.mktemp("hub") / "state") as running:
        yield running
