"""Preflight and verification as runbooks: nodes are asked page after page, and nothing is left behind."""

import base64
import gzip
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from orchestrators.durable.entities import ENTITIES
from orchestrators.durable.node_scripts import MOST_PAGES
from orchestrators.onboarding.preflight import preflight
from orchestrators.onboarding.verify import verify
from shared.healing import contract as node_contract
from shared.healing.pacing import SCRIPT_WITHIN
from shared.onboarding.contract import READ_SITE
from shared.onboarding.preflight.facts import AzureFacts
from shared.operations.kinds import Kind
from shared.replication.contract import READ_PROTECTABLE_ITEMS, READ_REPLICATED_ITEMS, ProtectableItemsRead
from shared.site_recovery import contract as c
from shared.sites.operation import SiteOperation
from tests.driver import Driver, Result
from tests.failures import failure_texts
from tests.shared.preflight.samples import N1, N2, REGISTRATION, USUAL, azure, node
from tests.shared.samples import site, view

PAGE = 2


def vm(name: str) -> dict[str, Any]:
    return {"n": name, "g": 2, "o": "Windows Server 2022", "h": True, "c": 2, "m": 1024, "d": [[40, "VHDX"]]}


class Nodes:
    """The activities of a preflight over nodes that have these VMs; `silent` ones never end, `broken` ones fail."""

    def __init__(self, machines: dict[str, list[str]], facts: AzureFacts | None = None) -> None:
        self.machines, self.facts = machines, facts or azure()
        self.commands: dict[tuple[str, str], dict[str, str]] = {}
        self.left: set[tuple[str, str]] = set()
        self.silent: set[str] = set()
        self.broken: dict[str, dict[str, Any]] = {}
        self.refused: set[str] = set()
        served = {activity: self._serve(function) for activity, function in self._served().items()}
        self.driver = Driver(served, ENTITIES)

    def _served(self) -> dict[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        return {
            READ_SITE.name: lambda _: self.facts.model_dump(mode="json"),
            READ_PROTECTABLE_ITEMS.name: lambda _: ProtectableItemsRead(machines=()).model_dump(mode="json"),
            READ_REPLICATED_ITEMS.name: lambda _: {"items": [], "at": "2026-01-05T08:00:00Z"},
            c.READ_ITEMS.name: lambda _: {"items": [view(name).model_dump(mode="json") for name in USUAL["vms"]]},
            node_contract.RUN_SCRIPT.name: self._run,
            node_contract.READ_SCRIPT.name: self._read,
            node_contract.REMOVE_SCRIPT.name: self._remove,
        }

    def _serve(self, function: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
        def serve(payload: dict[str, Any]) -> dict[str, Any]:
            return function(payload)

        return serve

    def _run(self, ask: dict[str, Any]) -> dict[str, Any]:
        if ask["machine_id"] in self.refused:
            return {"refused": {"code": "ScopeLocked", "detail": "no"}}
        key = (ask["machine_id"], ask["name"])
        assert key not in self.commands, "a run command's name is used once"
        self.commands[key] = ask["parameters"]
        self.left.add(key)
        return {}

    def _read(self, ask: dict[str, Any]) -> dict[str, Any]:
        machine, key = ask["machine_id"], (ask["machine_id"], ask["name"])
        if machine in self.silent:
            return {"state": "Running"}
        if machine in self.broken:
            return self.broken[machine]
        first = int(self.commands[key]["From"])
        names = self.machines.get(machine, [])
        packed = gzip.compress(json.dumps([vm(name) for name in names[first : first + PAGE]]).encode(), mtime=0)
        said = {
            "hyperV": True,
            "osVersion": "10.0.20349.2582",
            "applicationControl": "Off",
            "registration": REGISTRATION,
            "endpoints": {url: True for url in self.commands[key]["Endpoints"].split(",") if url},
            "machines": base64.b64encode(packed).decode(),
            "next": first + PAGE if first + PAGE < len(names) else None,
        }
        return {"state": "Succeeded", "exit_code": 0, "result": said}

    def _remove(self, ask: dict[str, Any]) -> dict[str, Any]:
        self.left.discard((ask["machine_id"], ask["name"]))
        return {}

    def look(self, kind: Kind = "preflight", **declared: Any) -> Result:
        document = site(**{**USUAL, **declared})
        order = SiteOperation(id=f"{kind}-1", kind=kind, site="hci-01", requested_by="ann", document=document)
        runbook = preflight if kind == "preflight" else verify
        return self.driver.run(runbook, order.model_dump(mode="json"), order.id)


def told(result: Result, check: str) -> tuple[str, list[str]]:
    [one] = [one for one in result.output["facts"]["checks"] if one["id"] == check]
    return one["state"], one["evidence"]


@pytest.fixture
def nodes() -> Nodes:
    return Nodes({f"/machines/{N1}": ["a", "b", "sql-01"], f"/machines/{N2}": ["web-01"]})


def test_each_node_is_asked_until_all_its_machines_were_told(nodes: Nodes) -> None:
    result = nodes.look()
    assert result.output["state"] == "succeeded", failure_texts(result.output)
    assert [(key[0], asked["From"]) for key, asked in nodes.commands.items()] == [
        (f"/machines/{N1}", "0"),
        (f"/machines/{N2}", "0"),
        (f"/machines/{N1}", "2"),
    ]
    assert told(result, "vm-found") == ("pass", ["2 VMs on the cluster"])
    assert nodes.left == set()


def test_endpoints_are_tried_once_and_with_the_cache_account_that_is_there(nodes: Nodes) -> None:
    nodes.look()
    tried = [asked["Endpoints"] for asked in nodes.commands.values()]
    assert "https://stdrcache.blob.core.windows.net" in tried[0]
    assert tried[2] == ""


def test_a_node_that_never_ends_is_given_up_and_its_run_command_removed(nodes: Nodes) -> None:
    nodes.silent = {f"/machines/{N2}"}
    began = nodes.driver.clock.now
    result = nodes.look()
    assert told(result, "node-hyper-v")[0] == "unknown"
    assert f"{N2} could not be read: read-node has not ended" in told(result, "node-hyper-v")[1][0]
    assert nodes.left == set()
    assert nodes.driver.clock.now - began <= 2 * SCRIPT_WITHIN + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"state": "Failed", "exit_code": 1, "error": "Get-VM: denied"}, "ended as Failed: Get-VM: denied"),
        ({"state": "Succeeded", "exit_code": 0, "result": None}, "ended as Succeeded: no result"),
        ({"state": "Succeeded", "exit_code": 0, "result": {"x": 1}}, "read-node wrote something else"),
        ({"state": "TimedOut"}, "ended as TimedOut"),
    ],
)
def test_a_script_that_goes_wrong_leaves_its_node_unread(nodes: Nodes, answer: dict[str, Any], why: str) -> None:
    nodes.broken = {f"/machines/{N1}": answer}
    state, evidence = told(nodes.look(), "node-hyper-v")
    assert state == "unknown"
    assert why in evidence[0]
    assert nodes.left == set()


