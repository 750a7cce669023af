"""The kinds of operations, and the events by which people take part in them."""

from typing import Literal

Kind = Literal[
    "drill",
    "failover",
    "commit",
    "failback",
    "reprotect",
    "roundtrip",
    "cancel",
    "change-point",
    "cleanup",
    "repair",
    "preflight",
    "prepare",
    "replication",
    "verify",
    "mirror",
]
PLAN_KINDS: tuple[Kind, ...] = (
    "drill",
    "failover",
    "commit",
    "cancel",
    "change-point",
    "failback",
    "reprotect",
    "roundtrip",
)
SITE_KINDS: tuple[Kind, ...] = ("preflight", "prepare", "replication", "verify")
REQUESTED_BY_TIMER = "timer"
"""Who asked for what the timer starts."""
DECISION_EVENT = "decide"
APPROVAL_EVENT = "approve"
