"""Fault rules for jobs: every effect reaches the job of every kind of call, and leaves nothing unknown behind."""

from typing import Any

import pytest

from lab.azure.site_recovery.api.errors import SERVICE_ERRORS
from lab.azure.site_recovery.verbs import verbs
from tests.lab.azure.site_recovery.test_vault_contents import POLICY
from tests.lab.azure.site_recovery.world import TEST, TO_AZURE, UNPLANNED, Json, World, codes, job_of

CODES = (*SERVICE_ERRORS, "99999")
CALLS: dict[str, tuple[str, str, Json | None]] = {
    "testFailover": ("POST", "{item}/testFailover", TEST),
    "plannedFailover": ("POST", "{item}/plannedFailover", TO_AZURE),
    "unplannedFailover": ("POST", "{item}/unplannedFailover", UNPLANNED),
    "repairReplication": ("POST", "{item}/repairReplication", None),
    "remove": ("POST", "{item}/remove", {}),
    "settings": ("PATCH", "{item}", {"recoveryAzureVMName": "sql-01"}),
    "purge": ("DELETE", "{item}", None),
    "policy": ("PUT", "/replicationPolicies/p2", {"providerSpecificInput": POLICY}),
    "plan": ("POST", "/replicationRecoveryPlans/payroll/testFailover", TEST),
}


async def job_under(world: World, call: str, effect: Json, **match: str) -> Json:
    """The job of a call, half an hour later."""
    if call == "plan":
        await _make_plan(world)
    method, path, properties = CALLS[call]
    if call == "plan":
        properties = TEST | {"providerSpecificDetails": [TEST["providerSpecificDetails"]]}
    world.lab.faults.replace_rules([{"match": match, "effect": {"job": effect}}])
    item = world.record()["id"].partition("/vaults/vault-dr")[2]
    body = None if properties is None else {"properties": properties}
    status, answer, headers = await world.call(method, path.format(item=item), body)
    assert status == 202, answer
    world.pass_time(minutes=90)
    return await world.job(job_of(headers))


async def _make_plan(world: World) -> None:
    record = world.record()
    group = {
        "groupType": "Boot",
        "replicationProtectedItems": [{"id": record["id"], "virtualMachineId": record["vmId"]}],
        "startGroupActions": [],
        "endGroupActions": [],
    }
    fabric = {"primaryFabricId": record["fabric"], "recoveryFabricId": "Microsoft Azure"}
    body = {"properties": fabric | {"failoverDeploymentModel": "ResourceManager", "groups": [group]}}
    status, answer, _ = await world.call("PUT", "/replicationRecoveryPlans/payroll", body)
    assert status == 202, answer
    world.pass_time(minutes=2)


@pytest.mark.parametrize("call", CALLS)
async def test_a_warning_reaches_the_job_of_every_call(world: World, call: str) -> None:
    """The job ends well all the same; a removal may do so in part."""
    job = await job_under(world, call, {"warn": "28175"})
    assert (codes(job), job["errors"][0]["errorLevel"]) == (["28175"], "Warning")
    assert job["state"] in ({"Succeeded", "PartiallySucceeded"} if call == "remove" else {"Succeeded"})


@pytest.mark.parametrize("call", CALLS)
async def test_a_failure_reaches_the_job_of_every_call(world: World, call: str) -> None:
    job = await job_under(world, call, {"fail": "28175"})
    assert (job["state"], codes(job)[-1]) == ("Failed", "28175")


@pytest.mark.parametrize("effect", ["warn", "fail"])
@pytest.mark.parametrize("code", CODES)
async def test_every_code_can_be_had(world: World, effect: str, code: str) -> None:
    """Its text names nothing that is left open."""
    job = await job_under(world, "plannedFailover", {effect: code})
    (error,) = job["errors"]
    assert (job["state"] == "Failed") is (effect == "fail")
    assert error["serviceErrorDetails"]["code"] == code
    assert "{" not in str(error["serviceErrorDetails"]["message"])


@pytest.mark.parametrize("call", CALLS)
async def test_a_rule_matches_the_method_of_the_call(world: World, call: str) -> None:
    """A method that is not that of the call keeps the rule from firing, the call's own lets it."""
    method = CALLS[call][0]
    job = await job_under(world, call, {"fail": "499"}, method=method)
    assert (job["state"], world.lab.faults.list_rules()[0]["fired"]) == ("Failed", 1)


async def test_a_rule_for_another_method_does_not_fire(world: World) -> None:
    job = await job_under(world, "settings", {"fail": "499"}, method="POST")
    assert (job["state"], world.lab.faults.list_rules()[0]["fired"]) == ("Succeeded", 0)


async def test_what_the_provider_said_is_in_the_details_of_the_provider(world: World) -> None:
    """As in recorded errors with 539: the service says only where to look."""
    job = await job_under(world, "plannedFailover", {"fail": "539", "message": "Hyper-V is out of memory."})
    (error,) = job["errors"]
    assert error["providerErrorDetails"]["errorMessage"] == "Hyper-V is out of memory."
    assert "couldn't be performed" in error["serviceErrorDetails"]["message"]


async def test_what_azure_said_is_in_the_details_of_the_service(world: World) -> None:
    job = await job_under(world, "plannedFailover", {"fail": "28031", "message": "The quota is used up."})
    (error,) = job["errors"]
    assert error["serviceErrorDetails"]["message"] == "The quota is used up."


async def test_a_call_in_which_the_lab_breaks_is_in_the_ledger_and_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had done by then is not undone: whoever counts calls must see it."""

    def break_down(*_: Any) -> Any:
        raise KeyError("something")

    monkeypatch.setattr(verbs, "answer_with_job", break_down)
    item = world.record()["id"].partition("/vaults/vault-dr")[2]
    status, body, _ = await world.call("POST", f"{item}/plannedFailover", {"properties": TO_AZURE})
    assert (status, body["error"]["code"]) == (500, "InternalServerError")
    (entry,) = world.lab.ledger.list_entries()
    assert (entry["verb"], entry["item"], entry["status"]) == ("plannedFailover", "sql-01", 500)
    assert world.lab.ledger.count_by_status()["plannedFailover"] == {"500": 1}
