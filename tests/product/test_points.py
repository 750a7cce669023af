"""Recovery points over HTTP: chosen for a failover, refused when too old."""

import json
from typing import Any

import pytest

from tests.product.conftest import Lab
from tests.product.test_override import pack_of

SMALL = {"site": "hci-01", "items": [{"vm": "dc-01"}, {"vm": "sql-01", "after": ["dc-01"]}]}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"recoveryPoint": "5b2d"}, "recoveryPoint"),
        ({"recoveryPoint": {"nope": "latest"}}, "recoveryPoint.nope"),
        ({"maxAge": "soon"}, "maxAge"),
    ],
)
def test_a_point_that_makes_no_sense_is_refused_naming_the_field(lab: Lab, body: dict[str, Any], field: str) -> None:
    reply = lab.api("POST", "plans/payroll/failover", body)
    assert (reply.status, [error["field"] for error in reply.body["errors"]]) == (400, [field])


def test_a_failover_starts_from_the_point_that_was_asked_for_and_says_which(lab: Lab) -> None:
    lab.api("PUT", "plans/small", SMALL)
    wish = {"recoveryPoint": {"dc-01": "latestAppConsistent"}, "maxAge": "PT12H"}
    run = lab.api("POST", "plans/small/failover", wish).body["id"]
    dc, sql = lab.ended(run)["items"]
    assert (dc["state"], sql["state"]) == ("done", "done")
    assert dc["recoveryPoint"]
    assert sql["recoveryPoint"] == ""


def test_points_that_are_too_old_are_told_by_the_preview_and_start_nothing(lab: Lab) -> None:
    lab.api("PUT", "plans/small", SMALL)
    wish = {"recoveryPoint": "latestProcessed", "maxAge": "PT0.001S"}
    blockers = lab.api("POST", "plans/small/failover?preview=true", wish).body["blockers"]
    assert [(one["vm"], one["code"]) for one in blockers] == [
        (vm, "recovery-point-too-old") for vm in ("dc-01", "sql-01")
    ]
    refused = lab.api("POST", "plans/small/failover", wish)
    assert (refused.status, [one["field"] for one in refused.body["errors"]]) == (
        409,
        ["items[dc-01]", "items[sql-01]"],
    )
    assert "old; at most" in refused.body["errors"][1]["detail"]
    assert lab.verbs() == []


def test_a_failover_is_all_or_nothing_where_one_machine_has_not_the_point_that_it_is_to_start_from(lab: Lab) -> None:
    lab.api("PUT", "plans/small", SMALL)
    refused = lab.api("POST", "plans/small/failover", {"recoveryPoint": {"sql-01": "5b2d"}})
    assert (refused.status, [one["field"] for one in refused.body["errors"]]) == (409, ["items[sql-01]"])
    assert lab.verbs() == []


def test_before_the_commit_the_point_is_changed_and_the_preview_says_what_a_commit_deletes(lab: Lab) -> None:
    lab.api("PUT", "plans/small", SMALL)
    lab.ended(lab.api("POST", "plans/small/failover", {}).body["id"])
    seen = lab.api("POST", "plans/small/commit?preview=true", {}).body
    assert [(lost["vm"], lost["count"] > 0) for lost in seen["recoveryPointsDeleted"]] == [
        ("dc-01", True),
        ("sql-01", True),
    ]
    first = seen["recoveryPointsDeleted"][0]
    assert first["points"][0]["at"] == first["newest"] > first["oldest"]
    assert len(first["points"]) == min(first["count"], 10)
    assert all(point["kind"] for point in first["points"])
    run = lab.api("POST", "plans/small/change-point", {"recoveryPoint": "latestAppConsistent"}).body["id"]
    shown = lab.ended(run)
    assert (shown["kind"], shown["plan"], shown["state"]) == ("change-point", "small", "succeeded"), shown
    assert [verb for verb, _ in lab.verbs()] == ["plannedFailover"] * 2 + ["applyRecoveryPoint"] * 2


def test_a_failover_that_commits_by_itself_tells_what_that_deletes_and_its_evidence_has_all_of_it(lab: Lab) -> None:
    lab.api("PUT", "plans/small", {**SMALL, "commit": "automatic"})
    seen = lab.api("POST", "plans/small/failover?preview=true", {}).body
    assert [(lost["vm"], lost["count"] > 0) for lost in seen["recoveryPointsDeleted"]] == [
        ("dc-01", True),
        ("sql-01", True),
    ]
    assert lab.api("POST", "plans/small/drill?preview=true", {}).body.get("recoveryPointsDeleted", []) == []
    run = lab.api("POST", "plans/small/failover", {}).body["id"]
    assert lab.ended(run)["state"] == "succeeded"
    pack = pack_of(lab, run)
    [lists] = [json.loads(pack.read(name)) for name in pack.namelist() if name.endswith("recovery-points-1.json")]
    assert [(one["vm"], len(one["points"]) > 0) for one in lists] == [("dc-01", True), ("sql-01", True)]


def test_a_cancel_has_to_be_asked_for_in_the_words_of_its_preview(lab: Lab) -> None:
    lab.api("PUT", "plans/small", SMALL)
    lab.ended(lab.api("POST", "plans/small/failover", {}).body["id"])
    sentence = lab.api("POST", "plans/small/cancel?preview=true", {}).body["confirm"]
    assert sentence == "Cancel: the replication of dc-01, sql-01 ends, and they must be protected anew."
    refused = lab.api("POST", "plans/small/cancel", {"confirm": "yes"})
    assert (refused.status, [error["field"] for error in refused.body["errors"]]) == (400, ["confirm"])
    run = lab.api("POST", "plans/small/cancel", {"confirm": sentence}).body["id"]
    assert lab.ended(run)["state"] == "succeeded"
    assert {owed["kind"] for owed in lab.api("GET", "obligations?plan=small").body["value"]} == {"reprotect"}
