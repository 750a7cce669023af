"""By which rules an event notifies: one run for each channel, once, and never in the way of the event itself."""

from typing import Any, cast

import azure.durable_functions as df
import pytest
from durabletask.client import OrchestrationStatus

from activities.notifications import publish_and_notify, read_awaited, start_notifications
from shared.errors import Transient
from shared.notifications.contract import NotifyOrder, ReadAwaited
from shared.operations.contract import PublishEvent
from tests.shared.azure.fake import FakeArm
from tests.shared.notifications.samples import EMAIL, TEAMS, rule_of, waiting_event
from tests.triggers.engine_states import state_of
from tests.triggers.hub import Hub, declared, usual_documents

EVENT = PublishEvent(**dict(waiting_event()))


def hub_with(**rules: Any) -> Hub:
    documents = {
        f"@documents@notification-rule:{name}": rule
        if "broken" in rule
        else declared(rule_of(**rule).model_dump(mode="json", by_alias=True), "d")
        for name, rule in rules.items()
    }
    return Hub(entities=usual_documents() | documents)


def client_of(hub: Any) -> df.DurableFunctionsClient:
    return cast("df.DurableFunctionsClient", hub)


def started(hub: Hub) -> list[str]:
    return [run for name, run in hub.calls if name == "schedule_new_orchestration"]


@pytest.mark.parametrize(
    ("rule", "count"),
    [
        ({}, 1),
        ({"channels": [TEAMS, EMAIL]}, 2),
        ({"covers": {"plans": ["payroll"]}}, 1),
        ({"covers": {"sites": ["hci-01"]}}, 1),
        ({"covers": {"sites": ["hci-02"], "plans": ["orders"]}}, 0),
        ({"occasions": ["failed"]}, 0),
    ],
)
async def test_an_event_notifies_by_the_rules_that_cover_it(rule: dict[str, Any], count: int) -> None:
    assert await start_notifications(client_of(hub_with(all=rule)), EVENT) == count


async def test_a_repeated_event_notifies_once(monkeypatch: pytest.MonkeyPatch) -> None:
    hub, orders = hub_with(all={}, other={}), list[NotifyOrder]()

    async def start(_client: Any, request: Any) -> None:
        orders.append(NotifyOrder.model_validate(request.payload))

    monkeypatch.setattr("activities.notifications.start_run", start)
    for _ in range(2):
        await start_notifications(client_of(hub), EVENT)
    other_event = EVENT.model_copy(update={"id": "failover-payroll-2:waiting:approval"})
    await start_notifications(client_of(hub), other_event)
    ids = [order.id for order in orders]
    assert (len(ids), len(set(ids)), ids[:2]) == (6, 4, ids[2:4])


async def test_a_rule_that_cannot_be_read_silences_no_other() -> None:
    assert await start_notifications(client_of(hub_with(a={"broken": True}, b={})), EVENT) == 1


async def test_what_nobody_is_notified_of_asks_the_engine_nothing() -> None:
    hub = hub_with(all={})
    assert (
        await start_notifications(client_of(hub), EVENT.model_copy(update={"type": "HciSiteRecovery.Operation.Phase"}))
        == 0
    )
    assert hub.calls == []


async def test_the_topic_is_told_although_notifications_cannot_be_started(
    arm: FakeArm, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.shared.azure.fake import Reply  # noqa: PLC0415

    monkeypatch.setenv("EVENTGRID_TOPIC_ENDPOINT", f"{arm.base}/eventgrid/topics/t/api/events")
    arm.says("POST", "/api/events", Reply(200))

    class Away:
        async def get_all_entities(self, _query: Any) -> Any:
            raise ConnectionError

    with pytest.raises(Transient, match="were not started: ConnectionError"):
        await publish_and_notify(client_of(Away()), EVENT)
    assert len(arm.sent("POST", "/api/events")) == 1


APPROVAL = {"waits": {"kind": "approval", "instructions": "1 approval"}}


@pytest.mark.parametrize(
    ("status", "shown", "waits_for", "still_waits"),
    [
        (OrchestrationStatus.RUNNING, APPROVAL, "approval", True),
        (OrchestrationStatus.RUNNING, APPROVAL, "decision", False),
        (OrchestrationStatus.RUNNING, {"phase": "Failover"}, "approval", False),
        (OrchestrationStatus.COMPLETED, APPROVAL, "approval", False),
        (OrchestrationStatus.TERMINATED, APPROVAL, "approval", False),
    ],
)
async def test_whether_a_run_still_waits(
    status: OrchestrationStatus, shown: dict[str, Any], waits_for: str, still_waits: bool
) -> None:
    given = {"requested_by": "ann", "override": {"reason": "fire, Password=hunter2secret"}, "preview": {"kind": "x"}}
    run = state_of("failover-payroll-1", "failover", status, given=given, custom_status=shown)
    hub = hub_with(all={})
    hub.runs["failover-payroll-1"] = [run]
    request = ReadAwaited(rule="all", run="failover-payroll-1", waits_for=waits_for)
    awaited = await read_awaited(client_of(hub), request)
    assert (awaited.still_waits, awaited.is_declared, awaited.requested_by) == (still_waits, True, "ann")
    assert awaited.reason.startswith("fire")
    assert "hunter2secret" not in awaited.reason


async def test_a_rule_that_is_withdrawn_is_said_to_be_so() -> None:
    awaited = await read_awaited(client_of(hub_with(all={})), ReadAwaited(rule="gone"))
    assert (awaited.is_declared, awaited.still_waits) == (False, False)
