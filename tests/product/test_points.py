"""Recovery points over HTTP: chosen for a failover, refused when too old."""

from typing import Any

import pytest

from tests.product.conftest import Lab

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


def test_a_point_that_is_too_old_fails_its_machine_before_anything_is_sent(lab: Lab) -> None:
    lab.api("PUT", "plans/small", SMALL)
    run = lab.api("POST", "plans/small/failover", {"recoveryPoint": "latestProcessed", "maxAge": "PT0.001S"}).body["id"]
    assert "recovery-point-too-old" in lab.ended(run)["failures"][0]
    assert lab.verbs() == []
