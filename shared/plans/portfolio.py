"""All sites and plans in figures, for those who have to answer for them: coverage, rehearsals, targets. Pure.

What it knows of the past is what is kept of each plan: its last runs, and the last good drill.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Any, NamedTuple

from pydantic import Field

from shared.messages import Document
from shared.operations.obligations import Obligation
from shared.plans.history import PastRun, PlanHistory, last_good_drill
from shared.plans.plan import PlanDocument, Targets
from shared.wording import count_of

MOVES = frozenset({"failover", "roundtrip"})


class Target(Document):
    """One target of a plan, and what the newest run that says something of it achieved.

    Attributes:
        target: None: there is none.
        achieved: None: no run is kept that tells.
        met: Whether it would be met by that, as the target is now; None where either is not known.
        operation: That run, which was `kind`, and ended at `at`.
    """

    target: timedelta | None = None
    achieved: timedelta | None = None
    met: bool | None = None
    operation: str = ""
    kind: str = ""
    at: datetime | None = None


class PlanFigures(Document):
    """One plan.

    Attributes:
        vms: How many machines it has.
        last_good_drill_at: When the last drill of the whole plan ended that succeeded, in whatever version of it.
        is_rehearsed: Whether that is no longer ago than was asked for.
        open_obligations, late_obligations: What it owes; and of that, what is due.
    """

    plan: str
    sites: tuple[str, ...]
    vms: int
    last_good_drill_at: datetime | None = None
    last_good_drill: str = ""
    is_rehearsed: bool = False
    rto: Target = Target()
    rpo: Target = Target()
    open_obligations: int = 0
    late_obligations: int = 0


class Achieved(Document):
    """Over the runs of a quarter that tell: how many met the target that they had then, and what they achieved."""

    runs: int = 0
    met: int = 0
    missed: int = 0
    median: timedelta | None = None
    worst: timedelta | None = None


class Quarter(Document):
    """The runs that ended in a quarter of a year, by UTC.

    Attributes:
        name: Such as 2027-Q1.
        drills, moves: How many drills, and how many failovers and round trips, ended; and how many of them well.
    """

    name: str
    drills: int = 0
    good_drills: int = 0
    moves: int = 0
    good_moves: int = 0
    rto: Achieved = Achieved()
    rpo: Achieved = Achieved()


class Totals(Document):
    """All of it.

    Attributes:
        unknown_sites: Those of which Azure said nothing: their VMs are in no figure.
        rehearsed_vms: In plans that were rehearsed in time; a VM of several plans counts in each.
    """

    sites: int = 0
    unknown_sites: int = 0
    vms: int = 0
    protected: int = 0
    unprotected: int = 0
    without_plan: int = 0
    plans: int = 0
    rehearsed_plans: int = 0
    planned_vms: int = 0
    rehearsed_vms: int = 0
    targets_met: int = 0
    targets_missed: int = 0
    targets_unknown: int = 0
    open_obligations: int = 0
    late_obligations: int = 0


class Portfolio(Document):
    """The report.

    Attributes:
        summary: It in sentences, what is wrong first.
        within_days: A drill that ended no longer ago than this counts as a rehearsal.
    """

    at: datetime
    within_days: int
    summary: tuple[str, ...]
    totals: Totals
    sites: tuple[dict[str, Any], ...] = Field(default_factory=tuple)
    plans: tuple[PlanFigures, ...] = Field(default_factory=tuple)
    quarters: tuple[Quarter, ...] = Field(default_factory=tuple)


class PlanFacts(NamedTuple):
    """What is known of one plan."""

    document: PlanDocument
    history: PlanHistory
    owed: Sequence[Obligation]


def build_portfolio(
    at: datetime, within_days: int, sites: Mapping[str, Mapping[str, Any]], plans: Mapping[str, PlanFacts]
) -> Portfolio:
    """The figures of all.

    Args:
        sites: The health of each, as `GET /sites` shows it, by name.
        plans: By name.
    """
    figures = tuple(_plan_figures(name, facts, at, within_days) for name, facts in sorted(plans.items()))
    totals = _totals_of(sites, figures)
    return Portfolio(
        at=at,
        within_days=within_days,
        summary=tuple(_summary_of(totals, within_days)),
        totals=totals,
        sites=tuple(_site_view(name, health) for name, health in sorted(sites.items())),
        plans=figures,
        quarters=tuple(quarters_of(run for facts in plans.values() for run in facts.history.past_runs)),
    )


def _site_view(name: str, health: Mapping[str, Any]) -> dict[str, Any]:
    return {"site": name, **{field: health[field] for field in ("state", "detail", "vms") if field in health}}


def _plan_figures(name: str, facts: PlanFacts, at: datetime, within_days: int) -> PlanFigures:
    document, history, owed = facts
    drill, targets = last_good_drill(history), document.targets or Targets()
    return PlanFigures(
        plan=name,
        sites=tuple(document.site_names),
        vms=len(document.items),
        last_good_drill_at=drill.ended if drill else None,
        last_good_drill=drill.run if drill else "",
        is_rehearsed=drill is not None and at - drill.ended <= timedelta(days=within_days),
        rto=_target_of(history, targets.rto, "took"),
        rpo=_target_of(history, targets.rpo, "rpo"),
        open_obligations=len(owed),
        late_obligations=sum(one.due < at for one in owed),
    )


def _target_of(history: PlanHistory, target: timedelta | None, field: str) -> Target:
    """What the newest run achieved that says it."""
    telling = next((run for run in reversed(history.past_runs) if getattr(run, field) is not None), None)
    if telling is None:
        return Target(target=target)
    achieved: timedelta = getattr(telling, field)
    return Target(
        target=target,
        achieved=achieved,
        met=achieved <= target if target is not None else None,
        operation=telling.run,
        kind=telling.kind,
        at=telling.ended,
    )


def _totals_of(sites: Mapping[str, Mapping[str, Any]], plans: Sequence[PlanFigures]) -> Totals:
    vms = [health["vms"] for health in sites.values() if "vms" in health]
    rehearsed = [plan for plan in plans if plan.is_rehearsed]
    wanted = [one for plan in plans for one in (plan.rto, plan.rpo) if one.target is not None]
    return Totals(
        sites=len(sites),
        unknown_sites=len(sites) - len(vms),
        vms=sum(one["total"] + one["unprotected"] for one in vms),
        protected=sum(one["protected"] for one in vms),
        unprotected=sum(one["unprotected"] for one in vms),
        without_plan=sum(one["withoutPlan"] for one in vms),
        plans=len(plans),
        rehearsed_plans=len(rehearsed),
        planned_vms=sum(plan.vms for plan in plans),
        rehearsed_vms=sum(plan.vms for plan in rehearsed),
        targets_met=sum(one.met is True for one in wanted),
        targets_missed=sum(one.met is False for one in wanted),
        targets_unknown=sum(one.met is None for one in wanted),
        open_obligations=sum(plan.open_obligations for plan in plans),
        late_obligations=sum(plan.late_obligations for plan in plans),
    )


def _summary_of(totals: Totals, within_days: int) -> Iterable[str]:
    """What is wrong first, then what is well."""
    if totals.late_obligations:
        yield f"Late: {totals.late_obligations} of {count_of(totals.open_obligations, 'open obligation')}."
    if totals.unknown_sites:
        yield f"No word from Azure of {totals.unknown_sites} of {count_of(totals.sites, 'site')}."
    if totals.unprotected:
        yield f"Not protected: {totals.unprotected} of {count_of(totals.vms, 'VM')}."
    if totals.without_plan:
        yield f"Protected, and in no plan: {count_of(totals.without_plan, 'VM')}."
    if totals.targets_missed:
        yield f"Missed by what was achieved last: {count_of(totals.targets_missed, 'target')}."
    if totals.targets_unknown:
        yield f"Told by no run whether it would be met: {count_of(totals.targets_unknown, 'target')}."
    yield f"Rehearsed within {within_days} days: {totals.rehearsed_plans} of {count_of(totals.plans, 'plan')}."
    if totals.targets_met:
        yield f"Met by what was achieved last: {count_of(totals.targets_met, 'target')}."


def quarter_of(moment: datetime) -> str:
    """The name of its quarter, such as 2027-Q1; names sort by time."""
    return f"{moment:%Y}-Q{(moment.month + 2) // 3}"


def quarters_of(past_runs: Iterable[PastRun]) -> list[Quarter]:
    """The quarters in which runs ended, oldest first."""
    by_quarter: dict[str, list[PastRun]] = {}
    for run in past_runs:
        if run.kind == "drill" or run.kind in MOVES:
            by_quarter.setdefault(quarter_of(run.ended), []).append(run)
    return [_quarter_from(name, runs) for name, runs in sorted(by_quarter.items())]


def _quarter_from(name: str, runs: Sequence[PastRun]) -> Quarter:
    drills, moves = [run for run in runs if run.kind == "drill"], [run for run in runs if run.kind in MOVES]
    return Quarter(
        name=name,
        drills=len(drills),
        good_drills=sum(run.state == "succeeded" for run in drills),
        moves=len(moves),
        good_moves=sum(run.state == "succeeded" for run in moves),
        rto=_achieved_by([(run.took, run.rto_target) for run in runs]),
        rpo=_achieved_by([(run.rpo, run.rpo_target) for run in runs]),
    )


def _achieved_by(pairs: Sequence[tuple[timedelta | None, timedelta | None]]) -> Achieved:
    """Over pairs of what was achieved and its target then."""
    told = [(achieved, target) for achieved, target in pairs if achieved is not None]
    spans = [achieved for achieved, _ in told]
    judged = [achieved <= target for achieved, target in told if target is not None]
    return Achieved(
        runs=len(told),
        met=sum(judged),
        missed=len(judged) - sum(judged),
        median=timedelta(seconds=median(span.total_seconds() for span in spans)) if spans else None,
        worst=max(spans, default=None),
    )
