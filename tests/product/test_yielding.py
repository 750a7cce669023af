"""A drill makes way for a real failover, as the caller says."""

from tests.product.conftest import Lab

DRILL = (
    "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg-dr-net"
    "/providers/Microsoft.Network/virtualNetworks/vnet-drill"
)
SMALL = {
    "site": "hci-01",
    "items": [{"vm": "dc-01"}, {"vm": "sql-01", "after": ["dc-01"]}],
    "drill": {"network": DRILL, "soak": "PT2H"},
}


def test_a_drill_is_cleaned_up_before_the_failover_that_asks_for_it_begins(lab: Lab) -> None:
    lab.api("PUT", "plans/small", SMALL)
    drill = lab.api("POST", "plans/small/drill", {}).body["id"]
    lab.eventually(lambda: ("testFailover", "dc-01") in lab.verbs())
    assert lab.api("POST", "plans/small/failover", {}).body["operation"] == drill
    left = lab.api("POST", "plans/small/failover", {"drill": "leave"})
    assert (left.status, left.body["title"]) == (409, "Not ready")
    run = lab.api("POST", "plans/small/failover", {"drill": "clean-up-first"}).body["id"]
    assert lab.ended(run)["state"] == "succeeded"
    assert lab.ended(drill)["state"] == "aborted"
    verbs = [verb for verb, item in lab.verbs() if item in {"dc-01", "sql-01"}]
    assert verbs.index("testFailoverCleanup") < verbs.index("plannedFailover")
    assert {owed["kind"] for owed in lab.api("GET", "obligations?plan=small").body["value"]} == {"commit", "reprotect"}
