"""Drills on the lab: what they leave, what happens to them when their run is dead, and what proves them."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.servers import Servers
from shared.evidence.verify import MANIFEST, check_log, check_pack, load_pack, read_key
from tests.failures import failure_texts
from tests.product.conftest import Lab, send

GROUP = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg-dr-vms"
NETWORKS = f"{GROUP.replace('rg-dr-vms', 'rg-dr-net')}/providers/Microsoft.Network/virtualNetworks"
FAST = {"site": "hci-01", "targets": {"rto": "PT30M", "rpo": "PT15M"}}


def arm(lab: Lab, method: str, path: str, body: Any = None, version: str = "2024-05-01") -> Any:
    token = send(
        lab.servers.azure.base,
        "GET",
        "/msi/token?resource=https://management.azure.com&api-version=2019-08-01&client_id=operator",
        headers={"X-IDENTITY-HEADER": "lab-identity"},
    ).body["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    return send(lab.servers.azure.base, method, f"{path}?api-version={version}", body, headers)


def plan(lab: Lab, *vms: str, name: str = "small", **drill: Any) -> None:
    """Declare a plan of these VMs: one plan fewer machines, one drill shorter."""
    settings = {"network": f"{NETWORKS}/vnet-drill", "timeToLive": "PT1H", **drill}
    body = {**FAST, "items": [{"vm": vm} for vm in vms], "drill": settings}
    reply = lab.api("PUT", f"plans/{name}", body)
    assert reply.status in {200, 201}, reply.body


def drill(lab: Lab, name: str = "small") -> str:
    reply = lab.api("POST", f"plans/{name}/drill", {})
    assert reply.status == 202, reply.body
    return str(reply.body["id"])


def until[T](look: Callable[[], T | None], patience: float = 60) -> T:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if (seen := look()) is not None:
            return seen
        time.sleep(0.1)
    raise AssertionError("it never came")


def made(lab: Lab) -> list[str]:
    found = arm(lab, "GET", f"{GROUP}/resources", version="2025-04-01").body["value"]
    return sorted(one["name"] for one in found)


def owed(lab: Lab, name: str = "small") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lab.api("GET", f"obligations?plan={name}").body["value"]
    return found


def again(lab: Lab) -> dict[str, Any] | None:
    """Another drill to its end, None while the cleanup still holds the machines."""
    reply = lab.api("POST", "plans/small/drill", {})
    return lab.ended(reply.body["id"]) if reply.status == 202 else None


def pack_of(servers: Servers, run: str) -> Path:
    return next(Path(servers.host.log).parent.rglob(f"evidence/{run}"))


def test_a_cleanup_that_leaves_a_card_behind_is_a_failure_until_the_card_is_gone(lab: Lab) -> None:
    plan(lab, "dc-01", "sql-01")
    match = {"verb": "TestFailoverCleanup", "item": "sql-01"}
    lab.azure("PUT", "faults", [{"match": match, "effect": {"job": {"leave": "nic"}}}])
    shown = lab.ended(drill(lab))
    card = f"{GROUP}/providers/Microsoft.Network/networkInterfaces/sql-01-test-nic"
    assert shown["state"] == "failed"
    assert [text for text in failure_texts(shown) if card in text]
    assert made(lab) == ["sql-01-test-nic"]
    assert [one["kind"] for one in owed(lab)] == ["cleanup"]
    assert until(lambda: owed(lab)[0]["leftovers"] or None) == [card]
    until(lambda: True if "not cleaned up yet" in lab.api("POST", "plans/small/drill", {}).body["detail"] else None)
    assert arm(lab, "DELETE", card).status == 200
    lab.azure("PUT", "faults", [])
    until(lambda: None if owed(lab) else True)
    assert until(lambda: again(lab))["state"] == "succeeded"


def test_a_drill_whose_run_was_terminated_is_cleaned_up_by_the_timer(lab: Lab) -> None:
    plan(lab, "dc-01", "sql-01")
    run = drill(lab)
    until(lambda: made(lab) or None)
    base = lab.servers.host.base
    assert send(base, "POST", f"/runtime/webhooks/durabletask/instances/{run}/terminate?reason=test", "").status == 202
    due = lab.api("GET", "obligations?plan=small").body["value"][0]["due"]
    until(lambda: None if owed(lab) else True)
    assert made(lab) == []
    assert lab.azure("GET", "clock")["now"] < due
    cleanups = lab.api("GET", "operations?plan=small&kind=cleanup").body["value"]
    assert "succeeded" in {lab.ended(one["id"])["state"] for one in cleanups}
    view = lab.api("GET", f"operations/{run}").body
    assert (view["state"], "run-lost" in failure_texts(view)[0]) == ("failed", True)


def test_a_drill_that_outlives_its_host_is_cleaned_up_when_the_host_is_back(lab: Lab) -> None:
    """The dead man's handle: nobody asks for anything after the host has come back."""
    plan(lab, "dc-01", "sql-01")
    run = drill(lab)
    until(lambda: made(lab) or None)
    lab.servers.host.kill()
    lab.azure("POST", "clock", {"advance": "PT90M"})
    lab.servers.host.start()
    lab.servers.host.await_healthy()
    shown = lab.ended(run)
    assert owed(lab) == []
    assert made(lab) == []
    assert shown["state"] in {"succeeded", "failed"}


