"""The runbooks on a plan: order, cleanup, commits, refusals, and what happens when answers stay away."""

from datetime import timedelta
from typing import Any

import pytest

from orchestrators.durable.entities import ENTITIES
from orchestrators.verbs.drill import cleanup, drill
from orchestrators.verbs.failback import failback, reprotect
from orchestrators.verbs.failover import cancel, change_point, commit, failover
from orchestrators.verbs.source_power import SourceCheck, prove_sources
from shared.operations.kinds import Kind
from shared.plans.approval_guards import Declared, actions_of_run, find_required, guards_of, machines_in
from shared.plans.approvals import RequiredApprovals
from shared.plans.history import PlanHistory, last_good_drill
from shared.plans.machines import home_of
from shared.plans.plan import PlanDocument
from shared.recovery.operation import Operation, options_for
from shared.replication.settings import VmSettings
from shared.site_recovery.contract import JobEnd
from shared.site_recovery.request_budget import WRITES, Buckets
from shared.site_recovery.verb_options import VerbOptions
from shared.sites.site import SiteDocument
from tests.driver import Driver, Orchestrator, Result
from tests.failures import failure_texts
from tests.orchestrators.azure.protected_items import Machine
from tests.orchestrators.azure.world import FakeAzure
from tests.orchestrators.owed import list_owed, owed_by_kind
from tests.people import object_id_of

SUB = "/subscriptions/11111111-1111-1111-1111-111111111111"
SITE = SiteDocument(
    cluster=f"{SUB}/resourceGroups/rg-hci/providers/Microsoft.AzureStackHCI/clusters/hci-01",
    vault=f"{SUB}/resourceGroups/rg-dr/providers/Microsoft.RecoveryServices/vaults/vault-dr",
    hyper_v_site="hci-01-site",
    target_resource_group=f"{SUB}/resourceGroups/rg-dr-vms",
    region="westeurope",
)
HOME = home_of("hci-01", SITE)
ISOLATED = f"{SUB}/resourceGroups/rg-dr-net/providers/Microsoft.Network/virtualNetworks/vnet-drill"
ORDER: dict[str, list[str]] = {"dc": [], "sql": ["dc"], "app": ["sql"], "web": ["app"]}
BROKEN = JobEnd(job="", outcome="failed", state="Failed", code="539", detail="see the provider's error")


def plan(**changes: Any) -> PlanDocument:
    items = [{"vm": vm, "after": after, "probes": [{"port": 1433}]} for vm, after in ORDER.items()]
    return PlanDocument.model_validate(
        {"site": "hci-01", "items": items, "drill": {"network": ISOLATED}, "commit": "automatic", **changes}
    )


def approvals_of(kind: Kind, document: PlanDocument) -> tuple[RequiredApprovals, ...]:
    """Whose approvals a run needs when this is the only plan that there is."""
    sites = {"hci-01": SITE}
    guards = guards_of(Declared(sites, {"payroll": document}, {}))
    return find_required(guards, actions_of_run(kind, document), machines_in(document, sites))


class Bench:
    """A driver and the fake Azure on one clock."""

    def __init__(self) -> None:
        self.lease_wait = timedelta(0)
        self.options = VerbOptions()
        self.azure = FakeAzure(ORDER)
        self.driver = Driver(self.azure.activities(), dict(ENTITIES), self.azure.clock)
        self.azure.documents.entity_states = self.driver.states

    def run(
        self, runbook: Orchestrator, kind: Kind, run: str = "run-1", document: PlanDocument | None = None
    ) -> Result:
        document = document or plan()
        operation = Operation(
            id=run,
            kind=kind,
            plan="payroll",
            requested_by="ann",
            digest=document.digest,
            document=document,
            sites={"hci-01": SITE},
            lease_wait=self.lease_wait,
            options=options_for(kind, self.options, document),
            required_approvals=approvals_of(kind, document),
        )
        return self.driver.run(runbook, operation.model_dump(mode="json"), run)

    def owed(self) -> set[str]:
        return {one["kind"] for one in list_owed(self.driver.states)}

    def held(self) -> dict[str, Any]:
        return {
            key: value
            for key, state in self.driver.states.items()
            if "@leases@" in key
            for value in (state or {}).items()
        }


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_drill_rehearses_in_order_and_cleans_up_everything(bench: Bench) -> None:
    result = bench.run(drill, "drill")
    assert result.output["state"] == "succeeded", result.output
    assert [vm for vm, verb in bench.azure.jobs.sent if verb == "TestFailover"] == list(ORDER)
    assert sorted(vm for vm, verb in bench.azure.jobs.sent if verb == "TestFailoverCleanup") == sorted(ORDER)
    assert bench.owed() == set()
    assert not bench.held()
    told = [kind.rpartition(".")[2] for kind in bench.azure.runs.list_event_types()]
    assert told == ["Started", "Phase", "Phase", "Finished"]


