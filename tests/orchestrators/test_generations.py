"""What people see of a run that continues as new: the engine forgets its custom status and when it was created."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from durabletask.client import OrchestrationState, OrchestrationStatus

from orchestrators.run import ticks
from orchestrators.verbs.failover import failover
from shared.operations.payloads import split_carried
from tests.driver import Episode, execute
from tests.histories.keeping import PREPARED, Dispatch, load
from tests.histories.tales import TALES
from tests.orchestrators.test_runbooks import ORDER, Bench
from triggers.operation_views import brief_view, full_view


@pytest.fixture
def first_episodes(monkeypatch: pytest.MonkeyPatch) -> list[Episode]:
    """The first dispatch of each generation but the first, of a failover with many of them."""
    monkeypatch.setattr(ticks, "TICKS_PER_GENERATION", 3)
    result = Bench().run(failover, "failover")
    assert result.output["state"] == "succeeded"
    assert result.generations > 4
    return [episode for episode in result.episodes if not episode.before][1:]


def carried_in(episode: Episode | Dispatch) -> str:
    inputs = [event.executionStarted.input.value for event in episode.new if event.HasField("executionStarted")]
    return str(inputs[0])


def as_the_engine_shows_it(carried: str, at: datetime) -> OrchestrationState:
    """A generation that has begun and said nothing: no custom status, and its own beginning as the time of creation."""
    running = OrchestrationStatus.RUNNING
    return OrchestrationState("failover-payroll-1", "failover", running, at, at, carried, None, None, None)


def test_each_generation_says_at_once_how_the_run_stands(first_episodes: list[Episode]) -> None:
    shown: list[dict[str, Any]] = []
    for episode in first_episodes:
        response = execute(failover, "run-1", [], episode.new)
        shown.append(json.loads(response.customStatus.value or "{}"))
    assert {status["total"] for status in shown} == {len(ORDER)}
    places = [(status["stage"], status["done"]) for status in shown]
    assert places == sorted(places)
    assert places[-1] > (1, 0)


def test_a_generation_that_has_said_nothing_yet_is_seen_as_its_run_stood(first_episodes: list[Episode]) -> None:
    began = datetime(2026, 1, 5, 8)  # noqa: DTZ001 - the engine's times are naive
    views = [
        full_view(as_the_engine_shows_it(carried_in(episode), began + timedelta(hours=number)))
        for number, episode in enumerate(first_episodes)
    ]
    assert all(view["phase"] for view in views)
    assert all(view["progress"]["total"] == len(ORDER) for view in views)
    assert {item["state"] for item in views[-1]["items"]} != {"waiting"}


def test_a_run_was_created_once(first_episodes: list[Episode]) -> None:
    later = datetime(2026, 1, 5, 20)  # noqa: DTZ001 - the engine's times are naive
    created = {brief_view(as_the_engine_shows_it(carried_in(one), later))["createdAt"] for one in first_episodes}
    assert len(created) == 1
    assert min(created) < later.isoformat()


def generations_of(name: str) -> list[Dispatch]:
    """The first dispatch of each generation of a recorded run."""
    _, dispatches = load(PREPARED / f"{name}.jsonl")
    return [one for one in dispatches if not one.before]


def first_moment(dispatch: Dispatch) -> datetime:
    moment: datetime = dispatch.new[0].timestamp.ToDatetime(UTC)
    return moment


CONTINUED = [name for name in TALES if len(generations_of(name)) > 1]


def test_runs_of_every_sort_continue_as_new() -> None:
    assert {"failover", "drill", "replication", "prepare"} <= set(CONTINUED)


@pytest.mark.parametrize("name", CONTINUED)
def test_a_run_of_any_kind_is_shown_as_it_stood_and_with_its_own_age(name: str) -> None:
    first, *later = generations_of(name)
    for dispatch in later:
        _, carried = split_carried(json.loads(carried_in(dispatch)))
        assert carried.created_at == first_moment(first)
        assert carried.custom_status
        response = execute(TALES[name].runbook, "run-1", [], dispatch.new)
        assert json.loads(response.customStatus.value)
