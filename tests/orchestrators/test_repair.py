"""The repair of a node: what is done in which order, what is left alone, and what outlives a run that dies."""

import random
from datetime import timedelta
from typing import Any

import pytest

from shared.arm_ids import key_of
from shared.errors import Refused
from shared.healing.cluster_queue import QueueTurn
from shared.healing.contract import CauseRead
from shared.healing.pacing import LOOK_AGAIN_AFTER
from shared.site_recovery.views import ItemView
from tests.failures import failure_texts
from tests.orchestrators.azure.nodes import CLUSTER, LOCK
from tests.orchestrators.benches import RepairBench, repair_with_faults
from tests.orchestrators.owed import list_owed
from tests.shared.samples import site
from tests.shared.test_classifier import (
    ALREADY,
    APPLICATION_CONTROL,
    NO_DETAIL,
    NO_HYPER_V,
    NO_PRODUCT,
    NO_ROUTE,
    RACE,
    SKEWED,
)

CURE = ["run read-registration on n2", "uninstall n2", "run sync-cluster on n1", "run read-registration on n2"]


@pytest.fixture
def bench() -> RepairBench:
    return RepairBench()


def test_a_node_is_healed_step_by_step_and_leaves_nothing_behind(bench: RepairBench) -> None:
    result = bench.repair()
    assert result.output["state"] == "succeeded", result.output
    assert bench.azure.nodes.changes == CURE
    facts = result.output["facts"]
    assert (facts["rung"], facts["healed"], facts["cause"]) == ("cluster", True, "certificate-race")
    assert bench.azure.nodes.scripts == {}
    assert bench.list_states("cluster_queue") == []
    assert [table for table in bench.list_states("leases") if table] == []
    assert bench.list_event_names() == ["Healed"]


def test_a_node_is_read_no_more_than_needed_before_anything_is_done_to_it(bench: RepairBench) -> None:
    """On arrival, and with its cluster; the diagnosis before the turn still holds where nobody else had the turn."""
    bench.repair()
    assert [read for read in bench.azure.nodes.reads if read.endswith(" 0 changes")] == [
        "node, 0 changes",
        "providers, 0 changes",
        "cluster, 0 changes",
    ]


def test_a_node_that_waited_for_its_turn_is_diagnosed_again(bench: RepairBench) -> None:
    turn = QueueTurn(run="repair-0", node="n1", since=bench.azure.clock.now).model_dump(mode="json")
    bench.driver.states[f"@cluster_queue@{key_of(CLUSTER)}"] = [turn]
    bench.azure.nodes.schedule(20, lambda: bench.azure.runs.ended.add("repair-0"))
    bench.repair()
    before = [read for read in bench.azure.nodes.reads if read.endswith(" 0 changes")]
    assert before == ["node, 0 changes", "providers, 0 changes"] * 2 + ["cluster, 0 changes"]


def test_the_operation_says_where_the_time_went(bench: RepairBench) -> None:
    facts = bench.repair().output["facts"]
    assert [one["phase"] for one in facts["timeline"]] == [
        "Classify",
        "Examine",
        "Uninstall",
        "Sync",
        "Install",
        "Prove",
    ]
    assert sum(one["seconds"] for one in facts["timeline"]) <= 15 * 60


def test_what_sync_does_not_bring_back_is_installed_from_what_was_saved(bench: RepairBench) -> None:
    bench.azure.nodes.sync_restores = False
    result = bench.repair()
    assert result.output["facts"]["healed"], result.output
    assert "install n2" in bench.azure.nodes.changes


def test_sync_is_not_run_where_it_would_make_two_nodes_race(bench: RepairBench) -> None:
    bench.azure.nodes.by_name["n3"].state, bench.azure.nodes.by_name["n3"].registered = None, False
    result = bench.repair()
    assert result.output["state"] == "succeeded", result.output
    assert not [change for change in bench.azure.nodes.changes if "sync" in change]
    assert result.output["facts"]["rung"] == "recovery-point"
    assert result.output["facts"]["notRegistered"] == ["n3: extension-missing"]


EXAMINED = ["run read-registration on n2"]
NEIGHBOUR_EXAMINED = ["run read-registration on n1", *EXAMINED]
SERVICE = "https://pod.weu.hypervrecoverymanager.windowsazure.com/"


