"""Turning points are told as CloudEvents, where there is somebody to tell."""

from datetime import UTC, datetime

import pytest

from activities.cloud_events import publish_event
from shared.errors import Transient
from shared.operations.contract import PublishEvent
from tests.shared.azure.fake import FakeArm, Reply

EVENT = PublishEvent(
    id="op-1-ended",
    type="HciSiteRecovery.Operation.Succeeded",
    subject="operations/op-1",
    at=datetime(2026, 11, 22, 10, 0, tzinfo=UTC),
    data={"kind": "drill"},
)


@pytest.fixture
def topic(arm: FakeArm, monkeypatch: pytest.MonkeyPatch) -> FakeArm:
    monkeypatch.setenv("EVENTGRID_TOPIC_ENDPOINT", f"{arm.base}/eventgrid/topics/t/api/events")
    arm.says("POST", "/api/events", Reply(200))
    return arm


async def test_without_a_topic_nobody_is_told(arm: FakeArm) -> None:
    assert not (await publish_event(EVENT)).sent
    assert arm.asked == []


async def test_an_event_keeps_its_id_and_time(topic: FakeArm) -> None:
    assert (await publish_event(EVENT)).sent
    (sent,) = topic.sent("POST", "/api/events")
    (event,) = sent.body
    assert {key: event[key] for key in ("id", "type", "subject", "source", "specversion", "data")} == {
        "id": "op-1-ended",
        "type": "HciSiteRecovery.Operation.Succeeded",
        "subject": "operations/op-1",
        "source": "/hci-site-recovery",
        "specversion": "1.0",
        "data": {"kind": "drill"},
    }
    assert datetime.fromisoformat(event["time"]) == EVENT.at
    assert sent.headers["Authorization"] == "Bearer t0ken"


async def test_a_topic_with_a_key_is_told_with_it(topic: FakeArm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTGRID_TOPIC_KEY", "a-key")
    await publish_event(EVENT)
    (sent,) = topic.sent("POST", "/api/events")
    assert sent.headers["aeg-sas-key"] == "a-key"
    assert topic.sent("GET", "/msi/token") == []


@pytest.mark.parametrize("reply", [Reply(503), Reply(429, headers={"Retry-After": "1"}), Reply(lost=True)])
async def test_a_topic_that_does_not_answer_is_asked_again_by_the_caller_only(topic: FakeArm, reply: Reply) -> None:
    topic.says("POST", "/api/events", reply)
    with pytest.raises(Transient):
        await publish_event(EVENT)
    assert len(topic.sent("POST", "/api/events")) == 1
