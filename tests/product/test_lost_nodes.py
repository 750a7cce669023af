"""A node that never comes back does not keep a failback closed for ever: over HTTP, on the simulated Azure."""

import json
from datetime import timedelta
from typing import Any

from pydantic import TypeAdapter

from tests.failures import failure_texts
from tests.product.conftest import Lab, Reply
from tests.product.test_homecoming import NODES, owed_for, world
from tests.product.test_override import pack_of

PLAN = {"site": "hci-01", "items": [{"vm": "dc-01"}, {"vm": "web-01", "after": ["dc-01"]}], "commit": "automatic"}
WHY = "the host that had them last is lost"
LOST = "sites/hci-01/nodes/hci-01-n1/lost"


def lose_site(lab: Lab, *left: str) -> None:
    """The site is lost, its VMs are failed over, and all nodes come back but these; the VMs are off on n3."""
    assert lab.api("PUT", "plans/small", PLAN).status == 201
    world(lab, nodes={node: {"connected": False} for node in NODES})
    lab.azure("POST", "clock", {"advance": "PT40M"})
    body = {"type": "unplanned", "shutDownSource": False, "override": "the site is lost"}
    expected = lab.api("POST", "plans/small/failover?preview=true", body).body["items"]
    over = lab.api("POST", "plans/small/failover", body).body["id"]
    shown = lab.ended(over)
    assert shown["state"] == "succeeded"
    compare_losses(lab, expected, shown)
    sources = {vm: {"power": "Off", "node": "hci-01-n3"} for vm in ("dc-01", "web-01")}
    world(lab, sources=sources, nodes={node: {"connected": True} for node in NODES if node not in left})


def compare_losses(lab: Lab, expected: list[dict[str, Any]], shown: dict[str, Any]) -> None:
    """Preview, run and evidence count to the same moment, and the forty minutes until the failover are not lost."""
    for before, after in zip(expected, shown["achieved"]["machines"], strict=True):
        assert before["lossCountedFrom"] == after["lossCountedFrom"] == "lastHeartbeat"
        assert before["lossCountedTo"] == after["lossCountedTo"]
        losses = [TypeAdapter(timedelta).validate_python(one) for one in (before["dataLoss"], after["rpo"])]
        assert abs(losses[0] - losses[1]) <= timedelta(seconds=1)  # the vault measures in whole seconds
        assert max(losses) <= timedelta(minutes=5)
    [name] = [name for name in pack_of(lab, shown["id"]).namelist() if name.endswith("-outcome.json")]
    assert json.loads(pack_of(lab, shown["id"]).read(name))["body"]["achieved"] == shown["achieved"]


def declare(lab: Lab) -> Reply:
    """A person's word, as the answers themselves ask for it."""
    refused = lab.api("POST", LOST, {"reason": "its board is scrap"})
    assert (refused.status, refused.body["errors"][0]["field"]) == (400, "confirm")
    sentence = lab.api("POST", f"{LOST}?preview=true", {}).body["confirm"]
    return lab.api("POST", LOST, {"reason": "its board is scrap", "confirm": sentence})


def failback(lab: Lab, **body: Any) -> dict[str, Any]:
    reply = lab.api("POST", "plans/small/failback", {"override": WHY, **body})
    assert reply.status == 202, reply.body
    return lab.ended(reply.body["id"])


def test_vms_that_are_off_on_nodes_that_answer_come_home_although_a_node_never_answers(lab: Lab) -> None:
    lose_site(lab, "hci-01-n1")
    lab.eventually(lambda: "source-off" not in owed_for(lab))
    back = failback(lab)
    assert back["state"] == "succeeded", failure_texts(back)


def test_what_only_a_lost_node_could_say_a_person_says_and_the_run_keeps_it(lab: Lab) -> None:
    lose_site(lab, "hci-01-n1")
    world(lab, sources={"web-01": {"present": False}})
    lab.azure("POST", "clock", {"advance": "P30D"})
    lab.eventually(
        lambda: "web-01: seen on no node that has answered" in str(owed_for(lab).get("source-off", {}).get("leftovers"))
    )
    refused = lab.api("POST", "plans/small/failback", {"createVm": True, "override": WHY})
    assert (refused.status, "/lost" in refused.body["detail"]) == (409, True)
    blockers = lab.api("POST", "plans/small/failback?preview=true", {}).body["blockers"]
    assert any("/lost" in one["detail"] for one in blockers if one["code"] == "source-not-proven-off")
    assert declare(lab).status == 201
    assert declare(lab).status == 200
    shown = {one["node"]: one["lost"] for one in lab.api("GET", "sites/hci-01/nodes").body["value"]}
    assert shown["hci-01-n1"]["reason"] == "its board is scrap"
    lab.eventually(lambda: "source-off" not in owed_for(lab))
    back = failback(lab, createVm=True, host="hci-01-n3")
    assert back["state"] == "succeeded", failure_texts(back)
    assert [text for text in back["limitations"] if "declared lost" in text and "its board is scrap" in text]


def test_a_node_that_is_connected_is_not_lost_and_a_word_can_be_withdrawn(lab: Lab) -> None:
    connected = lab.api("POST", LOST, {"reason": "x"})
    assert (connected.status, connected.body["code"]) == (409, "node-answers")
    world(lab, nodes={"hci-01-n1": {"connected": False}})
    lab.azure("POST", "clock", {"advance": "PT40M"})
    assert declare(lab).status == 201
    assert lab.api("DELETE", LOST).status == 200
    assert lab.api("DELETE", LOST).status == 404
