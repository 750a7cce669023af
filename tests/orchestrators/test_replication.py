"""The replication of VMs against the simulated Azure: enabled and followed, changed, compared, ended."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from orchestrators.onboarding.preflight import preflight
from orchestrators.onboarding.prepare import prepare
from orchestrators.onboarding.replication import replication
from shared.onboarding.preparation import PrepareOrder
from shared.replication.run import ReplicationOrder
from shared.replication.settings import ReplicationRequest
from shared.site_recovery.request_budget import WRITES
from shared.sites.operation import SiteOperation
from tests.activities.lab import Lab, running
from tests.driver import Result
from tests.orchestrators.azure_bench import NETWORKS, SUB, AzureBench, site
from tests.shared.azure.fake import point_at

VMS = ["dc-01", "sql-01", "app-01", "app-02", "web-01", "web-02"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture
def bench(server: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[AzureBench]:
    """The scenario `bare`, prepared."""
    server.reset("bare")
    server.world(roles={"takeEffectAfter": 0})  # repairs, which a refused node needs, do nothing here
    point_at(server.base, "lab-identity", monkeypatch)
    bench = AzureBench(server)
    order = PrepareOrder(id="prepare-1", kind="prepare", site="hci-01", requested_by="ann", document=site())
    assert bench.run(prepare, order, "prepare-1").output["state"] == "succeeded"
    yield bench
    bench.close()


def replicated(bench: AzureBench, run: str = "replication-1", **request: Any) -> Result:
    order = ReplicationOrder(
        id=run,
        kind="replication",
        site="hci-01",
        requested_by="ann",
        document=site(),
        request=ReplicationRequest.model_validate(request),
    )
    return bench.run(replication, order, run)


def vms(result: Result) -> dict[str, dict[str, Any]]:
    return {vm["vm"]: vm for vm in result.output["facts"]["vms"]}


def states(result: Result) -> dict[str, str]:
    return {name: vm["state"] for name, vm in vms(result).items()}


def enabled(bench: AzureBench) -> list[str]:
    return bench.lab.ledger("replicationProtectedItems/write")


def test_all_vms_of_a_site_become_protected_with_all_their_disks(bench: AzureBench) -> None:
    result = replicated(bench)
    assert result.output["state"] == "succeeded", result.output
    assert states(result) == dict.fromkeys(VMS, "done")
    assert {vm["percent"] for vm in vms(result).values()} == {100}
    assert len(enabled(bench)) == len(set(enabled(bench))) == 6


def test_a_second_run_changes_nothing_and_says_so(bench: AzureBench) -> None:
    replicated(bench)
    before = of_vault(bench)
    again = replicated(bench, "replication-2")
    assert states(again) == dict.fromkeys(VMS, "kept")
    assert (again.output["state"], again.output["facts"]["changed"]) == ("succeeded", 0)
    assert of_vault(bench) == before


def of_vault(bench: AzureBench) -> list[str]:
    """What was asked of Azure, without the scripts that only read nodes."""
    return [call for call in bench.lab.calls() if "/runCommands/" not in call]


def test_every_answer_may_be_lost_and_no_vm_is_enabled_twice(bench: AzureBench) -> None:
    seen: set[str] = set()

    def lost_once(name: str, ask: Any) -> bool:
        key = f"{name} {ask.model_dump_json()}"
        fresh = key not in seen
        seen.add(key)
        return fresh

    bench.kill = lost_once
    assert states(replicated(bench)) == dict.fromkeys(VMS, "done")
    assert len(enabled(bench)) == len(set(enabled(bench))) == 6


def test_an_answer_that_azure_lost_is_found_again_by_its_job(bench: AzureBench) -> None:
    bench.lab.faults({"match": {"verb": "replicationProtectedItems/write", "times": 2}, "effect": {"lose": 503}})
    assert states(replicated(bench)) == dict.fromkeys(VMS, "done")
    entries = [call for call in bench.lab.calls() if "replicationProtectedItems/" in call]
    assert len(entries) == len(set(entries)) == 6


def test_never_more_copies_are_under_way_than_allowed(bench: AzureBench) -> None:
    assert states(replicated(bench, initialCopies=2)) == dict.fromkeys(VMS, "done")
    assert max(len(ask["vms"]) for name, ask in bench.driver.calls if name == "read_replications") == 2


def test_a_vm_whose_job_can_be_restarted_is_restarted(bench: AzureBench) -> None:
    enabling = {"verb": "replicationProtectedItems/write", "item": "sql-01"}
    bench.lab.faults({"match": enabling, "effect": {"job": {"fail": "70094"}}})
    assert states(replicated(bench)) == dict.fromkeys(VMS, "done")
    assert len(bench.lab.ledger("restart")) == 1
    assert len(enabled(bench)) == 6


def test_a_vm_whose_job_fails_for_good_is_told_with_code_cause_and_remedy(bench: AzureBench) -> None:
    failing = [
        {"match": {"verb": verb, "item": "sql-01"}, "effect": {"job": {"fail": "70094"}}}
        for verb in ("replicationProtectedItems/write", "restart")
    ]
    bench.lab.faults(*failing)
    result = replicated(bench, vms=["sql-01", "web-01"])
    assert states(result) == {"sql-01": "failed", "web-01": "done"}
    sql = vms(result)["sql-01"]
    assert sql["code"] == "70094"
    assert sql["detail"]
    assert sql["remedy"]
    assert result.output["state"] == "failed"


@pytest.mark.parametrize("named", [VMS, []], ids=["by name", "all of them"])
def test_vms_that_a_new_host_has_not_reported_yet_are_waited_for(bench: AzureBench, named: list[str]) -> None:
    result = replicated(bench, vms=named)
    assert states(result) == dict.fromkeys(VMS, "done")
    assert [name for name, _ in bench.driver.calls].count("read_protectable_items") > 1


def test_hosts_that_registered_long_ago_are_not_waited_for(bench: AzureBench) -> None:
    bench.lab.advance(timedelta(minutes=30))
    bench.clock.advance_to(bench.lab.now())
    assert states(replicated(bench, vms=["nobody"])) == {"nobody": "failed"}
    assert [name for name, _ in bench.driver.calls].count("read_protectable_items") == 1


def test_what_a_failed_enabling_left_is_removed_before_the_vm_is_enabled_again(bench: AzureBench) -> None:
    failing = [
        {"match": {"verb": verb, "item": "sql-01"}, "effect": {"job": {"fail": "70094"}}}
        for verb in ("replicationProtectedItems/write", "restart")
    ]
    bench.lab.faults(*failing)
    assert states(replicated(bench, vms=["sql-01"])) == {"sql-01": "failed"}
    assert bench.item("sql-01")["properties"]["protectionState"] == "EnablingFailed"
    bench.lab.faults()
    assert states(replicated(bench, "replication-2", vms=["sql-01"])) == {"sql-01": "done"}
    assert bench.lab.ledger("remove") == ["sql-01"]
    assert bench.item("sql-01")["properties"]["protectionState"] == "Protected"
    disks = bench.item("sql-01")["properties"]["providerSpecificDetails"]["azureVmDiskDetails"]
    assert len(disks) == 3


def test_a_vm_that_is_not_there_does_not_keep_the_others_waiting(bench: AzureBench) -> None:
    result = replicated(bench, vms=["nobody", "WEB-01"])
    assert states(result) == {"nobody": "failed", "web-01": "done"}
    assert vms(result)["nobody"]["code"] == "vm-not-found"


def test_only_the_disks_that_are_meant_are_replicated(bench: AzureBench) -> None:
    result = replicated(bench, vms=[{"vm": "sql-01", "disks": ["sql-01-2"]}])
    assert states(result) == {"sql-01": "done"}
    disks = bench.item("sql-01")["properties"]["providerSpecificDetails"]["azureVmDiskDetails"]
    assert [disk["vhdName"] for disk in disks] == ["sql-01", "sql-01-2"]


def test_throttling_ends_nothing(bench: AzureBench) -> None:
    throttled = {"status": 429, "headers": {"Retry-After": "60"}}
    verbs = ("replicationProtectedItems/write", "replicationProtectedItems/read", "replicationProtectableItems/read")
    bench.lab.faults(*({"match": {"verb": verb, "times": 8}, "effect": throttled} for verb in verbs))
    assert states(replicated(bench)) == dict.fromkeys(VMS, "done")
    assert len(enabled(bench)) == len(set(enabled(bench))) == 6


def test_an_update_sends_the_whole_set_and_so_takes_nothing_away(bench: AzureBench) -> None:
    replicated(bench, vms=["sql-01"], settings={"size": "Standard_E4s_v5", "license": "WindowsServer"})
    update = {"action": "update", "vms": [{"vm": "sql-01", "address": "10.10.1.20"}]}
    assert states(replicated(bench, "replication-2", **update)) == {"sql-01": "done"}
    assert states(replicated(bench, "replication-3", **update)) == {"sql-01": "kept"}
    details = bench.item("sql-01")["properties"]["providerSpecificDetails"]
    assert details["recoveryAzureVMSize"] == "Standard_E4s_v5"
    assert details["licenseType"] == "WindowsServer"
    assert details["selectedRecoveryAzureNetworkId"] == f"{NETWORKS}/vnet-dr"
    address = details["vmNics"][0]["ipConfigs"][0]
    assert (address["recoveryStaticIPAddress"], address["recoverySubnetName"]) == ("10.10.1.20", "apps")


def test_what_enabling_cannot_set_is_set_afterwards(bench: AzureBench) -> None:
    result = replicated(bench, vms=[{"vm": "web-01", "testNetwork": f"{NETWORKS}/vnet-drill", "testSubnet": "apps"}])
    assert states(result) == {"web-01": "done"}
    nic = bench.item("web-01")["properties"]["providerSpecificDetails"]["vmNics"][0]
    assert nic["tfoVMNetworkId"] == f"{NETWORKS}/vnet-drill"
    assert bench.lab.ledger("replicationProtectedItems/write") != []


def test_replication_ends_when_it_is_disabled(bench: AzureBench) -> None:
    replicated(bench, vms=["web-01", "web-02"])
    result = replicated(bench, "replication-2", action="disable", vms=["web-01", "app-01"])
    assert states(result) == {"web-01": "done", "app-01": "kept"}
    assert [item["properties"]["friendlyName"] for item in bench.items()] == ["web-02"]


def test_a_vm_is_compared_with_its_replica_again(bench: AzureBench) -> None:
    replicated(bench, vms=["web-01"])
    result = replicated(bench, "replication-2", action="resynchronise", vms=["web-01", "web-02"])
    assert states(result) == {"web-01": "done", "web-02": "failed"}
    assert vms(result)["web-02"]["code"] == "not-protected"
    assert bench.lab.ledger("repairReplication") == ["web-01"]


def test_a_run_that_waits_long_keeps_its_history_and_status_short(bench: AzureBench) -> None:
    result = replicated(bench, initialCopies=1)
    assert result.generations > 3
    assert result.longest_history < 300
    assert result.output["ended"] > result.output["began"]


def test_another_run_that_holds_a_vm_keeps_all_of_it_from_beginning(bench: AzureBench) -> None:
    table = "@leases@11111111-1111-1111-1111-111111111111|rg-dr|vault-dr"
    bench.driver.states[table] = {
        "vm:hci-01-site|sql-01": {"owner": "drill-payroll-1", "until": "2099-01-01T00:00:00Z"}
    }
    bench.living.add("drill-payroll-1")
    result = replicated(bench)
    assert result.output["state"] == "refused"
    assert "drill-payroll-1" in result.output["problems"][0]["detail"]
    assert enabled(bench) == []


def test_what_other_runs_were_promised_is_waited_for_before_vms_are_enabled(bench: AzureBench) -> None:
    began, budget = bench.clock.now, f"@request_budget@{SUB.rpartition('/')[2]}"
    bench.driver.states[budget] = {"writes": {"level": -60 * WRITES.rate, "at": began.isoformat()}}
    times = bench.driver.times_of("change_replication")
    assert replicated(bench).output["state"] == "succeeded"
    assert times[0] >= began + timedelta(minutes=1)


def test_a_vault_that_cannot_be_read_for_a_quarter_of_an_hour_ends_the_run(bench: AzureBench) -> None:
    bench.lab.faults({"match": {"verb": "replicationProtectableItems/read"}, "effect": {"status": 503}})
    began = bench.clock.now
    assert [one["code"] for one in replicated(bench, vms=["sql-01"]).output["problems"]] == ["unreadable"]
    assert timedelta(minutes=15) <= bench.clock.now - began < timedelta(minutes=30)


ODD = {
    "dc-01": ({"highlyAvailable": False}, "vm-highly-available"),
    "sql-01": ({"guest": "Ubuntu 22.04 LTS"}, "vm-guest"),
    "app-01": ({"diskKind": "Shared"}, "vm-disk-kinds"),
    "web-01": ({"arc": True}, "vm-arc"),
}


def test_what_a_preflight_fails_a_vm_for_it_is_not_enabled_for_and_the_others_are(bench: AzureBench) -> None:
    bench.lab.world(vms={name: changes for name, (changes, _) in ODD.items()} | {"R&D-01": {"node": "hci-01-n1"}})
    operation = SiteOperation(id="preflight-1", kind="preflight", site="hci-01", requested_by="ann", document=site())
    checks = {one["id"]: one for one in bench.run(preflight, operation, "preflight-1").output["facts"]["checks"]}
    bench.clock.advance_to(bench.clock.now + timedelta(minutes=16))  # by then the host has reported the new VM
    result = replicated(bench)
    told = {name: (vm["code"], vm["remedy"]) for name, vm in vms(result).items() if vm["state"] == "failed"}
    expected = {name: code for name, (_, code) in ODD.items()} | {"R&D-01": "vm-names"}
    assert told == {name: (code, checks[code]["remedy"]) for name, code in expected.items()}
    assert {checks[code]["state"] for code in expected.values()} == {"fail"}
    assert {name for name, state in states(result).items() if state == "done"} == {"app-02", "web-02"}
    assert {one["vm"] for one in result.output["facts"]["unprotected"]} == set(told)
    named = replicated(bench, "replication-2", vms=[{"vm": "R&D-01", "azureVm": "rd-01"}])
    assert states(named) == {"R&D-01": "done"}


def test_vms_of_a_node_that_is_not_registered_are_named_and_no_success_is_told(bench: AzureBench) -> None:
    bench.clock.advance_to(bench.clock.now + timedelta(minutes=30))  # what registered long ago is not waited for
    bench.lab.world(vms={"new-01": {"node": "hci-01-n3"}})  # no host has reported it yet
    result = replicated(bench)
    assert states(result) == {**dict.fromkeys(VMS, "done"), "new-01": "failed"}
    assert (vms(result)["new-01"]["code"], result.output["state"]) == ("vm-not-found", "failed")
    assert "hci-01-n3" in vms(result)["new-01"]["detail"]
    assert result.output["findings"] == ["Not protected: new-01 on hci-01-n3."]


def test_a_vm_whose_network_comes_later_is_told_so(bench: AzureBench) -> None:
    for run in ("replication-1", "replication-2"):
        result = replicated(bench, run, vms=[{"vm": "web-01", "network": ""}, "web-02"])
        assert {name: [one["code"] for one in vm["notes"]] for name, vm in vms(result).items()} == {
            "web-01": ["no-network"],
            "web-02": [],
        }
