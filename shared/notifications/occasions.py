"""Which turning points people are notified of, by the events that are published for them. Pure."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

Occasion = Literal[
    "waiting-for-approval",
    "waiting-for-decision",
    "failed",
    "evidence-incomplete",
    "drill-overdue",
    "obligation-late",
    "obligation-found",
    "source-running",
    "recovery-plan-drifted",
    "node-needs-person",
    "timer-duty-failed",
]
OCCASIONS: tuple[Occasion, ...] = get_args(Occasion)
WAITS: frozenset[Occasion] = frozenset({"waiting-for-approval", "waiting-for-decision"})
"""Those on which a run waits for a person: it is reminded of them."""
PREFIX = "HciSiteRecovery."
_BY_TYPE: Mapping[str, Occasion] = {
    "Operation.Failed": "failed",
    "Drill.Overdue": "drill-overdue",
    "Obligation.Late": "obligation-late",
    "Obligation.Found": "obligation-found",
    "Source.Running": "source-running",
    "RecoveryPlan.Drifted": "recovery-plan-drifted",
    "Node.Finding": "node-needs-person",
    "Node.Quarantined": "node-needs-person",
    "Timer.DutyFailed": "timer-duty-failed",
    "Administration.Unwritten": "evidence-incomplete",
}
BY_DATA = frozenset({"Operation.Waiting", "Operation.Evidence", "Operation.Finished"})
"""Events of which only some are an occasion: their data says which."""
NOT_NOTIFIED = frozenset(
    {
        "Operation.Started",
        "Operation.Phase",
        "Obligation.SettledByPerson",
        "Hold.Begun",
        "Hold.Changed",
        "Hold.Ended",
        "Node.Healed",
        "Node.Finished",
        "Node.Lost",
        "Node.LostWithdrawn",
        "Node.QuarantineEnded",
        "Notification.GivenUp",
    }
)
"""Events that ask nothing of anybody, and that of a notification itself."""


class About(NamedTuple):
    """What an event is about; empty where it names none."""

    plan: str
    site: str


def occasion_of(event_type: str, data: Mapping[str, Any]) -> Occasion | None:
    """Of what people are notified by such an event; None: of nothing."""
    name = event_type.removeprefix(PREFIX)
    if name == "Operation.Waiting":
        return "waiting-for-approval" if data.get("waitsFor") == "approval" else "waiting-for-decision"
    if name == "Operation.Evidence":
        return None if data.get("complete") else "evidence-incomplete"
    if name == "Operation.Finished":
        return "failed" if data.get("state") == "failed" else None
    return _BY_TYPE.get(name)


def known_types() -> frozenset[str]:
    """All types of events that are known here, without their prefix."""
    return frozenset(_BY_TYPE) | BY_DATA | NOT_NOTIFIED


def about_of(subject: str, data: Mapping[str, Any]) -> About:
    """The plan and the site that an event names, by its subject and its data."""
    field, _, name = subject.partition("/")
    plan, site = data.get("plan"), data.get("site")
    return About(
        plan if isinstance(plan, str) and plan else name if field == "plans" else "",
        site if isinstance(site, str) and site else name if field == "sites" else "",
    )
