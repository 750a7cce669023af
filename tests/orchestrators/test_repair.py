"""The repair of a node: what is done in which order, what is left alone, and what outlives a run that dies."""

import random
from datetime import timedelta

import pytest

from shared.arm_ids import key_of
from shared.healing.cluster_queue import QueueTurn
from shared.healing.contract import CauseRead
from shared.site_recovery.views import ItemView
from tests.orchestrators.node_world import CLUSTER, LOCK, NodeWorld, faulted, with_rules
from tests.shared.samples import site
from tests.shared.test_classifier import APPLICATION_CONTROL, NO_DETAIL, NO_HYPER_V, RACE

CURE = ["run read-registration on n2", "uninstall n2", "run sync-cluster on n1", "run read-registration on n2"]


@pytest.fixture
def world() -> NodeWorld:
    return NodeWorld()


def test_a_node_is_healed_step_by_step_and_leaves_nothing_behind(world: NodeWorld) -> None:
    result = world.repair()
    assert result.output["state"] == "succeeded", result.output
    assert world.changes == CURE
    facts = result.output["facts"]
    assert (facts["rung"], facts["healed"], facts["cause"]) == ("cluster", True, "certificate-race")
    assert world.scripts == {}
    assert world.state("cluster_queue") == []
    assert [table for table in world.state("leases") if table] == []
    assert [word for word, _ in world.published] == ["Healed"]


def test_a_node_is_read_no_more_than_needed_before_anything_is_done_to_it(world: NodeWorld) -> None:
    """On arrival, and with its cluster; the diagnosis before the turn still holds where nobody else had the turn."""
    world.repair()
    assert [read for read in world.reads if read.endswith(" 0 changes")] == [
        "node, 0 changes",
        "providers, 0 changes",
        "cluster, 0 changes",
    ]


def test_a_node_that_waited_for_its_turn_is_diagnosed_again(world: NodeWorld) -> None:
    turn = QueueTurn(run="repair-0", node="n1", since=world.clock.now).model_dump(mode="json")
    world.driver.states[f"@cluster_queue@{key_of(CLUSTER)}"] = [turn]
    world.after(20, lambda: world.ended_runs.add("repair-0"))
    world.repair()
    before = [read for read in world.reads if read.endswith(" 0 changes")]
    assert before == ["node, 0 changes", "providers, 0 changes"] * 2 + ["cluster, 0 changes"]


def test_the_operation_says_where_the_time_went(world: NodeWorld) -> None:
    facts = world.repair().output["facts"]
    assert [one["phase"] for one in facts["timeline"]] == [
        "Classify",
        "Examine",
        "Uninstall",
        "Sync",
        "Install",
        "Prove",
    ]
    assert sum(one["seconds"] for one in facts["timeline"]) <= 15 * 60


def test_what_sync_does_not_bring_back_is_installed_from_what_was_saved(world: NodeWorld) -> None:
    world.sync_restores = False
    result = world.repair()
    assert result.output["facts"]["healed"], result.output
    assert "install n2" in world.changes


def test_sync_is_not_run_where_it_would_make_two_nodes_race(world: NodeWorld) -> None:
    world.nodes["n3"].state, world.nodes["n3"].registered = None, False
    result = world.repair()
    assert result.output["state"] == "succeeded", result.output
    assert not [change for change in world.changes if "sync" in change]
    assert result.output["facts"]["rung"] == "recovery-point"
    assert result.output["facts"]["notRegistered"] == ["n3: extension-missing"]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (NO_HYPER_V, "hyper-v-missing"),
        (NO_DETAIL, "other-site"),
        (APPLICATION_CONTROL, "application-control"),
        ("nobody knows this", "unknown"),
    ],
)
def test_what_is_not_curable_ends_as_a_finding_and_changes_nothing(world: NodeWorld, message: str, code: str) -> None:
    world.nodes["n2"].message = message
    result = world.repair()
    facts = result.output["facts"]
    assert (result.output["state"], facts["cause"], facts["finding"]) == ("failed", code, True)
    assert facts["remedy"] in result.output["failures"][0]
    assert world.changes == []
    assert [word for word, _ in world.published] == ["Finding"]
    assert world.record().last is not None


