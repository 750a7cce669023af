"""Notifying people: by which rules an event does it, and what is known of its run."""

import logging
from collections.abc import Iterator

import azure.durable_functions as df
from pydantic import ValidationError

from activities.cloud_events import publish_event
from activities.durable_runs import start_run
from activities.durable_state import is_living, list_entities, read_custom_status, read_entity, read_input
from shared.documents import CHECKED
from shared.errors import Transient
from shared.notifications.contract import (
    Awaited,
    NotifiedEvent,
    NotifyOrder,
    ReadAwaited,
)
from shared.notifications.occasions import About, Occasion, about_of, occasion_of
from shared.notifications.rule import NotificationRule
from shared.notifications.text import plain_text
from shared.operations.contract import EventPublished, PublishEvent, StartRun
from shared.operations.durable_names import DOCUMENTS, NOTIFY
from shared.plans.plan import PlanDocument
from shared.plans.preview import Preview
from shared.recovery.status import read_awaited_decision
from shared.request_ids import run_id
from shared.wording import format_roughly

_LOG = logging.getLogger(__name__)
RULES = "notification-rule:"
UNREADABLE = (LookupError, TypeError, ValueError, AttributeError)


async def publish_and_notify(client: df.DurableFunctionsClient, request: PublishEvent) -> EventPublished:
    """Start the notifications of an event, and send it to the topic: neither waits for the other to be well.

    Raises:
        Transient: one of them did not succeed; both may be done again.
    """
    failure = ""
    try:
        await start_notifications(client, request)
    except Exception as error:  # noqa: BLE001 - the topic is told all the same, and then this is tried again
        failure = type(error).__name__
        _LOG.warning("the notifications of %s were not started: %s", request.id, failure)
    published = await publish_event(request)
    if failure:
        raise Transient(f"the notifications of the event were not started: {failure}")
    return published


async def start_notifications(client: df.DurableFunctionsClient, event: PublishEvent) -> int:
    """Start a run for each channel of each rule that notifies of this event, unless it is there; how many there are."""
    occasion = occasion_of(event.type, event.data)
    if occasion is None:
        return 0
    rules = await _matching_rules(client, event, occasion)
    orders = [order for name, rule in rules.items() for order in _orders_of(name, rule, event, occasion)]
    for order in orders:
        await start_run(client, StartRun(id=order.id, orchestrator=NOTIFY, payload=order.model_dump(mode="json")))
    return len(orders)


async def _matching_rules(
    client: df.DurableFunctionsClient, event: PublishEvent, occasion: Occasion
) -> dict[str, NotificationRule]:
    states = await list_entities(client, DOCUMENTS, RULES)
    found: dict[str, NotificationRule] = {}
    for key, state in sorted(states.items()):
        try:
            found[key.removeprefix(RULES)] = NotificationRule.model_validate(state["document"], context=CHECKED)
        except UNREADABLE as error:  # one that is unreadable silences no other
            _LOG.warning("unreadable: %s: %s", key, type(error).__name__)
    about = about_of(event.subject, event.data)
    asks_for_sites = any(rule.covers and rule.covers.sites for rule in found.values())
    sites = await _sites_of_plan(client, about) if asks_for_sites and about.plan else ()
    return {name: rule for name, rule in found.items() if rule.matches(occasion, about, sites)}


async def _sites_of_plan(client: df.DurableFunctionsClient, about: About) -> tuple[str, ...]:
    """The sites of a plan as it is declared now; none of one that is withdrawn."""
    state = await read_entity(client, DOCUMENTS, f"plan:{about.plan}")
    try:
        return tuple(PlanDocument.model_validate(state["document"], context=CHECKED).site_names) if state else ()
    except UNREADABLE as error:
        _LOG.warning("unreadable: plan:%s: %s", about.plan, type(error).__name__)
        return ()


def _orders_of(name: str, rule: NotificationRule, event: PublishEvent, occasion: Occasion) -> Iterator[NotifyOrder]:
    notified = NotifiedEvent(id=event.id, type=event.type, subject=event.subject, at=event.at, data=event.data)
    for place, channel in enumerate(rule.channels):
        key = f"{event.type}\n{event.id}\n{channel.model_dump_json()}"
        yield NotifyOrder(
            id=run_id("notify", name, key),
            rule=name,
            occasion=occasion,
            event=notified,
            place=place,
            channel=channel,
            remind=rule.remind,
            reminders=rule.reminders,
        )


async def read_awaited(client: df.DurableFunctionsClient, request: ReadAwaited) -> Awaited:
    """What people are told of a run, and whether it still waits; one that nobody knows any more does not."""
    is_declared = bool(await read_entity(client, DOCUMENTS, f"{RULES}{request.rule}"))
    state = await client.get_orchestration_state(request.run) if request.run else None
    if state is None:
        return Awaited(is_declared=is_declared)
    awaited = read_awaited_decision(read_custom_status(state)) if is_living(state) else None
    given = read_input(state)
    override = given.get("override")
    reason = override.get("reason") if isinstance(override, dict) else given.get("detail")
    irreversible, data_loss = _losses_in(given.get("preview"))
    return Awaited(
        still_waits=awaited is not None and awaited.kind == request.waits_for,
        is_declared=is_declared,
        requested_by=plain_text(given.get("requested_by"), 100),
        reason=plain_text(reason),
        irreversible=irreversible,
        data_loss=data_loss,
    )


def _losses_in(preview: object) -> tuple[tuple[str, ...], str]:
    """What could not be undone, and how much data would be lost of the VM that loses most."""
    try:
        shown = Preview.model_validate(preview)
    except ValidationError:
        return (), ""
    losses = [(item.data_loss, item.vm) for item in shown.items if item.data_loss]
    worst = max(losses, default=None)
    loss = f"up to {format_roughly(worst[0])} of {plain_text(worst[1], 100)}" if worst else ""
    return tuple(plain_text(one) for one in shown.irreversible[:8]), loss
