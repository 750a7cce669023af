"""Healing over HTTP: from events, by hand and by the timer, on a simulated Azure as strict as the real one."""

import random
import time
from typing import Any

import pytest

from tests.failures import failure_texts
from tests.product.conftest import Lab, Reply, send
from tests.product.test_drills import arm

WEBHOOK = "/runtime/webhooks/eventgrid?functionName=on_azure_event"
FAILED = "Microsoft.Resources.ResourceWriteFailure"
HYBRID = "2026-07-15"
SUB = "/subscriptions/11111111-1111-1111-1111-111111111111"
MACHINES = f"{SUB}/resourceGroups/rg-hci-arc/providers/Microsoft.HybridCompute/machines"
CLUSTER = f"{SUB}/resourceGroups/RG-HCI/providers/Microsoft.AzureStackHCI/clusters/HCI-01"


def event(subject: str, number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"event-{number}",
        "topic": SUB,
        "subject": subject,
        "eventType": FAILED,
        "eventTime": "2100-01-01T00:00:00Z",
        "data": {"correlationId": "b96dc54c-03d2-559f-9bcb-313643564c0e"},
        "dataVersion": "2",
        **changes,
    }


def deliver(lab: Lab, *events: Any, kind: str = "Notification") -> Reply:
    return send(lab.servers.host.base, "POST", WEBHOOK, list(events), {"aeg-event-type": kind})


def repairs(lab: Lab) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lab.api("GET", "operations?kind=repair&top=500").body["value"]
    return found


def begun(lab: Lab, count: int = 1, patience: float = 30) -> list[str]:
    deadline = time.monotonic() + patience
    while len(found := repairs(lab)) < count:
        assert time.monotonic() < deadline, "no repair was started"
        time.sleep(0.05)
    return [run["id"] for run in found]


def node(lab: Lab, name: str) -> dict[str, Any]:
    shown = lab.api("GET", "sites/hci-01/nodes").body["value"]
    return next(one for one in shown if one["node"] == name)


def counts(lab: Lab) -> dict[str, int]:
    found: dict[str, int] = lab.api("GET", "health").body["events"]
    return found


def test_a_failure_that_azure_tells_of_is_healed_to_the_top_of_the_proof(lab: Lab) -> None:
    lab.azure("POST", "events", {"emit": "extension-failure", "node": "hci-01-n2"})
    shown = lab.ended(begun(lab)[0])
    assert (shown["state"], shown["facts"]["rung"], shown["facts"]["healed"]) == ("succeeded", "cluster", True), shown
    assert {one["phase"] for one in shown["facts"]["timeline"]} >= {"Uninstall", "Sync", "Install", "Prove"}
    healed = node(lab, "hci-01-n2")
    assert (healed["cause"], healed["lastRepair"]["ending"], healed["currentRepair"]) == (None, "healed", None)
    assert [verb for verb, _ in lab.verbs()].count("extensions/delete") == 1


def test_nodes_are_shown_as_they_are_and_a_preview_changes_nothing(lab: Lab) -> None:
    shown = lab.api("GET", "sites/hci-01/nodes").body["value"]
    assert [one["node"] for one in shown] == ["hci-01-n1", "hci-01-n2", "hci-01-n3"]
    assert shown[0]["vms"] == ["dc-01", "sql-01", "app-01"]
    assert shown[0]["provider"]["isReporting"]
    assert shown[1]["cause"]["code"] == "certificate-race"
    preview = lab.api("POST", "sites/hci-01/nodes/hci-01-n2/repair?preview=true", {}).body
    assert preview["blockers"] == []
    assert {"code": "sync-cluster", "detail": "run Sync-AzureStackHci on hci-01-n1"} in preview["steps"]
    idle = lab.api("POST", "sites/hci-01/nodes/hci-01-n1/repair?preview=true", {}).body
    assert [blocker["code"] for blocker in idle["blockers"]] == ["nothing-to-do"]
    assert lab.verbs() == []


