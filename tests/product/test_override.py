"""A plan that is not ready is failed over only by who says why, and what they said is kept."""

import io
import json
import zipfile
from typing import Any
from urllib.request import Request, urlopen

import pytest

from lab.host.sign_in import PEOPLE
from lab.http_calls import OPERATOR
from tests.product.conftest import Lab

DRILL = (
    "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg-dr-net"
    "/providers/Microsoft.Network/virtualNetworks/vnet-drill"
)
SMALL: dict[str, Any] = {"site": "hci-01", "items": [{"vm": "dc-01"}, {"vm": "app-02"}], "commit": "automatic"}
PROVEN = {**SMALL, "drill": {"network": DRILL, "validFor": "P30D"}}
EVE = next(person for person in PEOPLE if person.token in OPERATOR["Authorization"])
WHY = "the building is on fire"


def pack_of(lab: Lab, run: str) -> zipfile.ZipFile:
    """A run's evidence."""
    url = f"{lab.servers.host.base}/api/operations/{run}/evidence?format=zip"
    with urlopen(Request(url, headers=OPERATOR), timeout=30) as answer:  # noqa: S310 - ours
        return zipfile.ZipFile(io.BytesIO(answer.read()))


def requested(lab: Lab, run: str) -> Any:
    """The record of the request in the evidence."""
    pack = pack_of(lab, run)
    [name] = [name for name in pack.namelist() if name.endswith("-request.json")]
    return json.loads(pack.read(name))["body"]


def test_an_unready_plan_is_409_until_somebody_says_why_and_their_word_is_kept(lab: Lab) -> None:
    lab.api("PUT", "plans/small", PROVEN)
    refused = lab.api("POST", "plans/small/failover", {"type": "unplanned"})
    assert (refused.status, refused.body["title"]) == (409, "Not ready")
    unproven = {"vm": "", "code": "never-verified", "detail": "no drill of this plan has succeeded yet"}
    assert refused.body["errors"] == [{"field": "plan", **unproven}]
    assert '"override"' in refused.body["detail"]
    assert (lab.verbs(), lab.api("GET", "operations").body) == ([], {"value": []})
    key = {"Idempotency-Key": "fire"}
    run = lab.api("POST", "plans/small/failover", {"type": "unplanned", "override": WHY}, key).body["id"]
    again = lab.api("POST", "plans/small/failover", {"type": "unplanned", "override": WHY}, key)
    assert (again.status, again.body["id"]) == (202, run)
    other = lab.api("POST", "plans/small/failover", {"type": "unplanned"}, key)
    assert (other.status, other.body["code"]) == (422, "idempotency-key-reused")
    shown = lab.ended(run)
    said = {"reason": WHY, "personName": "eve", "personId": EVE.object_id, "wasNeeded": True, "concerns": [unproven]}
    assert (shown["state"], shown["override"]) == ("succeeded", said)
    kept = {"reason": WHY, "person_name": "eve", "person_id": EVE.object_id, "was_needed": True}
    assert requested(lab, run)["override"].items() >= kept.items()
    page = lab.api("GET", f"operations/{run}/report").body
    assert WHY in page
    assert unproven["detail"] in page


def test_a_good_drill_of_the_plan_makes_it_ready_and_past_runs_say_how_long_it_takes(lab: Lab) -> None:
    lab.api("PUT", "plans/small", PROVEN)
    before = lab.api("POST", "plans/small/drill?preview=true", {}).body
    assert (before["expectedDurationSource"], before["forecast"]) == ("recorded-medians", None)
    assert lab.ended(lab.api("POST", "plans/small/drill", {}).body["id"])["state"] == "succeeded"
    after = lab.api("POST", "plans/small/drill?preview=true", {}).body
    assert (after["expectedDurationSource"], after["forecast"]["basedOnRuns"]) == ("past-runs", 1)
    assert after["previewDigest"] == before["previewDigest"]
    seen = lab.api("GET", "plans/small/readiness").body
    assert (seen["lastDrill"]["status"], seen["verbs"]["planned-failover"]["ready"]) == ("verified", True)
    assert seen["lastDrill"]["validUntil"] > seen["readAt"]
    assert lab.ended(lab.api("POST", "plans/small/failover", {}).body["id"])["state"] == "succeeded"


def test_an_override_that_was_not_needed_says_so(lab: Lab) -> None:
    lab.api("PUT", "plans/small", SMALL)
    run = lab.api("POST", "plans/small/failover", {"override": WHY}).body["id"]
    shown = lab.ended(run)
    assert (shown["override"]["wasNeeded"], shown["override"]["concerns"]) == (False, [])
    assert "nothing stood in the way" in lab.api("GET", f"operations/{run}/report").body


@pytest.mark.parametrize("override", ["", "   ", "x" * 501, 7])
def test_a_reason_is_a_text_of_some_length(lab: Lab, override: Any) -> None:
    reply = lab.api("POST", "plans/payroll/failover", {"override": override})
    assert (reply.status, reply.body["errors"][0]["field"]) == (400, "override")


def test_a_host_that_is_lost_stands_in_the_way_of_a_planned_failover_and_each_machine_is_named(lab: Lab) -> None:
    """Its items and its providers are read one after the other, so that one look may show the loss in half."""
    lab.api("PUT", "plans/small", SMALL)
    lab.api("DELETE", "plans/payroll")  # whose drill may be due just then
    rule = {"match": {"path": "*replicationProtectedItems"}, "effect": {"disconnect": "hci-01-n3"}}
    lab.azure("PUT", "faults", [rule])
    verbs: dict[str, Any] = {}

    def shows_the_loss() -> bool:
        verbs.update(lab.api("GET", "plans/small/readiness").body["verbs"])
        return len(verbs["planned-failover"]["concerns"]) > 1

    lab.eventually(shows_the_loss)
    assert not verbs["planned-failover"]["ready"]
    concerns = [(one["vm"], one["code"]) for one in verbs["planned-failover"]["concerns"]]
    assert concerns == [("app-02", "replication-critical"), ("app-02", "host-not-connected")]
    refused = lab.api("POST", "plans/small/failover", {})
    assert (refused.status, {one["field"] for one in refused.body["errors"]}) == (409, {"items[app-02]"})
    told = lab.api("POST", "plans/small/failover?preview=true", {"type": "unplanned"}).body
    assert ("app-02", "host-not-connected") in [(one["vm"], one["code"]) for one in told["warnings"]]
    assert lab.verbs() == []


def test_what_is_refused_stays_refused_whatever_the_reason(lab: Lab) -> None:
    reply = lab.api("POST", "plans/payroll/failback", {"override": WHY})
    assert (reply.status, reply.body["title"]) == (409, "Not ready")
    assert lab.verbs() == []
