"""Turning points are told as CloudEvents, where there is somebody to tell."""

import contextlib
import json
import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from activities.cloud_events import publish_event
from shared.errors import Transient
from shared.log_lines import LONGEST_VALUE, TURNING_POINT
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


def logged(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith(f"{TURNING_POINT} ")]
    return [json.loads(line.partition(" ")[2]) for line in lines]


@pytest.mark.parametrize("reply", [Reply(200), Reply(503)])
async def test_the_log_has_the_turning_point_whatever_the_topic_answers(
    topic: FakeArm, reply: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    topic.says("POST", "/api/events", reply)
    with caplog.at_level(logging.INFO), contextlib.suppress(Transient):
        await publish_event(EVENT)
    (facts,) = logged(caplog)
    assert facts == {
        "type": EVENT.type,
        "id": "op-1-ended",
        "subject": "operations/op-1",
        "at": EVENT.at.isoformat(),
        "kind": "drill",
    }


async def test_without_a_topic_the_log_still_has_it(arm: FakeArm, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        await publish_event(EVENT)
    assert [facts["id"] for facts in logged(caplog)] == ["op-1-ended"]


async def test_the_log_has_numbers_and_names_of_an_event_and_no_text(
    arm: FakeArm, caplog: pytest.LogCaptureFixture
) -> None:
    data: dict[str, Any] = {
        "state": "failed",
        "vms": 6,
        "failures": [{"detail": "Password=hunter2"}],
        "detail": "Password=hunter2",
        "reason": "Password=hunter2",
        "plan": "p" * 5000,
        "evidence": {"complete": False, "code": "evidence-unsigned", "detail": "Password=hunter2"},
    }
    with caplog.at_level(logging.INFO):
        await publish_event(EVENT.model_copy(update={"data": data}))
    (facts,) = logged(caplog)
    assert "hunter2" not in caplog.text
    assert (facts["state"], facts["vms"], facts["failures"]) == ("failed", 6, 1)
    assert (facts["evidenceComplete"], facts["evidenceCode"]) == (False, "evidence-unsigned")
    assert len(facts["plan"]) == LONGEST_VALUE
