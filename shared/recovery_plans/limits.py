"""What recovery plans of Site Recovery cannot do, or do otherwise than this app, for people to read before. Pure."""

from collections.abc import Iterator

from shared.obstacle import Obstacle
from shared.recovery.operation import Operation
from shared.recovery_plans.mirror import MirrorSurvey
from shared.site_recovery.item_words import scenario_words
from shared.site_recovery.recovery_points import CONSISTENT, LATEST, PROCESSED

POINT_TYPES = {LATEST: "Latest", PROCESSED: "LatestProcessed", CONSISTENT: "LatestApplicationConsistent"}
"""What a recovery plan can start from: a sort of point, the same for all of its machines (specified)."""
HARMLESS = frozenset({"location-mixed", "plan-not-ours", "plan-left-over"})
"""Differences that keep no run from going through a recovery plan: where VMs are is judged VM by VM."""
NEVER_THROUGH_PLANS = frozenset({"cleanup", "change-point"})
"""Kinds of run that go VM by VM with either engine: no recovery plan does them, or none may be there any more."""


def goes_through_plans(operation: Operation, vm_count: int | None = None) -> bool:
    """Whether the operation is to go through recovery plans.

    Args:
        vm_count: How many VMs take part, None for all: a part of the plan goes VM by VM.
    """
    if vm_count not in {None, len(operation.document.items)}:
        return False
    return operation.document.engine == "site-recovery" and operation.kind not in NEVER_THROUGH_PLANS


def unsupported_options(operation: Operation) -> tuple[str, ...]:
    """What was asked for and cannot be had through recovery plans."""
    points, limits = operation.options.point_choice, []
    if points.by_vm:
        limits.append("a recovery plan starts all of its VMs from the same sort of recovery point")
    elif points.rule not in POINT_TYPES:
        limits.append(f"a recovery plan starts from {', '.join(POINT_TYPES)}, never from a point by its name")
    if points.max_age is not None:
        limits.append("the age of the recovery points is not known before a recovery plan has started from them")
    if operation.options.create_vm and operation.kind == "failback":
        limits.append("a recovery plan does not let you choose the host on which a VM that is gone is made again")
    return tuple(f'{one}: this needs "engine": "scheduler"' for one in limits)


def plan_obstacles(operation: Operation, survey: MirrorSurvey) -> Iterator[Obstacle]:
    """All that keeps the recovery plans from being run."""
    remedy = f"POST /api/plans/{operation.plan}/recovery-plans with save or repair puts it right"
    for limit in unsupported_options(operation):
        yield Obstacle(code="engine-cannot", detail=limit)
    for difference in survey.differences:
        if difference.what not in HARMLESS:
            yield Obstacle(code="recovery-plan-drifted", detail=f"{difference.detail}; {remedy}")
    for plan in survey.found:
        if plan.busy_with and plan.busy_with != "TestFailover":  # a test that waits for its cleanup shows as suspended
            detail = (
                f"{scenario_words(plan.busy_with)} runs on the recovery plan {plan.part.name}: wait until it has ended"
            )
            yield Obstacle(code="recovery-plan-busy", detail=detail)


def behaviour_notes(operation: Operation) -> tuple[str, ...]:
    """What goes otherwise than without recovery plans, in words."""
    plan, notes = operation.document, []
    if not goes_through_plans(operation):
        return ()
    notes.append("a group begins once the jobs of the one before have ended: probes are tried, and hold no group back")
    if plan.on_failure != "continue":
        notes.append("when a VM fails, Site Recovery goes on with the rest of its recovery plan all the same")
    if plan.on_failure == "ask":
        notes.append("retry sends a VM its own verb, outside of the recovery plan")
    if operation.options.order == "reverse":
        notes.append("on the way home the order within a recovery plan is Site Recovery's own")
    return tuple(notes)
