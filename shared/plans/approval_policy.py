"""An approval policy: who has to agree to what for which VMs, whatever plan or request touches them."""

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, model_validator

from shared.documents import Fault, Name, VmName, digest_of, raise_faults
from shared.messages import Document
from shared.operations.kinds import PlanKind
from shared.plans.approvals import ApprovalRule

GuardedAction = Literal[PlanKind, "disable", "remove", "hooks", "plan", "site"]
"""What a policy can ask approvals for: the verbs on plans; ending a replication; deleting recovery plans; changing the
hooks and scripts of a plan, a plan at all, or a site. Changing the policy itself always needs them."""
GUARDED_ACTIONS: tuple[GuardedAction, ...] = tuple(
    action for part in get_args(GuardedAction) for action in (get_args(part) or (part,))
)


class Covered(Document):
    """Which VMs a policy is about: those of these sites, those of these plans, and those of these names anywhere."""

    sites: Annotated[tuple[Name, ...], Field(max_length=200)] = ()
    plans: Annotated[tuple[Name, ...], Field(max_length=200)] = ()
    vms: Annotated[tuple[VmName, ...], Field(max_length=5000)] = ()


class ApprovalPolicy(ApprovalRule):
    """Who has to agree to what for which VMs. Several policies can cover a VM: then all of them ask.

    Attributes:
        actions: What needs it; by default everything but a drill.
    """

    covers: Covered
    actions: tuple[GuardedAction, ...] = tuple(action for action in GUARDED_ACTIONS if action != "drill")

    @model_validator(mode="before")
    @classmethod
    def _check_covers(cls, given: Any) -> Any:
        covers = given.get("covers") if isinstance(given, dict) else None
        if isinstance(covers, dict) and not any(covers.get(name) for name in ("sites", "plans", "vms")):
            fault = Fault(("covers",), "nothing", "name at least one site, plan or VM: this covers nothing")
            raise_faults(cls.__name__, [fault], given)
        return given

    @model_validator(mode="after")
    def _check_actions(self) -> Self:
        if not self.actions:
            fault = Fault(("actions",), "nothing", "name at least one action, or leave it out for all but drills")
            raise_faults(type(self).__name__, [fault], self)
        return self

    @property
    def digest(self) -> str:
        """Names this content."""
        return digest_of(self)