def test_what_the_text_did_not_tell_is_found_on_the_node_before_anything_is_removed(world: NodeWorld) -> None:
    world.nodes["n2"].facts = {"hyperV": False}
    result = world.repair()
    assert result.output["facts"]["cause"] == "hyper-v-missing"
    assert world.changes == ["run read-registration on n2"]


def test_the_activity_log_is_asked_when_the_node_says_nothing(world: NodeWorld) -> None:
    world.nodes["n2"].message = ""
    world.log = CauseRead(code="VMExtensionProvisioningError", message=RACE)
    result = world.repair(cause="b96dc54c-03d2-559f", reported_at=world.clock.now)
    assert result.output["facts"]["healed"], result.output


def test_a_node_that_is_well_is_left_alone(world: NodeWorld) -> None:
    result = world.repair(node="n1")
    assert (result.output["state"], result.output["problems"][0]["code"]) == ("refused", "nothing-to-do")
    assert world.changes == []


def test_no_cure_begins_while_machines_of_the_node_run_in_azure(world: NodeWorld) -> None:
    world.nodes["n2"].beat = world.clock.now
    away = ItemView(id="/i", vm="sql", protection_state="x", active_location="Recovery", host_provider="/p/n2")
    world.items = [away]
    result = world.repair()
    assert (result.output["state"], result.output["problems"][0]["code"]) == ("refused", "vms-in-azure")
    assert world.changes == []
    assert world.record().attempts == 0


def test_a_verb_that_holds_the_nodes_machines_goes_first(world: NodeWorld) -> None:
    world.nodes["n2"].beat = world.clock.now
    world.items = [ItemView(id="/i", vm="sql", protection_state="Protected", host_provider="/p/n2")]
    table = "@leases@11111111-1111-1111-1111-111111111111|rg-dr|vault-dr"
    world.driver.states[table] = {"vm:hci-01-site|sql": {"owner": "failover-1", "until": "2027-01-01T00:00:00Z"}}
    result = world.repair()
    assert (result.output["state"], result.output["problems"][0]["code"]) == ("refused", "held")
    assert world.changes == []
    world.ended_runs.add("failover-1")
    assert "uninstall n2" in (world.repair("repair-2"), world.changes)[1]


def test_a_node_is_not_healed_before_one_of_its_machines_has_a_new_recovery_point(world: NodeWorld) -> None:
    world.nodes["n2"].beat = world.clock.now
    vm = ItemView(id="/i", vm="sql", protection_state="Protected", host_provider="/p/n2")
    world.items = [vm]
    later = world.clock.now + timedelta(minutes=40)
    world.after(40, lambda: world.items.__setitem__(0, vm.model_copy(update={"last_recovery_point": later})))
    result = world.repair()
    assert result.output["facts"]["healed"], result.output
    assert world.clock.now >= later
    assert result.generations > 1


def test_a_replication_that_stands_still_is_told_to_a_person(world: NodeWorld) -> None:
    world.nodes["n2"].beat = world.clock.now
    world.items = [ItemView(id="/i", vm="sql", protection_state="Protected", host_provider="/p/n2")]
    result = world.repair()
    assert (result.output["state"], result.output["facts"]["cause"]) == ("failed", "no-recovery-point")
    assert result.output["facts"]["rung"] == "provider"


def test_a_node_just_rebooted_is_given_time(world: NodeWorld) -> None:
    began = world.clock.now
    world.nodes["n2"].facts = {"lastBoot": began.isoformat()}
    facts = world.repair().output["facts"]
    assert facts["healed"]
    waited = next(one for one in facts["timeline"] if one["phase"] == "Reboot grace")
    assert timedelta(minutes=14) <= timedelta(seconds=waited["seconds"]) <= timedelta(minutes=15)


