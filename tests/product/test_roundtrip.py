"""The round trip over HTTP: out, a pause, home, Protected; planned and unplanned."""

from typing import Any

import pytest

from tests.deep import cases
from tests.failures import failure_texts
from tests.product.conftest import Lab

MACHINES = ("dc-01", "sql-01", "web-01")
SMALL = {
    "site": "hci-01",
    "items": [{"vm": "dc-01"}, {"vm": "sql-01", "after": ["dc-01"]}, {"vm": "web-01", "after": ["sql-01"]}],
    "commit": "automatic",
}


@pytest.mark.parametrize("kind", cases(["planned", "unplanned"], {"unplanned"}))
def test_the_whole_round_trip_is_one_operation_and_ends_protected_with_nothing_owed(lab: Lab, kind: str) -> None:
    lab.api("DELETE", "plans/payroll")  # its drill of every morning would hold the same VMs
    lab.api("PUT", "plans/small", SMALL)
    run = lab.api("POST", "plans/small/roundtrip", {"type": kind}).body["id"]
    shown = lab.waiting(run)
    assert (shown["waitingFor"]["kind"], shown["waitingFor"]["choices"]) == ("resume", ["resume", "abort"])
    assert {"reprotect"} <= owed(lab)
    assert lab.api("POST", f"operations/{run}/resume", {"comment": "maintenance is over"}).status == 202
    ended = lab.ended(run)
    assert ended["state"] == "succeeded", failure_texts(ended)
    out = f"{kind}Failover"
    way = [out, "failoverCommit", "plannedFailover", "failoverCommit", "reProtect"]
    assert {vm: [verb for verb, item in lab.verbs() if item == vm] for vm in MACHINES} == dict.fromkeys(MACHINES, way)
    assert owed(lab) == set()
    assert {item["state"] for item in lab.api("GET", "plans/small/readiness").body["items"]} == {"Protected"}
    assert ended["decisions"][0]["comment"] == "maintenance is over"


def owed(lab: Lab) -> set[str]:
    return {one["kind"] for one in lab.api("GET", "obligations?plan=small").body["value"]}


def test_the_preview_of_a_round_trip_says_all_of_it_and_changes_nothing(lab: Lab) -> None:
    seen = lab.api("POST", "plans/payroll/roundtrip?preview=true", {"type": "planned"}).body
    assert seen["stages"] == ["PlannedFailover", "Commit", "Failback", "Commit", "ReverseReplicate"]
    assert lab.verbs() == []


@pytest.mark.parametrize(
    ("body", "field"),
    [({"returnAt": "tomorrow"}, "returnAt"), ({"returnAt": "2026-12-01T08:00:00"}, "returnAt"), ({"back": 1}, "back")],
)
def test_a_round_trip_that_is_not_understood_is_refused_naming_the_field(
    lab: Lab, body: dict[str, Any], field: str
) -> None:
    reply = lab.api("POST", "plans/payroll/roundtrip", body)
    assert (reply.status, [error["field"] for error in reply.body["errors"]]) == (400, [field])


def test_a_word_to_go_on_is_refused_by_a_run_that_does_not_wait_for_it(lab: Lab) -> None:
    lab.api("PUT", "plans/small", SMALL)
    run = lab.api("POST", "plans/small/roundtrip", {}).body["id"]
    assert lab.api("POST", f"operations/{run}/resume", {}).status == 409
    lab.waiting(run)
    stranger = lab.api("POST", f"operations/{run}/resume", {"vms": ["nobody"]})
    assert (stranger.status, stranger.body["errors"][0]["field"]) == (400, "vms[0]")
    assert lab.api("POST", f"operations/{run}/abort", {}).status == 202
    assert lab.ended(run)["state"] == "aborted"
    assert owed(lab) == {"reprotect"}