def test_a_drill_whose_rehearsal_fails_cleans_up_all_the_same(bench: Bench) -> None:
    bench.azure.jobs.failures[("sql", "TestFailover")] = JobEnd(
        job="", outcome="failed", state="Failed", code="28031", detail="the VM could not be created"
    )
    result = bench.run(drill, "drill")
    assert result.output["state"] == "failed"
    assert failure_texts(result.output)[0] == "sql: 28031: test failover: the VM could not be created"
    assert ("dc", "TestFailoverCleanup") in bench.azure.jobs.sent
    assert all(machine.test in {"None", "MarkedForDeletion"} for machine in bench.azure.items.machines.values())
    assert ("app", "TestFailover") not in bench.azure.jobs.sent


def test_a_machine_that_stays_silent_fails_the_drill_after_its_deadline(bench: Bench) -> None:
    bench.azure.items.silent_vms.add("sql")
    result = bench.run(drill, "drill")
    assert "probe failed" in failure_texts(result.output)[0]
    assert ("app", "TestFailover") not in bench.azure.jobs.sent
    assert ("sql", "TestFailoverCleanup") in bench.azure.jobs.sent


def test_a_machine_that_azure_renamed_is_probed_under_its_real_name(bench: Bench) -> None:
    """Of the old name there may be another machine: none passes its probes under a name that is not its own."""
    bench.azure.items.machines["sql"].renamed = "sql-7c1e"
    result = bench.run(failover, "failover")
    assert result.output["state"] == "succeeded", result.output
    assert {item["vm"]: item["azure_vm"] for item in result.output["items"]}["sql"] == "sql-7c1e"
    assert "sql is called sql-7c1e in Azure" in result.output["findings"][0]


def test_the_whole_round_trip_ends_protected_with_nothing_owed(bench: Bench) -> None:
    way: list[tuple[Orchestrator, Kind]] = [(failover, "failover"), (failback, "failback"), (reprotect, "reprotect")]
    for runbook, kind in way:
        result = bench.run(runbook, kind, f"{kind}-1")
        assert result.output["state"] == "succeeded", result.output
    moved = [vm for vm, verb in bench.azure.jobs.sent if verb == "PlannedFailover"]
    home = [vm for vm, verb in bench.azure.jobs.sent if verb == "Failback"]
    assert (moved, home) == (list(ORDER), list(ORDER)[::-1])
    assert len(bench.azure.jobs.sent) == len(set(bench.azure.jobs.sent)) == 5 * len(ORDER)
    assert all(machine.protection == "Protected" for machine in bench.azure.items.machines.values())
    assert bench.owed() == set()
    assert not bench.held()


def test_with_a_manual_commit_the_failover_ends_and_still_owes_it(bench: Bench) -> None:
    document = plan(commit="manual")
    assert bench.run(failover, "failover", "failover-1", document).output["state"] == "succeeded"
    assert bench.owed() == {"commit", "reprotect"}
    assert bench.run(commit, "commit", "commit-1", document).output["state"] == "succeeded"
    assert bench.owed() == {"reprotect"}


def test_before_the_commit_the_point_can_be_changed_in_the_plans_order(bench: Bench) -> None:
    bench.run(failover, "failover", "failover-1", plan(commit="manual"))
    result = bench.run(change_point, "change-point", "change-point-1", plan(commit="manual"))
    assert result.output["state"] == "succeeded", result.output
    assert [vm for vm, verb in bench.azure.jobs.sent if verb == "ChangePit"] == list(ORDER)
    assert bench.owed() == {"commit", "reprotect"}


def test_a_cancel_owes_no_commit_any_more_but_a_new_protection(bench: Bench) -> None:
    bench.run(failover, "failover", "failover-1", plan(commit="manual"))
    bench.azure.items.machines["web"].reach("Commit")
    result = bench.run(cancel, "cancel", "cancel-1", plan(commit="manual"))
    assert result.output["state"] == "succeeded", result.output
    assert sorted(vm for vm, verb in bench.azure.jobs.sent if verb == "CancelFailover") == ["app", "dc", "sql"]
    assert bench.owed() == {"reprotect"}
    assert bench.run(cancel, "cancel", "cancel-2").output["problems"][0]["code"] == "nothing-to-do"


def placed(**changes: Any) -> PlanDocument:
    items = [{"vm": vm, "after": after, "probes": [{"port": 1433}]} for vm, after in ORDER.items()]
    items[1] |= {"size": "Standard_D4s_v5"}
    items[2] |= {"address": "10.10.1.7"}
    return plan(items=items, **changes)


