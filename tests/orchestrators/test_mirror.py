"""The mirroring of a plan: what it writes, what it refuses, and what the timer does."""

from datetime import timedelta

import pytest

from shared.plans.plan import PlanDocument
from shared.recovery_plans.parts import PlanPart
from tests.driver import hours
from tests.failures import failure_texts
from tests.orchestrators.benches import OURS, PLAN, MirrorBench
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
def bench() -> MirrorBench:
    return MirrorBench()


def test_a_save_writes_what_is_missing_follows_its_job_and_proves_it(bench: MirrorBench) -> None:
    shown = bench.mirror().output
    assert (shown["state"], shown["facts"]["written"]) == ("succeeded", ["save payroll"])
    assert bench.azure.recovery_plans.written == ["save payroll"]
    assert bench.remembered_ids == [OURS.id.lower()]
    assert bench.mirror(run="mirror-2").output["facts"]["written"] == []
    assert bench.azure.recovery_plans.written == ["save payroll"]


def test_a_job_that_fails_fails_the_run_with_its_reason(bench: MirrorBench) -> None:
    bench.azure.recovery_plans.write_error = "499"
    shown = bench.mirror().output
    assert (shown["state"], failure_texts(shown)) == (
        "failed",
        ["recovery-plan-not-written: payroll: 499 it did not work"],
    )
    assert shown["facts"]["written"] == []


def test_a_repair_without_the_word_for_what_is_lost_writes_nothing(bench: MirrorBench) -> None:
    bench.azure.recovery_plans.parts = {"payroll": with_script()}
    refused = bench.mirror("repair", confirm="yes, please").output
    assert (refused["state"], refused["problems"][0]["code"], bench.azure.recovery_plans.written) == (
        "refused",
        "not-confirmed",
        [],
    )
    word = refused["problems"][0]["detail"].partition(": ")[2]
    assert bench.mirror("repair", confirm=word, run="mirror-2").output["state"] == "succeeded"
    assert bench.azure.recovery_plans.parts["payroll"] == OURS


def test_a_recovery_plan_that_is_run_is_left_alone(bench: MirrorBench) -> None:
    bench.azure.recovery_plans.parts, bench.azure.recovery_plans.busy_with = {"payroll": TURNED}, "TestFailover"
    bench.driver.states["@recovery_plan_mirrors@payroll"] = {"known_ids": [OURS.id.lower()]}
    refused = bench.mirror("repair").output
    assert (refused["problems"][0]["code"], bench.azure.recovery_plans.written) == ("recovery-plan-busy", [])


def test_nothing_is_saved_for_a_plan_of_which_nothing_is_protected(bench: MirrorBench) -> None:
    bench.azure.items.fixed_views = {}
    assert bench.mirror().output["problems"][0]["code"] == "not-protected"


def test_a_vault_that_does_not_answer_fails_the_run_before_anything_is_written(bench: MirrorBench) -> None:
    bench.azure.faults.crashes["read_recovery_plans"] = 99
    shown = bench.mirror().output
    assert (shown["state"], bench.azure.recovery_plans.written) == ("failed", [])
    assert "read_recovery_plans" in failure_texts(shown)[0]


def test_a_removal_takes_ours_away_and_forgets_it(bench: MirrorBench) -> None:
    bench.mirror()
    assert bench.mirror("remove", run="mirror-2").output["facts"]["written"] == ["remove payroll"]
    assert (bench.azure.recovery_plans.parts, bench.driver.states["@recovery_plan_mirrors@payroll"]) == ({}, None)


# --- the timer ---------------------------------------------------------------------------------------------------


def drifted(bench: MirrorBench) -> list[list[str]]:
    return [
        one.payload["data"]["differences"] for one in bench.azure.runs.started if one.orchestrator == "publish_event"
    ]


def test_the_timer_looks_every_quarter_of_an_hour_and_tells_of_drift_once(bench: MirrorBench) -> None:
    bench.mirror()
    bench.azure.recovery_plans.parts = {"payroll": TURNED}
    for _ in range(4):
        assert bench.keep_mirrors(kept("report")).output["started"] == []
        bench.driver.clock.advance_to(bench.driver.clock.now + timedelta(minutes=10))
    assert len(drifted(bench)) == 1
    assert [name for name, _ in bench.driver.calls].count("read_recovery_plans") == 2 + 2  # twice by the save
    bench.azure.recovery_plans.parts = {"payroll": OURS}
    bench.driver.clock.advance_to(bench.driver.clock.now + hours(1))
    bench.keep_mirrors(kept("report"))
    bench.azure.recovery_plans.parts = {"payroll": TURNED}
    bench.driver.clock.advance_to(bench.driver.clock.now + hours(1))
    bench.keep_mirrors(kept("report"))
    assert len(drifted(bench)) == 2


def test_the_timer_repairs_where_the_plan_says_so_and_nobody_elses_work_is_lost(bench: MirrorBench) -> None:
    bench.mirror()
    bench.azure.recovery_plans.parts = {"payroll": TURNED}
    (run,) = bench.keep_mirrors(kept("repair")).output["started"]
    (order,) = [one for one in bench.azure.runs.started if one.orchestrator == "mirror"]
    assert (order.id, order.payload["action"], order.payload["requested_by"]) == (run, "repair", "timer")
    bench.azure.recovery_plans.parts = {"payroll": with_script(TURNED)}
    bench.driver.clock.advance_to(bench.driver.clock.now + hours(1))
    assert bench.keep_mirrors(kept("repair")).output["started"] == []


@pytest.mark.parametrize("change", [{"active_location": "Recovery"}, {"scenario": "TestFailover"}])
def test_the_timer_repairs_nothing_while_a_machine_is_away(bench: MirrorBench, change: dict[str, str]) -> None:
    bench.mirror()
    bench.azure.recovery_plans.parts = {"payroll": TURNED}
    bench.azure.items.fixed_views["dc-01"] = bench.azure.items.fixed_views["dc-01"].model_copy(update=change)
    assert bench.keep_mirrors(kept("repair")).output["started"] == []
    assert len(drifted(bench)) == 1


def test_a_plan_that_is_not_kept_costs_the_timer_nothing(bench: MirrorBench) -> None:
    assert bench.keep_mirrors(PLAN).output["started"] == []
    assert bench.driver.calls == []


def test_a_vault_that_does_not_answer_the_timer_is_told_and_looked_at_again(bench: MirrorBench) -> None:
    bench.azure.faults.crashes["read_recovery_plans"] = 4
    (failure,) = bench.keep_mirrors(kept("report")).output["failures"]
    assert failure.startswith("plan payroll: read_recovery_plans")
    assert bench.keep_mirrors(kept("report")).output["started"] == []
    assert len(drifted(bench)) == 1
