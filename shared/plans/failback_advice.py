"""Which way home is the better one for a machine, with the reasons in words. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from shared.messages import Document, Message
from shared.plans.plan import PlanDocument
from shared.site_recovery.verb_options import DataSync
from shared.site_recovery.verb_rules import RULES
from shared.site_recovery.views import ItemView
from shared.sites.site import SiteDocument
from shared.wording import format_roughly

CHECKED_AT_BEGIN = (
    "Whether each VM is off on premises, has no checkpoints and has room: its node is asked when the run begins.",
    "Whether a VM was deleted on premises: the run waits then, and says what to do.",
)
LONG_AWAY = timedelta(days=30)
"""Source: documented: a full download is recommended for a machine that ran in Azure for a month or more."""
CHECKSUM_GB_PER_MINUTE = 3.0
"""Assumed: "a few GBs per min" is what the documentation says of the speed of the checksums."""
OVERHEAD = RULES["Failback"].median
"""Beside the data: recorded failbacks of small machines."""
_ABOUT_AS_LONG = 1.1
_MB, _MINUTE = 1024, 60


class MachineFacts(Message):
    """What is known of a machine that is to come home; None for what is not.

    Attributes:
        gb: Size of its disks together.
        away: How long it has been in Azure.
        churn: MB a second that it writes on average, as declared for its site.
        link: Megabits a second of the way home, as declared for its site.
        sharing: How many machines come home over that link.
    """

    vm: str
    gb: float | None = None
    away: timedelta | None = None
    churn: float | None = None
    link: float | None = None
    sharing: int = 1

    def transfer_time(self, mb: float) -> timedelta | None:
        """How long so much data takes over the link; None where its speed is not declared."""
        return None if self.link is None else timedelta(seconds=round(mb / (self.link / 8 / max(self.sharing, 1))))

    @property
    def unknown(self) -> Iterator[str]:
        """What would have to be known to tell more, in words."""
        if self.gb is None:
            yield "the size of its disks: the vault does not say"
        if self.away is None:
            yield "since when it runs in Azure: the vault does not say"
        if self.link is None:
            yield "the speed of the link: declare capacity.linkMbps of the site"
        if self.churn is None:
            yield "how much it writes: declare capacity.churn or capacity.defaultChurn of the site"


class FailbackWay(Document):
    """One of the two ways; None for what is not known.

    Attributes:
        duration: From the request to the machine running on premises, without the wait for a person.
        downtime: How long it runs nowhere.
    """

    data_sync: DataSync
    duration: timedelta | None = None
    downtime: timedelta | None = None


class FailbackAdvice(Document):
    """What to choose for one machine.

    Attributes:
        unknown_facts: What would have to be known, or declared for the site, to tell more.
        assumptions: What the figures rest on.
    """

    vm: str
    recommended: DataSync
    reasons: tuple[str, ...]
    options: tuple[FailbackWay, FailbackWay]
    unknown_facts: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()


def advise_machines(
    plan: PlanDocument, sites: Mapping[str, SiteDocument], items: Mapping[str, ItemView], at: datetime
) -> tuple[FailbackAdvice, ...]:
    """Both ways home of each machine of a plan that runs in Azure; those of one site share its link.

    Args:
        plan: Whose machines.
        sites: Its sites by name.
        items: The protected items by VM name, in any casing.
        at: When they were read, by Azure's clock.
    """
    views = {vm.casefold(): view for vm, view in items.items()}
    named = [(plan.site_name_of(item), views.get(item.vm.casefold())) for item in plan.items]
    away = [(name, view) for name, view in named if view and view.is_in_azure]
    sharing = Counter(name for name, _ in away)
    return tuple(
        advise_machine(
            MachineFacts(
                vm=view.vm,
                gb=view.disk_mb / _MB if view.disk_mb else None,
                away=at - view.last_failover if view.last_failover else None,
                churn=sites[name].capacity.churn_of(view.vm),
                link=sites[name].capacity.link_mbps,
                sharing=sharing[name],
            )
        )
        for name, view in away
    )


def advise_machine(facts: MachineFacts) -> FailbackAdvice:
    """Compare both ways home."""
    downloaded = facts.transfer_time(facts.gb * _MB) if facts.gb is not None else None
    whole = None if downloaded is None else downloaded + OVERHEAD  # with the machine off from the beginning
    full = FailbackWay(data_sync="full-download", duration=whole, downtime=whole)
    least = _way_by_least_downtime(facts)
    recommended, reasons = _choose_way(facts, full, least)
    return FailbackAdvice(
        vm=facts.vm,
        recommended=recommended,
        reasons=reasons,
        options=(least, full),
        unknown_facts=tuple(facts.unknown),
        assumptions=tuple(_list_assumed(facts, full, least)),
    )


def _way_by_least_downtime(facts: MachineFacts) -> FailbackWay:
    """Checksums and what differs while the machine runs; with it off only what it wrote meanwhile."""
    way = FailbackWay(data_sync="minimise-downtime")
    if facts.gb is None or facts.away is None or facts.churn is None:
        return way
    size = facts.gb * _MB
    brought = facts.transfer_time(min(size, facts.churn * facts.away.total_seconds()))
    if brought is None:
        return way
    synced = timedelta(seconds=facts.gb / CHECKSUM_GB_PER_MINUTE * _MINUTE) + brought
    rest = facts.transfer_time(min(size, facts.churn * synced.total_seconds())) or timedelta(0)
    return way.model_copy(update={"duration": synced + rest + OVERHEAD, "downtime": rest + OVERHEAD})


def _choose_way(facts: MachineFacts, full: FailbackWay, least: FailbackWay) -> tuple[DataSync, tuple[str, ...]]:
    if facts.away is not None and facts.away >= LONG_AWAY:
        days = f"it has run in Azure for {facts.away.days} days"
        return "full-download", (f"{days}: after a month or more most has changed, and checksums only cost time",)
    if full.downtime is None or least.downtime is None:
        return "minimise-downtime", ("it runs while its data is brought home; how long either way takes is not known",)
    if full.downtime <= least.downtime * _ABOUT_AS_LONG:
        reason = f"it would be down for {format_roughly(full.downtime)} instead of {format_roughly(least.downtime)}"
        return "full-download", (reason, "it is one job, which waits for nobody")
    reason = f"it is down for {format_roughly(least.downtime)} instead of {format_roughly(full.downtime)}"
    return "minimise-downtime", (f"{reason}{_longer_duration(full, least)}",)


def _longer_duration(full: FailbackWay, least: FailbackWay) -> str:
    if least.duration and full.duration and least.duration > full.duration:
        return f", though the whole takes {format_roughly(least.duration)} instead of {format_roughly(full.duration)}"
    return ""


def _list_assumed(facts: MachineFacts, full: FailbackWay, least: FailbackWay) -> Iterator[str]:
    if full.duration is not None:
        yield f"{facts.gb:.0f} GB over a link of {facts.link:.0f} Mbit/s that {facts.sharing} VMs share"
        yield f"{format_roughly(OVERHEAD)} beside the data, as recorded failbacks of small machines took"
    if least.duration is not None:
        yield f"checksums of {CHECKSUM_GB_PER_MINUTE:.0f} GB a minute (documented: a few)"
        yield f"{facts.churn} MB a second written, each block once, since the failover"
