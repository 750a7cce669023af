"""A simulator that is killed goes on where it stood."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from lab.azure import providers
from lab.azure.arm import resources
from lab.azure.scenario_loader import load_scenario
from lab.azure.simulator.lab import Lab
from lab.azure.site_recovery.api.common import ITEMS, MACHINES
from lab.azure.site_recovery.api.errors import Caller
from lab.azure.site_recovery.jobs.job_documents import job_document
from lab.azure.site_recovery.jobs.jobs import KIND
from lab.azure.site_recovery.verbs.verbs import start_failback, start_verb
from lab.clock import ManualClock
from tests.lab.azure.site_recovery.world import Json

WHO = Caller("me", "1")


def _item(lab: Lab) -> Json:
    return next(item for item in lab.store.all(ITEMS) if item["friendlyName"] == "vm-0001")


type Opens = Callable[[ManualClock, Path], Lab]


@pytest.fixture
async def opened() -> AsyncIterator[Opens]:
    """Opens labs, as processes that come one after the other do; none of them is closed before the test ends."""
    labs: list[Lab] = []

    def opens(clock: ManualClock, folder: Path) -> Lab:
        folder.mkdir(exist_ok=True)
        labs.append(Lab(clock, folder))
        providers.install_providers(labs[-1])
        return labs[-1]

    yield opens
    for lab in labs:
        lab.guests.close_all()
        lab.store.close()


@pytest.mark.parametrize("minutes", [0, 1, 4])
async def test_a_job_goes_on_after_a_kill_at_any_of_its_tasks(opened: Opens, tmp_path: Path, minutes: int) -> None:
    """It ends at its time and with its effects, once."""
    clock = ManualClock()
    first = opened(clock, tmp_path)
    load_scenario(first, "fleet", 3, 1)
    job = start_verb(first, _item(first), "PlannedFailover", WHO, {"point": None}, protectedItemDetails=[])
    first.store.commit()
    clock.advance(timedelta(minutes=minutes))
    first.run_due()
    second = opened(clock, tmp_path)
    clock.advance(timedelta(minutes=20))
    second.run_due()
    ended = second.store.get(KIND, job["id"])
    assert ended is not None
    assert (ended["state"], ended["ends"]) == ("Succeeded", job["ends"])
    assert _item(second)["state"] == "planned-done"
    machine = second.store.get(MACHINES, _item(second)["machine"])
    assert machine is not None
    assert machine["power"] == "Off"
    assert len(second.store.all("microsoft.compute/virtualmachines")) == 1


async def test_a_job_that_waits_for_a_person_waits_on(opened: Opens, tmp_path: Path) -> None:
    """Suspended before the kill, suspended after it."""
    clock = ManualClock()
    first = opened(clock, tmp_path)
    load_scenario(first, "fleet", 3, 1)
    for operation in ("PlannedFailover", "Commit"):
        start_verb(first, _item(first), operation, WHO, {"point": None}, protectedItemDetails=[])
        clock.advance(timedelta(minutes=20))
        first.run_due()
    job = start_failback(first, _item(first), WHO, {"sync": "ForDownTime", "create": "NoAction"})
    clock.advance(timedelta(hours=1))
    first.run_due()
    second = opened(clock, tmp_path)
    kept = second.store.get(KIND, job["id"])
    assert kept is not None
    shown = job_document(kept, second.now())["properties"]
    assert (shown["state"], shown["allowedActions"]) == ("Suspended", ["Cancel", "Resume"])


async def test_two_runs_with_the_same_seed_are_the_same(opened: Opens, tmp_path: Path) -> None:
    """Ids and times of jobs, whatever the process; another seed gives others."""

    def run(name: str, seed: int) -> Json:
        lab = opened(ManualClock(), tmp_path / name)
        load_scenario(lab, "fleet", 3, 1, seed)
        job = start_verb(lab, _item(lab), "PlannedFailover", WHO, {"point": None}, protectedItemDetails=[])
        assert resources.find_resource(lab, job["vault"]) is not None
        return {key: job[key] for key in ("name", "starts", "ends")}

    assert run("a", 1) == run("b", 1)
    assert run("c", 2)["ends"] != run("d", 3)["ends"]
