"""A rule, a run that waits, and the notification of it."""

from datetime import UTC, datetime
from typing import Any

from shared.notifications.contract import Awaited, NotifiedEvent, NotifyOrder, SendNotification
from shared.notifications.rule import Channel, NotificationRule

AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
TEAMS = {"kind": "teams", "url": "@kv:kv-dr/teams-url"}
WEBHOOK = {"kind": "webhook", "url": "https://hooks.contoso.example/dr", "secret": "@kv:kv-dr/hook-key"}
EMAIL = {
    "kind": "email",
    "endpoint": "https://acs-dr.communication.azure.com",
    "from": "dr@dr.contoso.example",
    "to": ["operators@contoso.example"],
}
RUN = {"operation": "failover-payroll-1", "kind": "failover", "plan": "payroll"}


def rule_of(**changes: Any) -> NotificationRule:
    return NotificationRule.model_validate({"channels": [TEAMS], **changes})


def waiting_event(**data: Any) -> NotifiedEvent:
    facts = {"waitsFor": "approval", "needed": 2, "until": "2026-11-22T14:30:00+00:00"}
    return NotifiedEvent(
        id="failover-payroll-1:waiting:approval",
        type="HciSiteRecovery.Operation.Waiting",
        subject="plans/payroll",
        at=AT,
        data={**RUN, **facts, **data},
    )


def order_of(**changes: Any) -> NotifyOrder:
    facts: dict[str, Any] = {"id": "notify-all-1", "rule": "all", "occasion": "waiting-for-approval"}
    facts |= {"event": waiting_event(), "place": 0, "channel": Channel.model_validate(TEAMS)}
    return NotifyOrder.model_validate({**facts, **changes})


def request_of(channel: dict[str, Any], **changes: Any) -> SendNotification:
    facts: dict[str, Any] = {"id": "notify-all-1-0", "at": AT, "rule": "all", "occasion": "waiting-for-approval"}
    facts |= {"reminder": 0, "event": waiting_event(), "awaited": Awaited(requested_by="ann")}
    return SendNotification.model_validate({**facts, "channel": channel, **changes})
