"""Which way home is the better one for a machine, with the reasons in words. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from shared.messages import Document, Message
from shared.plans.plan import DataSyncWish, PlanDocument
from shared.site_recovery.verb_rules import RULES
from shared.site_recovery.views import ItemView
from shared.sites.site import SiteDocument

LOOKED_AT_LATER = (
    "Whether each VM is off at home, has no checkpoints, and has room: its node is asked when the run begins.",
    "A VM that was deleted at home is told then.",
)
LONG_AWAY = timedelta(days=30)
"""Source: documented: a full download is recommended for a machine that ran in Azure for a month or more."""
CHECKSUM_GB_PER_MINUTE = 3.0
"""Assumed: "a few GBs per min" is what the documentation says of the speed of the checksums."""
OVERHEAD = RULES["Failback"].median
"""Beside the data: recorded failbacks of small machines."""
_ABOUT_AS_LONG = 1.1
_MB, _MINUTE = 1024, 60


class Facts(Message):
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


class WayHome(Document):
    """One of the two ways; None for what cannot be told.

    Attributes:
        duration: From the request to the machine running on premises, without the wait for a person's word.
        downtime: How long it runs nowhere.
    """

    data_sync: DataSyncWish
    duration: timedelta | None = None
    downtime: timedelta | None = None


class Advice(Document):
    """What to choose for one machine.

    Attributes:
        unknown: What would have to be known, or declared for the site, to tell more.
        assumed: What the figures rest on.
    """

    vm: str
    recommended: DataSyncWish
    reasons: tuple[str, ...]
    ways: tuple[WayHome, WayHome]
    unknown: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()


def advice_of(
    plan: PlanDocument, sites: Mapping[str, SiteDocument], items: Mapping[str, ItemView], at: datetime
) -> tuple[Advice, ...]:
    """Both ways home of each machine of a plan that runs in Azure; those of one site share its link.

    Args:
        plan: Whose machines.
        sites: Its sites by name.
        items: The protected items by VM name, in any casing.
        at: When they were read, by Azure's clock.
    """
    known = {vm.casefold(): view for vm, view in items.items()}
    named = [(item.site or plan.site, known.get(item.vm.casefold())) for item in plan.items]
    away = [(site, view) for site, view in named if view and view.active_location == "Recovery"]
    shares = [site for site, _ in away]
    return tuple(advise(_facts(sites[site], view, at, shares.count(site))) for site, view in away)


def _facts(site: SiteDocument, view: ItemView, at: datetime, sharing: int) -> Facts:
    return Facts(
        vm=view.vm,
        gb=view.disk_mb / _MB if view.disk_mb else None,
        away=at - view.last_failover if view.last_failover else None,
        churn=site.capacity.churn_of(view.vm),
        link=site.capacity.link_mbps,
        sharing=sharing,
    )


def advise(facts: Facts) -> Advice:
    """Compare both ways home."""
    full, least = _full(facts), _least(facts)
    recommended, reasons = _choice(facts, full, least)
    return Advice(
        vm=facts.vm,
        recommended=recommended,
        reasons=reasons,
        ways=(least, full),
        unknown=tuple(_unknown(facts)),
        assumed=tuple(_assumed(facts, full, least)),
    )


def _full(facts: Facts) -> WayHome:
    """All of the disks, with the machine off from the beginning."""
    took = _transfer(facts, facts.gb * _MB) if facts.gb is not None else None
    whole = None if took is None else took + OVERHEAD
    return WayHome(data_sync="full-download", duration=whole, downtime=whole)


def _least(facts: Facts) -> WayHome:
    """Checksums and what differs while the machine runs; with it off only what it wrote meanwhile."""
    way = WayHome(data_sync="minimise-downtime")
    if facts.gb is None or facts.away is None or facts.churn is None:
        return way
    size = facts.gb * _MB
    brought = _transfer(facts, min(size, facts.churn * facts.away.total_seconds()))
    if brought is None:
        return way
    synced = timedelta(seconds=facts.gb / CHECKSUM_GB_PER_MINUTE * _MINUTE) + brought
    rest = _transfer(facts, min(size, facts.churn * synced.total_seconds())) or timedelta(0)
    return way.model_copy(update={"duration": synced + rest + OVERHEAD, "downtime": rest + OVERHEAD})


def _transfer(facts: Facts, mb: float) -> timedelta | None:
    if facts.link is None:
        return None
    return timedelta(seconds=round(mb / (facts.link / 8 / max(facts.sharing, 1))))


def _choice(facts: Facts, full: WayHome, least: WayHome) -> tuple[DataSyncWish, tuple[str, ...]]:
    if facts.away is not None and facts.away >= LONG_AWAY:
        days = f"it has run in Azure for {facts.away.days} days"
        return "full-download", (f"{days}: after a month or more most has changed, and checksums only cost time",)
    if full.downtime is None or least.downtime is None:
        return "minimise-downtime", ("it runs while its data is brought home; how long either way takes is not known",)
    if full.downtime <= least.downtime * _ABOUT_AS_LONG:
        told = f"it would be down for {_said(full.downtime)} instead of {_said(least.downtime)}"
        return "full-download", (told, "it is one job, which waits for nobody")
    told = f"it is down for {_said(least.downtime)} instead of {_said(full.downtime)}"
    if least.duration and full.duration and least.duration > full.duration:
        told += f", though the whole takes {_said(least.duration)} instead of {_said(full.duration)}"
    return "minimise-downtime", (told,)


def _said(span: timedelta) -> str:
    minutes = max(1, round(span.total_seconds() / _MINUTE))
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def _unknown(facts: Facts) -> Iterator[str]:
    if facts.gb is None:
        yield "the size of its disks: the vault does not say"
    if facts.away is None:
        yield "since when it runs in Azure: the vault does not say"
    if facts.link is None:
        yield "the speed of the link: declare capacity.linkMbps of the site"
    if facts.churn is None:
        yield "how much it writes: declare capacity.churn or capacity.defaultChurn of the site"


def _assumed(facts: Facts, full: WayHome, least: WayHome) -> Iterator[str]:
    if full.duration is not None:
        yield f"{facts.gb:.0f} GB over a link of {facts.link:.0f} Mbit/s that {facts.sharing} VMs share"
        yield f"{_said(OVERHEAD)} beside the data, as recorded failbacks of small machines took"
    if least.duration is not None:
        yield f"checksums of {CHECKSUM_GB_PER_MINUTE:.0f} GB a minute (documented: a few)"
        yield f"{facts.churn} MB a second written, each block once, since the failover"
