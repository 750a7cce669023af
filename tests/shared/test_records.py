"""A node from one repair to the next: attempts, pauses, quarantine, and which tidings start another."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.arm_ids import key_of
from shared.healing.node_record import (
    BeginRepair,
    EndRepair,
    LastRepair,
    NodeRecord,
    RepairEnding,
    SymptomNotice,
    begin_repair,
    end_repair,
    is_due,
    next_run_id,
    record_symptom,
    save_extension,
    why_not_now,
)
from shared.sites.nodes import ExtensionView

AT = datetime(2027, 3, 1, 3, tzinfo=UTC)
MACHINE = "/subscriptions/s/resourceGroups/rg-arc/providers/Microsoft.HybridCompute/machines/n1"
HALF = timedelta(minutes=30)


def began(run: str = "r1", record: NodeRecord | None = None, *ended: str) -> tuple[NodeRecord, str]:
    return begin_repair(record, BeginRepair(run=run, node="n1", cluster="/c", machine_id=MACHINE, ended=ended))


def ended(record: NodeRecord, ending: RepairEnding, at: datetime = AT, run: str = "r1") -> NodeRecord:
    return end_repair(record, EndRepair(last=LastRepair(run=run, ending=ending, at=at)))


def test_a_repair_that_found_nothing_to_do_takes_no_proof_away() -> None:
    proof = LastRepair(run="r1", ending="healed", at=AT, rung="registered", changed=True)
    healed = end_repair(began("r1", None)[0], EndRepair(last=proof))
    looked = ended(began("r2", healed)[0], "well", run="r2")
    assert (looked.last, looked.run, looked.episode) == (proof, "", healed.episode + 1)
    failed = ended(began("r3", looked)[0], "failed", run="r3")
    assert failed.last is not None
    assert failed.last.ending == "failed"
    recovered = ended(began("r4", failed)[0], "well", run="r4")
    assert recovered.last is not None
    assert recovered.last.ending == "well"


def seen(symptom: str, at: datetime = AT) -> SymptomNotice:
    return SymptomNotice(machine_id=MACHINE, node="n1", cluster="/c", symptom=symptom, at=at)


def test_ids_name_the_same_node_however_they_are_spelt() -> None:
    assert key_of(MACHINE) == key_of(MACHINE.upper() + "/") == "s|rg-arc|microsoft.hybridcompute|n1"


def test_one_repair_at_a_time_and_a_dead_one_is_taken_over() -> None:
    record, busy = began()
    assert busy == ""
    assert began("r2", record)[1] == "r1"
    taken, busy = began("r2", record, "r1")
    assert (taken.run, busy) == ("r2", "")


def test_all_that_is_told_during_a_repair_has_its_id_and_afterwards_there_is_a_new_one() -> None:
    record, _ = began()
    first = next_run_id(MACHINE, None)
    assert next_run_id(MACHINE.lower(), record) == next_run_id(MACHINE.upper(), record) == first
    assert next_run_id(MACHINE, ended(record, "failed")) != first


def test_failures_pause_longer_each_time_and_end_in_quarantine() -> None:
    record, pauses = NodeRecord(machine_id=MACHINE), []
    for number in range(3):
        record = ended(began(f"r{number}", record)[0], "failed", run=f"r{number}")
        assert record.not_before
        pauses.append(record.not_before - AT)
    assert pauses == [timedelta(minutes=15), timedelta(hours=1), timedelta(hours=4)]
    assert (record.attempts, record.quarantined) == (3, True)
    healed = ended(began("r9", record)[0], "healed", run="r9")
    assert (healed.attempts, healed.quarantined, healed.not_before) == (0, False, None)


def test_the_end_of_another_run_changes_nothing() -> None:
    record, _ = began()
    assert ended(record, "failed", run="r0") == record


@pytest.mark.parametrize(
    ("changes", "after", "reason"),
    [
        ({}, timedelta(minutes=1), ""),
        ({"quarantined": True}, timedelta(days=9), "quarantined"),
        ({}, timedelta(0), "stale"),
        ({}, -timedelta(hours=1), "stale"),
        ({"not_before": AT + HALF}, timedelta(minutes=29), "paused"),
        ({"not_before": AT + HALF}, HALF, ""),
    ],
)
def test_an_event_starts_a_repair_only_if_it_tells_something_new(
    changes: dict[str, Any], after: timedelta, reason: str
) -> None:
    record = ended(began()[0], "healed").model_copy(update=changes)
    assert why_not_now(record, AT + after) == reason


def test_nothing_is_known_of_a_new_node_and_so_nothing_holds_an_event_back() -> None:
    assert why_not_now(None, AT) == ""


def test_the_timer_waits_until_a_symptom_has_lasted() -> None:
    record = record_symptom(None, seen("not-registered"))
    record = record_symptom(record, seen("not-registered", AT + timedelta(minutes=20)))
    assert not is_due(record, AT + timedelta(minutes=29), HALF)
    assert is_due(record, AT + HALF, HALF)
    assert not is_due(record_symptom(record, seen("")), AT + HALF, HALF)
    other = record_symptom(record, seen("extension-missing", AT + HALF))
    assert not is_due(other, AT + HALF, HALF)


def test_the_timer_leaves_nodes_alone_that_are_busy_paused_or_in_quarantine() -> None:
    record = record_symptom(None, seen("unknown"))
    late = AT + timedelta(hours=9)
    assert is_due(record, late, HALF)
    for changes in ({"run": "r1"}, {"quarantined": True}, {"not_before": late + HALF}):
        assert not is_due(record.model_copy(update=changes), late, HALF)


def test_a_person_is_told_once_of_each_symptom() -> None:
    late = AT + timedelta(hours=9)
    record = record_symptom(None, seen("hyper-v-missing"))
    told = ended(began("r1", record)[0], "finding")
    assert not is_due(told, late, HALF)
    assert is_due(record_symptom(told, seen("not-registered", AT)), late, HALF)
    again = record_symptom(record_symptom(told, seen("")), seen("hyper-v-missing", AT))
    assert is_due(again, late, HALF)


def test_what_an_event_told_a_person_the_timer_does_not_tell_again() -> None:
    told = ended(began()[0], "finding")
    record = record_symptom(told, seen("hyper-v-missing"))
    assert not is_due(record, AT + timedelta(hours=9), HALF)
    assert is_due(record_symptom(record, seen("not-registered", AT)), AT + timedelta(hours=9), HALF)


def test_the_timer_looks_again_for_what_is_cured_outside_and_only_for_that() -> None:
    record = began("r1", record_symptom(None, seen("hyper-v-missing")))[0]
    for cause, is_again in (("hyper-v-missing", True), ("resource-lock", True), ("agent-outdated", False)):
        last = LastRepair(run="r1", ending="finding", at=AT, cause=cause)
        found = end_repair(record, EndRepair(last=last))
        assert not is_due(found, AT + timedelta(minutes=59), HALF)
        assert is_due(found, AT + timedelta(hours=1), HALF) == is_again


def test_a_repair_that_could_not_begin_waits_longer_each_time_and_is_no_attempt() -> None:
    record, pauses = NodeRecord(machine_id=MACHINE), []
    for number in range(8):
        record = ended(began(f"r{number}", record)[0], "deferred", run=f"r{number}")
        assert record.not_before
        pauses.append(record.not_before - AT)
    assert pauses == [HALF * factor for factor in (1, 2, 4, 8, 16, 32, 48, 48)]
    assert (record.attempts, record.quarantined) == (0, False)


@pytest.mark.parametrize(
    ("symptom", "condition", "ends"),
    [
        ("unknown", "extension Failed", False),
        ("not-registered", "extension Failed", True),
        ("unknown", "extension Succeeded", True),
        ("", "extension Succeeded", True),
    ],
)
def test_a_quarantine_ends_with_the_condition_that_it_began_in(symptom: str, condition: str, ends: bool) -> None:
    before = seen("unknown").model_copy(update={"condition": "extension Failed"})
    record = record_symptom(NodeRecord(machine_id=MACHINE, quarantined=True, attempts=3), before)
    assert record.quarantined
    after = record_symptom(record, seen(symptom).model_copy(update={"condition": condition}))
    assert (after.quarantined, after.attempts) == (not ends, 0 if ends else 3)


def test_settings_saved_before_a_cure_that_failed_are_not_lost() -> None:
    full = ExtensionView(id="/e", name="a", provisioning_state="Failed", settings={"SiteId": "1"})
    empty = full.model_copy(update={"settings": {}})
    record = save_extension(NodeRecord(machine_id=MACHINE), full)
    assert save_extension(record, empty).saved == full
    assert save_extension(NodeRecord(machine_id=MACHINE), empty).saved == empty


def test_an_acquaintance_is_noted_without_a_look() -> None:
    acquaintance = SymptomNotice(machine_id=MACHINE, node="n1", cluster="/other")
    assert record_symptom(None, acquaintance).cluster == "/other"


def test_an_acquaintance_that_comes_late_changes_nothing() -> None:
    record = record_symptom(None, seen("unknown"))
    assert record_symptom(record, SymptomNotice(machine_id=MACHINE, node="n1", cluster="/other")) == record
