"""How an operation ended, on a plan, a node or a site: what people read and what the next runs go by."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import Field

from shared.messages import Message
from shared.obstacle import Obstacle
from shared.operations.kinds import Kind
from shared.plans.hooks import HookResult
from shared.recovery.people import Approval, Decision
from shared.recovery.run_item import RunItem


class Outcome(Message):
    """How an operation ended: its output.

    Attributes:
        state: "refused" is a failure before anything was done; "aborted": a person ended the run.
        problems: Why it was refused.
        left_out: VMs that took no part, and why the verb made no sense for them.
        failures: What went wrong on the way.
        findings: What people have to know, though nothing went wrong.
        failed_observations: Looks at Azure that failed, as `FailedObservations` has them; None without any.
        hooks: What became of each hook, in the order of their turns.
    """

    state: Literal["succeeded", "failed", "refused", "aborted"]
    kind: Kind
    plan: str = ""
    site: str = ""
    items: tuple[RunItem, ...] = ()
    problems: tuple[Obstacle, ...] = ()
    left_out: tuple[Obstacle, ...] = ()
    failures: tuple[Obstacle, ...] = ()
    findings: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = ()
    approvals: tuple[Approval, ...] = ()
    hooks: tuple[HookResult, ...] = ()
    failed_observations: dict[str, Any] | None = None
    began: datetime | None = None
    ended: datetime | None = None
    facts: dict[str, Any] = Field(default_factory=dict)

    def with_facts(self, facts: Mapping[str, Any]) -> Self:
        """With more that the run has to say."""
        return self.model_copy(update={"facts": {**self.facts, **facts}})