@pytest.mark.parametrize(
    ("message", "shown", "code", "changes"),
    [
        (NO_HYPER_V, {"hyperV": False}, "hyper-v-missing", EXAMINED),
        (NO_DETAIL, {"registration": {"SiteName": "old"}}, "other-site", EXAMINED),
        (APPLICATION_CONTROL, {"applicationControl": "Enforced"}, "application-control", EXAMINED),
        (APPLICATION_CONTROL, {}, "application-control", EXAMINED),
        (NO_ROUTE, {"endpoints": {SERVICE: False}}, "service-unreachable", NEIGHBOUR_EXAMINED),
        (SKEWED, {"clockOffset": 7200}, "clock-wrong", NEIGHBOUR_EXAMINED),
        ("nobody knows this", {}, "unknown", []),
    ],
    ids=["hyper-v", "other-site", "enforced", "not-shown", "no-route", "clock", "unknown"],
)
def test_what_is_not_curable_ends_as_a_finding_and_removes_nothing(
    bench: RepairBench, message: str, shown: dict[str, Any], code: str, changes: list[str]
) -> None:
    bench.azure.nodes.by_name["n2"].message, bench.azure.nodes.by_name["n2"].facts = message, shown
    result = bench.repair()
    facts = result.output["facts"]
    assert (result.output["state"], facts["cause"], facts["finding"]) == ("failed", code, True)
    assert facts["remedy"] in failure_texts(result.output)[0]
    assert bench.azure.nodes.changes == changes
    assert bench.list_event_names() == ["Finding"]
    assert bench.read_record().attempts == 0


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (NO_HYPER_V, {"hyperV": False}),
        (NO_DETAIL, {"registration": {"SiteName": "old"}}),
        (APPLICATION_CONTROL, {"applicationControl": "Enforced"}),
        (NO_PRODUCT, {"hyperV": False}),
        (NO_ROUTE, {"endpoints": {SERVICE: False}}),
        (SKEWED, {"clockOffset": -7200}),
    ],
    ids=["hyper-v", "other-site", "application-control", "no-product", "no-route", "clock"],
)
def test_a_node_that_a_person_cured_is_healed_by_the_timer(
    bench: RepairBench, message: str, shown: dict[str, Any]
) -> None:
    """The extension still reports the old cause: only the node shows that it is gone."""
    node = bench.azure.nodes.by_name["n2"]
    node.message, node.facts = message, shown
    bench.repair()
    assert bench.watch_nodes("watch-1").output["started"] == []
    node.facts = {"applicationControl": "Off"}
    bench.azure.clock.advance_to(bench.azure.clock.now + LOOK_AGAIN_AFTER)
    (run,) = bench.watch_nodes("watch-2").output["started"]
    result = bench.repair(run, requested_by="timer")
    assert result.output["facts"]["healed"], result.output
    assert "uninstall n2" in bench.azure.nodes.changes
    assert bench.read_record().reported_cause == ""


def test_a_provider_that_was_purged_lets_its_host_register_anew(bench: RepairBench) -> None:
    """As long as the vault has it, nothing is run on the node, whoever asks."""
    node = bench.azure.nodes.by_name["n2"]
    node.message, node.heartbeat = ALREADY, bench.azure.clock.now
    for number, requester in enumerate(("timer", "anna")):
        outcome = bench.repair(f"repair-{number}", requested_by=requester).output
        assert (outcome["state"], outcome["facts"]["cause"]) == ("failed", "already-registered")
    assert bench.azure.nodes.changes == []
    node.heartbeat = None
    bench.azure.clock.advance_to(bench.read_record().look_again or bench.azure.clock.now)
    (run,) = bench.watch_nodes("watch-1").output["started"]
    assert bench.repair(run, requested_by="timer").output["facts"]["healed"]


def test_what_a_registered_neighbour_misses_too_is_not_what_keeps_a_node_from_registering(bench: RepairBench) -> None:
    bench.azure.nodes.by_name["n2"].message = NO_ROUTE
    bench.azure.nodes.by_name["n1"].facts = {"endpoints": {"https://backup.windowsazure.com": False}}
    assert bench.repair().output["facts"]["healed"]
    examined = bench.azure.nodes.endpoints["n2"]
    assert "https://backup.windowsazure.com" not in examined
    assert "https://login.microsoftonline.com" in examined
    assert SERVICE in examined


