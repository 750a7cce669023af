"""Hooks that a recovery plan can do as its own actions: steps for a person, and runbooks without parameters. Pure."""

from collections.abc import Iterator
from typing import Literal

from shared.plans.hooks import Hook
from shared.plans.plan import PlanDocument
from shared.recovery.recovery_plan_runs import runs_plan_actions
from shared.recovery.run import Run
from shared.recovery_plans.parts import TO_AZURE, TO_PRIMARY, PlacedAction, PlanAction, manual_action, runbook_action

_OPERATIONS = {
    "drill": (("TestFailover",), TO_AZURE),
    "failover": (("PlannedFailover", "UnplannedFailover"), TO_AZURE),
    "failback": (("PlannedFailover", "Failback"), TO_PRIMARY),
}
"""Inferred for the way back: recovery plans call it Failback, and their machines' jobs PlannedFailover."""
_MOMENTS: tuple[Literal["before", "after"], ...] = ("before", "after")


def is_mirrored(hook: Hook) -> bool:
    """Whether a recovery plan can do it; it knows neither parameters nor hybrid workers."""
    return hook.kind == "manual" or (hook.kind == "runbook" and not hook.parameters and not hook.run_on)


def actions_of(plan: PlanDocument) -> tuple[PlacedAction, ...]:
    """The plan's hooks as actions around its recovery plans; those that they cannot do are left to this app."""
    return tuple(_placed_actions(plan))


def _placed_actions(plan: PlanDocument) -> Iterator[PlacedAction]:
    for occasion in _OPERATIONS:
        for moment in _MOMENTS:
            for hook in plan.hooks_at(occasion, moment):
                if is_mirrored(hook):
                    yield PlacedAction(action=_action_of(occasion, hook), moment=moment)


def optional_actions_of(plan: PlanDocument) -> tuple[str, ...]:
    """Names of the actions of hooks that a run does not depend on."""
    return tuple(
        _action_name(occasion, hook)
        for occasion in _OPERATIONS
        for moment in _MOMENTS
        for hook in plan.hooks_at(occasion, moment)
        if not hook.required
    )


def _action_name(occasion: str, hook: Hook) -> str:
    return f"{hook.name} - {occasion}"


def _action_of(occasion: str, hook: Hook) -> PlanAction:
    operations, direction = _OPERATIONS[occasion]
    name = _action_name(occasion, hook)
    made = manual_action(name, hook.instructions) if hook.kind == "manual" else runbook_action(name, hook.runbook)
    return made.model_copy(update={"operations": operations, "directions": (direction,)})


def is_left_to_plans(hook: Hook, run: Run, moment: str) -> bool:
    """Whether a recovery plan that the run goes through does the hook; what follows a clean-up it never does."""
    return moment != "after-cleanup" and is_mirrored(hook) and runs_plan_actions(run)
