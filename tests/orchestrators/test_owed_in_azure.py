"""What is owed belongs to machines: no plan that is declared anew loses it, and the vault itself shows what is owed."""

from datetime import timedelta
from typing import Any

import pytest

from orchestrators.settle_obligation import settle_obligation
from orchestrators.verbs.drill import drill
from orchestrators.verbs.failback import failback, reprotect
from orchestrators.verbs.failover import commit, failover
from shared.operations.kinds import Kind
from shared.operations.obligations import Obligation, SettlementOrder
from shared.plans.plan import PlanDocument
from tests.driver import hours
from tests.orchestrators.owed import list_owed, owe, owed_by_kind
from tests.orchestrators.test_drills import Timer
from tests.orchestrators.test_runbooks import HOME, ORDER, SITE, Bench, owed_by, plan

IN_AZURE = {"commit", "reprotect", "source-off"}
OWED_AFTER = {
    "TestFailover": {"cleanup"},
    "TestFailoverCleanup": set(),
    "PlannedFailover": IN_AZURE,
    "UnplannedFailover": IN_AZURE,
    "ChangePit": IN_AZURE,
    "Commit": {"reprotect", "source-off"},
    "Failback": {"commit", "reprotect"},
    "FinalizeFailback": {"reprotect"},
    "ReverseReplicate": set(),
    "CancelFailover": set(),
}
"""What an item owes after each verb, where nobody knows how it came there."""


def of(*vms: str) -> PlanDocument:
    """The plan with these machines alone."""
    return plan(items=[{"vm": vm} for vm in vms], commit="manual")


def timer(*in_plan: str) -> Timer:
    bench = Timer()
    bench.azure.documents.plans = {"payroll": of(*in_plan)} if in_plan else {}
    return bench


def events(bench: Timer) -> list[dict[str, Any]]:
    payloads = [start.payload for start in bench.azure.runs.started if start.orchestrator == "publish_event"]
    return [event["data"] for event in payloads if event["type"].startswith("HciSiteRecovery.Obligation.")]


@pytest.mark.parametrize("step", OWED_AFTER)
def test_what_an_item_shows_to_be_owed_is_found_at_the_first_look(step: str) -> None:
    """As after the app has lost its state, or when a person did it in the portal."""
    bench = timer("sql", "web")
    bench.azure.items.machines["sql"].reach(step)
    bench.look()
    owed = owed_by_kind(bench.driver.states)
    assert set(owed) == OWED_AFTER[step]
    assert all((one["vms"], one["plan"], one["owner"]) == (["sql"], "payroll", "") for one in owed.values())
    found = events(bench)
    assert sorted(one["kind"] for one in found) == sorted(OWED_AFTER[step])
    bench.look()
    assert (owed_by_kind(bench.driver.states).keys(), events(bench)) == (owed.keys(), found), "it is found once"


@pytest.mark.parametrize("step", ["TestFailover", "PlannedFailover", "Commit", "Failback", "FinalizeFailback"])
def test_what_was_done_elsewhere_is_settled_once_two_looks_have_seen_it(step: str) -> None:
    bench = timer("sql")
    bench.azure.items.machines["sql"].reach(step)
    bench.look()
    assert list_owed(bench.driver.states)
    bench.azure.items.machines["sql"].reach("TestFailoverCleanup" if step == "TestFailover" else "ReverseReplicate")
    bench.look()
    assert list_owed(bench.driver.states), "one look may have seen an old list"
    bench.look()
    assert list_owed(bench.driver.states) == []


def test_a_list_that_is_older_than_what_the_app_knows_settles_nothing() -> None:
    bench = timer("sql")
    sql = bench.azure.items.machines["sql"]
    for step in ("PlannedFailover", "ReverseReplicate", "PlannedFailover", "ReverseReplicate", "PlannedFailover"):
        sql.reach(step)
        bench.look()
        assert set(owed_by_kind(bench.driver.states)) == IN_AZURE, step


def test_machines_that_a_run_holds_are_left_to_it() -> None:
    bench = timer("sql")
    bench.azure.items.machines["sql"].reach("PlannedFailover")
    bench.azure.runs.holders = ("failover-payroll-1",)
    for _ in range(3):
        bench.look()
    assert list_owed(bench.driver.states) == []
    bench.azure.runs.holders = ()
    bench.look()
    assert set(owed_by_kind(bench.driver.states)) == IN_AZURE


def test_what_is_busy_is_looked_at_once_it_is_not() -> None:
    bench = timer("sql")
    sql = bench.azure.items.machines["sql"]
    sql.reach("PlannedFailover")
    sql.busy = "CommitFailover"
    bench.look()
    assert list_owed(bench.driver.states) == []
    sql.busy = "None"
    bench.look()
    assert set(owed_by_kind(bench.driver.states)) == IN_AZURE


