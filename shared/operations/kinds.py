"""An operation: one run of a verb on a plan or a node, from its request to its outcome."""

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
DECISION_EVENT = "decide"
APPROVAL_EVENT = "approve"
