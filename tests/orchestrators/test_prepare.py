"""Preparing a site against the simulated Azure: what is made, what is left alone, and what survives kills."""

from collections.abc import Iterator
from typing import Any

import pytest

from orchestrators.onboarding.prepare import prepare
from shared.onboarding.preparation import NOTHING_CHANGED, PrepareOrder
from tests.activities.lab import Lab, running
from tests.driver import Result
from tests.failures import failure_texts
from tests.orchestrators.azure_bench import AzureBench, site
from tests.shared.azure.fake import point_at


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture
def bench(server: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[AzureBench]:
    server.reset("bare")
    server.world(roles={"takeEffectAfter": 0})  # repairs, which a refused node needs, do nothing here
    point_at(server.base, "lab-identity", monkeypatch)
    bench = AzureBench(server)
    yield bench
    bench.close()


def prepared(bench: AzureBench, run: str = "prepare-hci-01-1", **changes: Any) -> Result:
    order = PrepareOrder(id=run, kind="prepare", site="hci-01", requested_by="ann", document=site(**changes))
    return bench.run(prepare, order, run)


def states(result: Result, what: str = "steps") -> dict[str, str]:
    return {one.get("id") or one["node"]: one["state"] for one in result.output["facts"][what]}


def test_a_bare_cluster_becomes_a_site_whose_nodes_are_all_registered(bench: AzureBench) -> None:
    result = prepared(bench)
    assert result.output["state"] == "succeeded", failure_texts(result.output)
    assert {state for step, state in states(result).items() if step != "registration"} == {"created"}
    assert set(states(result, "nodes").values()) == {"installed"}
    assert result.output["facts"]["changed"] is True


def test_a_second_run_changes_nothing_and_says_so(bench: AzureBench) -> None:
    prepared(bench)
    before = bench.lab.mutations()
    again = prepared(bench, "prepare-hci-01-2")
    assert (again.output["state"], again.output["facts"]["verdict"]) == ("succeeded", NOTHING_CHANGED)
    assert set(states(again).values()) == set(states(again, "nodes").values()) == {"kept"}
    assert bench.lab.mutations() == before


def test_every_answer_may_be_lost_and_nothing_is_made_twice(bench: AzureBench) -> None:
    """A kill after each activity, whatever it did: it runs once more, finds what it made, and goes on."""
    seen: set[str] = set()

    def lost_once(name: str, ask: Any) -> bool:
        key = f"{name} {ask.model_dump_json()}"
        fresh = key not in seen
        seen.add(key)
        return fresh

    bench.kill = lost_once
    result = prepared(bench)
    assert result.output["state"] == "succeeded", failure_texts(result.output)
    made = bench.lab.calls()
    assert len(made) == len(set(made)) == 14


def test_nodes_that_install_one_after_the_other_never_meet_the_race(bench: AzureBench) -> None:
    """The race is on in the lab: see the test of a cluster-wide installation."""
    prepared(bench)
    installed = [ask["machine_id"] for name, ask in bench.driver.calls if name == "create_extension"]
    assert [machine.rsplit("/", 1)[-1] for machine in installed] == ["hci-01-n1", "hci-01-n2", "hci-01-n3"]
    assert {node["extension"] for node in bench.lab.state()["nodes"]} == {"Succeeded"}
    assert bench.repaired == []


def test_what_is_there_and_differs_is_told_and_left(bench: AzureBench) -> None:
    prepared(bench)
    before = bench.lab.mutations()
    policy = {"name": "policy-24h", "appConsistentHours": 1, "recoveryPointHours": 12}
    result = prepared(bench, "prepare-hci-01-2", policy=policy)
    assert result.output["state"] == "failed"
    assert "recoveryPointHistoryDurationInHours is 24, not 12" in failure_texts(result.output)[0]
    assert "15035" in failure_texts(result.output)[0]
    assert states(result) | {"policy": "differs", "association": "skipped"} == states(result)
    assert bench.lab.mutations() == before


def test_a_node_that_fails_does_not_keep_the_others_from_being_prepared(bench: AzureBench) -> None:
    bench.lab.node("hci-01-n2", hyperV=False)
    result = prepared(bench)
    assert states(result, "nodes") == {"hci-01-n1": "installed", "hci-01-n2": "failed", "hci-01-n3": "installed"}
    assert states(result)["association"] == "created"
    assert "hyper-v-missing" in next(n["detail"] for n in result.output["facts"]["nodes"] if n["node"] == "hci-01-n2")
    assert len(bench.repaired) == 1


def test_nodes_that_install_at_once_meet_the_race_and_each_is_given_to_the_healing_runbook(bench: AzureBench) -> None:
    result = prepared(bench, install="cluster")
    assert result.output["state"] == "failed"  # the healing runs of this bench do nothing
    found = states(result, "nodes")
    assert sorted(found.values()) == ["failed", "failed", "installed"]
    broken = [node for node, state in found.items() if state == "failed"]
    assert {run.rsplit("-", 1)[0] for run in bench.repaired} == {f"repair-{node}" for node in broken}


def test_an_azure_that_is_silent_for_minutes_ends_nothing(bench: AzureBench) -> None:
    throttled = {"status": 429, "headers": {"Retry-After": "60"}}
    bench.lab.faults({"match": {"path": "*/vaults/vault-dr*", "times": 12}, "effect": throttled})
    assert prepared(bench).output["state"] == "succeeded"
    made = bench.lab.calls()
    assert len(made) == len(set(made)) == 14


@pytest.mark.parametrize(("own", "other"), [("rg-dr/", "rg-other/"), ("vault-dr", "vault-other")])
def test_a_cluster_of_another_vault_is_given_no_right_on_this_one(bench: AzureBench, own: str, other: str) -> None:
    """Who may declare sites would else turn that into a role in Azure, by a slip or on purpose."""
    prepared(bench)
    before = bench.lab.mutations()
    result = prepared(bench, "prepare-hci-01-2", vault=site().vault.replace(own, other))
    assert result.output["state"] == "refused"
    assert [(one["code"], one["subject"]) for one in result.output["problems"]] == [
        ("other-site", f"hci-01-n{number}") for number in (1, 2, 3)
    ]
    assert bench.lab.mutations() == before


def test_only_one_run_prepares_a_cluster(bench: AzureBench) -> None:
    bench.driver.states["@leases@site:" + site().cluster.lower()] = {
        "prepare": {"owner": "prepare-hci-01-0", "until": "2099-01-01T00:00:00Z"}
    }
    bench.living.add("prepare-hci-01-0")
    result = prepared(bench)
    assert result.output["state"] == "refused"
    assert result.output["problems"][0]["code"] == "held"
    assert bench.lab.mutations() == []
