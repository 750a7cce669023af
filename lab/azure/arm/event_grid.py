"""Event Grid: ARM's events to the product's webhook, after a handshake, at least once; and a topic for its CloudEvents.

An event is a document until it is delivered, so a killed simulator delivers it later. Retries follow the schedule that
Event Grid documents (10 s, 30 s, 1 min, 5 min, then every 10 min) for a simulated day, then the event is dropped.
"""

import asyncio
import logging
from datetime import timedelta
from typing import Any

import aiohttp

from lab.azure.arm.ids import part_of
from lab.azure.simulator.answers import Answer, ArmError, Json
from lab.azure.simulator.lab import SUBSCRIPTION, TENANT, Lab, due, to_iso

log = logging.getLogger(__name__)

OUTBOX = "outbox"
DELIVERED = "delivered"
RECEIVED = "received"
SUBSCRIBED = (
    "Microsoft.HybridCompute/machines/extensions/",
    "Microsoft.AzureStackHCI/clusters/arcSettings/extensions/",
)
"""Operations that the product's event subscription asks for, by how they begin."""
RETRIES = [timedelta(seconds=10), timedelta(seconds=30), timedelta(minutes=1), timedelta(minutes=5)]
LATER = timedelta(minutes=10)
LIFE = timedelta(days=1)
WEBHOOK = "/runtime/webhooks/eventgrid?functionName=on_azure_event"


def emit_event(lab: Lab, origin: Json, resource: str, operation: str, *, failed: bool) -> None:
    """Queue the event of an operation's end, if the subscription asks for it and the lab has a host to deliver to."""
    if lab.place.host is None or not operation.startswith(SUBSCRIBED):
        return
    effect = lab.faults.event_effect(operation, resource)
    if effect == "lose":
        return
    event = event_document(lab, origin, resource, operation, failed=failed)
    delay = timedelta(seconds=90) if effect == "reorder" else timedelta(seconds=2)
    for copy in range(2 if effect == "duplicate" else 1):
        _queue_delivery(lab, event, delay * (copy + 1))


def _queue_delivery(lab: Lab, event: Json, delay: timedelta) -> None:
    key = lab.new_id("delivery")
    lab.store.put(OUTBOX, key, {"key": key, "event": event, "attempts": 0, "due": False, "since": to_iso(lab.now())})
    lab.call_after(delay, "deliver-event", {"key": key})


def event_document(lab: Lab, origin: Json, resource: str, operation: str, *, failed: bool) -> Json:
    """An event of ARM in the Event Grid schema: it never says why something failed."""
    deed = {"write": "Write", "delete": "Delete"}.get(operation.rpartition("/")[2], "Action")
    subscription = part_of(resource, "subscriptions") or SUBSCRIPTION
    return {
        "id": lab.new_id("event"),
        "topic": f"/subscriptions/{subscription}",
        "subject": resource,
        "eventType": f"Microsoft.Resources.Resource{deed}{'Failure' if failed else 'Success'}",
        "eventTime": to_iso(lab.now()),
        "dataVersion": "2",
        "metadataVersion": "1",
        "data": {
            "authorization": {
                "scope": resource,
                "action": operation,
                "evidence": {
                    "role": "Contributor",
                    "principalId": origin["principal"],
                    "principalType": "ServicePrincipal",
                },
            },
            "claims": {"appid": origin["principal"]},
            "correlationId": origin["correlation"],
            "httpRequest": {
                "clientRequestId": origin["clientRequestId"],
                "clientIpAddress": "127.0.0.1",
                "method": origin["method"],
                "url": origin["url"],
            },
            "resourceProvider": operation.partition("/")[0],
            "resourceUri": resource,
            "operationName": operation,
            "status": "Failed" if failed else "Succeeded",
            "subscriptionId": subscription,
            "tenantId": TENANT,
        },
    }


@due("deliver-event")
def make_delivery_due(lab: Lab, args: Json) -> None:
    """Let the courier take an event to the webhook."""
    if delivery := lab.store.get(OUTBOX, args["key"]):
        delivery["due"] = True
        lab.store.put(OUTBOX, args["key"], delivery)


