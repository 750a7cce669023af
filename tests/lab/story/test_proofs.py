"""Each proof of the story holds for a good run, and is missed for each way in which a run can be bad."""

from collections.abc import Sequence
from typing import Any

from lab.story import proofs

AFTER = {"dc-01": [], "sql-01": ["dc-01"], "web-01": ["sql-01"]}
VMS = list(AFTER)


def ledger(*sent: tuple[str, str]) -> list[dict[str, Any]]:
    return [
        {"seq": seq, "verb": verb, "item": vm, "clientRequestId": f"id-{seq}"} for seq, (vm, verb) in enumerate(sent, 1)
    ]


def drill_of(vms: Sequence[str]) -> list[tuple[str, str]]:
    return [(vm, "testFailover") for vm in vms] + [(vm, "testFailoverCleanup") for vm in vms]


def step(began: int, ended: int, probed: int | None, verb: str = "TestFailover", outcome: str = "succeeded") -> Any:
    times = {"startedAt": began, "endedAt": ended, "probedAt": probed}
    instants = {name: None if minute is None else f"2026-01-05T08:{minute:02}:00Z" for name, minute in times.items()}
    return {"verb": verb, "outcome": outcome, **instants}


def drill(**steps: Any) -> dict[str, Any]:
    items = [{"vm": vm.replace("_", "-"), "steps": [step] if step else []} for vm, step in steps.items()]
    return {"id": "drill-payroll-1", "kind": "drill", "state": "succeeded", "items": items}


GOOD = drill(dc_01=step(0, 10, 11), sql_01=step(12, 20, 21), web_01=step(22, 30, 31))


def test_each_verb_once_for_each_vm_is_proof() -> None:
    assert proofs.sent_once(ledger(*drill_of(VMS)), VMS, ["drill"]) == []


def test_calls_that_are_no_verbs_are_let_pass() -> None:
    entries = ledger(("hci-01-n2", "runCommands"), *drill_of(VMS))
    assert proofs.sent_once(entries, VMS, ["drill"]) == []


def test_a_verb_sent_twice_is_missed() -> None:
    entries = ledger(("sql-01", "testFailover"), *drill_of(VMS))
    assert proofs.sent_once(entries, VMS, ["drill"]) == [
        "sql-01 was sent testFailover, testFailover, testFailoverCleanup instead of testFailover, testFailoverCleanup"
    ]


def test_a_vm_that_was_left_out_is_missed() -> None:
    assert proofs.sent_once(ledger(*drill_of(["dc-01", "sql-01"])), VMS, ["drill"]) == [
        "web-01 was sent nothing instead of testFailover, testFailoverCleanup"
    ]


def test_a_verb_on_a_vm_outside_the_plan_is_missed() -> None:
    entries = ledger(*drill_of(VMS), ("other-01", "testFailover"))
    assert proofs.sent_once(entries, VMS, ["drill"]) == [
        "other-01 was sent testFailover instead of testFailover, testFailoverCleanup"
    ]


def test_a_re_protect_before_the_failback_is_missed() -> None:
    verbs = ("plannedFailover", "failoverCommit", "reProtect", "plannedFailover", "failoverCommit")
    found = proofs.sent_once(ledger(*(("dc-01", v) for v in verbs)), ["dc-01"], ["failover", "failback", "reprotect"])
    assert len(found) == 1


def test_a_request_id_used_twice_is_missed() -> None:
    entries = ledger(*drill_of(["dc-01"]))
    entries[1]["clientRequestId"] = entries[0]["clientRequestId"]
    assert proofs.one_id_a_verb(entries) == ["the client request id id-1 was used 2 times"]
    assert proofs.one_id_a_verb(ledger(*drill_of(VMS))) == []


def test_the_order_of_the_plan_is_proof() -> None:
    assert proofs.in_order(GOOD, AFTER) == []