def test_what_a_machine_becomes_in_azure_is_set_before_its_failover_and_only_where_it_differs(bench: Bench) -> None:
    bench.azure.items.settings["app"] = VmSettings(address="10.10.1.7")
    result = bench.run(failover, "failover", document=placed())
    assert result.output["state"] == "succeeded", result.output
    assert bench.azure.jobs.sent[0] == ("sql", "UpdateVmProperties")
    assert [vm for vm, verb in bench.azure.jobs.sent if verb == "PlannedFailover"] == list(ORDER)


def test_a_machine_whose_settings_cannot_be_set_is_not_failed_over(bench: Bench) -> None:
    bench.azure.jobs.failures[("app", "UpdateVmProperties")] = BROKEN
    result = bench.run(failover, "failover", document=placed(onFailure="continue"))
    states = {item["vm"]: item["state"] for item in result.output["items"]}
    assert states == {"dc": "done", "sql": "done", "app": "failed", "web": "blocked"}
    assert ("app", "PlannedFailover") not in bench.azure.jobs.sent


def test_a_commit_waits_until_all_has_been_up_for_a_while_and_passes_once_more(bench: Bench) -> None:
    assert bench.run(failover, "failover", document=plan(commitAfter="PT30M")).output["state"] == "succeeded"
    ended = {(job.vm, job.step): job.due for job in bench.azure.jobs.by_id.values()}
    last = max(at for (_, step), at in ended.items() if step == "PlannedFailover")
    assert min(at for (_, step), at in ended.items() if step == "Commit") > last + timedelta(minutes=30)


def test_what_falls_silent_before_the_commit_is_not_made_final(bench: Bench) -> None:
    started = bench.driver.clock.now
    bench.driver.clock.watchers.append(
        lambda now: bench.azure.items.silent_vms.add("web") if now - started > timedelta(minutes=45) else None
    )
    result = bench.run(failover, "failover", document=plan(commitAfter="PT1H"))
    assert "web: probes-failed: planned failover: probe failed" in failure_texts(result.output)[0]
    assert not [sent for sent in bench.azure.jobs.sent if sent[1] == "Commit"]
    assert "commit" in bench.owed()


def test_a_failure_stops_the_plan_and_nothing_is_committed(bench: Bench) -> None:
    bench.azure.jobs.failures[("app", "PlannedFailover")] = JobEnd(
        job="", outcome="failed", state="Failed", code="539", detail="x"
    )
    result = bench.run(failover, "failover")
    states = {item["vm"]: item["state"] for item in result.output["items"]}
    assert states == {"dc": "done", "sql": "done", "app": "failed", "web": "blocked"}
    assert not [sent for sent in bench.azure.jobs.sent if sent[1] == "Commit"]
    assert "commit" in bench.owed()


def test_a_failover_run_again_takes_up_where_the_first_one_stopped(bench: Bench) -> None:
    bench.azure.jobs.failures[("app", "PlannedFailover")] = JobEnd(
        job="", outcome="failed", state="Failed", code="539", detail="x"
    )
    bench.run(failover, "failover", "failover-1")
    bench.azure.jobs.failures.clear()
    result = bench.run(failover, "failover", "failover-2")
    assert result.output["state"] == "succeeded", result.output
    assert [vm for vm, verb in bench.azure.jobs.sent if verb == "PlannedFailover"] == ["dc", "sql", "app", "app", "web"]
    assert sorted(vm for vm, verb in bench.azure.jobs.sent if verb == "Commit") == sorted(ORDER)


def test_a_verb_that_nothing_needs_is_refused_and_changes_nothing(bench: Bench) -> None:
    result = bench.run(reprotect, "reprotect")
    assert result.output["state"] == "refused"
    assert result.output["problems"][0]["code"] == "nothing-to-do"
    assert (bench.azure.jobs.sent, bench.held(), bench.owed()) == ([], {}, set())


def test_an_item_that_is_not_there_is_named_with_all_others_that_are_in_the_way(bench: Bench) -> None:
    del bench.azure.items.machines["app"]
    bench.azure.items.machines["web"].busy = "PlannedFailover"
    result = bench.run(failover, "failover")
    assert [(p["vm"], p["code"]) for p in result.output["problems"]] == [("app", "not-protected"), ("web", "item-busy")]
    assert not bench.held()


def test_a_plan_held_by_a_living_run_is_refused_and_one_held_by_a_dead_run_is_taken_over(bench: Bench) -> None:
    table = "@leases@11111111-1111-1111-1111-111111111111|rg-dr|vault-dr"
    bench.driver.states[table] = {"vm:hci-01-site|sql": {"owner": "drill-0", "until": "2027-01-01T00:00:00Z"}}
    refused = bench.run(failover, "failover", "failover-1")
    assert refused.output["problems"][0]["detail"] == "sql: held by drill-0"
    bench.azure.runs.ended.add("drill-0")
    assert bench.run(failover, "failover", "failover-2").output["state"] == "succeeded"