class Courier:
    """Takes what is due in the outbox to the webhook, one event after the other."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._greeted = False

    async def run(self) -> None:
        """Deliver for as long as the simulator runs."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
            while True:
                for delivery in [each for each in self._lab.store.all(OUTBOX) if each["due"]]:
                    await self._deliver_event(session, delivery)
                await asyncio.sleep(0.02)

    async def _deliver_event(self, session: aiohttp.ClientSession, delivery: Json) -> None:
        status = await self._post_event(session, delivery["event"])
        lab = self._lab
        if lab.store.get(OUTBOX, delivery["key"]) is not delivery:
            return  # the lab was reset meanwhile
        delivery["attempts"] += 1
        report = {
            "at": to_iso(lab.now()),
            "status": status,
            "attempt": delivery["attempts"],
            "event": delivery["event"],
        }
        lab.store.put(DELIVERED, lab.new_id("delivered"), report)
        if 200 <= status < 300 or status in (400, 413):  # those two are never retried
            lab.store.delete(OUTBOX, delivery["key"])
        else:
            self._retry_later(delivery)
        lab.store.commit()

    def _retry_later(self, delivery: Json) -> None:
        lab, attempts = self._lab, delivery["attempts"]
        delivery["due"] = False
        lab.store.put(OUTBOX, delivery["key"], delivery)
        wait = RETRIES[attempts - 1] if attempts <= len(RETRIES) else LATER
        if attempts * LATER > LIFE:
            lab.store.delete(OUTBOX, delivery["key"])
            return
        lab.call_after(wait, "deliver-event", {"key": delivery["key"]})

    async def _post_event(self, session: aiohttp.ClientSession, event: Json) -> int:
        """The status of the webhook's answer; 0 where there was none."""
        host = self._lab.place.host
        if host is None:
            return 0
        try:
            if not self._greeted:
                self._greeted = await self._shake_hands(session, host)
            if not self._greeted:
                return 0
            headers = {"aeg-event-type": "Notification", "aeg-delivery-count": "0", "aeg-data-version": "2"}
            async with session.post(self._webhook(host), json=[event], headers=headers) as answer:
                return answer.status
        except (aiohttp.ClientError, TimeoutError) as failure:
            log.info("the webhook did not answer: %r", failure)
            self._greeted = False
            return 0

    def _webhook(self, host: str) -> str:
        key = self._lab.place.host_key("system", "eventgrid_extension")
        return f"{host}{WEBHOOK}{f'&code={key}' if key else ''}"

    async def _shake_hands(self, session: aiohttp.ClientSession, host: str) -> bool:
        code = self._lab.fixed_id("validation", host)
        event = {
            "id": self._lab.fixed_id("validation-event", host),
            "topic": f"/subscriptions/{SUBSCRIPTION}",
            "subject": "",
            "data": {"validationCode": code, "validationUrl": f"{self._lab.place.base}/eventgrid/validate?id={code}"},
            "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
            "eventTime": to_iso(self._lab.now()),
            "metadataVersion": "1",
            "dataVersion": "2",
        }
        headers = {"aeg-event-type": "SubscriptionValidation"}
        async with session.post(self._webhook(host), json=[event], headers=headers) as answer:
            body = await answer.json(content_type=None) if answer.status == 200 else {}
        return bool(body.get("validationResponse") == code)


def receive_events(lab: Lab, topic: str, events: Any) -> Answer:
    """Take CloudEvents published to a topic: one, or a list.

    Raises:
        ArmError: 400 for what is not a CloudEvent 1.0.
    """
    for event in events if isinstance(events, list) else [events]:
        missing = [
            name
            for name in ("specversion", "id", "source", "type")
            if not (isinstance(event, dict) and event.get(name))
        ]
        if missing:
            message = (
                f"This resource is configured to receive event in 'CloudEventV10' schema: {missing[0]} is missing."
            )
            raise ArmError(400, "BadRequest", message)
        lab.store.put(RECEIVED, lab.new_id("received"), {"at": to_iso(lab.now()), "topic": topic, "event": event})
    return Answer(200)


def list_events(lab: Lab) -> Json:
    """What went in both directions: {received, deliveries, waiting}."""
    return {
        "received": lab.store.all(RECEIVED),
        "deliveries": lab.store.all(DELIVERED),
        "waiting": lab.store.all(OUTBOX),
    }