def test_each_node_waits_for_its_turn_and_a_dead_one_holds_up_nobody(world: NodeWorld) -> None:
    other = QueueTurn(run="repair-0", node="n3", since=world.clock.now).model_dump(mode="json")
    world.driver.states[f"@cluster_queue@{key_of(CLUSTER)}"] = [other]
    began = world.clock.now
    world.after(60, lambda: world.ended_runs.add("repair-0"))
    result = world.repair()
    assert result.output["facts"]["healed"], result.output
    assert world.clock.now - began > timedelta(minutes=60)
    assert result.output["facts"]["timeline"][1]["phase"] == "Queue"
    assert result.longest_history < 400


def test_a_second_repair_of_the_same_node_is_refused(world: NodeWorld) -> None:
    world.killed("repair-1", at=3)
    world.ended_runs.clear()
    assert world.repair("repair-2").output["problems"][0]["detail"] == (
        "n2 is being repaired by repair-1. Wait for it to end."
    )
    world.ended_runs.add("repair-1")
    assert world.repair("repair-3").output["facts"]["healed"]


def test_failures_in_a_row_end_in_quarantine_with_a_finding_and_an_event(world: NodeWorld) -> None:
    for number in range(3):
        world.fails = [RACE]
        result = world.repair(f"repair-{number}")
        assert result.output["state"] == "failed"
    facts = result.output["facts"]
    assert (facts["attempts"], facts["quarantined"], facts["finding"]) == (3, True, True)
    assert "ask for a repair" in facts["remedy"]
    assert [word for word, _ in world.published][-2:] == ["Quarantined", "Finding"]
    assert world.look_after().output == {"started": []}
    assert world.repair("by-hand").output["facts"]["healed"]
    assert not world.record().quarantined


def test_settings_saved_by_a_run_that_died_heal_the_node_in_the_next(world: NodeWorld) -> None:
    world.killed("repair-1", after="uninstall n2")
    world.clock.advance_to(world.clock.now + timedelta(minutes=5))
    world.sync_restores = False
    assert world.repair("repair-2").output["facts"]["healed"]


def test_locks_are_not_touched_unless_the_site_lets_them_be(world: NodeWorld) -> None:
    world.locks = [LOCK]
    result = world.repair()
    assert (result.output["facts"]["cause"], result.output["facts"]["evidence"]) == ("resource-lock", [LOCK.id])
    assert (world.changes, world.locks) == ([], [LOCK])


def test_locks_are_put_back_exactly_once_the_node_is_healed(world: NodeWorld) -> None:
    with_rules(world, allowLockRemoval=True).locks = [LOCK]
    assert world.repair().output["facts"]["healed"]
    assert world.locks == [LOCK]
    assert world.state("obligations") == []


@pytest.mark.parametrize("seed", range(8))  # bench/healing.py does fifty
def test_locks_are_back_whatever_happens_to_the_run(seed: int) -> None:
    """Answers are lost all the time, and every second run is terminated at a random moment."""
    world = faulted(seed)
    assert world.locks == [LOCK]
    assert world.state("obligations") == []
    assert world.changes.count("uninstall n2") <= 1


def test_answers_that_stay_away_do_not_do_anything_twice() -> None:
    healed = 0
    for seed in range(4):
        world = NodeWorld(crash_rate=0.1)
        world.chance = random.Random(seed)
        healed += world.repair().output["state"] == "succeeded"
        for change in ("uninstall n2", "run sync-cluster on n1"):
            assert world.changes.count(change) <= 1
    assert healed >= 3


def test_the_timer_repairs_what_no_event_told_of_and_buries_runs_that_died(world: NodeWorld) -> None:
    first = world.look_after("watch-1").output["started"]
    assert [start.orchestrator for start in world.started] == ["repair"]
    assert world.started[0].payload["machine_id"] == world.nodes["n2"].id
    world.killed(first[0], after="uninstall n2")
    assert world.state("cluster_queue") != []
    assert world.look_after("watch-2").output["started"] == []
    assert world.state("cluster_queue") == []
    assert world.record().attempts == 1
    world.clock.advance_to(world.clock.now + timedelta(minutes=15))
    second = world.look_after("watch-3").output["started"]
    assert second not in ([], first)


def test_a_site_that_turned_healing_off_is_not_looked_after(world: NodeWorld) -> None:
    world.document = site(healing=False)
    assert world.look_after().output == {"started": []}
    assert world.started == []