def test_a_node_that_takes_no_run_command_or_is_away_does_not_stop_the_others(nodes: Nodes) -> None:
    nodes.refused = {f"/machines/{N1}"}
    state, evidence = told(nodes.look(), "node-hyper-v")
    assert (state, evidence[-1]) == ("unknown", f"Hyper-V is on {N2}")
    away = Nodes(nodes.machines, azure(nodes=(node(N1, status="Disconnected"), node(N2))))
    assert "it is Disconnected" in told(away.look(), "node-hyper-v")[1][0]
    assert {machine for machine, _ in away.commands} == {f"/machines/{N2}"}


def test_a_node_without_end_is_left_after_so_many_pages() -> None:
    endless = Nodes({f"/machines/{N1}": [f"vm-{at}" for at in range(100)], f"/machines/{N2}": ["web-01"]})
    state, evidence = told(endless.look(), "node-hyper-v")
    assert (state, f"more than {MOST_PAGES} pages" in evidence[0]) == ("unknown", True)


def test_a_site_that_cannot_be_read_fails_the_run_without_a_verdict(nodes: Nodes) -> None:
    def refuse(_: dict[str, Any]) -> dict[str, Any]:
        return {"refused": {"code": "AuthorizationFailed", "detail": "no read on the subscription"}}

    nodes.driver.activities = {**nodes.driver.activities, READ_SITE.name: refuse}
    for kind in ("preflight", "verify"):
        output = nodes.look(kind).output
        assert (output["state"], failure_texts(output)) == (
            "failed",
            ["AuthorizationFailed: no read on the subscription"],
        )
        assert output["facts"] == {}


def test_a_verification_names_what_differs_and_leaves_nothing_on_the_nodes(nodes: Nodes) -> None:
    output = nodes.look("verify").output
    assert (output["state"], output["facts"]) == ("succeeded", {"drift": []})
    assert {asked["Endpoints"] for asked in nodes.commands.values()} == {""}
    assert nodes.left == set()
    gone = Nodes({}, azure(network=None)).look("verify").output
    assert gone["state"] == "failed"
    assert failure_texts(gone) == [f"network: differs-from-declared: declared {site().network}, found nothing"]


def test_a_site_without_a_vault_is_compared_without_reading_the_vaults_machines() -> None:
    output = Nodes({}, azure(vault=None)).look("verify").output
    assert [one["part"] for one in output["facts"]["drift"]][:1] == ["vault"]


@pytest.mark.parametrize("kind", ["preflight", "verify"])
def test_what_nodes_name_is_kept_and_what_nothing_protects_is_told(nodes: Nodes, kind: Kind) -> None:
    """A node that says nothing the next time keeps what it named; nobody has said which VMs are meant."""
    nodes.look(kind, vms=[])
    nodes.driver.clock.advance_to(nodes.driver.clock.now + timedelta(hours=1))
    nodes.commands, nodes.refused = {}, {f"/machines/{N2}"}
    output = nodes.look(kind, vms=[]).output
    [kept] = nodes.driver.states.values()
    assert {vm["name"]: vm["node"] for vm in kept["vms"]} == {**dict.fromkeys(("a", "b", "sql-01"), N1), "web-01": N2}
    assert list(kept["unread"]) == [N2]
    if kind == "verify":
        drift = {one["part"]: one["found"] for one in output["facts"]["drift"]}
        assert drift["vms[web-01]"] == f"not protected, on {N2}"
    else:
        [check] = [one for one in output["facts"]["checks"] if one["id"] == "vm-protected"]
        assert (check["state"], f"web-01 on {N2} is not protected" in check["evidence"]) == ("warn", True)
