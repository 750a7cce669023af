"""Recovery plans in the vault: read with their groups, written once after a look."""

from datetime import UTC, datetime
from typing import Any

import pytest

from activities.recovery_plans import read_mirror, write_part
from shared.errors import Refused, Transient
from shared.messages import VaultRef
from shared.recovery_plans.contract import ReadMirror, WritePart
from shared.recovery_plans.mirror import PartWrite
from shared.recovery_plans.parts import PlanGroup, PlanMember, PlanPart
from shared.request_ids import client_request_id
from tests.shared.azure.fake import ITEM, VAULT, FakeArm, Reply, accepted, job, listed

SINCE = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
FRONT = (PlanGroup(kind="Shutdown"), PlanGroup(kind="Failover"))
SQL, WEB = (PlanMember(id=ITEM.replace("sql-01", vm), machine=f"guid-{vm}") for vm in ("sql-01", "web-01"))
PART = PlanPart(
    name="payroll",
    vault=VaultRef.from_id(VAULT),
    fabric_id=f"{VAULT}/replicationFabrics/f1",
    groups=(*FRONT, PlanGroup(members=(SQL,)), PlanGroup(members=(WEB,))),
)
TURNED = PART.model_copy(update={"groups": (*FRONT, *PART.boot_groups[::-1])})
GONE = Reply(404, {"error": {"code": "NotFound", "message": "no such plan"}})


def shown(part: PlanPart = PART, **more: object) -> dict[str, Any]:
    said = {"primaryFabricId": part.fabric_id, **part.to_update_body()["properties"], "currentScenario": None}
    return {"id": part.id, "name": part.name, "properties": {**said, "currentScenarioStatus": None, **more}}


def ask(what: str = "save") -> WritePart:
    write = PartWrite.model_validate({"what": what, "part": PART})
    return WritePart(operation="mirror-1", write=write, since=SINCE)


@pytest.fixture
def vault(arm: FakeArm) -> FakeArm:
    """A vault without recovery plans and jobs, that takes any write."""
    arm.says("GET", "/payroll", GONE)
    arm.says("GET", "/replicationJobs", listed())
    for method in ("PUT", "PATCH", "DELETE"):
        arm.says(method, "/payroll", accepted("j1"))
    return arm


def writes(arm: FakeArm) -> list[str]:
    return [one.method for one in arm.asked if one.method in {"PUT", "PATCH", "DELETE"}]


async def test_only_those_that_begin_so_are_read_each_with_its_groups(arm: FakeArm) -> None:
    """A list shows no groups."""
    others = [shown(PART.model_copy(update={"name": name})) for name in ("Payroll-1-of-2", "intranet")]
    empty = [one | {"properties": {**one["properties"], "groups": []}} for one in (shown(), *others)]
    arm.says("GET", "/replicationRecoveryPlans", listed(*empty))
    running = shown(currentScenario={"scenarioName": "TestFailover"}, currentScenarioStatus="InProgress")
    arm.says("GET", "/payroll", Reply(200, running))
    arm.says("GET", "/Payroll-1-of-2", GONE)
    read = await read_mirror(ReadMirror(vault=PART.vault, base="payroll"))
    assert [(one.part, one.busy_with) for one in read.found] == [(PART, "TestFailover")]


async def test_a_write_is_sent_once_under_its_request_id(vault: FakeArm) -> None:
    assert (await write_part(ask())).job == "j1"
    (sent,) = vault.sent("PUT", "/payroll")
    assert sent.body == PART.to_create_body()
    assert sent.headers["x-ms-client-request-id"] == client_request_id("mirror-1", PART.id, "SaveRecoveryPlan", 1)


@pytest.mark.parametrize(("what", "there", "method"), [("replace", TURNED, "PATCH"), ("remove", PART, "DELETE")])
async def test_groups_are_replaced_and_recovery_plans_deleted(
    vault: FakeArm, what: str, there: PlanPart, method: str
) -> None:
    vault.says("GET", "/payroll", Reply(200, shown(there)))
    assert (await write_part(ask(what))).outcome == "started"
    assert writes(vault) == [method]


@pytest.mark.parametrize(("what", "reply"), [("save", 200), ("replace", 200), ("remove", 404)])
async def test_what_is_as_it_should_be_is_kept(vault: FakeArm, what: str, reply: int) -> None:
    vault.says("GET", "/payroll", Reply(200, shown()) if reply == 200 else GONE)
    assert (await write_part(ask(what))).outcome == "kept"
    assert writes(vault) == []


async def test_a_job_that_our_request_started_is_adopted(vault: FakeArm) -> None:
    ours = f"{client_request_id('mirror-1', PART.id, 'SaveRecoveryPlan', 1)} ActivityId: x"
    vault.says("PUT", "/payroll", Reply(lost=True))
    with pytest.raises(Transient):
        await write_part(ask())
    vault.says("GET", "/replicationJobs", listed(job("j7", activityId=ours)))
    assert (await write_part(ask())).job == "j7"
    assert writes(vault) == ["PUT"]


@pytest.mark.parametrize(("what", "there"), [("save", TURNED), ("replace", None)])
async def test_what_has_changed_since_it_was_decided_is_not_written(
    vault: FakeArm, what: str, there: PlanPart | None
) -> None:
    vault.says("GET", "/payroll", Reply(200, shown(there)) if there else GONE)
    with pytest.raises(Refused) as no:
        await write_part(ask(what))
    assert (no.value.code, writes(vault)) == ("recovery-plan-changed", [])


async def test_a_recovery_plan_that_is_run_is_not_written(vault: FakeArm) -> None:
    vault.says("GET", "/payroll", Reply(200, shown(TURNED, currentScenarioStatus="Suspended")))
    with pytest.raises(Refused) as no:
        await write_part(ask("replace"))
    assert (no.value.code, writes(vault)) == ("recovery-plan-busy", [])
