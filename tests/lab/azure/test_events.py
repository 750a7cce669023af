"""Event Grid: ARM's events to the webhook, and the product's events to the topic."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lab.azure.arm import tokens
from tests.lab.azure.cloud import EXTENSION, N2, Cloud, Host

FAILURE = {"emit": "extension-failure", "node": "hci-01-n2"}
TOPIC = "/eventgrid/topics/hci-site-recovery/api/events"
TURN = {"specversion": "1.0", "id": "1", "source": "/plans/payroll", "type": "drill.succeeded", "data": {}}


@pytest.fixture
async def wired(host: Host) -> AsyncIterator[Cloud]:
    """A simulator that delivers to the stand-in."""
    async with Cloud(host=host.base) as built:
        yield built


async def until(cloud: Cloud, attempts: int) -> list[dict[str, Any]]:
    """Let the courier work until it has tried so often; gives what it noted."""
    async with asyncio.timeout(10):
        while len(reports := (await cloud.control("GET", "events"))["deliveries"]) < attempts:  # noqa: ASYNC110 - over HTTP
            await asyncio.sleep(0.01)
    return list(reports)


async def test_a_failed_extension_is_told_after_the_handshake(wired: Cloud, host: Host) -> None:
    await wired.control("POST", "events", FAILURE)
    wired.pass_time(seconds=5)
    await until(wired, 1)
    assert host.requests[0][2][0]["eventType"] == "Microsoft.EventGrid.SubscriptionValidationEvent"
    (event,) = host.events
    assert event["eventType"] == "Microsoft.Resources.ResourceWriteFailure"
    assert event["subject"] == f"{N2}/extensions/{EXTENSION}"
    assert event["data"]["operationName"] == "Microsoft.HybridCompute/machines/extensions/write"
    assert "message" not in str(event), "an event never says why"


async def test_the_activity_log_says_why_by_correlation_id(wired: Cloud, host: Host) -> None:
    correlation = (await wired.control("POST", "events", FAILURE))["correlationId"]
    path = (
        "/subscriptions/11111111-1111-1111-1111-111111111111/providers/microsoft.insights/eventtypes/management/values"
    )
    query = f"eventTimestamp%20ge%20'2026-01-05T00:00:00Z'%20and%20correlationId%20eq%20'{correlation}'"
    _, body, _ = await wired.call("GET", f"{path}?$filter={query}", version="2015-04-01")
    (entry,) = body["value"]
    assert entry["status"]["value"] == "Failed"
    assert "RegisterAsr.ps1" in entry["properties"]["statusMessage"]
    status, _, _ = await wired.call("GET", path, version="2015-04-01")
    assert status == 400


async def test_an_event_is_retried_until_it_is_taken(wired: Cloud, host: Host) -> None:
    host.statuses = [500, 503]
    await wired.control("POST", "events", FAILURE)
    for attempts, wait in ((1, 5), (2, 11), (3, 31)):
        wired.pass_time(seconds=wait)
        reports = await until(wired, attempts)
    assert [each["status"] for each in reports] == [500, 503, 200]
    assert len(host.events) == 1


async def test_removal_and_installation_are_told_when_they_end(wired: Cloud, host: Host) -> None:
    await wired.call("DELETE", f"{N2}/extensions/{EXTENSION}")
    wired.pass_time(minutes=3)
    wired.pass_time(seconds=5)
    await until(wired, 1)
    assert [event["eventType"] for event in host.events] == ["Microsoft.Resources.ResourceDeleteSuccess"]


@pytest.mark.parametrize(("effect", "deliveries"), [("duplicate", 2), ("lose", 0), ("reorder", 1)])
async def test_events_are_duplicated_lost_or_late_by_rule(
    wired: Cloud, host: Host, effect: str, deliveries: int
) -> None:
    rule = {"match": {"verb": "*extensions/write", "times": 1}, "effect": {"event": effect}}
    await wired.control("PUT", "faults", [rule])
    await wired.control("POST", "events", FAILURE)
    await wired.control("POST", "events", FAILURE)
    wired.pass_time(minutes=5)
    reports = await until(wired, deliveries + 1)
    ids = [each["event"]["id"] for each in reports]
    assert len(ids) == deliveries + 1
    assert len(set(ids)) == len(ids) - (effect == "duplicate")


async def test_a_wish_for_an_event_that_did_not_happen_is_refused(cloud: Cloud) -> None:
    status, _, _ = await cloud.call("POST", "/lab/events", {"emit": "extension-failure", "node": "hci-01-n1"})
    assert status == 400
    status, _, _ = await cloud.call("POST", "/lab/events", {"emit": "extension-failure", "node": "nobody"})
    assert status == 404


@pytest.mark.parametrize("headers", [{"aeg_sas_key": "any"}, {}])
async def test_the_topic_takes_cloud_events_with_a_key_or_a_token(cloud: Cloud, headers: dict[str, str]) -> None:
    token = tokens.issue_token("product", "https://eventgrid.azure.net")["token"]
    sent = headers or {"Authorization": f"Bearer {token}"}
    status, _, _ = await cloud.call("POST", TOPIC, [TURN], version="2018-01-01", **sent)
    assert status == 200
    (kept,) = (await cloud.control("GET", "events"))["received"]
    assert (kept["topic"], kept["event"]) == ("hci-site-recovery", TURN)


async def test_the_topic_refuses_strangers_and_what_is_no_cloud_event(cloud: Cloud) -> None:
    status, _, _ = await cloud.call("POST", TOPIC, [TURN], version=None, Authorization="")
    assert status == 401
    status, _, _ = await cloud.call("POST", TOPIC, [{"id": "1"}], version=None, aeg_sas_key="k")
    assert status == 400
    assert (await cloud.control("GET", "events"))["received"] == []
