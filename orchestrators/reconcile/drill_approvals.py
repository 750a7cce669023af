"""Whose approvals a drill waits for that the timer begins."""

from collections.abc import Callable, Iterable

from pydantic import ValidationError

from shared.documents import CHECKED
from shared.errors import Refused
from shared.plans.approval_guards import Declared, guards_of, machines_in
from shared.plans.approval_policy import ApprovalPolicy
from shared.plans.approvals import RequiredApprovals
from shared.plans.contract import DeclaredDocument, DocumentsRead
from shared.plans.plan import PlanDocument
from shared.sites.site import SiteDocument


def approvals_for_drill(documents: DocumentsRead, plan: PlanDocument) -> tuple[RequiredApprovals, ...]:
    """Whose approvals it waits for; where a name may stand for a guarded machine, it counts as one.

    Sites and plans that cannot be read are named by other duties, and guard nothing here.

    Raises:
        Refused: a policy cannot be read, which might guard a machine of the plan.
    """
    policies = _readable(documents.approval_policies, ApprovalPolicy.model_validate)
    unread = [key for key in documents.unreadable if key.startswith("approval-policy:")]
    unread += [f"approval-policy:{one.name}" for one in documents.approval_policies if one.name not in policies]
    if unread:
        detail = f"no drill begins by itself while this cannot be read: {', '.join(unread)}"
        raise Refused("state-unreadable", detail)
    plans = _readable(documents.plans, lambda found: PlanDocument.model_validate(found, context=CHECKED))
    declared = Declared(_readable(documents.sites, SiteDocument.model_validate), plans, policies)
    machines = machines_in(plan, declared.sites)
    asked = (guard for guard in guards_of(declared) if "drill" in guard.actions)
    return tuple(guard.rule for guard in asked if any(map(guard.may_cover, machines)))


def _readable[T](entries: Iterable[DeclaredDocument], read: Callable[[dict[str, object]], T]) -> dict[str, T]:
    found = {}
    for entry in entries:
        try:
            found[entry.name] = read(entry.document)
        except ValidationError:
            continue
    return found
