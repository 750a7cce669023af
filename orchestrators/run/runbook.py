"""What a runbook hands in to be run: its stages, and its own steps at each moment of the run."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from durabletask import task

from orchestrators.durable.decisions import DecisionInbox
from orchestrators.durable.entity_calls import do_nothing
from orchestrators.durable.steps import Steps
from shared.obstacle import Obstacle
from shared.recovery.operation import Operation
from shared.recovery.run import Run, Stage

type RunbookStep = Callable[[task.OrchestrationContext, Operation, Run], Steps[Run | None]]
"""Something a runbook does at a moment of its run; the run as it is then, or None when it is as before."""

type Gate = Callable[[task.OrchestrationContext, Operation, Run], Steps[tuple[Run, Sequence[Obstacle]]]]
"""What stands in the way of the stage that is about to begin; and the run with what was seen."""

type BeforeStart = Callable[
    [task.OrchestrationContext, Operation, Run, DecisionInbox], Steps[tuple[Run, Sequence[Obstacle]]]
]
"""What a runbook has to know before it begins, and what is in its way."""


class Runbook(NamedTuple):
    """The steps of one verb.

    Attributes:
        stages: What is done to each VM, one stage after the other.
        before_first_verb: What is owed from here on; done before the first verb.
        after_last_stage: What is owed no longer; done after the last.
        after_each_stage: Done after each stage.
        gate: Done before a guarded stage begins, until nothing stands in its way.
        before_start: Done once the run is admitted, before anything is written down.
    """

    stages: tuple[Stage, ...]
    before_first_verb: RunbookStep = do_nothing
    after_last_stage: RunbookStep = do_nothing
    after_each_stage: RunbookStep = do_nothing
    gate: Gate | None = None
    before_start: BeforeStart | None = None