def elsewhere(vm: str, fabric: str, named: str = "") -> Machine:
    """A machine that the vault protects from this Hyper-V site."""
    place = f"{SITE.vault}/replicationFabrics/{fabric}/replicationProtectionContainers/c/replicationProtectedItems"
    return Machine(vm, place=place, hyper_v_site=named)


def test_a_vm_of_the_same_name_in_another_hyper_v_site_is_left_alone_whichever_is_listed_last(bench: Bench) -> None:
    for fabric, other in (("hci-01-site", "hci-02-site"), ("hci-02-site", "hci-01-site")):
        bench = Bench()
        bench.azure.items.machines = {"one": elsewhere("dc", fabric), "two": elsewhere("dc", other)}
        result = bench.run(failover, "failover", document=plan(items=[{"vm": "DC"}]))
        assert [item["id"] for item in result.output["items"]] == [elsewhere("dc", "hci-01-site").id]
        assert {
            machine.place.count("hci-01-site"): machine.location for machine in bench.azure.items.machines.values()
        } == {
            1: "Recovery",
            0: "Primary",
        }


def test_a_name_that_two_vms_of_one_hyper_v_site_have_is_refused_naming_both(bench: Bench) -> None:
    one, two = elsewhere("dc", "hci-01-site"), elsewhere("dc", "6adf", "HCI-01-site")
    bench.azure.items.machines = {"one": one, "two": two}
    verbs: dict[Kind, Orchestrator] = {"failover": failover, "drill": drill, "cleanup": cleanup, "commit": commit}
    for kind, runbook in verbs.items():
        problem = bench.run(runbook, kind, f"{kind}-1", plan(items=[{"vm": "dc"}])).output["problems"][0]
        assert (problem["vm"], problem["code"]) == ("dc", "ambiguous-vm")
        assert one.id in problem["detail"]
        assert two.id in problem["detail"]
    assert bench.azure.jobs.sent == []
    assert not bench.held()


def test_a_vm_is_held_by_the_name_of_its_fabric_too_where_its_site_says_the_friendly_one(bench: Bench) -> None:
    bench.azure.items.machines = {"dc": elsewhere("dc", "6adf", "HCI-01-site")}
    table = "@leases@11111111-1111-1111-1111-111111111111|rg-dr|vault-dr"
    bench.driver.states[table] = {"vm:6adf|dc": {"owner": "repair-0", "until": "2027-01-01T00:00:00Z"}}
    refused = bench.run(failover, "failover", "failover-1", plan(items=[{"vm": "dc"}]))
    assert refused.output["problems"][0]["detail"] == "dc: held by repair-0"
    assert set(bench.held()) == {table}
    assert set(bench.driver.states[table]) == {"vm:6adf|dc"}
    bench.azure.runs.ended.add("repair-0")
    assert bench.run(failover, "failover", "failover-2", plan(items=[{"vm": "dc"}])).output["state"] == "succeeded"
    assert not bench.held()


def test_a_failover_waits_for_a_drill_that_makes_way_but_not_for_ever(bench: Bench) -> None:
    table = "@leases@11111111-1111-1111-1111-111111111111|rg-dr|vault-dr"
    bench.driver.states[table] = {"vm:hci-01-site|sql": {"owner": "drill-0", "until": "2027-01-01T00:00:00Z"}}
    bench.lease_wait = timedelta(minutes=10)
    began = bench.driver.clock.now
    assert bench.run(failover, "failover", "failover-1").output["state"] == "refused"
    assert bench.driver.clock.now - began == timedelta(minutes=10)
    bench.driver.clock.watchers.append(
        lambda now: bench.azure.runs.ended.add("drill-0") if now - began > timedelta(minutes=15) else None
    )
    assert bench.run(failover, "failover", "failover-2").output["state"] == "succeeded"


def test_a_failover_waits_for_a_cleanup_that_has_not_taken_the_vms_yet(bench: Bench) -> None:
    """The drill's own run is dead: nobody holds the machines, and they are in a test failover."""
    sql, began = bench.azure.items.machines["sql"], bench.driver.clock.now
    sql.reach("TestFailover")
    assert bench.run(failover, "failover", "failover-1").output["problems"][0]["code"] == "test-failover-pending"
    bench.lease_wait = timedelta(minutes=30)
    over = began + timedelta(minutes=7)
    bench.driver.clock.watchers.append(
        lambda now: sql.reach("TestFailoverCleanup") if now == over and sql.is_tested else None
    )
    assert bench.run(failover, "failover", "failover-2").output["state"] == "succeeded"


