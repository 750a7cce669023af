"""The way home over HTTP: what keeps a failback closed, and what it does."""

from typing import Any

from tests.product.conftest import Lab

SMALL = {"site": "hci-01", "items": [{"vm": "dc-01"}, {"vm": "web-01", "after": ["dc-01"]}], "commit": "automatic"}
NODES = ("hci-01-n1", "hci-01-n2", "hci-01-n3")


def owed_for(lab: Lab) -> dict[str, dict[str, Any]]:
    return {owed["kind"]: owed for owed in lab.api("GET", "obligations?plan=small").body["value"]}


def world(lab: Lab, **parts: Any) -> None:
    lab.azure("PUT", "world", parts)


def test_a_source_that_comes_back_running_keeps_the_failback_closed_until_it_is_proven_off(lab: Lab) -> None:
    """The site is lost and comes back with its old machines on: nothing is switched by itself, all is told."""
    lab.api("PUT", "plans/small", SMALL)
    world(lab, nodes={node: {"connected": False} for node in NODES})
    over = lab.api("POST", "plans/small/failover", {"type": "unplanned", "shutDownSource": False}).body["id"]
    assert lab.ended(over)["state"] == "succeeded"
    world(lab, nodes={node: {"connected": True} for node in NODES})
    lab.eventually(lambda: bool(owed_for(lab)["source-off"]["leftovers"]))
    lab.eventually(lambda: "web-01: Running on hci-01-n3" in owed_for(lab)["source-off"]["leftovers"])
    assert "Stop-VM" in owed_for(lab)["source-off"]["detail"]
    refused = lab.api("POST", "plans/small/failback", {})
    assert (refused.status, "web-01: Running on hci-01-n3" in refused.body["detail"]) == (409, True)
    powers = {vm["name"]: vm["power"] for vm in lab.azure("GET", "state")["sourceVms"]}
    assert (powers["dc-01"], powers["web-01"]) == ("On", "On")
    world(lab, sources={vm: {"power": "Off"} for vm in ("dc-01", "web-01")})
    lab.eventually(lambda: "source-off" not in owed_for(lab))
    back = lab.ended(lab.api("POST", "plans/small/failback", {}).body["id"])
    assert back["state"] == "succeeded", back
    assert owed_for(lab).keys() == {"reprotect"}
