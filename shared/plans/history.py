"""What is remembered of a plan beyond the histories of its runs: its last drill, and how long runs took. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from pydantic import Field

from shared.messages import Document, Message
from shared.plans.plan import PlanDocument
from shared.sites.site import SiteDocument
from shared.wording import shortened

RUNS_KEPT, VERSIONS_WITH_GROUNDS = 60, 3
type Grounds = dict[str, dict[str, str]]
"""By name of a site or a VM ("site hci-01", "VM sql-01"): what was so, by its own name."""


class PastRun(Message):
    """A run that has ended.

    Attributes:
        took: From its begin to the last machine that passed its probes; None when not all did, or when it has no RTO.
        rpo: How much of the newest data was lost at the most, of a drill how old its data was; None where unknown.
        rto_target, rpo_target: Of the plan as it was then.
        digest: Of the plan that it was a run of; empty where that was not kept yet.
        whole: Whether all of the plan took part, and no machine was skipped on the way.
        grounds: Of a drill: what it rests on beside its plan; kept of the newest good one of some versions of the plan.
        preview_kind: The kind, but of a failover whether it was planned.
    """

    run: str
    kind: str
    state: str
    began: datetime
    ended: datetime
    took: timedelta | None = None
    rpo: timedelta | None = None
    rto_target: timedelta | None = None
    rpo_target: timedelta | None = None
    digest: str = ""
    preview_kind: str = ""
    whole: bool = True
    grounds: Grounds = Field(default_factory=dict)


class PlanHistory(Message):
    """What is remembered of one plan.

    Attributes:
        due_key: The occasion that a drill was begun for last: a moment of the schedule, or another plan's drill.
        drill_run: That drill; `begun_at`: when it was begun.
        tries: How often it was begun: one that was refused is begun again.
        closed: Whether that drill is known to have done something.
        overdue_key: The occasion that was last reported to be overdue.
        past_runs: Oldest first.
    """

    due_key: str = ""
    drill_run: str = ""
    begun_at: datetime | None = None
    tries: int = 0
    closed: bool = False
    overdue_key: str = ""
    past_runs: tuple[PastRun, ...] = ()

    def with_past_runs(self, past_runs: tuple[PastRun, ...]) -> "PlanHistory":
        """The same with other past runs."""
        return self.model_copy(update={"past_runs": past_runs})


class DrillBegun(Message):
    """A drill that is begun for an occasion."""

    due_key: str
    run: str
    at: datetime


class Forecast(Document):
    """What past runs took, in seconds, and how many those were."""

    median_seconds: float
    p95_seconds: float
    based_on_runs: int


def with_drill_begun(plan_history: PlanHistory, drill: DrillBegun) -> PlanHistory:
    """Note a drill that is begun, once."""
    if (plan_history.due_key, plan_history.drill_run) == (drill.due_key, drill.run):
        return plan_history
    return PlanHistory(
        due_key=drill.due_key,
        drill_run=drill.run,
        begun_at=drill.at,
        tries=plan_history.tries + 1 if drill.due_key == plan_history.due_key else 1,
        overdue_key=plan_history.overdue_key,
        past_runs=plan_history.past_runs,
    )


def with_run_ended(plan_history: PlanHistory, past: PastRun) -> PlanHistory:
    """Note how a run ended, once; the newest drill that succeeded is kept however many runs came after it."""
    others = [one for one in plan_history.past_runs if one.run != past.run]
    updated = plan_history.with_past_runs((*others, past))
    drill, kept = last_good_drill(updated), updated.past_runs[-RUNS_KEPT:]
    return plan_history.with_past_runs(_drop_old_grounds(kept if drill is None or drill in kept else (drill, *kept)))


def _drop_old_grounds(past_runs: Sequence[PastRun]) -> tuple[PastRun, ...]:
    """The same, with what drills rest on only of the newest good one of each of the newest versions of the plan."""
    newest: dict[str, str] = {}
    for one in reversed(past_runs):
        if one.grounds and is_good_drill(one):
            newest.setdefault(one.digest, one.run)
    kept = set(list(newest.values())[:VERSIONS_WITH_GROUNDS])
    return tuple(one if one.run in kept else one.model_copy(update={"grounds": {}}) for one in past_runs)


def is_good_drill(past_run: PastRun) -> bool:
    """Whether it was a drill that succeeded with all of its machines."""
    return past_run.kind == "drill" and past_run.state == "succeeded" and past_run.whole


def last_good_drill(plan_history: PlanHistory, digest: str = "") -> PastRun | None:
    """The newest drill that succeeded with all of its machines; with a digest that of this very plan."""
    good = (one for one in reversed(plan_history.past_runs) if is_good_drill(one))
    return next((one for one in good if not digest or one.digest == digest), None)


def forecast_duration(plan_history: PlanHistory, preview_kind: str) -> Forecast | None:
    """How long runs of a verb that succeeded lasted from begin to end; None without any.

    Args:
        preview_kind: A kind of operation; of a failover "planned-failover" or "unplanned-failover".
    """
    good = (one for one in plan_history.past_runs if one.state == "succeeded")
    same = (one for one in good if (one.preview_kind or one.kind) == preview_kind)
    return _forecast_from(sorted((one.ended - one.began).total_seconds() for one in same))


def forecast_recovery(plan_history: PlanHistory, kind: str, before: datetime | None = None) -> Forecast | None:
    """What past runs of a kind took until all was up; None without any.

    Args:
        before: Only runs that ended before.
    """
    good = (one for one in plan_history.past_runs if one.kind == kind and one.took is not None)
    seconds = sorted(one.took.total_seconds() for one in good if one.took and (before is None or one.ended < before))
    return _forecast_from(seconds)


def _forecast_from(seconds: list[float]) -> Forecast | None:
    if not seconds:
        return None
    median, p95 = quantile(seconds, 0.5), quantile(seconds, 0.95)
    return Forecast(median_seconds=median, p95_seconds=p95, based_on_runs=len(seconds))


def quantile(ordered: list[float], share: float) -> float:
    """Between the two nearest values, in proportion."""
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return round(ordered[low] + (ordered[high] - ordered[low]) * (place - low), 1)


GROUNDS_FIELDS = {
    "cluster": "cluster",
    "vault": "vault",
    "hyper_v_site": "Hyper-V site",
    "target_resource_group": "target resource group",
    "network": "network",
}
"""Fields of a site that decide where a failover ends; of other ones a change proves no drill wrong."""
SHOWN_CHANGES = 5


class SizedMachine(Protocol):
    """A machine whose disks have a size, as the vault shows it or as a run carries it."""

    @property
    def vm(self) -> str:
        """Name of the virtual machine."""

    @property
    def disk_mb(self) -> int:
        """Size of its disks together."""


def grounds_of(plan: PlanDocument, sites: Mapping[str, SiteDocument], machines: Iterable[SizedMachine]) -> Grounds:
    """What a drill would rest on now; a machine whose disks the vault does not show is left out."""
    grounds: Grounds = {}
    for name in plan.site_names:
        site = sites[name]
        grounds[f"site {name}"] = {label: str(getattr(site, field)).lower() for field, label in GROUNDS_FIELDS.items()}
    names = {item.vm.lower() for item in plan.items}
    sized = (one for one in machines if one.disk_mb and one.vm.lower() in names)
    return grounds | {f"VM {one.vm.lower()}": {"size of disks": str(one.disk_mb)} for one in sized}


def describe_changed_grounds(then: Grounds, now: Grounds) -> tuple[str, ...]:
    """What is no longer as it was, in words; what is known of one of both times only is not judged."""
    changes = [
        f"the {label} of {subject} is {now[subject][label]} and was {value}"
        for subject, facts in then.items()
        for label, value in facts.items()
        if subject in now and now[subject].get(label, value) != value
    ]
    return shortened(changes, SHOWN_CHANGES)
