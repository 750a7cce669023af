"""A run acts on a part of its plan: on the VMs that were named, or on those for which its verb makes sense."""

from typing import Any

import pytest

from orchestrators.verbs.failback import failback, reprotect
from orchestrators.verbs.failover import cancel, change_point, commit, failover
from shared.operations.kinds import Kind
from shared.plans.next_steps import find_next_steps
from shared.site_recovery.verb_options import VerbOptions
from tests.driver import Orchestrator
from tests.orchestrators.owed import list_owed
from tests.orchestrators.test_runbooks import ORDER, Bench, plan

VMS = list(ORDER)
MOVED, AT_HOME = VMS[:2], VMS[2:]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def fail_over(bench: Bench, vms: list[str], **settings: Any) -> None:
    bench.options = VerbOptions(vms=tuple(vms))
    result = bench.run(failover, "failover", "failover-1", plan(**settings))
    assert result.output["state"] == "succeeded", result.output
    bench.options = VerbOptions()


def sent(bench: Bench, verb: str) -> list[str]:
    return [vm for vm, one in bench.azure.jobs.sent if one == verb]


def owed_vms(bench: Bench, kind: str) -> set[str]:
    return {vm for one in list_owed(bench.driver.states) if one["kind"] == kind for vm in one["vms"]}


def test_a_verb_on_named_vms_moves_and_leases_and_owes_for_them_alone(bench: Bench) -> None:
    fail_over(bench, MOVED, commit="manual")
    assert sent(bench, "PlannedFailover") == MOVED
    assert owed_vms(bench, "commit") == owed_vms(bench, "reprotect") == set(MOVED)
    assert not bench.held()


def test_a_named_vm_for_which_it_makes_no_sense_refuses_the_run(bench: Bench) -> None:
    fail_over(bench, MOVED)
    bench.options = VerbOptions(vms=tuple(ORDER))
    result = bench.run(failback, "failback", "failback-1")
    assert result.output["state"] == "refused"
    assert [(one["vm"], one["code"]) for one in result.output["problems"]] == [
        (vm, "failback-not-allowed") for vm in AT_HOME
    ]


def test_a_half_moved_plan_comes_home_in_its_order_and_says_who_was_left_out(bench: Bench) -> None:
    fail_over(bench, MOVED)
    result = bench.run(failback, "failback", "failback-1")
    assert result.output["state"] == "succeeded", result.output
    assert sent(bench, "Failback") == list(reversed(MOVED))
    assert [item["vm"] for item in result.output["items"]] == MOVED
    assert [(one["vm"], one["code"]) for one in result.output["left_out"]] == [
        (vm, "failback-not-allowed") for vm in AT_HOME
    ]
    assert not bench.held()
    again = bench.run(reprotect, "reprotect", "reprotect-1")
    assert again.output["state"] == "succeeded", again.output
    assert set(sent(bench, "ReverseReplicate")) == set(MOVED)
    assert bench.owed() == set()


def test_a_cancel_of_a_half_moved_plan_owes_a_new_protection_for_those_alone_that_it_cancelled(bench: Bench) -> None:
    fail_over(bench, MOVED, commit="manual")
    result = bench.run(cancel, "cancel", "cancel-1", plan(commit="manual"))
    assert result.output["state"] == "succeeded", result.output
    assert set(sent(bench, "CancelFailover")) == set(MOVED)
    assert owed_vms(bench, "reprotect") == set(MOVED)


def test_a_half_moved_plan_may_take_another_point_and_is_then_committed(bench: Bench) -> None:
    fail_over(bench, MOVED, commit="manual")
    changed = bench.run(change_point, "change-point", "change-1", plan(commit="manual"))
    assert changed.output["state"] == "succeeded", changed.output
    assert sent(bench, "ChangePit") == MOVED
    committed = bench.run(commit, "commit", "commit-1", plan(commit="manual"))
    assert committed.output["state"] == "succeeded", committed.output
    assert set(sent(bench, "Commit")) == set(MOVED)
    assert bench.owed() == {"reprotect"}


RUNBOOKS: dict[str, tuple[Orchestrator, Kind]] = {
    "commit": (commit, "commit"),
    "failback": (failback, "failback"),
    "reprotect": (reprotect, "reprotect"),
}
STATES = ("ReverseReplicate", "PlannedFailover", "UnplannedFailover", "Commit", "Failback", "FinalizeFailback")


@pytest.mark.parametrize("last", STATES)
@pytest.mark.parametrize("first", STATES)
def test_the_first_of_the_next_steps_again_and_again_ends_protected_and_owes_nothing(
    bench: Bench, first: str, last: str
) -> None:
    machines = bench.azure.items.machines
    machines["dc"].reach(first)
    machines["web"].reach(last)
    for number in range(10):
        steps = find_next_steps({vm: machine.view() for vm, machine in machines.items()})
        if not steps:
            break
        runbook, kind = RUNBOOKS[steps[0].verb]
        bench.options = VerbOptions(vms=steps[0].vms)
        result = bench.run(runbook, kind, f"{kind}-{number}", plan(commit="manual"))
        assert result.output["state"] == "succeeded", result.output
    assert {machine.protection for machine in machines.values()} == {"Protected"}
    assert bench.owed() == set()


def test_where_nobody_is_left_there_is_nothing_to_do(bench: Bench) -> None:
    result = bench.run(failback, "failback")
    assert (result.output["state"], result.output["problems"][0]["code"]) == ("refused", "nothing-to-do")
    assert not bench.held()