def test_where_no_node_knows_the_url_of_the_service_a_person_decides_that_it_is_reached(bench: RepairBench) -> None:
    bench.azure.nodes.by_name["n2"].message = NO_ROUTE
    bench.azure.nodes.service_url = ""
    assert bench.repair("repair-1", requested_by="timer").output["facts"]["cause"] == "service-unreachable"
    assert "uninstall n2" not in bench.azure.nodes.changes
    assert bench.repair("repair-2", requested_by="anna").output["facts"]["healed"]


def test_a_cause_that_stays_is_looked_for_ever_less_often_and_reported_once(bench: RepairBench) -> None:
    bench.azure.nodes.by_name["n2"].message, bench.azure.nodes.by_name["n2"].facts = NO_HYPER_V, {"hyperV": False}
    pauses = []
    for number in range(7):
        bench.repair(f"repair-{number}", requested_by="timer")
        look_again = bench.read_record().look_again
        assert look_again
        pauses.append(look_again - bench.azure.clock.now)
        bench.azure.clock.advance_to(look_again)
    assert pauses == [timedelta(hours=hours) for hours in (1, 2, 4, 8, 16, 24, 24)]
    assert bench.list_event_names() == ["Finding"]
    assert set(bench.azure.nodes.changes) == set(EXAMINED)


def test_a_message_that_the_node_contradicts_is_tried_as_often_as_any_other_and_then_left(bench: RepairBench) -> None:
    """As on a domain controller: Hyper-V is there, and the setup goes on saying that it finds no product."""
    bench.azure.nodes.by_name["n2"].message = NO_PRODUCT
    for number in range(3):
        bench.azure.nodes.install_errors = [NO_PRODUCT]
        facts = bench.repair(f"repair-{number}").output["facts"]
    assert (facts["attempts"], facts["quarantined"]) == (3, True)


FULL = Refused(
    "OperationNotAllowed", "The maximum number of managed Run commands (max=25, current=25) has been exceeded."
)


def test_a_repair_that_could_not_look_is_no_attempt_and_is_put_off_ever_longer(bench: RepairBench) -> None:
    bench.azure.nodes.script_refusals["read-registration"] = FULL
    for number in range(4):
        result = bench.repair(f"repair-{number}", requested_by="timer")
        assert result.output["state"] == "failed"
        record = bench.read_record()
        assert (record.attempts, record.quarantined) == (0, False)
        assert record.not_before == bench.azure.clock.now + timedelta(minutes=30 * 2**number)
        bench.azure.clock.advance_to(record.not_before)
    assert "Run commands" in failure_texts(result.output)[0]
    assert bench.azure.nodes.changes == []
    assert bench.list_event_names() == ["Finished", "Finished", "Finding", "Finished"]
    bench.azure.nodes.script_refusals.clear()
    assert bench.repair("repair-9", requested_by="timer").output["facts"]["healed"]


def test_a_node_whose_run_commands_hang_keeps_its_extension(bench: RepairBench) -> None:
    bench.azure.nodes.are_scripts_stuck = True
    result = bench.repair()
    assert result.output["failures"][0]["code"] == "node-not-read"
    assert bench.azure.nodes.changes == EXAMINED
    assert bench.read_record().attempts == 0
    assert bench.azure.nodes.by_name["n2"].state == "Failed"


def test_locks_that_were_taken_off_for_a_repair_that_could_not_look_are_back_and_count_for_nothing(
    bench: RepairBench,
) -> None:
    bench.allow(allowLockRemoval=True)
    bench.azure.nodes.locks, bench.azure.nodes.script_refusals = [LOCK], {"read-registration": FULL}
    bench.repair()
    assert (bench.azure.nodes.locks, bench.read_record().attempts) == ([LOCK], 0)


def test_an_extension_that_azure_will_not_remove_is_no_attempt(bench: RepairBench) -> None:
    bench.azure.nodes.removal_of_extension_refusal = Refused("RequestDisallowedByPolicy", "a policy forbids it")
    bench.repair()
    assert bench.read_record().attempts == 0


def test_a_node_is_installed_from_what_was_saved_where_sync_cannot_be_run(bench: RepairBench) -> None:
    bench.azure.nodes.script_refusals["sync-cluster"] = FULL
    facts = bench.repair().output["facts"]
    assert "install n2" in bench.azure.nodes.changes, facts
    assert facts["healed"], facts


