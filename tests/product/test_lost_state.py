"""The app loses all that its engine kept, in the middle of anything: one look finds what is owed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.host.host import DATABASE
from tests.failures import failure_texts
from tests.product.conftest import Lab
from tests.product.test_homecoming import world
from tests.product.test_yielding import DRILL

ITEMS = [{"vm": "dc-01"}, {"vm": "web-01", "after": ["dc-01"]}]
PLAN: dict[str, Any] = {"site": "hci-01", "items": ITEMS, "drill": {"network": DRILL, "soak": "PT2H"}}
BOTH = {"dc-01", "web-01"}


def begin(lab: Lab, verb: str, **body: Any) -> str:
    if verb == "commit":
        body["confirm"] = lab.api("POST", "plans/small/commit?preview=true", {}).body["confirm"]
    reply = lab.api("POST", f"plans/small/{verb}", body)
    assert reply.status == 202, reply.body
    run: str = reply.body["id"]
    return run


def do(lab: Lab, verb: str, **body: Any) -> None:
    ended = lab.ended(begin(lab, verb, **body))
    assert ended["state"] == "succeeded", failure_texts(ended)


def in_a_drill(lab: Lab) -> dict[str, set[str]]:
    begin(lab, "drill")
    lab.eventually(lambda: [verb for verb, _ in lab.verbs()].count("testFailover") == 2)
    return {"cleanup": BOTH}


def failed_over(lab: Lab) -> dict[str, set[str]]:
    """One of the sources is turned on again: it runs twice."""
    do(lab, "failover")
    world(lab, sources={"web-01": {"power": "On"}})
    return {"commit": BOTH, "reprotect": BOTH, "source-off": BOTH}


def committed(lab: Lab) -> dict[str, set[str]]:
    do(lab, "failover")
    do(lab, "commit")
    return {"reprotect": BOTH}


def failed_back(lab: Lab) -> dict[str, set[str]]:
    do(lab, "failover")
    do(lab, "commit")
    do(lab, "failback")
    return {"commit": BOTH, "reprotect": BOTH}


def in_a_failover(lab: Lab) -> dict[str, set[str]]:
    """Its first job is under way: nobody waits for it any more, and its machine is in Azure in the end."""
    begin(lab, "failover")
    lab.eventually(lambda: ("plannedFailover", "dc-01") in lab.verbs())
    return {"commit": {"dc-01"}, "reprotect": {"dc-01"}}


def lose_state(lab: Lab) -> None:
    """The storage of the engine is empty, and the documents are declared anew, as out of a repository."""
    site = lab.document("sites/hci-01")
    host = lab.servers.host
    host.kill()
    for file in Path(host.log).parent.glob(f"{DATABASE}*"):
        file.unlink()
    host.start()
    host.await_healthy()
    assert lab.api("PUT", "sites/hci-01", site).status == 201
    assert lab.api("PUT", "plans/small", PLAN).status == 201


def sent_to_items(lab: Lab) -> list[tuple[str, str]]:
    return [(verb, item) for verb, item in lab.verbs() if item in BOTH]


def listed(lab: Lab) -> list[dict[str, Any]]:
    obligations: list[dict[str, Any]] = lab.api("GET", "obligations").body["value"]
    return obligations


def owed(lab: Lab) -> dict[str, set[str]]:
    kept: dict[str, set[str]] = {}
    for one in listed(lab):
        kept.setdefault(one["kind"], set()).update(one["vms"])
    return kept


@pytest.mark.parametrize("reach", [in_a_drill, in_a_failover, failed_over, committed, failed_back])
def test_what_is_owed_is_found_after_the_state_was_lost(lab: Lab, reach: Callable[[Lab], dict[str, set[str]]]) -> None:
    lab.api("DELETE", "plans/payroll")  # its drill of every morning would hold the same VMs
    assert lab.api("PUT", "plans/small", PLAN).status == 201
    expected = reach(lab)
    sent = sent_to_items(lab)
    lose_state(lab)
    lab.eventually(lambda: owed(lab) == expected)
    found = lab.api("GET", "obligations?plan=small").body["value"]
    assert {(one["owner"], one["site"]) for one in found} == {("", "hci-01")}
    assert all(one["remedy"] for one in found)
    assert sent_to_items(lab) == sent, "looking sends nothing"


def test_after_the_loss_the_plan_is_brought_home_and_nothing_stays_owed(lab: Lab) -> None:
    lab.api("DELETE", "plans/payroll")
    assert lab.api("PUT", "plans/small", PLAN).status == 201
    failed_over(lab)
    lose_state(lab)
    lab.eventually(lambda: any("web-01: Running" in line for one in listed(lab) for line in one["leftovers"]))
    world(lab, sources={"web-01": {"power": "Off"}})
    lab.eventually(lambda: "source-off" not in owed(lab))
    for verb in ("commit", "failback", "commit", "reprotect"):
        do(lab, verb)
    assert owed(lab) == {}


def test_after_the_loss_in_a_drill_a_failover_has_it_cleaned_up_first(lab: Lab) -> None:
    lab.api("DELETE", "plans/payroll")
    assert lab.api("PUT", "plans/small", PLAN).status == 201
    in_a_drill(lab)
    lose_state(lab)
    lab.eventually(lambda: owed(lab) == {"cleanup": BOTH})
    assert lab.api("POST", "plans/small/failover", {}).status == 409
    do(lab, "failover", drill="clean-up-first")
    assert owed(lab) == {"commit": BOTH, "reprotect": BOTH}


def test_a_person_settles_what_only_they_can_know(lab: Lab) -> None:
    lab.api("DELETE", "plans/payroll")
    assert lab.api("PUT", "plans/small", PLAN).status == 201
    do(lab, "failover")
    (one,) = [one for one in lab.api("GET", "obligations").body["value"] if one["kind"] == "commit"]
    place = f"obligations/{one['id']}/settle"
    asked = {"reason": "web-01 is retired", "vms": ["WEB-01"]}
    assert lab.api("POST", place, {"vms": ["web-01"]}).body["errors"][0]["field"] == "reason"
    assert lab.api("POST", place, {**asked, "vms": ["sql-01"]}).body["errors"][0]["field"] == "vms[0]"
    assert lab.api("POST", place, asked).body["errors"][0]["field"] == "confirm"
    sentence = lab.api("POST", f"{place}?preview=true", asked).body["confirm"]
    assert owed(lab)["commit"] == BOTH, "a preview settles nothing"
    assert lab.api("POST", place, {**asked, "confirm": sentence}).status == 200
    assert owed(lab)["commit"] == {"dc-01"}
    assert lab.api("POST", place, {**asked, "confirm": sentence}).status == 400, "it does not owe it any more"
    assert lab.api("POST", "obligations/commit:nobody:hci-01/settle", asked).status == 404
    (kept,) = lab.api("GET", "obligations?settled=true").body["value"]
    assert (kept["settled"]["reason"], kept["vms"]) == ("web-01 is retired", ["web-01"])
    lab.azure("POST", "clock", {"advance": "PT20M"})
    lab.azure("POST", "clock", {"advance": "PT20M"})
    assert owed(lab)["commit"] == {"dc-01"}