def test_a_repair_asked_for_twice_is_one_repair(lab: Lab) -> None:
    first = lab.api("POST", "sites/hci-01/nodes/HCI-01-N2/repair", {})
    assert (first.status, first.headers["Location"]) == (202, first.body["statusUrl"])
    time.sleep(0.3)  # until the repair has entered itself in the node's record
    again = lab.api("POST", "sites/hci-01/nodes/hci-01-n2/repair", {})
    assert again.body["id"] == first.body["id"]
    assert lab.ended(first.body["id"])["state"] == "succeeded"


@pytest.mark.parametrize(("path", "status"), [("hci-01/nodes/n9", 404), ("nowhere/nodes/hci-01-n2", 404)])
def test_only_nodes_that_there_are_can_be_repaired(lab: Lab, path: str, status: int) -> None:
    assert lab.api("POST", f"sites/{path}/repair", {}).status == status


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"hyperV": False}, "hyper-v-missing"),
        ({"applicationControl": "Enforced"}, "application-control"),
        ({"boundSite": "another-site"}, "other-site"),
    ],
)
def test_what_no_new_installation_cures_ends_as_a_finding_after_no_more_than_a_look_at_the_node(
    lab: Lab, wrong: dict[str, Any], code: str
) -> None:
    lab.azure("PUT", "nodes/hci-01-n2", wrong)
    lab.azure("POST", "events", {"emit": "extension-upgrade", "node": "hci-01-n2"})
    shown = lab.ended(begun(lab)[0])
    assert (shown["state"], shown["facts"]["cause"], shown["facts"]["finding"]) == ("failed", code, True), shown
    assert shown["facts"]["remedy"] in failure_texts(shown)[0]
    assert {verb for verb, _ in lab.verbs()} <= {"runCommands/write", "runCommands/delete"}
    assert all(item.endswith("-examine") for _, item in lab.verbs())
    assert node(lab, "hci-01-n2")["lastRepair"]["remedy"] == shown["facts"]["remedy"]


def test_a_storm_of_events_starts_one_repair_a_node(lab: Lab) -> None:
    lab.azure("POST", "reset", {"scenario": "certificate-race", "nodes": 4})
    begun(lab, 3)
    names = [f"hci-01-n{number:02d}" for number in range(1, 5)]
    broken = [name for name in names if f"repair-{name}" in " ".join(run["id"] for run in repairs(lab))]
    now = lab.azure("GET", "clock")["now"]
    subjects = [f"{MACHINES}/{name}/extensions/AzureSiteRecovery" for name in broken] * 30
    random.Random(7).shuffle(subjects)
    for number, subject in enumerate(subjects):
        cased = subject.upper() if number % 3 else subject.lower()
        assert deliver(lab, event(cased, number % 50, eventTime=now)).status == 202
    runs = [run["id"] for run in repairs(lab)]
    assert len(runs) == 3, [lab.api("GET", f"operations/{run}").body for run in runs]
    ended = [lab.ended(run, 240) for run in runs]
    assert all(run["facts"]["healed"] for run in ended), ended
    late = [event(subject, eventTime=lab.azure("GET", "clock")["now"]) for subject in subjects[:5]]
    assert deliver(lab, *late).status == 202
    assert len(repairs(lab)) == 3
    assert [verb for verb, _ in lab.verbs()].count("extensions/delete") == 3
    told = counts(lab)
    assert told.get("duplicate", 0) + told.get("stale", 0) >= len(subjects)


