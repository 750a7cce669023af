"""What the engine still keeps, long after what it was about has gone."""

from tests.product.conftest import Lab, send

ENTITIES = "/runtime/webhooks/durabletask/entities"
SHORT = {"site": "hci-01", "items": [{"vm": "web-01"}]}


def entities_of(lab: Lab, plan: str) -> list[str]:
    """Names of the entities that keep something of a plan, or did."""
    listed = send(lab.servers.host.base, "GET", f"{ENTITIES}?top=1000").body
    return [one["entityId"]["name"] for one in listed if one["entityId"]["key"].removeprefix("plan:") == plan]


def test_a_plan_that_was_withdrawn_leaves_nothing_after_some_days(lab: Lab) -> None:
    assert lab.api("PUT", "plans/passing", SHORT).status == 201
    assert lab.api("DELETE", "plans/passing").status == 200
    assert entities_of(lab, "passing") == ["documents"]
    lab.azure("POST", "clock", {"advance": "P3D"})
    lab.eventually(lambda: entities_of(lab, "passing") == [])
    again = lab.api("PUT", "plans/passing", SHORT)
    assert (again.status, again.headers["ETag"].startswith('"1-')) == (201, True)
