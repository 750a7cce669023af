"""An operation: one run of a verb on a plan or a node, from its request to its outcome."""

from typing import Literal, get_args

PlanKind = Literal["drill", "failover", "commit", "cancel", "change-point", "failback", "reprotect", "roundtrip"]
PLAN_KINDS: tuple[PlanKind, ...] = get_args(PlanKind)
Kind = Literal[PlanKind, "cleanup", "repair", "preflight", "prepare", "replication", "verify", "mirror"]
SITE_KINDS: tuple[Kind, ...] = ("preflight", "prepare", "replication", "verify")
DECISION_EVENT = "decide"
APPROVAL_EVENT = "approve"