@pytest.mark.parametrize(
    ("sent", "status", "word"),
    [
        (event("x" * 1_000_000), 202, "malformed"),
        (event(f"{MACHINES}/n9/extensions/AzureSiteRecovery"), 202, "other-cluster"),
        (event(f"{MACHINES}/hci-01-n2/extensions/Other"), 202, "other-extension"),
        (event(f"{MACHINES.replace('1', '9')}/n1/extensions/AzureSiteRecovery"), 202, "other-subscription"),
        (event(f"{SUB}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/v"), 202, "other-resource"),
        ({"id": "1", "data": "x" * 100_000}, 202, "malformed"),
        ({}, 202, "malformed"),
        (event(f"{MACHINES}/hci-01-n2/extensions/AzureSiteRecovery", eventTime="yesterday"), 400, None),
        ("no event", 400, None),
    ],
)
def test_events_that_are_not_ours_or_none_at_all_start_nothing_and_break_nothing(
    lab: Lab, sent: Any, status: int, word: str | None
) -> None:
    before = lab.servers.host.log.read_text(errors="replace").count("Traceback")
    assert deliver(lab, sent).status == status
    assert repairs(lab) == []
    assert lab.servers.host.log.read_text(errors="replace").count("Traceback") == before
    deadline = time.monotonic() + 10
    while word and word not in counts(lab):
        assert time.monotonic() < deadline, counts(lab)
        time.sleep(0.05)


def test_the_timer_heals_what_no_event_told_of(lab: Lab) -> None:
    document = lab.document("sites/hci-01")
    changed = lab.api("PUT", "sites/hci-01", {**document, "healingRules": {"noticeAfter": "PT0S"}})
    assert changed.status == 200, changed.body
    shown = lab.ended(begun(lab)[0])
    assert (shown["requestedBy"], shown["facts"]["healed"]) == ("timer", True), shown


def test_a_node_is_healed_whatever_its_extension_is_called(lab: Lab) -> None:
    """Scripts that people use to install it call it ASRExtension; publisher and type say what it is."""
    extensions = f"{MACHINES}/hci-01-n2/extensions"
    declared = arm(lab, "GET", f"{extensions}/AzureSiteRecovery", version=HYBRID).body
    arm(lab, "DELETE", f"{extensions}/AzureSiteRecovery", version=HYBRID)
    lab.eventually(lambda: node(lab, "hci-01-n2")["extension"] is None)
    lab.azure("PUT", "nodes/hci-01-n2", {"hyperV": False, "syncRestores": False})
    kept = {key: declared["properties"][key] for key in ("publisher", "type", "settings")}
    body = {"location": declared["location"], "properties": kept}
    assert arm(lab, "PUT", f"{extensions}/ASRExtension", body, HYBRID).status in {201, 202}
    lab.eventually(lambda: "Failed" in str(node(lab, "hci-01-n2")["extension"]))
    now = lab.azure("GET", "clock")["now"]
    assert deliver(lab, event(f"{extensions}/ASRExtension", eventTime=now)).status == 202
    assert lab.ended(begun(lab)[0])["facts"]["cause"] == "hyper-v-missing"
    assert "other-extension" not in counts(lab)
    lab.azure("PUT", "nodes/hci-01-n2", {"hyperV": True})
    repair = lab.api("POST", "sites/hci-01/nodes/hci-01-n2/repair", {}).body["id"]
    assert lab.ended(repair)["facts"]["healed"]
    named = arm(lab, "GET", extensions, version=HYBRID).body["value"]
    assert [(one["name"], one["properties"]["provisioningState"]) for one in named] == [("ASRExtension", "Succeeded")]


@pytest.mark.parametrize(
    "subject",
    [
        f"{MACHINES}/hci-01-n1/runCommands/anything",
        f"{CLUSTER}/arcSettings/default/extensions/azuresiterecovery",
    ],
)
def test_a_failure_that_names_no_node_has_all_nodes_looked_at(lab: Lab, subject: str) -> None:
    assert deliver(lab, event(subject)).status == 202
    assert begun(lab)[0].startswith("repair-hci-01-n2-")
    assert lab.ended(begun(lab)[0])["facts"]["healed"]
    assert len(repairs(lab)) == 1