def check(bench: Bench, **changes: Any) -> dict[str, Any]:
    """A look at the machines on premises, to its end."""
    wish = SourceCheck(id="sources-1", plan="payroll", vms=tuple(ORDER), home=HOME, owner="failover-1")
    wish = wish.model_copy(update={"obligation": "source-off:failover-1:hci-01"})
    asked = wish.model_copy(update=changes).model_dump(mode="json")
    output: dict[str, Any] = bench.driver.run(prove_sources, asked, "sources-1").output
    return output


def test_after_an_unplanned_failover_nothing_goes_home_before_its_machines_are_proven_off(bench: Bench) -> None:
    bench.options = VerbOptions(failover_type="unplanned")
    assert bench.run(failover, "failover", "failover-1").output["state"] == "succeeded"
    assert "source-off" in bench.owed()
    onsite = bench.azure.on_premises
    onsite.source("sql").state = "Running"
    assert check(bench) == {"running": ["sql: Running on n1"], "silent": []}
    refused = bench.run(failback, "failback", "failback-1").output
    assert refused["problems"][0]["code"] == "source-not-proven-off"
    assert "sql: Running" in refused["problems"][0]["detail"]
    onsite.source("sql").state = "Off"
    assert check(bench) == {"running": [], "silent": []}
    assert onsite.reads == [f"{node}: dc/sql/app/web" for node in ("n1", "n2")] * 2
    assert bench.owed() == {"reprotect"}
    assert bench.run(failback, "failback", "failback-2").output["state"] == "succeeded"


def test_a_source_that_is_turned_on_after_its_proof_is_noticed_and_closes_the_failback(bench: Bench) -> None:
    bench.options = VerbOptions(failover_type="unplanned")
    bench.run(failover, "failover", "failover-1")
    check(bench)
    assert owed_by_kind(bench.driver.states)["reprotect"]["last_checked_at"]
    bench.azure.on_premises.source("sql").state = "Running"
    assert check(bench, again=True)["running"] == ["sql: Running on n1"]
    owed = owed_by_kind(bench.driver.states)["source-off"]
    assert (owed["vms"], owed["leftovers"]) == (["sql"], ["sql: Running on n1"])
    assert "Stop-VM" in owed["detail"]
    assert "HciSiteRecovery.Source.Running" in bench.azure.runs.list_event_types()
    refused = bench.run(failback, "failback", "failback-1").output
    assert refused["problems"][0]["code"] == "source-not-proven-off"


def test_a_machine_of_another_cluster_that_is_only_called_the_same_may_run(bench: Bench) -> None:
    """Only the nodes of its own cluster are asked."""
    bench.options = VerbOptions(failover_type="unplanned")
    bench.run(failover, "failover", "failover-1")
    check(bench)
    assert {ask["cluster_id"] for name, ask in bench.driver.calls if name == "read_nodes"} == {SITE.cluster}
    assert "source-off" not in bench.owed()


def test_a_machine_of_another_hyper_v_site_that_is_in_azure_is_not_watched(bench: Bench) -> None:
    bench.azure.items.machines = {"dc": elsewhere("dc", "hci-02-site")}
    bench.azure.items.machines["dc"].reach("Commit")
    bench.azure.on_premises.source("dc").state = "Running"
    assert check(bench, again=True)["running"] == []
    assert check(bench, again=True, home=HOME.model_copy(update={"fabrics": ("hci-02-site",)}))["running"] == [
        "dc: Running on n1"
    ]


def test_a_machine_that_came_home_may_run_there(bench: Bench) -> None:
    """Watched are only those that run in Azure, before the look and after it."""
    bench.options = VerbOptions(failover_type="unplanned")
    bench.run(failover, "failover", "failover-1")
    check(bench)
    bench.azure.items.machines["sql"].reach("Failback")
    bench.azure.items.machines["app"].busy = "PlannedFailover"
    for vm in ("sql", "app"):
        bench.azure.on_premises.source(vm).state = "Running"
    assert check(bench, again=True)["running"] == []
    assert bench.owed() == {"reprotect"}


def test_a_machine_that_never_left_need_not_be_off(bench: Bench) -> None:
    bench.options = VerbOptions(failover_type="unplanned")
    bench.azure.jobs.failures[("sql", "UnplannedFailover")] = BROKEN
    bench.run(failover, "failover")
    owed = owed_by_kind(bench.driver.states)["source-off"]
    assert owed["vms"] == ["dc", "sql"]


def test_a_lost_answer_does_not_send_the_verb_twice(bench: Bench) -> None:
    bench.azure.jobs.unanswered = {"sql": 1, "web": 1}
    assert bench.run(failover, "failover").output["state"] == "succeeded"
    assert len(bench.azure.jobs.sent) == len(set(bench.azure.jobs.sent))


