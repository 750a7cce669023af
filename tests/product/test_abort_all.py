"""One request aborts many runs: a drill is cleaned up, a run that waits has done nothing, repeats are harmless."""

from tests.people import signed_in
from tests.product.conftest import Lab
from tests.product.test_yielding import SMALL

OTHERS = {"site": "hci-01", "items": [{"vm": "app-01"}], "approvals": {"count": 1}}
ALL = {"all": True, "reason": "fire in Amsterdam"}


def test_a_drill_at_work_and_a_run_that_waits_end_at_once_and_owe_nothing(lab: Lab) -> None:
    lab.api("PUT", "plans/small", SMALL)
    lab.api("PUT", "plans/others", OTHERS)
    drill = lab.api("POST", "plans/small/drill", {}).body["id"]
    failover = lab.api("POST", "plans/others/failover", {}, signed_in("ann", "Dr.Operate")).body["id"]
    lab.eventually(lambda: ("testFailover", "dc-01") in lab.verbs())
    lab.waiting(failover)
    shown = lab.api("POST", "operations/abort-all?preview=true", ALL).body["operations"]
    assert {one["id"]: one["outcome"] for one in shown} == {drill: "abortable", failover: "abortable"}
    aborted = lab.api("POST", "operations/abort-all", ALL)
    assert (aborted.status, {one["outcome"] for one in aborted.body["operations"]}) == (200, {"aborting"})
    for _ in range(3):  # whoever is still at work takes it once more
        lab.api("POST", "operations/abort-all", {"plan": "small", "reason": "still burning"})
    for run in (drill, failover):
        ended = lab.ended(run)
        assert (ended["state"], [one["comment"] for one in ended["decisions"]]) == ("aborted", ["fire in Amsterdam"])
    verbs = lab.verbs()
    assert ("testFailoverCleanup", "dc-01") in verbs
    assert not [item for _, item in verbs if item == "app-01"]
    assert lab.api("GET", "obligations").body["value"] == []
    assert lab.api("POST", "operations/abort-all", ALL).body == {"preview": False, "operations": []}
