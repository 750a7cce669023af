"""Runs of thousands of VMs are read in one message of the durable client, while they run and after they have ended."""

import json
import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from durabletask.client import OrchestrationState, OrchestrationStatus

from shared.operations.payloads import Carried, pack_document, pack_input
from shared.recovery.operation import Operation
from shared.recovery.outcome import Outcome
from shared.recovery.run_item import ItemStep, RunItem
from shared.site_recovery.views import Verb
from tests.driver import Driver
from tests.orchestrators.test_runbooks import SITE, plan
from triggers.operation_views import full_view

VMS = 5000
USUAL_MESSAGE = 4 * 1024 * 1024
"""Bytes that the durable client takes in one message where host.json does not say otherwise."""
VERBS: tuple[Verb, ...] = (
    "PlannedFailover",
    "Commit",
    "Failback",
    "Commit",
    "ReverseReplicate",
    "UpdateVmProperties",
)
"""As many as a round trip sends to each VM."""
BEGAN = datetime(2026, 1, 5, 8, tzinfo=UTC)


def moved_item(number: int, chance: random.Random) -> RunItem:
    """A VM after a round trip, with nothing in it that could be guessed."""

    def moment() -> datetime:
        return BEGAN + timedelta(microseconds=chance.randrange(10**11))

    def name() -> str:
        return str(uuid.UUID(int=chance.getrandbits(128)))

    steps = [
        ItemStep(verb=verb, job=name(), outcome="succeeded", began=moment(), ended=moment(), point=moment())
        for verb in VERBS
    ]
    container = f"{SITE.vault}/replicationFabrics/hci-01/replicationProtectionContainers/cloud_1"
    return RunItem(
        vm=f"vm-{number:04d}",
        id=f"{container}/replicationProtectedItems/{name()}",
        after=(f"vm-{number // 10:04d}",),
        state="done",
        job=steps[-1].job,
        since=moment(),
        jobs_since=moment(),
        azure_vm=f"vm-{number:04d}",
        address=f"10.{number % 200}.{number % 97}.{number % 251}",
        host_provider=f"{SITE.vault}/replicationFabrics/hci-01/replicationRecoveryServicesProviders/{name()}",
        disk_mb=chance.randrange(10**6),
        steps=tuple(steps),
    )


@pytest.fixture(scope="module")
def items() -> tuple[RunItem, ...]:
    chance = random.Random(1)
    return tuple(moved_item(number, chance) for number in range(VMS))


@pytest.fixture(scope="module")
def operation() -> dict[str, Any]:
    document = plan()
    usual = Operation(
        id="roundtrip-1",
        kind="roundtrip",
        plan="payroll",
        requested_by="ann",
        digest=document.digest,
        document=document,
        sites={"hci-01": SITE},
    ).to_carry()
    vms = [{"vm": f"vm-{number:04d}", "after": [f"vm-{number // 10:04d}"]} for number in range(VMS)]
    return usual | {"document": usual["document"] | {"items": vms}}


def state_of(status: OrchestrationStatus, given: dict[str, Any], output: dict[str, Any] | None) -> OrchestrationState:
    at = BEGAN.replace(tzinfo=None)
    return OrchestrationState(
        "roundtrip-1",
        "roundtrip",
        status,
        at,
        at,
        json.dumps(given),
        None if output is None else json.dumps(output),
        None,
        None,
    )


def size_of(state: OrchestrationState) -> int:
    return len(state.serialized_input or "") + len(state.serialized_output or "")


def test_a_run_under_way_fits_into_one_message(operation: dict[str, Any], items: tuple[RunItem, ...]) -> None:
    carried = {**operation, "run": {"items": [item.model_dump(mode="json") for item in items]}}
    given = pack_input(carried, Carried(created_at=BEGAN, custom_status={"codes": "d" * VMS}))
    size = size_of(state_of(OrchestrationStatus.RUNNING, given, None))
    assert size < USUAL_MESSAGE, size


def test_a_run_that_has_ended_fits_into_one_message(operation: dict[str, Any], items: tuple[RunItem, ...]) -> None:
    outcome = Outcome(state="succeeded", kind="roundtrip", plan="payroll", items=items, began=BEGAN, ended=BEGAN)

    def ends(_ctx: Any, _payload: dict[str, Any]) -> Any:
        yield from ()
        return outcome.model_dump(mode="json")

    result = Driver().run(ends, pack_document(operation))
    started = [event.executionStarted for event in result.episodes[-1].new if event.HasField("executionStarted")]
    done = result.episodes[-1].actions[-1].completeOrchestration
    last = state_of(OrchestrationStatus.COMPLETED, json.loads(started[0].input.value), json.loads(done.result.value))
    assert result.generations == 2
    assert size_of(last) < USUAL_MESSAGE, size_of(last)
    view = full_view(last)
    assert view["state"] == "succeeded"
    assert [item["vm"] for item in view["items"]] == [item.vm for item in items]
    assert view["items"][-1]["steps"][-1]["jobId"] == items[-1].steps[-1].job