def test_a_machine_in_no_plan_is_found_as_well() -> None:
    bench = timer()
    bench.azure.items.machines["sql"].reach("Commit")
    bench.look()
    assert {one["plan"] for one in list_owed(bench.driver.states)} == {""}
    assert {one["id"] for one in events(bench)} == {"reprotect:found:hci-01", "source-off:found:hci-01"}


def test_a_machine_whose_protection_was_removed_has_nothing_to_commit_and_is_still_unprotected() -> None:
    bench = timer("sql")
    bench.azure.items.machines["sql"].reach("PlannedFailover")
    bench.look()
    del bench.azure.items.machines["sql"]
    bench.look()
    bench.look()
    assert set(owed_by_kind(bench.driver.states)) == {"reprotect", "source-off"}


def test_a_test_failover_of_nobody_keeps_no_drill_of_other_machines_from_beginning(bench: Bench) -> None:
    owed = Obligation(
        kind="cleanup",
        plan="payroll",
        owner="",
        opened=bench.azure.clock.now,
        due=bench.azure.clock.now,
        vms=("sql",),
        home=HOME,
    )
    owe(bench.driver.states, owed)
    assert bench.run(drill, "drill", document=plan()).output["state"] == "succeeded"
    assert bench.owed() == set()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_plan_that_is_declared_anew_with_other_machines_loses_nothing(bench: Bench) -> None:
    bench.run(failover, "failover", "failover-1", of("dc", "sql"))
    bench.run(failover, "failover", "failover-2", of("app"))
    kept = {(one["kind"], one["owner"]): one["vms"] for one in list_owed(bench.driver.states)}
    assert kept[("commit", "failover-1")] == ["dc", "sql"]
    assert kept[("commit", "failover-2")] == ["app"]
    bench.run(commit, "commit", "commit-1", of("app"))
    kept = {(one["kind"], one["owner"]): one["vms"] for one in list_owed(bench.driver.states)}
    assert ("commit", "failover-2") not in kept
    assert kept[("reprotect", "failover-1")] == ["dc", "sql"]


def test_another_plan_that_does_what_is_owed_settles_it(bench: Bench) -> None:
    bench.run(failover, "failover", "failover-1", of("dc", "sql"))
    way_home: tuple[tuple[Any, Kind], ...] = (
        (commit, "commit"),
        (failback, "failback"),
        (commit, "commit"),
        (reprotect, "reprotect"),
    )
    for number, (runbook, kind) in enumerate(way_home):
        assert bench.run(runbook, kind, f"{kind}-{number}", of("sql")).output["state"] == "succeeded"
    assert owed_by(bench) == {"commit": ["dc"], "reprotect": ["dc"]}


def word(bench: Timer, obligation: str, *vms: str) -> Any:
    """A person settles it, as the HTTP function has it done."""
    at = bench.azure.clock.now
    order = SettlementOrder(table=HOME.vault_key, id=obligation, vms=vms, by="ann", person_id="p-1", reason="retired")
    return bench.driver.run(settle_obligation, order.model_dump(mode="json"), f"settle-{at:%H%M%S}").output["settled"]


def test_what_a_person_settled_stays_settled_until_the_machine_is_moved_again() -> None:
    bench = timer("sql", "web")
    for vm in ("sql", "web"):
        bench.azure.items.machines[vm].reach("PlannedFailover")
    bench.look()
    settled = word(bench, "commit:found:payroll:hci-01", "sql")
    assert (settled["vms"], settled["settled"]["reason"]) == (["sql"], "retired")
    bench.look()
    assert owed_by_kind(bench.driver.states)["commit"]["vms"] == ["web"]
    assert [one["reason"] for one in events(bench) if "reason" in one] == ["retired"]
    view = bench.azure.items.machines.pop("sql").view()
    moved_at = bench.azure.clock.now + timedelta(minutes=1)
    bench.azure.items.fixed_views["sql"] = view.model_copy(update={"last_failover": moved_at})
    bench.look()
    assert sorted(owed_by_kind(bench.driver.states)["commit"]["vms"]) == ["sql", "web"]


def test_what_is_not_owed_cannot_be_settled() -> None:
    assert word(timer("sql"), "commit:found:payroll:hci-01") is None


def test_one_site_that_cannot_be_read_keeps_no_other_from_being_compared() -> None:
    bench = timer("sql")
    other = SITE.model_copy(update={"hyper_v_site": "hci-02-site"})
    bench.azure.documents.sites = {"aa": other.model_copy(update={"vault": "nonsense"}), **bench.azure.documents.sites}
    bench.azure.items.machines["sql"].reach("Commit")
    bench.look(hours(1))
    assert set(owed_by_kind(bench.driver.states)) == {"reprotect", "source-off"}


def test_the_proof_that_a_found_machine_is_off_begins_at_the_next_look() -> None:
    bench = timer(*ORDER)
    bench.azure.items.machines["sql"].reach("Commit")
    bench.look()
    (proof,) = [run for run in bench.look() if run.startswith("sources-")]
    assert proof
