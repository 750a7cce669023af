"""The same stories once more, on a host whose every message waits ten seconds for a poll, as those of idle ones do."""

from collections.abc import Iterator

import pytest

from lab.servers import Servers, free_ports
from tests.deep import run_deep
from tests.product.test_api import (  # noqa: F401 - they are run here too
    test_of_many_callers_with_and_without_keys_one_gets_a_run_and_all_others_are_told_which,
    test_two_callers_at_once_get_one_run_and_one_409,
)
from tests.product.test_drills import (  # noqa: F401 - they are run here too
    test_a_drill_whose_run_was_terminated_is_cleaned_up_by_the_timer,
)
from tests.product.test_healing import (  # noqa: F401 - they are run here too
    test_a_storm_of_events_starts_one_repair_a_node,
)

pytestmark = run_deep


SPEED = 150
"""Slower than elsewhere: a busy machine takes longer for a message than its ten seconds are long at 400."""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Both servers of this module."""
    both = Servers.of(tmp_path_factory.mktemp("lab"), free_ports(), SPEED, "--hop-seconds", "10")
    both.start()
    yield both
    both.stop()
