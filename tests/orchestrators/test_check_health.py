"""The round trip of health: it changes next to nothing on its way, and bears a worker that dies in the middle."""

import pytest

from orchestrators.check_health import check_health
from orchestrators.durable.entities import ENTITIES
from shared.operations.durable_names import TIMER_LOOKS
from shared.operations.timer_looks import TimerLooks
from tests.driver import Driver
from tests.release import RELEASE

KEY = "@timer_looks@timer"


@pytest.mark.parametrize("failures", [0, 2])
def test_it_reads_when_the_timer_looked_and_changes_nothing(failures: int) -> None:
    driver = Driver(entities=dict(ENTITIES), entity_failures={TIMER_LOOKS: failures})
    looks = TimerLooks(last_ended_at=driver.clock.now).model_dump(mode="json")
    driver.states[KEY] = dict(looks)
    output = driver.run(check_health, {}).output
    assert (output["timer"], output["at"], output["release"]) == (looks, driver.clock.now.isoformat(), RELEASE)
    assert driver.states == {KEY: looks}


def test_a_first_look_is_waited_for_from_the_first_time_that_somebody_asks() -> None:
    driver = Driver(entities=dict(ENTITIES))
    asked = driver.clock.now
    assert driver.run(check_health, {}, "health-1").output["timer"]["last_ended_at"] is None
    driver.run(check_health, {}, "health-2")
    assert TimerLooks.model_validate(driver.states[KEY]).expected_since == asked