def test_activities_that_fail_for_a_while_delay_the_run_and_end_nothing(bench: Bench) -> None:
    bench.azure.faults.crashes = {"start_verbs": 6, "watch_jobs": 9, "publish_event": 9}
    result = bench.run(failover, "failover")
    assert result.output["state"] == "succeeded"
    assert len(bench.azure.jobs.sent) == len(set(bench.azure.jobs.sent))


def test_a_vault_that_does_not_answer_for_twenty_minutes_refuses_the_run_before_anything_is_done(bench: Bench) -> None:
    bench.azure.faults.crashes = {"read_items": 999}
    began = bench.driver.clock.now
    result = bench.run(failover, "failover")
    assert result.output["problems"][0]["code"] == "vault-unreadable"
    assert timedelta(minutes=20) < bench.driver.clock.now - began < timedelta(minutes=25)
    assert not bench.held()


def test_histories_stay_bounded_however_long_a_run_takes(bench: Bench) -> None:
    result = bench.run(drill, "drill")
    assert result.generations > 3
    assert result.longest_history < 250


def test_a_cleanup_on_its_own_removes_what_a_dead_drill_left(bench: Bench) -> None:
    for machine in bench.azure.items.machines.values():
        machine.reach("TestFailover")
    result = bench.run(cleanup, "cleanup")
    assert result.output["state"] == "succeeded", result.output
    assert all(machine.test == "MarkedForDeletion" for machine in bench.azure.items.machines.values())


def test_the_status_shows_each_machine_in_one_letter(bench: Bench) -> None:
    result = bench.run(failover, "failover")
    assert result.custom_status["codes"] == "dddd"
    assert result.custom_status["phase"] == "Closing"


def said(verdict: str, *vms: str) -> dict[str, Any]:
    return {"verdict": verdict, "by": "ann", "vms": list(vms)}


def test_a_run_that_asks_goes_on_with_all_else_and_retries_on_a_persons_word(bench: Bench) -> None:
    bench.azure.jobs.failures[("sql", "PlannedFailover")] = BROKEN
    bench.driver.clock.watchers.append(lambda now: bench.azure.jobs.failures.clear() if now.hour >= 9 else None)
    bench.driver.say(timedelta(hours=2), "decide", said("retry", "SQL"))
    result = bench.run(failover, "failover", document=plan(onFailure="ask"))
    assert result.output["state"] == "succeeded", result.output
    assert [vm for vm, verb in bench.azure.jobs.sent if verb == "PlannedFailover"] == ["dc", "sql", "sql", "app", "web"]
    assert result.output["decisions"][0]["verdict"] == "retry"


def test_a_machine_that_fails_its_probes_is_probed_again_on_a_persons_word(bench: Bench) -> None:
    """Its failover is done: that verb would be refused."""
    bench.driver.warm = True
    bench.azure.items.silent_vms.add("sql")
    bench.driver.clock.watchers.append(lambda now: bench.azure.items.silent_vms.clear() if now.hour >= 9 else None)
    bench.driver.say(timedelta(hours=2), "decide", said("retry"))
    result = bench.run(failover, "failover", document=plan(onFailure="ask"))
    assert result.output["state"] == "succeeded", result.output
    assert [vm for vm, verb in bench.azure.jobs.sent if verb == "PlannedFailover"] == list(ORDER)


def forked(**changes: Any) -> PlanDocument:
    """Two chains: dc before sql, and app before web."""
    order = {"dc": [], "sql": ["dc"], "app": [], "web": ["app"]}
    return plan(items=[{"vm": vm, "after": after} for vm, after in order.items()], onFailure="ask", **changes)


def test_each_machine_that_newly_waits_for_a_decision_is_told_once(bench: Bench) -> None:
    bench.azure.jobs.failures = {(vm, "PlannedFailover"): BROKEN for vm in ("dc", "web")}
    bench.driver.warm = True
    bench.driver.say(timedelta(hours=2), "decide", said("abort"))
    bench.run(failover, "failover", document=forked())
    assert [kind.rpartition(".")[2] for kind in bench.azure.runs.list_event_types()].count("Waiting") == 2


def test_a_skipped_machine_holds_up_nobody_and_is_not_committed(bench: Bench) -> None:
    bench.azure.jobs.failures[("sql", "PlannedFailover")] = BROKEN
    bench.driver.say(timedelta(hours=2), "decide", said("skip"))
    result = bench.run(failover, "failover", document=plan(onFailure="ask"))
    states = {item["vm"]: item["state"] for item in result.output["items"]}
    assert states == {"dc": "done", "sql": "skipped", "app": "done", "web": "done"}
    assert sorted(vm for vm, verb in bench.azure.jobs.sent if verb == "Commit") == ["app", "dc", "web"]


