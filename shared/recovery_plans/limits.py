"""What Site Recovery's recovery plans cannot do, or do otherwise than this app; said before anything is done. Pure."""

from collections.abc import Iterator

from shared.recovery.operation import Operation
from shared.recovery_plans.differences import Difference
from shared.recovery_plans.mirror import Survey
from shared.site_recovery.recovery_points import CONSISTENT, LATEST, PROCESSED

POINT_TYPES = {LATEST: "Latest", PROCESSED: "LatestProcessed", CONSISTENT: "LatestApplicationConsistent"}
"""What a recovery plan can start from: a sort of point, the same for all of its machines (specified)."""
HARMLESS = frozenset({"location-mixed", "plan-not-ours", "plan-left-over"})
"""Differences that keep no run from going through a recovery plan: where VMs are is judged VM by VM."""
BY_OURSELVES = frozenset({"cleanup", "change-point"})
"""Kinds of run that go VM by VM with either engine: no recovery plan does them, or none may be there any more."""


def goes_through_plans(operation: Operation) -> bool:
    """Whether the operation is to go through recovery plans."""
    return operation.document.engine == "site-recovery" and operation.kind not in BY_OURSELVES


def cannot(operation: Operation) -> tuple[str, ...]:
    """What was asked for and cannot be had through recovery plans."""
    points, found = operation.points, []
    if points.by_vm:
        found.append("a recovery plan starts all of its VMs from the same sort of recovery point")
    elif points.rule not in POINT_TYPES:
        found.append(f"a recovery plan starts from {', '.join(POINT_TYPES)}, never from a point by its name")
    if points.max_age is not None:
        found.append("the age of the recovery points is not known before a recovery plan has started from them")
    if operation.create_vm and operation.kind == "failback":
        found.append("a recovery plan cannot be told on which host a VM that is gone is made again")
    return tuple(f'{one}: this needs "engine": "scheduler"' for one in found)


def in_the_way(operation: Operation, seen: Survey) -> Iterator[tuple[str, str]]:
    """Code and sentence of all that keeps the recovery plans from being run."""
    remedy = f"POST /api/plans/{operation.plan}/recovery-plan with save or repair puts it right"
    yield from (("engine-cannot", one) for one in cannot(operation))
    for one in _wrong(seen):
        yield "recovery-plan-drifted", f"{one.detail}; {remedy}"
    for plan in seen.found:
        if plan.busy and plan.busy != "TestFailover":  # a test that waits for its cleanup shows as suspended
            yield "recovery-plan-busy", f"the recovery plan {plan.part.name} is being run ({plan.busy})"


def _wrong(seen: Survey) -> list[Difference]:
    return [one for one in seen.differences if one.what not in HARMLESS]


def otherwise(operation: Operation) -> tuple[str, ...]:
    """What goes otherwise than without recovery plans, in words."""
    plan, told = operation.document, []
    if not goes_through_plans(operation):
        return ()
    told.append("a group begins once the jobs of the one before have ended: probes are tried, and hold no group back")
    if plan.on_failure != "continue":
        told.append("when a VM fails, Site Recovery goes on with the rest of its recovery plan all the same")
    if plan.on_failure == "ask":
        told.append("retry sends a VM its own verb, outside of the recovery plan")
    if operation.asked.order == "reverse":
        told.append("on the way home the order within a recovery plan is Site Recovery's own")
    return tuple(told)
