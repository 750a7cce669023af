"""Two plans that share a VM: one of them at a time, and whoever comes second hears which run it is."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.product.conftest import Lab, Reply

DRILL = (
    "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg-dr-net"
    "/providers/Microsoft.Network/virtualNetworks/vnet-drill"
)
SHARED = "sql-01"
BY_HAND = {"name": "look", "kind": "manual", "instructions": "Look at it first.", "deadline": "PT1H"}


def declare(lab: Lab, name: str, vm: str, **drill: Any) -> None:
    """A plan of this VM and of the one that both have."""
    items = [{"vm": SHARED}, {"vm": vm, "after": [SHARED]}]
    body = {"site": "hci-01", "items": items, "drill": {"network": DRILL, **drill}}
    reply = lab.api("PUT", f"plans/{name}", body)
    assert reply.status in {200, 201}, reply.body


@pytest.fixture
def both(lab: Lab) -> Lab:
    declare(lab, "shop", "web-01")
    declare(lab, "erp", "app-01")
    return lab


def sent(lab: Lab) -> set[tuple[str, str]]:
    return set(lab.verbs())


@pytest.mark.parametrize("verb", ["failover", "drill"])
def test_the_second_plan_is_refused_with_the_run_that_holds_the_vm(both: Lab, verb: str) -> None:
    run = both.api("POST", "plans/shop/failover", {}).body["id"]
    refused = both.api("POST", f"plans/erp/{verb}", {})
    assert (refused.status, refused.body["heldBy"], refused.body["statusUrl"]) == (
        409,
        run,
        f"/api/operations/{run}",
    )
    assert both.ended(run)["state"] == "succeeded"
    assert sent(both) == {("plannedFailover", SHARED), ("plannedFailover", "web-01")}
    assert both.api("GET", "operations?plan=erp").body["value"] == []
    assert {one["plan"] for one in both.api("GET", "obligations?plan=erp").body["value"]} == {"shop"}


def test_of_two_requests_at_once_one_begins_and_the_other_is_told_of_it(both: Lab) -> None:
    def ask(plan: str) -> Reply:
        return both.api("POST", f"plans/{plan}/failover", {})

    with ThreadPoolExecutor() as pool:
        answers = dict(zip(("shop", "erp"), pool.map(ask, ("shop", "erp")), strict=True))
    assert sorted(answer.status for answer in answers.values()) == [202, 409]
    begun = next(answer.body["id"] for answer in answers.values() if answer.status == 202)
    assert [answer.body["heldBy"] for answer in answers.values() if answer.status == 409] == [begun]
    assert both.ended(begun)["state"] == "succeeded"
    other = "app-01" if begun.startswith("failover-shop") else "web-01"
    assert {vm for _, vm in sent(both)} == {SHARED, "web-01", "app-01"} - {other}
    assert len(both.verbs()) == len(sent(both))


def test_a_drill_of_one_plan_is_cleaned_up_before_the_failover_of_the_other(both: Lab) -> None:
    declare(both, "shop", "web-01", soak="PT2H")
    drill = both.api("POST", "plans/shop/drill", {}).body["id"]
    both.eventually(lambda: ("testFailover", SHARED) in both.verbs())
    refused = both.api("POST", "plans/erp/failover", {})
    assert (refused.status, refused.body["heldBy"]) == (409, drill)
    run = both.api("POST", "plans/erp/failover", {"drill": "clean-up-first"}).body["id"]
    assert both.ended(run)["state"] == "succeeded"
    assert both.ended(drill)["state"] == "aborted"
    verbs = [verb for verb, vm in both.verbs() if vm == SHARED]
    assert verbs == ["testFailover", "testFailoverCleanup", "plannedFailover"]
    owed = both.api("GET", "obligations?plan=shop").body["value"]
    assert {(one["plan"], one["kind"]) for one in owed} == {("erp", "commit"), ("erp", "reprotect")}


def test_a_drill_of_one_plan_that_has_begun_nothing_is_left_by_the_failover_of_the_other(both: Lab) -> None:
    declare(both, "shop", "web-01", hooks={"before": [BY_HAND]})
    drill = both.api("POST", "plans/shop/drill", {}).body["id"]
    both.waiting(drill)
    run = both.api("POST", "plans/erp/failover", {"drill": "leave"}).body["id"]
    assert both.ended(run)["state"] == "succeeded"
    assert both.ended(drill)["state"] == "aborted"
    assert sent(both) == {("plannedFailover", SHARED), ("plannedFailover", "app-01")}
