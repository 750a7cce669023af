"""What a run achieved: RTO and RPO of each machine and of the plan, and what took the time. Pure.

A run that is under way has not missed what it may still reach: its machines are `pending`, and its targets open.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

from shared.messages import Document
from shared.plans.data_loss import SourceLastSeen, lost_data
from shared.plans.plan import Targets
from shared.recovery.operation import Operation
from shared.recovery.run_item import ItemStep, RunItem
from shared.site_recovery.loss_moments import LossCountedFrom
from shared.site_recovery.recovery_points import LATEST
from shared.site_recovery.verb_options import VerbOptions
from shared.site_recovery.views import Verb

UP_VERBS: frozenset[Verb] = frozenset({"TestFailover", "PlannedFailover", "UnplannedFailover"})
LEG_KINDS: tuple[Literal["wait", "job", "probe"], ...] = ("wait", "job", "probe")
type LossMoment = tuple[LossCountedFrom, datetime | None]


class MachineAchieved(Document):
    """One machine.

    Attributes:
        state: "pending": it may still come up; "down": it did not.
        up: When it was seen to work; without probes, when its job ended.
        rto: From the run's begin until then.
        rpo: What was lost of its newest data, of a drill how old its data was; None when that is not known.
        loss_counted_from: Which moment that counts to, as in `data_loss`; and `loss_counted_to` the moment itself.
    """

    vm: str
    state: Literal["up", "pending", "down"] = "down"
    up: datetime | None = None
    rto: timedelta | None = None
    rpo: timedelta | None = None
    loss_counted_from: LossCountedFrom | None = None
    loss_counted_to: datetime | None = None


class Leg(Document):
    """One span on the critical path: what everything after it waited for.

    Attributes:
        what: "wait": until the verb was sent and its job began; "job"; or "probe", until the machine was seen to work.
    """

    vm: str
    what: Literal["wait", "job", "probe"]
    began: datetime
    ended: datetime


class Achieved(Document):
    """A run against its targets; a target that is not set is neither met nor missed.

    Attributes:
        loss_counted_from, loss_counted_to: Of the machine whose RPO is the plan's.
    """

    machines: tuple[MachineAchieved, ...]
    rto: timedelta | None = None
    rto_target: timedelta | None = None
    rto_met: bool | None = None
    rpo: timedelta | None = None
    rpo_target: timedelta | None = None
    rpo_met: bool | None = None
    loss_counted_from: LossCountedFrom | None = None
    loss_counted_to: datetime | None = None
    critical_path: tuple[Leg, ...] = ()


def achieved_by(
    operation: Operation, items: Sequence[RunItem], began: datetime, *, is_over: bool = True
) -> Achieved | None:
    """What an operation achieved, as `measure_achieved` has it."""
    targets, last_seen = operation.document.targets, operation.sources_last_seen
    return measure_achieved(items, began, targets, options=operation.options, last_seen=last_seen, is_over=is_over)


def measure_achieved(
    items: Sequence[RunItem],
    began: datetime,
    targets: Targets | None,
    *,
    options: VerbOptions = VerbOptions(),  # noqa: B008 - it is immutable
    last_seen: Sequence[SourceLastSeen] = (),
    is_over: bool = True,
) -> Achieved | None:
    """What a failover or a drill achieved; None for a run that brought no machine up.

    The plan's RTO and RPO are those of its worst machine, and unknown when one did not come up.

    Args:
        last_seen: Until when the sources of an unplanned failover are known to have written.
        is_over: The run has ended.
    """
    moves = {
        item.vm: step
        for item in items
        for step in reversed(item.steps)  # of several the first counts
        if step.verb in UP_VERBS and step.outcome == "succeeded"
    }
    if not moves:
        return None
    moments: dict[str, LossMoment] = {
        vm: (one.counted_from, one.at or began) for one in last_seen for vm in one.vms or [item.vm for item in items]
    }
    machines = tuple(
        _machine_achieved(item, moves.get(item.vm), began, options, moments.get(item.vm), is_over=is_over)
        for item in items
    )
    wanted, rtos, rpos = targets or Targets(), [one.rto for one in machines], [one.rpo for one in machines]
    worst = max((one for one in machines if one.rpo is not None), key=_rpo_of, default=None)
    return Achieved(
        machines=machines,
        rto=_worst_of(rtos),
        rto_target=wanted.rto,
        rto_met=_meets_target(rtos, wanted.rto, is_over=is_over),
        rpo=_worst_of(rpos),
        rpo_target=wanted.rpo,
        rpo_met=_meets_target(rpos, wanted.rpo, is_over=is_over),
        loss_counted_from=worst.loss_counted_from if worst else None,
        loss_counted_to=worst.loss_counted_to if worst else None,
        critical_path=longest_wait(items, moves, began),
    )


def _machine_achieved(
    item: RunItem,
    step: ItemStep | None,
    began: datetime,
    options: VerbOptions,
    moment: LossMoment | None,
    *,
    is_over: bool,
) -> MachineAchieved:
    up = _up_at(item, step) if step else None
    may_come_up = not is_over and item.state not in {"failed", "skipped"} and not item.failed_earlier
    machine = MachineAchieved(vm=item.vm, state="up" if up else "pending" if may_come_up else "down", up=up)
    if step is None:
        return machine
    counted_from, counted_to = _loss_moment_of(item, step, options, moment)
    rpo = timedelta(0) if counted_from == "synchronised" else _loss_until(item, step, counted_from, counted_to)
    loss = {"rpo": rpo, "loss_counted_from": counted_from, "loss_counted_to": counted_to}
    return machine.model_copy(update={"rto": up - began if up else None, **loss})


def _loss_moment_of(item: RunItem, step: ItemStep, options: VerbOptions, moment: LossMoment | None) -> LossMoment:
    """To which moment the loss of a machine counts."""
    if step.verb == "TestFailover":
        return "testFailoverStart", step.began
    if step.verb == "PlannedFailover" and options.point_choice.rule_for(item.vm) == LATEST:
        return "synchronised", step.began
    return moment if moment and step.verb == "UnplannedFailover" else ("failoverStart", step.began)


def _loss_until(
    item: RunItem, step: ItemStep, counted_from: LossCountedFrom, counted_to: datetime | None
) -> timedelta | None:
    """What is newer than the data that was used.

    Of a point that the verb itself had made the time does not say how old its data is: then the vault's last measure
    counts: of a source that is lost to which moment it replicated, else how old the data was at the run's admission.

    Source: recorded: the point of a test failover is some seconds younger than its job.
    """
    if counted_to is None:
        return None
    if step.point and step.point < counted_to:
        return counted_to - step.point
    if counted_from in {"testFailoverStart", "failoverStart"}:
        return item.replica_age
    return lost_data(counted_to, item.replicated_until)


def _rpo_of(machine: MachineAchieved) -> timedelta:
    return machine.rpo or timedelta(0)


def _up_at(item: RunItem, step: ItemStep) -> datetime | None:
    """When it was seen to work: a machine that has probes and never passed them did not come up."""
    return step.probed if item.probes else step.probed or step.ended


def _worst_of(spans: Sequence[timedelta | None]) -> timedelta | None:
    measured = [span for span in spans if span is not None]
    return max(measured) if measured and len(measured) == len(spans) else None


def _meets_target(spans: Sequence[timedelta | None], wanted: timedelta | None, *, is_over: bool) -> bool | None:
    """Whether all kept to it; of a run under way it is only known that one did not."""
    if wanted is None:
        return None
    if any(span is not None and span > wanted for span in spans):
        return False
    return None not in spans if is_over else None


def longest_wait(items: Sequence[RunItem], moves: Mapping[str, ItemStep], began: datetime) -> tuple[Leg, ...]:
    """The chain of machines that decided when the last one was up, in the order of time.

    From the last back: of those that a machine came after, the one that was up last is what it waited for.
    """
    after = {item.vm: item.after for item in items}
    ups = {item.vm: up for item in items if item.vm in moves and (up := _up_at(item, moves[item.vm]))}
    legs: list[Leg] = []
    vm = max(ups, key=ups.__getitem__, default=None)
    while vm is not None:
        before = max((one for one in after[vm] if one in ups), key=ups.__getitem__, default=None)
        since, step = ups[before] if before else began, moves[vm]
        marks = [since, step.began or since, step.ended or since, step.probed or step.ended or since]
        spans = zip(LEG_KINDS, marks, marks[1:], strict=False)
        legs = [*(Leg(vm=vm, what=kind, began=a, ended=b) for kind, a, b in spans if b > a), *legs]
        vm = before
    return tuple(legs)