def test_a_quarantine_ends_when_something_about_the_node_has_changed_and_says_so(bench: RepairBench) -> None:
    for number in range(3):
        bench.azure.nodes.install_errors = [RACE]
        bench.repair(f"repair-{number}")
    bench.watch_nodes("watch-1")
    bench.azure.clock.advance_to(bench.azure.clock.now + timedelta(days=9))
    assert bench.watch_nodes("watch-2").output["started"] == []
    assert bench.read_record().quarantined
    bench.azure.nodes.by_name["n2"].agent_version = "1.60"
    assert len(bench.watch_nodes("watch-3").output["started"]) == 1
    assert bench.list_event_names()[-1] == "QuarantineEnded"
    assert (bench.read_record().quarantined, bench.read_record().attempts) == (False, 0)


def test_a_quarantine_ends_when_the_node_is_well(bench: RepairBench) -> None:
    for number in range(3):
        bench.azure.nodes.install_errors = [RACE]
        bench.repair(f"repair-{number}")
    node = bench.azure.nodes.by_name["n2"]
    node.state, node.message, node.registered, node.heartbeat = "Succeeded", "", True, bench.azure.clock.now
    assert bench.watch_nodes("watch-1").output["started"] == []
    assert not bench.read_record().quarantined
    assert bench.list_event_names()[-1] == "QuarantineEnded"


def test_healthy_nodes_that_the_vault_calls_otherwise_are_left_as_they_are(bench: RepairBench) -> None:
    for node in bench.azure.nodes.by_name.values():
        node.state, node.message, node.registered, node.host = "Succeeded", "", True, f"host-{node.name}"
        node.heartbeat = bench.azure.clock.now
    result = bench.repair()
    assert (result.output["state"], result.output["facts"]["cause"]) == ("failed", "provider-named-otherwise")
    assert bench.azure.nodes.changes == EXAMINED
    assert bench.read_record().attempts == 0


def test_a_node_is_known_by_the_name_of_its_host_whatever_its_arc_machine_is_called(bench: RepairBench) -> None:
    for node in bench.azure.nodes.by_name.values():
        node.host = node.host_name = f"host-{node.name}"
    assert bench.repair(node="n1").output["problems"][0]["code"] == "nothing-to-do"
    assert bench.repair("repair-2").output["facts"]["healed"]
    assert bench.watch_nodes().output == {"started": [], "failures": []}


def test_run_commands_that_could_not_be_removed_are_reported_and_removed_later(bench: RepairBench) -> None:
    bench.azure.nodes.removal_refusal = Refused("HCRP409", "The run command is still processing.")
    assert bench.repair().output["facts"]["healed"]
    left = {name for record in (bench.read_record(), bench.read_record("n1")) for name in record.left_scripts}
    assert left == {key.rpartition(":")[2] for key in bench.azure.nodes.scripts}
    assert len(left) == 3
    failures = bench.watch_nodes("watch-1").output["failures"]
    assert [failure for failure in failures if "HCRP409" in failure]
    bench.azure.nodes.removal_refusal = None
    assert bench.watch_nodes("watch-2").output["failures"] == []
    assert bench.azure.nodes.scripts == {}
    assert bench.read_record().left_scripts == ()


def test_what_the_text_did_not_tell_is_found_on_the_node_before_anything_is_removed(bench: RepairBench) -> None:
    bench.azure.nodes.by_name["n2"].facts = {"hyperV": False}
    result = bench.repair()
    assert result.output["facts"]["cause"] == "hyper-v-missing"
    assert bench.azure.nodes.changes == ["run read-registration on n2"]


def test_the_activity_log_is_asked_when_the_node_says_nothing(bench: RepairBench) -> None:
    bench.azure.nodes.by_name["n2"].message = ""
    bench.azure.nodes.activity_log = CauseRead(code="VMExtensionProvisioningError", message=RACE)
    result = bench.repair(cause="b96dc54c-03d2-559f", reported_at=bench.azure.clock.now)
    assert result.output["facts"]["healed"], result.output


def test_a_node_that_is_well_is_left_alone(bench: RepairBench) -> None:
    result = bench.repair(node="n1")
    assert (result.output["state"], result.output["problems"][0]["code"]) == ("refused", "nothing-to-do")
    assert bench.azure.nodes.changes == []


