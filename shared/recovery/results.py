"""What a run came to, seen from its end. Pure.

- What it achieved: RTO and RPO of each machine and of the plan, and what took the time.
- What it changed in Azure, for people to know.
- Which of its VMs still owe a commit or a protection, or were given up in Azure.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

from shared.messages import Document
from shared.plans.plan import Targets
from shared.recovery.run import Run
from shared.recovery.run_item import MOVE_VERBS, ItemStep, RunItem
from shared.site_recovery.views import Verb

UP_VERBS: frozenset[Verb] = frozenset({"TestFailover", "PlannedFailover", "UnplannedFailover"})


LEG_KINDS: tuple[Literal["wait", "job", "probe"], ...] = ("wait", "job", "probe")


class MachineAchieved(Document):
    """One machine.

    Attributes:
        up: When it was seen to work; without probes, when its job ended.
        rto: From the run's begin until then.
        rpo: How old its data was when its failover began, nothing when it was still replicated after that; None when
            the job names no recovery point.
    """

    vm: str
    up: datetime | None = None
    rto: timedelta | None = None
    rpo: timedelta | None = None


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
    """A run against its targets; a target that is not set is neither met nor missed."""

    machines: tuple[MachineAchieved, ...]
    rto: timedelta | None = None
    rto_target: timedelta | None = None
    rto_met: bool | None = None
    rpo: timedelta | None = None
    rpo_target: timedelta | None = None
    rpo_met: bool | None = None
    critical_path: tuple[Leg, ...] = ()


def measure_achieved(items: Sequence[RunItem], began: datetime, targets: Targets | None) -> Achieved | None:
    """What a failover or a drill achieved; None for a run that brought no machine up.

    The plan's RTO and RPO are those of its worst machine, and unknown when one did not come up.
    """
    moves = {
        item.vm: step
        for item in items
        for step in reversed(item.steps)  # of several the first counts
        if step.verb in UP_VERBS and step.outcome == "succeeded"
    }
    if not moves:
        return None
    machines = []
    for item in items:
        step = moves.get(item.vm)
        up = _up_at(item, step) if step else None
        rpo = max(step.began - step.point, timedelta(0)) if step and step.began and step.point else None
        machines.append(MachineAchieved(vm=item.vm, up=up, rto=up - began if up else None, rpo=rpo))
    worst_rto, worst_rpo = _worst_of([one.rto for one in machines]), _worst_of([one.rpo for one in machines])
    wanted = targets or Targets()
    return Achieved(
        machines=tuple(machines),
        rto=worst_rto,
        rto_target=wanted.rto,
        rto_met=_meets_target(worst_rto, wanted.rto),
        rpo=worst_rpo,
        rpo_target=wanted.rpo,
        rpo_met=_meets_target(worst_rpo, wanted.rpo),
        critical_path=longest_wait(items, moves, began),
    )


def _up_at(item: RunItem, step: ItemStep) -> datetime | None:
    """When it was seen to work: a machine that has probes and never passed them did not come up."""
    return step.probed if item.probes else step.probed or step.ended


def _worst_of(spans: Sequence[timedelta | None]) -> timedelta | None:
    measured = [span for span in spans if span is not None]
    return max(measured) if measured and len(measured) == len(spans) else None


def _meets_target(got: timedelta | None, wanted: timedelta | None) -> bool | None:
    return None if wanted is None else got is not None and got <= wanted


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


CAVEATS = (
    "Extensions installed by Arc: the Arc machines still show them, and cannot install, upgrade or uninstall any now.",
    "Guest configuration policies are not evaluated until the machines are back on premises.",
    "No Azure VM guest agent on machines that go back: it knows nothing of extensions that Arc installed.",
)
"""Source: the caveats of the vendor's guide for Site Recovery on Azure Stack HCI."""
_QUERY = (
    "union isfuzzy=true Heartbeat, Event, Syslog, Perf, InsightsMetrics"
    " | extend Name = tolower(tostring(split(Computer, '.')[0]))"
    " | where Name in ({names})"
    " | project TimeGenerated, Type, Name, _ResourceId"
)


