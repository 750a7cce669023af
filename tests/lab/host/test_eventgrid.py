"""The Event Grid webhook."""

import json
from typing import Any

import pytest

from tests.lab.host.conftest import Hosted

PATH = "/runtime/webhooks/eventgrid?functionName=on_event"
NOTIFICATION = {"aeg-event-type": "Notification"}


def event(number: int, subject: str = "ada") -> dict[str, Any]:
    return {
        "id": str(number),
        "topic": "/subscriptions/1",
        "subject": subject,
        "eventType": "Microsoft.Resources.ResourceWriteFailure",
        "eventTime": "2026-01-05T08:00:00Z",
        "data": {},
        "dataVersion": "1",
    }


async def test_the_handshake_gives_the_code_back(hosted: Hosted) -> None:
    asked = [event(1) | {"data": {"validationCode": "abc", "validationUrl": "https://example.org"}}]
    headers = {"aeg-event-type": "SubscriptionValidation"}
    assert await hosted.call("POST", PATH, json=asked, headers=headers) == (200, {"validationResponse": "abc"})


async def test_each_event_of_a_batch_reaches_the_function(hosted: Hosted) -> None:
    assert (await hosted.call("POST", PATH, json=[event(1), event(2)], headers=NOTIFICATION))[0] == 202
    await hosted.host.engine.runner.wait_until_idle()
    assert hosted.host.engine.instances.get("event-1").output == '"hello ada"'
    assert hosted.host.engine.instances.get("event-2").output == '"hello ada"'


async def test_an_event_may_come_alone(hosted: Hosted) -> None:
    assert (await hosted.call("POST", PATH, json=event(3), headers=NOTIFICATION))[0] == 202
    assert hosted.host.engine.instances.find("event-3") is not None


async def test_an_event_that_the_function_does_not_take_is_sent_again(hosted: Hosted) -> None:
    assert (await hosted.call("POST", PATH, json=[event(1, "broken")], headers=NOTIFICATION))[0] == 500


async def test_the_end_of_a_subscription_is_accepted(hosted: Hosted) -> None:
    assert (await hosted.call("POST", PATH, json=[], headers={"aeg-event-type": "Unsubscribe"}))[0] == 202


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ("not json", NOTIFICATION),
        ("", NOTIFICATION),
        (json.dumps(["no object"]), NOTIFICATION),
        (json.dumps([event(1) | {"eventTime": "yesterday"}]), NOTIFICATION),
        (json.dumps([event(1) | {"eventTime": 5}]), NOTIFICATION),
        (json.dumps([]), {"aeg-event-type": "SubscriptionValidation"}),
        (json.dumps([event(1)]), {"aeg-event-type": "SubscriptionValidation"}),
        (json.dumps([event(1)]), {}),
        (json.dumps([event(1)]), {"aeg-event-type": "Gossip"}),
    ],
)
async def test_what_event_grid_would_not_send_is_refused(hosted: Hosted, body: str, headers: dict[str, str]) -> None:
    assert (await hosted.call("POST", PATH, data=body, headers=headers))[0] == 400


async def test_a_function_that_is_not_there_is_not_found(hosted: Hosted) -> None:
    path = "/runtime/webhooks/eventgrid?functionName=echo"
    assert (await hosted.call("POST", path, json=[event(1)], headers=NOTIFICATION))[0] == 404


async def test_the_handshake_of_cloud_events_is_answered(hosted: Hosted) -> None:
    headers = {"WebHook-Request-Origin": "eventgrid.azure.net"}
    async with hosted.session.options(hosted.host.url + PATH, headers=headers) as answer:
        assert answer.status == 200
        assert answer.headers["WebHook-Allowed-Origin"] == "eventgrid.azure.net"