def test_no_cure_begins_while_machines_of_the_node_run_in_azure(bench: RepairBench) -> None:
    bench.azure.nodes.by_name["n2"].heartbeat = bench.azure.clock.now
    away = ItemView(id="/i", vm="sql", protection_state="x", active_location="Recovery", host_provider="/providers/n2")
    bench.azure.items.fixed_views = {"sql": away}
    result = bench.repair()
    assert (result.output["state"], result.output["problems"][0]["code"]) == ("refused", "vms-in-azure")
    assert bench.azure.nodes.changes == []
    assert bench.read_record().attempts == 0


def test_a_verb_that_holds_the_nodes_machines_goes_first(bench: RepairBench) -> None:
    bench.azure.nodes.by_name["n2"].heartbeat = bench.azure.clock.now
    bench.azure.items.fixed_views = {
        "sql": ItemView(id="/i", vm="sql", protection_state="Protected", host_provider="/providers/n2")
    }
    table = "@leases@11111111-1111-1111-1111-111111111111|rg-dr|vault-dr"
    bench.driver.states[table] = {"vm:hci-01-site|sql": {"owner": "failover-1", "until": "2027-01-01T00:00:00Z"}}
    result = bench.repair()
    assert (result.output["state"], result.output["problems"][0]["code"]) == ("refused", "held")
    assert bench.azure.nodes.changes == []
    bench.azure.runs.ended.add("failover-1")
    assert "uninstall n2" in (bench.repair("repair-2"), bench.azure.nodes.changes)[1]


def test_a_node_is_not_healed_before_one_of_its_machines_has_a_new_recovery_point(bench: RepairBench) -> None:
    bench.azure.nodes.by_name["n2"].heartbeat = bench.azure.clock.now
    vm = ItemView(id="/i", vm="sql", protection_state="Protected", host_provider="/providers/n2")
    bench.azure.items.fixed_views = {"sql": vm}
    later = bench.azure.clock.now + timedelta(minutes=40)
    bench.azure.nodes.schedule(
        40,
        lambda: bench.azure.items.fixed_views.__setitem__("sql", vm.model_copy(update={"last_recovery_point": later})),
    )
    result = bench.repair()
    assert result.output["facts"]["healed"], result.output
    assert bench.azure.clock.now >= later
    assert result.generations > 1


def test_a_replication_that_stands_still_is_told_to_a_person(bench: RepairBench) -> None:
    bench.azure.nodes.by_name["n2"].heartbeat = bench.azure.clock.now
    bench.azure.items.fixed_views = {
        "sql": ItemView(id="/i", vm="sql", protection_state="Protected", host_provider="/providers/n2")
    }
    result = bench.repair()
    assert (result.output["state"], result.output["facts"]["cause"]) == ("failed", "no-recovery-point")
    assert result.output["facts"]["rung"] == "provider"


def test_a_node_just_rebooted_is_given_time(bench: RepairBench) -> None:
    began = bench.azure.clock.now
    bench.azure.nodes.by_name["n2"].facts = {"lastBoot": began.isoformat()}
    facts = bench.repair().output["facts"]
    assert facts["healed"]
    waited = next(one for one in facts["timeline"] if one["phase"] == "Reboot grace")
    assert timedelta(minutes=14) <= timedelta(seconds=waited["seconds"]) <= timedelta(minutes=15)


def test_each_node_waits_for_its_turn_and_a_dead_one_holds_up_nobody(bench: RepairBench) -> None:
    other = QueueTurn(run="repair-0", node="n3", since=bench.azure.clock.now).model_dump(mode="json")
    bench.driver.states[f"@cluster_queue@{key_of(CLUSTER)}"] = [other]
    began = bench.azure.clock.now
    bench.azure.nodes.schedule(60, lambda: bench.azure.runs.ended.add("repair-0"))
    result = bench.repair()
    assert result.output["facts"]["healed"], result.output
    assert bench.azure.clock.now - began > timedelta(minutes=60)
    assert result.output["facts"]["timeline"][1]["phase"] == "Queue"
    assert result.longest_history < 400