def find_changes_in_azure(items: Sequence[RunItem]) -> tuple[str, ...]:
    """Of machines that the run brought to Azure, up or not, committed or not: their names, and what is not as before.

    Nothing for a run that brought none there; of those that it brought home again only where their log data is.
    """
    moved = [item for item in items if item.has_done("PlannedFailover", "UnplannedFailover", "ChangePit")]
    away = [item for item in moved if not item.has_done("Failback", "CancelFailover")]
    warnings = [(item, next((step.note for step in item.steps if step.renamed), "")) for item in away]
    names = [f"{item.vm} is called {item.azure_vm or '?'} in Azure: {why}" for item, why in warnings if why]
    there = (*names, *_other_addresses(items), *(CAVEATS if away else ()))
    return (*there, *([_log_query_finding(moved)] if moved else ()))


def _other_addresses(items: Sequence[RunItem]) -> Iterator[str]:
    """The addresses that Azure gave to machines which asked for another one, in a drill too."""
    for item in items:
        if item.has_done("Failback", "CancelFailover"):
            continue
        for address in dict.fromkeys(step.other_address for step in item.steps if step.other_address):
            yield f"{item.vm} has the address {address} in Azure, and asked for {item.asked_address}"


def _log_query_finding(moved: Sequence[RunItem]) -> str:
    """Source: log data is associated with the Azure VM meanwhile, and with the Arc machine before and after."""
    names = dict.fromkeys(name.lower() for item in moved for name in (item.vm, item.azure_vm) if name)
    escaped = (name.replace("\\", "\\\\").replace("'", "\\'") for name in names)
    query = _QUERY.format(names=", ".join(f"'{name}'" for name in escaped))
    return (
        "Log data comes in under the Azure VMs' ids while they run there. This query joins it by computer name, and "
        f"takes the VM's name for that of the computer in it; put in those that are called otherwise: {query}"
    )


NOT_DONE_STATES = frozenset({"failed", "skipped"})


def unfinished_vms(run: Run) -> tuple[str, ...]:
    """Of a run with one verb: those that did not get through it."""
    return tuple(item.vm for item in run.items if item.state != "done")


def uncommitted_vms(run: Run) -> tuple[str, ...]:
    """Those that were moved, or may have been, and whose newest move is not final; one that was skipped among them."""
    return tuple(item.vm for item in run.items if item.was_moved and not _ended_with(item, "Commit"))


def unprotected_vms(run: Run) -> tuple[str, ...]:
    """Those that were moved, or may have been, and do not replicate to Azure again."""
    return tuple(item.vm for item in run.items if item.was_moved and not _ended_with(item, "ReverseReplicate"))


def _ended_with(item: RunItem, verb: Verb) -> bool:
    """Whether the verb came after the newest move, and nothing went wrong since."""
    if item.state in NOT_DONE_STATES:
        return False
    verbs = (*item.verbs_done_before, *(step.verb for step in item.steps if step.outcome == "succeeded"))
    newest = max((place for place, done in enumerate(verbs) if done in MOVE_VERBS), default=0)
    return verb in verbs[newest:]


def vms_committed_at_home(run: Run) -> frozenset[str]:
    """Those whose newest commit succeeded and is no older than their failback: their machines in Azure are given up."""
    return frozenset(item.vm for item in run.items if "Commit" in verbs_since_failback(item))


def verbs_since_failback(item: RunItem) -> list[Verb]:
    """What succeeded from its failback on; all that succeeded where there was none."""
    verbs = [step.verb for step in item.steps if step.outcome == "succeeded"]
    return verbs[verbs.index("Failback") :] if "Failback" in verbs else verbs


def findings_on_skipped(run: Run) -> tuple[str, ...]:
    """What people have to know of machines that were skipped; nothing without any."""
    if not run.people.skipped_vms:
        return ()
    vms = ", ".join(run.people.skipped_vms)
    return (f"skipped: {vms}; what is owed for them stays owed, and nothing is proven of them",)