def test_a_vm_that_began_before_its_dependency_had_ended_is_missed() -> None:
    early = drill(dc_01=step(0, 10, 11), sql_01=step(5, 20, 21), web_01=step(22, 30, 31))
    assert proofs.in_order(early, AFTER) == ["TestFailover of sql-01 began before dc-01 was up"]


def test_a_vm_that_began_before_its_dependency_passed_its_probes_is_missed() -> None:
    early = drill(dc_01=step(0, 10, 19), sql_01=step(12, 20, 21), web_01=step(22, 30, 31))
    assert proofs.in_order(early, AFTER) == ["TestFailover of sql-01 began before dc-01 was up"]


def test_a_vm_without_a_successful_step_is_missed() -> None:
    failed = drill(dc_01=step(0, 10, 11), sql_01=step(12, 20, 21), web_01=step(22, 30, None, outcome="failed"))
    assert proofs.in_order(failed, AFTER) == ["web-01 has no TestFailover in drill-payroll-1"]


def test_a_step_without_times_proves_no_order() -> None:
    timeless = drill(dc_01=step(0, 10, 11), sql_01={**step(0, 0, 0), "startedAt": None}, web_01=step(22, 30, 31))
    assert proofs.in_order(timeless, AFTER) == ["TestFailover of sql-01 began before dc-01 was up"]


def test_a_vm_that_was_not_probed_is_missed() -> None:
    silent = drill(dc_01=step(0, 10, 11), sql_01=step(12, 20, None), web_01=None)
    assert proofs.prove_probed(silent, VMS) == [
        "sql-01 was not probed in drill-payroll-1",
        "web-01 was not probed in drill-payroll-1",
    ]
    assert proofs.prove_probed(GOOD, VMS) == []


def test_the_way_home_goes_the_other_way() -> None:
    assert proofs.reverse_dependencies(AFTER) == {"dc-01": ["sql-01"], "sql-01": ["web-01"], "web-01": []}


def test_a_machine_of_a_drill_that_is_still_there_is_missed() -> None:
    assert proofs.nothing_left(["sql-01", "SQL-01-Test"]) == ["SQL-01-Test was not cleaned up"]
    assert proofs.nothing_left(["sql-01", "test-01"]) == []


def test_a_vm_that_does_not_replicate_is_missed() -> None:
    states = {"dc-01": "Protected", "sql-01": "UnplannedFailoverCommitPending"}
    assert proofs.all_protected(states, VMS) == ["sql-01 is UnplannedFailoverCommitPending", "web-01 is missing"]
    assert proofs.all_protected(dict.fromkeys(VMS, "Protected"), VMS) == []


def test_a_failed_operation_is_missed_with_its_reason() -> None:
    quota = {"vm": "sql-01", "code": "28031", "detail": "no cores"}
    assert proofs.ended_well({"id": "x", "state": "failed", "failures": [quota]}) == [
        "x ended failed: sql-01: 28031: no cores"
    ]
    refused = {
        "id": "x",
        "state": "failed",
        "failures": [],
        "obstacles": [{"vm": "", "code": "held", "detail": "busy"}],
    }
    assert proofs.ended_well(refused) == ["x ended failed: held: busy"]
    assert proofs.ended_well({"id": "x", "state": "aborted"}) == ["x ended aborted: it does not say why"]


def test_only_a_proven_repair_of_that_very_node_heals() -> None:
    repair = {"id": "r", "node": "hci-01-n2", "state": "succeeded", "facts": {"healed": True}}
    assert proofs.prove_healed(repair, "hci-01-n2") == []
    assert proofs.prove_healed({**repair, "facts": {}}, "hci-01-n2") == ["hci-01-n2 is not proven to be healed"]
    assert proofs.prove_healed(repair, "hci-01-n1") == ["r is not a repair of hci-01-n1"]
    assert proofs.prove_healed({**repair, "state": "failed"}, "hci-01-n2") == ["r ended failed: it does not say why"]
