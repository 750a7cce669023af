"""The mirroring of a plan: what it writes, what it refuses, and what the timer does."""

from datetime import timedelta

import pytest

from shared.plans.plan import PlanDocument
from shared.recovery_plans.parts import PlanPart
from tests.driver import hours
from tests.orchestrators.mirror_world import OURS, PLAN, MirrorWorld
from tests.shared.test_mirroring import SCRIPT

TURNED = OURS.model_copy(update={"groups": (*OURS.groups[:2], *OURS.boot_groups[::-1])})


def kept(keep: str) -> PlanDocument:
    return PlanDocument.model_validate(
        {**PLAN.model_dump(mode="json", by_alias=True), "recoveryPlan": {"mirroring": keep}}
    )


def with_script(part: PlanPart = OURS) -> PlanPart:
    last = part.groups[-1].model_copy(update={"after": (SCRIPT,)})
    return part.model_copy(update={"groups": (*part.groups[:-1], last)})


@pytest.fixture
def world() -> MirrorWorld:
    return MirrorWorld()


def test_a_save_writes_what_is_missing_follows_its_job_and_proves_it(world: MirrorWorld) -> None:
    shown = world.run().output
    assert (shown["state"], shown["facts"]["written"]) == ("succeeded", ["save payroll"])
    assert world.sent == ["save payroll"]
    assert world.known == [OURS.id.lower()]
    assert world.run(run="mirror-2").output["facts"]["written"] == []
    assert world.sent == ["save payroll"]


def test_a_job_that_fails_fails_the_run_with_its_reason(world: MirrorWorld) -> None:
    world.fails = "499"
    shown = world.run().output
    assert (shown["state"], shown["failures"]) == (
        "failed",
        ["recovery-plan-not-written: payroll: 499 it did not work"],
    )
    assert shown["facts"]["written"] == []


def test_a_repair_without_the_word_for_what_is_lost_writes_nothing(world: MirrorWorld) -> None:
    world.plans = {"payroll": with_script()}
    refused = world.run("repair", confirm="yes, please").output
    assert (refused["state"], refused["problems"][0]["code"], world.sent) == ("refused", "not-confirmed", [])
    word = refused["problems"][0]["detail"].partition(": ")[2]
    assert world.run("repair", confirm=word, run="mirror-2").output["state"] == "succeeded"
    assert world.plans["payroll"] == OURS


def test_a_recovery_plan_that_is_run_is_left_alone(world: MirrorWorld) -> None:
    world.plans, world.busy = {"payroll": TURNED}, "TestFailover"
    world.driver.states["@recovery_plan_mirrors@payroll"] = {"known_ids": [OURS.id.lower()]}
    refused = world.run("repair").output
    assert (refused["problems"][0]["code"], world.sent) == ("recovery-plan-busy", [])


def test_nothing_is_saved_for_a_plan_of_which_nothing_is_protected(world: MirrorWorld) -> None:
    world.items = {}
    assert world.run().output["problems"][0]["code"] == "not-protected"


def test_a_vault_that_does_not_answer_fails_the_run_before_anything_is_written(world: MirrorWorld) -> None:
    world.silent = 99
    shown = world.run().output
    assert (shown["state"], world.sent) == ("failed", [])
    assert "read_recovery_plans" in shown["failures"][0]


def test_a_removal_takes_ours_away_and_forgets_it(world: MirrorWorld) -> None:
    world.run()
    assert world.run("remove", run="mirror-2").output["facts"]["written"] == ["remove payroll"]
    assert (world.plans, world.driver.states["@recovery_plan_mirrors@payroll"]) == ({}, None)


# --- the timer ---------------------------------------------------------------------------------------------------


def drifted(world: MirrorWorld) -> list[list[str]]:
    return [one.payload["data"]["differences"] for one in world.started if one.orchestrator == "publish_event"]


def test_the_timer_looks_every_quarter_of_an_hour_and_tells_of_drift_once(world: MirrorWorld) -> None:
    world.run()
    world.plans = {"payroll": TURNED}
    for _ in range(4):
        assert world.keep(kept("report")).output == []
        world.driver.clock.advance_to(world.driver.clock.now + timedelta(minutes=10))
    assert len(drifted(world)) == 1
    assert [name for name, _ in world.driver.calls].count("read_recovery_plans") == 2 + 2  # twice by the save
    world.plans = {"payroll": OURS}
    world.driver.clock.advance_to(world.driver.clock.now + hours(1))
    world.keep(kept("report"))
    world.plans = {"payroll": TURNED}
    world.driver.clock.advance_to(world.driver.clock.now + hours(1))
    world.keep(kept("report"))
    assert len(drifted(world)) == 2


def test_the_timer_repairs_where_the_plan_says_so_and_nobody_elses_work_is_lost(world: MirrorWorld) -> None:
    world.run()
    world.plans = {"payroll": TURNED}
    (run,) = world.keep(kept("repair")).output
    (order,) = [one for one in world.started if one.orchestrator == "mirror"]
    assert (order.id, order.payload["action"], order.payload["requested_by"]) == (run, "repair", "timer")
    world.plans = {"payroll": with_script(TURNED)}
    world.driver.clock.advance_to(world.driver.clock.now + hours(1))
    assert world.keep(kept("repair")).output == []


@pytest.mark.parametrize("change", [{"active_location": "Recovery"}, {"scenario": "TestFailover"}])
def test_the_timer_repairs_nothing_while_a_machine_is_away(world: MirrorWorld, change: dict[str, str]) -> None:
    world.run()
    world.plans = {"payroll": TURNED}
    world.items["dc-01"] = world.items["dc-01"].model_copy(update=change)
    assert world.keep(kept("repair")).output == []
    assert len(drifted(world)) == 1


def test_a_plan_that_is_not_kept_costs_the_timer_nothing(world: MirrorWorld) -> None:
    assert world.keep(PLAN).output == []
    assert world.driver.calls == []


def test_a_vault_that_does_not_answer_the_timer_is_told_and_looked_at_again(world: MirrorWorld) -> None:
    world.silent = 4
    assert "payroll: read_recovery_plans" in world.keep(kept("report")).failure
    assert world.keep(kept("report")).output == []
    assert len(drifted(world)) == 1