def test_a_site_whose_healing_is_off_is_left_alone_but_for_a_person(lab: Lab) -> None:
    document = lab.document("sites/hci-01")
    assert lab.api("PUT", "sites/hci-01", {**document, "healing": False}).status == 200
    now = lab.azure("GET", "clock")["now"]
    deliver(lab, event(f"{MACHINES}/hci-01-n2/extensions/AzureSiteRecovery", eventTime=now))
    assert repairs(lab) == []
    asked = lab.api("POST", "sites/hci-01/nodes/hci-01-n2/repair", {}).body["id"]
    assert lab.ended(asked)["facts"]["healed"]


def test_a_failure_in_the_cloudevents_schema_starts_the_same_repair(lab: Lab) -> None:
    lab.azure("POST", "events", {"emit": "extension-upgrade", "node": "hci-01-n2"})
    ended = lab.ended(begun(lab)[0])
    assert ended["facts"]["healed"], ended
    sent = {
        "specversion": "1.0",
        "type": FAILED,
        "source": SUB,
        "id": "e-2",
        "time": "2026-01-01T00:00:00Z",
        "subject": f"{MACHINES}/hci-01-n2/extensions/AzureSiteRecovery",
        "data": {"correlationId": "b96dc54c-03d2-559f-9bcb-313643564c0e"},
    }
    headers = {"aeg-event-type": "Notification", "Content-Type": "application/cloudevents+json"}
    assert send(lab.servers.host.base, "POST", WEBHOOK, sent, headers).status == 202
    deadline = time.monotonic() + 10
    while "stale" not in counts(lab):
        assert time.monotonic() < deadline, counts(lab)
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("broken", "cured", "code"),
    [
        ({"hyperV": False}, {"hyperV": True}, "hyper-v-missing"),
        ({"unreachable": ["hypervrecoverymanager"]}, {"unreachable": []}, "service-unreachable"),
    ],
)
def test_a_node_that_a_person_cured_is_healed_when_asked(
    lab: Lab, broken: dict[str, Any], cured: dict[str, Any], code: str
) -> None:
    """What the extension reports stays as it was until it is installed again; until then each look finds the same."""
    lab.azure("PUT", "world", {"nodes": {"hci-01-n2": broken}})
    lab.azure("POST", "events", {"emit": "extension-upgrade", "node": "hci-01-n2"})
    assert lab.ended(begun(lab)[0])["facts"]["cause"] == code
    uncured = lab.ended(lab.api("POST", "sites/hci-01/nodes/hci-01-n2/repair", {}).body["id"])
    assert (uncured["facts"]["cause"], uncured["facts"]["finding"]) == (code, True)
    assert "extensions/delete" not in {verb for verb, _ in lab.verbs()}
    lab.azure("PUT", "world", {"nodes": {"hci-01-n2": cured}})
    repair = lab.api("POST", "sites/hci-01/nodes/hci-01-n2/repair", {})
    assert lab.ended(repair.body["id"])["facts"]["healed"]


def test_an_extension_that_azure_still_works_on_is_asked_for_again_in_the_same_repair(lab: Lab) -> None:
    """409 is not a no: the removal and the installation are sent again, and no attempt is counted."""
    busy = {"status": 409, "body": {"error": {"code": "HCRP409", "message": "An extension is still processing."}}}
    verbs = ("extensions/delete", "extensions/write")
    lab.azure("PUT", "nodes/hci-01-n2", {"syncRestores": False})
    lab.azure("PUT", "faults", [{"match": {"verb": verb, "times": 1}, "effect": busy} for verb in verbs])
    repair = lab.api("POST", "sites/hci-01/nodes/hci-01-n2/repair", {})
    shown = lab.ended(repair.body["id"])
    assert shown["facts"]["healed"], (shown["failures"], shown["facts"], lab.verbs())
    assert [verb for verb, _ in lab.verbs() if verb in verbs] == list(verbs)
    assert node(lab, "hci-01-n2").get("attempts", 0) == 0
    assert len(repairs(lab)) == 1
