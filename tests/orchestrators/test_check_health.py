"""The round trip of health: it changes nothing on its way, and bears a worker that dies in the middle."""

import pytest

from orchestrators.check_health import check_health
from orchestrators.durable.entities import ENTITIES
from shared.operations.durable_names import EVENT_COUNTS
from tests.driver import Driver

COUNTS = {"duplicate": 2}


@pytest.mark.parametrize("failures", [0, 2])
def test_it_reads_and_changes_nothing(failures: int) -> None:
    driver = Driver(entities=dict(ENTITIES), entity_failures={EVENT_COUNTS: failures})
    driver.states["@event_counts@events"] = dict(COUNTS)
    assert driver.run(check_health, {}).output == {"events": COUNTS}
    assert driver.states == {"@event_counts@events": COUNTS}


def test_an_app_that_has_received_nothing_answers_too() -> None:
    assert Driver(entities=dict(ENTITIES)).run(check_health, {}).output == {"events": {}}
