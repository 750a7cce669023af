"""A drill makes way for a real failover, as the caller says."""

from collections.abc import Callable

import pytest

from tests.people import signed_in
from tests.product.conftest import Lab, send

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
    assert lab.api("POST", "plans/small/failover", {}).body["heldBy"] == drill
    left = lab.api("POST", "plans/small/failover", {"drill": "leave"})
    assert (left.status, left.body["title"]) == (409, "Not ready")
    run = lab.api("POST", "plans/small/failover", {"drill": "clean-up-first"}).body["id"]
    assert lab.ended(run)["state"] == "succeeded"
    assert lab.ended(drill)["state"] == "aborted"
    verbs = [verb for verb, item in lab.verbs() if item in {"dc-01", "sql-01"}]
    assert verbs.index("testFailoverCleanup") < verbs.index("plannedFailover")
    assert {owed["kind"] for owed in lab.api("GET", "obligations?plan=small").body["value"]} == {"commit", "reprotect"}


def waiting_by_hand(lab: Lab) -> str:
    """A drill that a person has to let begin: it holds the VMs, and no test failover was sent."""
    by_hand = {"name": "look", "kind": "manual", "instructions": "Look at it first.", "deadline": "PT1H"}
    lab.api("PUT", "plans/small", {**SMALL, "drill": {"network": DRILL, "hooks": {"before": [by_hand]}}})
    drill: str = lab.api("POST", "plans/small/drill", {}).body["id"]
    assert lab.waiting(drill)["waitingFor"]
    return drill


def waiting_for_approval(lab: Lab) -> str:
    lab.api("PUT", "plans/small", {**SMALL, "approvals": {"count": 1, "verbs": ["drill"]}})
    drill: str = lab.api("POST", "plans/small/drill", {}, signed_in("ann", "Dr.Drill")).body["id"]
    assert lab.waiting(drill)["waitingFor"]["kind"] == "approval"
    return drill


@pytest.mark.parametrize("drilled", [waiting_by_hand, waiting_for_approval])
def test_a_drill_that_has_begun_nothing_is_left_where_it_is_and_leaves_nothing(
    lab: Lab, drilled: Callable[[Lab], str]
) -> None:
    drill = drilled(lab)
    run = lab.api("POST", "plans/small/failover", {"drill": "leave"}).body["id"]
    assert lab.ended(run)["state"] == "succeeded"
    assert lab.ended(drill)["state"] == "aborted"
    mine = [verb for verb, item in lab.verbs() if item in {"dc-01", "sql-01"}]
    assert mine == ["plannedFailover"] * 2
    owed = {"commit", "reprotect"}
    lab.eventually(lambda: {one["kind"] for one in lab.api("GET", "obligations?plan=small").body["value"]} == owed)


def killed(lab: Lab) -> str:
    """A drill whose run was terminated while its machines are up; the timer sees to it sooner or later."""
    lab.api("PUT", "plans/small", SMALL)
    drill: str = lab.api("POST", "plans/small/drill", {}).body["id"]
    lab.eventually(lambda: [verb for verb, _ in lab.verbs()].count("testFailover") == 2)
    send(lab.servers.host.base, "POST", f"/runtime/webhooks/durabletask/instances/{drill}/terminate", "")
    return drill


def test_a_drill_whose_run_is_dead_is_cleaned_up_before_the_failover_that_asks_for_it(lab: Lab) -> None:
    """Whether the timer has begun the cleanup already or not."""
    killed(lab)
    left = lab.api("POST", "plans/small/failover", {"drill": "leave"})
    assert (left.status, left.body["title"]) == (409, "Not ready")
    answer = lab.api("POST", "plans/small/failover", {"drill": "clean-up-first"})
    assert answer.status == 202, answer.body
    assert lab.ended(answer.body["id"])["state"] == "succeeded"
    verbs = [verb for verb, item in lab.verbs() if item in {"dc-01", "sql-01"}]
    assert verbs.count("testFailoverCleanup") == 2
    assert max(n for n, verb in enumerate(verbs) if verb == "testFailoverCleanup") < verbs.index("plannedFailover")
    owed = {"commit", "reprotect"}
    lab.eventually(lambda: {one["kind"] for one in lab.api("GET", "obligations?plan=small").body["value"]} == owed)
