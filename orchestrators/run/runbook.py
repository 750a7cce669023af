"""What a runbook hands in to be run: its stages, and its own steps at each moment of the run."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from orchestrators.durable.decisions import DecisionInbox
from orchestrators.durable.entity_calls import do_nothing
from orchestrators.durable.steps import Context, Steps
from shared.obstacle import Obstacle
from shared.operations.obligations import ObligationKind
from shared.plans.history import Grounds
from shared.recovery.operation import Operation
from shared.recovery.run import Run
from shared.recovery.stage import Stage

type RunbookStep = Callable[[Context, Operation, Run], Steps[Run | None]]
"""Something a runbook does at a moment of its run; the run as it is then, or None when it is as before."""

type Gate = Callable[[Context, Operation, Run], Steps[tuple[Run, Sequence[Obstacle]]]]
"""What stands in the way of the stage that is about to begin; and the run with what was seen."""

type BeforeStart = Callable[[Context, Operation, Run, DecisionInbox], Steps[tuple[Run, Sequence[Obstacle]]]]
"""What a runbook has to know before it begins, and what is in its way."""

type VmsOf = Callable[[Run], Sequence[str]]
"""Some of the run's VMs, as they are then."""

type GroundsOf = Callable[[Operation, Run], Grounds]
"""What is remembered with the run of all that it rests on beside its plan."""


class Runbook(NamedTuple):
    """The steps of one verb, and how its run differs from any other.

    Attributes:
        stages: What is done to each VM, one stage after the other.
        before_first_verb: What is owed from here on; done before the first verb.
        after_each_stage: Done after each stage.
        settles: What is owed no longer after the last stage, but for those VMs that did not get so far.
        after_last_stage: Done after that.
        gate: Done before a guarded stage begins, until nothing stands in its way.
        before_start: Done once the run is admitted, before anything is written down.
        obstacles: What stands in the way by the plan alone.
        settles_if_done: What an earlier run that was killed may have left owed, where all is already as it should be.
        best_effort: A VM that is gone or not ready keeps nothing from being begun, and a failure stops nothing.
        keeps_hosts: The run carries along which host had each VM last, and how large its disks are.
        keeps_disk_sizes: It carries along how large the disks of each VM are.
        first_inventory: File of its evidence with what there was in Azure before; empty where nobody looked.
        last_inventory: The same of what there was at its end.
        remembered: How it ends is remembered with its plan.
        grounds: And with it all that it rests on beside the plan.
    """

    stages: tuple[Stage, ...]
    before_first_verb: RunbookStep = do_nothing
    after_each_stage: RunbookStep = do_nothing
    settles: tuple[tuple[ObligationKind, VmsOf], ...] = ()
    after_last_stage: RunbookStep = do_nothing
    gate: Gate | None = None
    before_start: BeforeStart | None = None
    obstacles: tuple[Obstacle, ...] = ()
    settles_if_done: tuple[ObligationKind, ...] = ()
    best_effort: bool = False
    keeps_hosts: bool = False
    keeps_disk_sizes: bool = False
    first_inventory: str = ""
    last_inventory: str = ""
    remembered: bool = True
    grounds: GroundsOf | None = None