def owed_by(bench: Bench) -> dict[str, list[str]]:
    return {kind: owed["vms"] for kind, owed in owed_by_kind(bench.driver.states).items()}


def skip_of_sql(bench: Bench, runbook: Orchestrator, kind: Kind, verb: str) -> dict[str, Any]:
    """The outcome of a run in which the verb fails for sql, and a person goes on without it."""
    bench.driver.warm = True
    bench.azure.jobs.failures = {("sql", verb): BROKEN}
    bench.driver.say(timedelta(hours=3), "decide", said("skip", "sql"))
    output: dict[str, Any] = bench.run(runbook, kind, f"{kind}-skips", plan(onFailure="ask")).output
    assert output["state"] == "succeeded", output
    assert output["findings"][-1].startswith("skipped: sql; what is owed for them stays owed")
    return output


def test_what_is_up_in_azure_and_was_skipped_in_the_commit_still_owes_it(bench: Bench) -> None:
    skip_of_sql(bench, failover, "failover", "Commit")
    assert owed_by(bench) == {"commit": ["sql"], "reprotect": list(ORDER)}
    skip_of_sql(bench, commit, "commit", "Commit")
    assert owed_by(bench) == {"commit": ["sql"], "reprotect": list(ORDER)}
    bench.azure.jobs.failures.clear()
    assert bench.run(commit, "commit", "commit-2").output["state"] == "succeeded"
    assert owed_by(bench) == {"reprotect": list(ORDER)}


def test_what_was_skipped_on_the_way_home_still_owes_its_protection(bench: Bench) -> None:
    for runbook, kind in ((failover, "failover"), (failback, "failback")):
        assert bench.run(runbook, kind, f"{kind}-1").output["state"] == "succeeded"  # type: ignore[arg-type]
    skip_of_sql(bench, reprotect, "reprotect", "ReverseReplicate")
    assert owed_by(bench) == {"reprotect": ["sql"]}


def test_a_drill_that_goes_on_without_a_machine_cleans_it_up_and_verifies_nothing(bench: Bench) -> None:
    bench.azure.items.silent_vms.add("sql")
    bench.driver.warm = True
    bench.driver.say(timedelta(hours=1), "decide", said("skip"))
    result = bench.run(drill, "drill", document=plan(onFailure="ask"))
    assert result.output["state"] == "succeeded", result.output
    assert all(machine.test == "MarkedForDeletion" for machine in bench.azure.items.machines.values())
    assert bench.owed() == set()
    track = PlanHistory.model_validate(bench.driver.states["@plan_history@payroll"])
    assert (track.past_runs[0].state, track.past_runs[0].whole) == ("succeeded", False)
    assert last_good_drill(track) is None


def test_an_aborted_run_starts_nothing_new_and_says_what_it_still_owes(bench: Bench) -> None:
    bench.driver.say(timedelta(minutes=8), "decide", said("abort"))
    result = bench.run(failover, "failover")
    assert result.output["state"] == "aborted"
    assert [vm for vm, _ in bench.azure.jobs.sent] == ["dc", "sql"]
    assert bench.owed() == {"commit", "reprotect"}
    assert not bench.held()


def test_an_aborted_drill_is_cleaned_up(bench: Bench) -> None:
    bench.driver.say(timedelta(minutes=15), "decide", said("abort"))
    result = bench.run(drill, "drill")
    assert result.output["state"] == "aborted"
    assert all(machine.test in {"None", "MarkedForDeletion"} for machine in bench.azure.items.machines.values())
    assert bench.owed() == set()


def word(person: str, document: PlanDocument, *, approved: bool = True) -> dict[str, Any]:
    return {"approved": approved, "person": person, "by": person, "digest": document.digest}


def test_a_run_begins_only_when_enough_other_persons_agreed(bench: Bench) -> None:
    document = plan(approvals={"count": 2})
    for minutes, person in ((10, "bob"), (20, "bob"), (30, "eve")):
        bench.driver.say(timedelta(minutes=minutes), "approve", word(person, document))
    began = bench.driver.clock.now
    result = bench.run(failover, "failover", document=document)
    assert result.output["state"] == "succeeded"
    assert [approval["person"] for approval in result.output["approvals"]] == ["bob", "eve"]
    first = min(job.due for job in bench.azure.jobs.by_id.values())
    assert first > began + timedelta(minutes=30)


def test_an_approved_run_looks_once_more_before_it_acts(bench: Bench) -> None:
    document = plan(approvals={"count": 1})
    bench.driver.say(timedelta(minutes=10), "approve", word("bob", document))
    bench.driver.clock.watchers.append(lambda _now: bench.azure.items.machines["sql"].reach("PlannedFailover"))
    result = bench.run(failover, "failover", document=document)
    problem = result.output["problems"][0]
    assert (result.output["state"], problem["code"]) == ("refused", "approval-void")
    assert "sql is not as it was then" in problem["detail"]
    assert (bench.azure.jobs.sent, bench.held(), bench.owed()) == ([], {}, set())