@pytest.mark.parametrize("suspended", [False, True])
def test_both_endings_of_a_test_failover_are_cleaned_up_and_proven(lab: Lab, suspended: bool) -> None:
    plan(lab, "dc-01")
    if suspended:
        lab.azure("PUT", "faults", [{"match": {"verb": "TestFailover"}, "effect": {"job": {"suspend": True}}}])
    run = drill(lab)
    shown = lab.ended(run)
    assert (shown["state"], made(lab), owed(lab)) == ("succeeded", [], [])
    assert shown["achieved"]["rtoMet"] is True
    told = lab.api("GET", f"operations/{run}/evidence").body
    assert (told["sealed"], told["intact"], told["head"]) == (True, True, shown["facts"]["evidence"]["head"])
    files = load_pack(pack_of(lab.servers, run))
    assert check_pack(files, told["head"]) == []
    kinds = [name.partition("-")[2].removesuffix(".json") for name in sorted(files) if name.startswith("records/")]
    assert kinds[:3] == ["request", "plan", "inventory"]
    assert kinds[-1] == "outcome"
    assert {"verb", "job", "phase"} <= set(kinds)


def test_one_altered_byte_anywhere_in_a_real_pack_is_found(lab: Lab) -> None:
    plan(lab, "dc-01")
    run = drill(lab)
    lab.ended(run)
    files = load_pack(pack_of(lab.servers, run))
    key = read_key(json.dumps(lab.api("GET", "evidence/key").body).encode())
    assert check_pack(files, keys=[key]) == []
    for name, content in files.items():
        for at in {0, len(content) // 2, len(content) - 2}:
            altered = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
            found = check_pack({**files, name: altered}, keys=[key])
            assert found, (name, at)
            if name.startswith("records/"):
                assert found[0].file == name
            if name == MANIFEST:
                assert found[-1].file == name or found[0].file.startswith("records/")


def test_the_whole_store_is_checked_with_the_key_and_a_checkpoint(lab: Lab) -> None:
    plan(lab, "dc-01")
    lab.ended(drill(lab))
    key = read_key(json.dumps(lab.api("GET", "evidence/key").body).encode())
    checkpoint = lab.api("GET", "evidence/checkpoint").body
    run = drill(lab)
    lab.ended(run)
    found, entries = check_log(pack_of(lab.servers, run).parent, checkpoint, [key])
    assert found == []
    assert entries > checkpoint["size"] > 0


def test_a_drill_is_refused_where_its_network_is_joined_to_production_or_in_use(lab: Lab) -> None:
    plan(lab, "dc-01")
    peering = f"{NETWORKS}/vnet-drill/virtualNetworkPeerings/to-production"
    body = {"properties": {"remoteVirtualNetwork": {"id": f"{NETWORKS}/vnet-dr"}}}
    assert arm(lab, "PUT", peering, body).status == 201
    refused = lab.api("POST", "plans/small/drill", {})
    assert (refused.status, "peered" in refused.body["detail"]) == (409, True)
    preview = lab.api("POST", "plans/small/drill?preview=true", {}).body
    assert [blocker["code"] for blocker in preview["blockers"]] == ["drill-network-peered"]
    assert not [verb for verb, _ in lab.verbs() if verb == "TestFailover"]
    assert arm(lab, "DELETE", peering).status == 200
    assert lab.ended(drill(lab))["state"] == "succeeded"


def test_a_script_inside_the_machine_decides_with_its_exit_code(lab: Lab) -> None:
    probes = {"good": "Get-Service W32Time; exit 0", "bad": "exit 3"}
    settings = {"network": f"{NETWORKS}/vnet-drill", "timeToLive": "PT1H"}
    for name, script in probes.items():
        probe = {"kind": "run-command", "script": script, "deadline": "PT4M"}
        items = [{"vm": "dc-01", "probes": [probe]}]
        lab.api("PUT", f"plans/{name}", {**FAST, "items": items, "drill": settings})
        run = drill(lab, name)
        shown = lab.ended(run)
        assert shown["state"] == ("succeeded" if name == "good" else "failed"), failure_texts(shown)
        assert made(lab) == []
    probed = [text for name, text in load_pack(pack_of(lab.servers, run)).items() if name.endswith("-probe.json")]
    assert any(b"the script ended with 3" in text for text in probed)


def test_drills_that_follow_each_other_in_a_circle_are_refused(lab: Lab) -> None:
    plan(lab, "dc-01", name="one")
    plan(lab, "sql-01", name="two", follows="one")
    settings = {"network": f"{NETWORKS}/vnet-drill", "follows": "two"}
    reply = lab.api("PUT", "plans/one", {**FAST, "items": [{"vm": "dc-01"}], "drill": settings})
    assert (reply.status, "one -> two -> one" in reply.body["detail"]) == (400, True)


def test_no_secret_that_azure_says_enters_a_pack(lab: Lab) -> None:
    secret = "c2VjcmV0LXZhbHVl"
    said = f"read https://logs.example/x?sv=1&sig={secret} with Bearer {secret}"
    job = {"fail": "28031", "message": said}
    lab.azure("PUT", "faults", [{"match": {"verb": "TestFailover"}, "effect": {"job": job}}])
    plan(lab, "dc-01")
    run = drill(lab)
    shown = lab.ended(run)
    assert "logs.example" in failure_texts(shown)[0]
    everything = b"".join(load_pack(pack_of(lab.servers, run)).values())
    assert b"logs.example" in everything
    assert [word for word in (secret, "sig=", "Bearer c", "eyJ") if word.encode() in everything] == []


def test_the_evidence_of_a_run_that_was_terminated_is_there_but_not_sealed(lab: Lab) -> None:
    plan(lab, "dc-01")
    run = drill(lab)
    until(lambda: made(lab) or None)
    send(lab.servers.host.base, "POST", f"/runtime/webhooks/durabletask/instances/{run}/terminate", "")
    told = lab.api("GET", f"operations/{run}/evidence").body
    assert (told["sealed"], told["records"][0]["name"]) == (False, "records/000001-request.json")
    until(lambda: None if owed(lab) else True)


@pytest.mark.parametrize(
    ("path", "status"), [("drill-nope-1/evidence", 404), ("drill-nope-1/evidence?format=tar", 400)]
)
def test_evidence_that_is_not_there_or_not_so_is_refused(lab: Lab, path: str, status: int) -> None:
    assert lab.api("GET", f"operations/{path}").status == status