def test_a_second_repair_of_the_same_node_is_refused(bench: RepairBench) -> None:
    bench.terminate_repair("repair-1", at=3)
    bench.azure.runs.ended.clear()
    assert bench.repair("repair-2").output["problems"][0]["detail"] == (
        "n2 is being repaired by repair-1. Wait for it to end."
    )
    bench.azure.runs.ended.add("repair-1")
    assert bench.repair("repair-3").output["facts"]["healed"]


def test_failures_in_a_row_end_in_quarantine_with_a_finding_and_an_event(bench: RepairBench) -> None:
    for number in range(3):
        bench.azure.nodes.install_errors = [RACE]
        result = bench.repair(f"repair-{number}")
        assert result.output["state"] == "failed"
    facts = result.output["facts"]
    assert (facts["attempts"], facts["quarantined"], facts["finding"]) == (3, True, True)
    assert "ask for a repair" in facts["remedy"]
    assert bench.list_event_names()[-2:] == ["Quarantined", "Finding"]
    assert bench.watch_nodes().output == {"started": [], "failures": []}
    assert bench.repair("by-hand").output["facts"]["healed"]
    assert not bench.read_record().quarantined


def test_settings_saved_by_a_run_that_died_heal_the_node_in_the_next(bench: RepairBench) -> None:
    bench.terminate_repair("repair-1", after="uninstall n2")
    bench.azure.clock.advance_to(bench.azure.clock.now + timedelta(minutes=5))
    bench.azure.nodes.sync_restores = False
    assert bench.repair("repair-2").output["facts"]["healed"]


def test_locks_are_not_touched_unless_the_site_lets_them_be(bench: RepairBench) -> None:
    bench.azure.nodes.locks = [LOCK]
    result = bench.repair()
    assert (result.output["facts"]["cause"], result.output["facts"]["evidence"]) == ("resource-lock", [LOCK.id])
    assert (bench.azure.nodes.changes, bench.azure.nodes.locks) == ([], [LOCK])


def test_locks_are_put_back_exactly_once_the_node_is_healed(bench: RepairBench) -> None:
    bench.allow(allowLockRemoval=True)
    bench.azure.nodes.locks = [LOCK]
    assert bench.repair().output["facts"]["healed"]
    assert bench.azure.nodes.locks == [LOCK]
    assert list_owed(bench.driver.states) == []


@pytest.mark.parametrize("seed", range(8))  # bench/healing.py does fifty
def test_locks_are_back_whatever_happens_to_the_run(seed: int) -> None:
    """Answers are lost all the time, and every second run is terminated at a random moment."""
    bench = repair_with_faults(seed)
    assert bench.azure.nodes.locks == [LOCK]
    assert list_owed(bench.driver.states) == []
    assert bench.azure.nodes.changes.count("uninstall n2") <= 1


def test_answers_that_stay_away_do_not_do_anything_twice() -> None:
    healed = 0
    for seed in range(4):
        bench = RepairBench()
        bench.azure.faults.rate = 0.1
        bench.azure.faults.chance = random.Random(seed)
        healed += bench.repair().output["state"] == "succeeded"
        for change in ("uninstall n2", "run sync-cluster on n1"):
            assert bench.azure.nodes.changes.count(change) <= 1
    assert healed >= 3


def test_the_timer_repairs_what_no_event_told_of_and_buries_runs_that_died(bench: RepairBench) -> None:
    first = bench.watch_nodes("watch-1").output["started"]
    assert [start.orchestrator for start in bench.azure.runs.started] == ["repair"]
    assert bench.azure.runs.started[0].payload["machine_id"] == bench.azure.nodes.by_name["n2"].id
    bench.terminate_repair(first[0], after="uninstall n2")
    assert bench.list_states("cluster_queue") != []
    assert bench.watch_nodes("watch-2").output["started"] == []
    assert bench.list_states("cluster_queue") == []
    assert bench.read_record().attempts == 1
    bench.azure.clock.advance_to(bench.azure.clock.now + timedelta(minutes=15))
    second = bench.watch_nodes("watch-3").output["started"]
    assert second not in ([], first)


def test_a_site_that_turned_healing_off_is_not_looked_after(bench: RepairBench) -> None:
    bench.azure.documents.sites["hci-01"] = site(healing=False)
    assert bench.watch_nodes().output == {"started": [], "failures": []}
    assert bench.azure.runs.started == []