@pytest.mark.parametrize("declared", ["another", ""])
def test_a_plan_that_was_changed_or_withdrawn_voids_what_was_approved(bench: Bench, declared: str) -> None:
    document = plan(approvals={"count": 1})
    bench.azure.documents.plan_digest = declared
    bench.driver.say(timedelta(minutes=10), "approve", word("bob", document))
    result = bench.run(failover, "failover", document=document)
    assert result.output["problems"][0]["code"] == "approval-void"
    assert (bench.azure.jobs.sent, bench.held()) == ([], {})


def test_what_cannot_be_seen_for_twenty_minutes_is_neither_approved_nor_begun(bench: Bench) -> None:
    document = plan(approvals={"count": 1})
    bench.azure.faults.crashes["compute_preview"] = 999
    bench.driver.say(timedelta(minutes=10), "approve", word("bob", document))
    result = bench.run(failover, "failover", document=document)
    assert result.output["problems"][0]["code"] == "preview-unreadable"
    assert (bench.azure.jobs.sent, bench.held()) == ([], {})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"approved": False}, "rejected"),
        ({"digest": "other"}, "approval-void"),
        ({"preview": "other"}, "approval-void"),
        ({"person": "eve", "by": "eve"}, "not-an-approver"),
        (None, "approval-expired"),
    ],
)
def test_without_an_approval_nothing_is_done(bench: Bench, change: dict[str, Any] | None, code: str) -> None:
    document = plan(
        approvals={"count": 1, "expires": "PT1H", "approvers": [object_id_of("bob").upper(), object_id_of("ann")]}
    )
    if change is not None:
        bench.driver.say(timedelta(minutes=10), "approve", word(object_id_of("bob"), document) | change)
    result = bench.run(failover, "failover", document=document)
    assert (result.output["state"], result.output["problems"][0]["code"]) == ("refused", code)
    assert (bench.azure.jobs.sent, bench.held(), bench.owed()) == ([], {}, set())


def test_a_run_waits_for_what_others_of_its_subscription_were_promised_before(bench: Bench) -> None:
    began = bench.azure.clock.now
    name = f"@request_budget@{SUB.rpartition('/')[2]}"
    bench.driver.states[name] = {"writes": {"level": -60 * WRITES.rate, "at": began.isoformat()}}
    starts = bench.driver.times_of("start_verbs")
    assert bench.run(failover, "failover").output["state"] == "succeeded"
    assert starts[0] >= began + timedelta(minutes=1)
    assert len(bench.azure.jobs.sent) == len(set(bench.azure.jobs.sent))


def test_a_run_gives_back_what_it_did_not_send(bench: Bench) -> None:
    """After a whole failover its subscription has all of its writes again, and knows of no more than were sent."""
    assert bench.run(failover, "failover").output["state"] == "succeeded"
    known = Buckets.model_validate(bench.driver.states[f"@request_budget@{SUB.rpartition('/')[2]}"])
    assert known.writes is not None
    assert WRITES.size - len(ORDER) <= known.writes.level <= WRITES.size


def test_a_throttled_run_has_all_others_wait_as_long_as_azure_wants(bench: Bench) -> None:
    start, name = bench.driver.activities["start_verbs"], f"@request_budget@{SUB.rpartition('/')[2]}"
    seen: list[float] = []

    def throttled(payload: dict[str, Any]) -> dict[str, Any]:
        known = Buckets.model_validate(bench.driver.states[name])
        seen.append(known.writes.level if known.writes else WRITES.size)
        if len(seen) > 1:
            return start(payload)
        answers = [{"vm": one["vm"], "outcome": "unanswered", "code": "throttled"} for one in payload["starts"]]
        return {"answers": answers, "retry_after": "PT90S"}

    bench.driver.activities = {**bench.driver.activities, "start_verbs": throttled}
    began = bench.azure.clock.now
    assert bench.run(failover, "failover").output["state"] == "succeeded"
    assert bench.azure.clock.now - began > timedelta(seconds=90)
    assert seen[1] < WRITES.size - len(ORDER)


def test_a_plan_whose_vms_name_their_own_site_needs_none_itself(bench: Bench) -> None:
    items = [{"vm": vm, "after": after, "site": "hci-01"} for vm, after in ORDER.items()]
    output = bench.run(failover, "failover", document=plan(site=None, items=items)).output
    assert (output["state"], {item["state"] for item in output["items"]}) == ("succeeded", {"done"})
