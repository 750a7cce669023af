"""Looking never acts: a preview, and a request that is refused, leave Azure and the app as they were."""

from typing import Any

import pytest

from tests.people import signed_in
from tests.product.conftest import Lab

SITE = "sites/hci-01"
VM = "web-02"


def everything(lab: Lab) -> tuple[Any, ...]:
    """All that a request could change: what Azure was asked for, what runs there were, what is on hold and is owed."""
    runs = lab.api("GET", "operations?top=500").body["value"]
    kept = [lab.api("GET", path).body for path in ("hold", "obligations", "sites", "plans")]
    return lab.azure("GET", "ledger"), sorted(run["id"] for run in runs), kept


LOOKS: tuple[tuple[str, Any], ...] = (
    (f"{SITE}/prepare", {}),
    (f"{SITE}/preflight", {}),
    (f"{SITE}/verify", {}),
    (f"{SITE}/replication", {}),
    (f"{SITE}/replication", {"action": "update", "vms": [VM], "settings": {"size": "Standard_B2s"}}),
    (f"{SITE}/replication", {"action": "resynchronise", "vms": [VM]}),
    (f"{SITE}/replication", {"action": "disable", "vms": [VM]}),
    (f"{SITE}/hold", {"reason": "change freeze"}),
    ("hold", {"reason": "change freeze"}),
    (f"{SITE}/nodes/hci-01-n1/repair", {}),
    (f"{SITE}/nodes/hci-01-n1/lost", {}),
    ("plans/payroll/recovery-plans", {"action": "save"}),
    ("plans/payroll/recovery-plans", {"action": "remove"}),
    *((f"plans/payroll/{verb}", {}) for verb in ("drill", "failover", "commit", "cancel", "failback", "roundtrip")),
)


def test_a_preview_of_whatever_can_be_asked_for_changes_nothing(lab: Lab) -> None:
    before = everything(lab)
    for path, body in LOOKS:
        reply = lab.api("POST", f"{path}?preview=true", body)
        assert reply.status == 200, (path, reply.body)
    assert everything(lab) == before


@pytest.mark.parametrize("query", ["Preview=true", "prevew=true", "dryRun=true", "preview", "preview=1"])
def test_a_preview_that_is_misspelt_changes_nothing(lab: Lab, query: str) -> None:
    before = everything(lab)
    for path, body in LOOKS:
        reply = lab.api("POST", f"{path}?{query}", body)
        assert (reply.status, reply.body["errors"][0]["field"]) == (400, query.partition("=")[0]), (path, reply.body)
    assert everything(lab) == before


def test_what_is_deleted_has_to_be_confirmed_word_for_word(lab: Lab) -> None:
    ask = {"action": "disable", "vms": [VM.upper()]}
    preview = lab.api("POST", f"{SITE}/replication?preview=true", ask).body
    assert [(item["vm"], item["outcome"]) for item in preview["items"]] == [(VM, "changed")]
    assert VM in preview["confirm"]
    before = everything(lab)
    for confirm in ({}, {"confirm": "yes"}, {"confirm": preview["confirm"].lower()}):
        refused = lab.api("POST", f"{SITE}/replication", ask | confirm)
        assert (refused.status, refused.body["errors"][0]["field"]) == (400, "confirm")
        assert preview["confirm"] in refused.body["detail"]
    assert everything(lab) == before
    run = lab.api("POST", f"{SITE}/replication", ask | {"confirm": preview["confirm"]}).body["id"]
    assert lab.ended(run)["state"] == "succeeded"
    again = lab.api("POST", f"{SITE}/replication?preview=true", ask).body
    assert (again["items"][0]["outcome"], again["confirm"]) == ("kept", "")


def test_a_preparation_does_what_its_preview_has_said(lab: Lab) -> None:
    expected = {one["id"]: one["outcome"] for one in lab.api("POST", f"{SITE}/prepare?preview=true", {}).body["steps"]}
    made = lab.ended(lab.api("POST", f"{SITE}/prepare", {}).body["id"])["steps"]
    assert {one["id"]: one["state"] for one in made if one["id"] != "registration"} == {
        step: {"create": "created", "keep": "kept"}[outcome]
        for step, outcome in expected.items()
        if step not in {"registration", "drill-network"}
    }
    again = lab.api("POST", f"{SITE}/prepare?preview=true", {}).body["steps"]
    assert {one["outcome"] for one in again if one["id"] != "drill-network"} == {"keep"}


def test_a_key_that_was_used_starts_nothing_else_also_when_its_run_has_ended(lab: Lab) -> None:
    """A preparation goes through several generations, and a replication of all VMs through more than one tick."""
    paths: tuple[tuple[str, dict[str, Any]], ...] = ((f"{SITE}/prepare", {}), (f"{SITE}/replication", {"vms": [VM]}))
    keys = {path: {"Idempotency-Key": f"monday {path}"} for path, _ in paths}
    ended = {lab.api("POST", path, body, keys[path]).body["id"]: (path, body) for path, body in paths}
    for run in ended:
        assert lab.ended(run)["state"] == "succeeded"
    before = everything(lab)
    for run, (path, body) in ended.items():
        again = lab.api("POST", path, body, keys[path])
        assert (again.status, again.body["id"], again.body["admission"]) == (202, run, "ended")
        other = lab.api("POST", path, body, keys[path] | signed_in("bob", "Dr.Read", "Dr.Admin"))
        assert (other.status, other.body["code"], other.body["operation"]) == (422, "idempotency-key-reused", run)
    other = lab.api("POST", f"{SITE}/replication", {"action": "resynchronise", "vms": [VM]}, keys[path])
    assert (other.status, other.body["code"]) == (422, "idempotency-key-reused")
    assert everything(lab) == before


def test_a_commit_that_deletes_recovery_points_repeats_what_it_deletes(lab: Lab) -> None:
    lab.api("DELETE", "plans/payroll")
    lab.api("PUT", "plans/small", {"site": "hci-01", "items": [{"vm": VM}], "commit": "manual"})
    assert lab.ended(lab.api("POST", "plans/small/failover", {}).body["id"])["state"] == "succeeded"
    before = everything(lab)
    for body in ({}, {"confirm": "Commit"}):
        refused = lab.api("POST", "plans/small/commit", body)
        assert (refused.status, refused.body["errors"][0]["field"]) == (400, "confirm"), refused.body
    sentence = lab.api("POST", "plans/small/commit?preview=true", {}).body["confirm"]
    assert (VM in sentence, everything(lab)) == (True, before)
    run = lab.api("POST", "plans/small/commit", {"confirm": sentence}).body["id"]
    assert lab.ended(run)["state"] == "succeeded"
