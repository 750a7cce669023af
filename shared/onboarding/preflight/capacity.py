"""Checks of load: what the VMs write against what Site Recovery, the link and the cache account carry.

Source of the limits: the deployment planner's tables; they are averages that rest on tests.
"""

from collections.abc import Iterator
from datetime import timedelta

from shared.onboarding.preflight.check import PLANNER, Check, Line
from shared.onboarding.preflight.facts import Seen

STANDARD_CHURN, PREMIUM_CHURN = 2.0, 20.0
"""Megabytes a second of one VM that replication carries to standard and to premium storage."""
ACCOUNT_INGRESS = 25_000 / 8
"""Megabytes a second that a general-purpose account takes: 25 gigabits in the smaller regions."""
SPARE = 0.8
"""Of the link: beyond that changes pile up on the volumes whenever there are more of them than usual (assumed)."""
GIB = 1024**3 / 1_000_000
"""Megabytes of a gibibyte."""


def _most_churn(seen: Seen) -> float:
    premium = seen.azure.account is not None and seen.azure.account.sku.lower().startswith("premium")
    return PREMIUM_CHURN if premium else STANDARD_CHURN


def total_churn(seen: Seen) -> float:
    """Megabytes a second of all VMs whose churn is declared."""
    return sum(seen.site.capacity.churn_of(machine.name) or 0 for machine in seen.machines)


def copy_time(seen: Seen) -> timedelta | None:
    """How long the initial copy takes with what the link has left beside the churn; None without end, or unknown."""
    link = seen.site.capacity.link_mbps
    left = (link or 0) / 8 - total_churn(seen)
    if left <= 0:
        return None
    return timedelta(seconds=round(sum(machine.size_gb for machine in seen.machines) * GIB / left))


def _churn(seen: Seen) -> Iterator[Line]:
    most, known = _most_churn(seen), 0
    for machine in seen.machines:
        churn = seen.site.capacity.churn_of(machine.name)
        known += churn is not None
        if churn is not None and churn > most:
            yield Line("fail", f"{machine.name} writes {churn:g} MB/s, at most {most:g} MB/s are replicated")
    if seen.machines and not known:
        yield Line("warn", "no churn is declared: what the VMs write cannot be judged")
    elif known:
        yield Line("pass", f"{known} of {len(seen.machines)} VMs say what they write; each may write {most:g} MB/s")


def _link(seen: Seen) -> Iterator[Line]:
    link, churn = seen.site.capacity.link_mbps, total_churn(seen)
    if link is None:
        yield Line("warn", "the speed of the link is not declared")
        return
    used = churn * 8 / link
    said = f"the VMs write {churn:g} MB/s, which is {used:.0%} of a link of {link:g} Mbit/s"
    yield Line("fail" if used >= 1 else "warn" if used > SPARE else "pass", said)


def _cache(seen: Seen) -> Iterator[Line]:
    churn, link = total_churn(seen), seen.site.capacity.link_mbps
    most = max(churn, (link or 0) / 8)
    said = f"{most:g} MB/s at the most arrive at the cache account, which takes {ACCOUNT_INGRESS:g} MB/s"
    yield Line("fail" if churn > ACCOUNT_INGRESS else "warn" if most > ACCOUNT_INGRESS else "pass", said)


def _copy(seen: Seen) -> Iterator[Line]:
    size = sum(machine.size_gb for machine in seen.machines)
    within, takes = seen.site.capacity.copy_within, copy_time(seen)
    if seen.site.capacity.link_mbps is None:
        yield Line("warn", f"{size:,.0f} GiB are to be copied; over what link is not declared")
    elif takes is None:
        yield Line("fail", f"{size:,.0f} GiB are to be copied, and the churn leaves nothing of the link for it")
    else:
        said = f"the initial copy of {size:,.0f} GiB takes {in_words(takes)}, and may take {in_words(within)}"
        yield Line("fail" if takes > within else "pass", said)


def in_words(span: timedelta) -> str:
    """A span in the two units that matter: "3 days 4 h", "2 h 5 min"."""
    minutes = max(1, round(span.total_seconds() / 60))
    days, hours, rest = minutes // 1440, minutes % 1440 // 60, minutes % 60
    if days:
        return f"{days} {'day' if days == 1 else 'days'} {hours} h"
    return f"{hours} h {rest} min" if hours else f"{rest} min"


CHECKS = (
    Check(
        "capacity-churn",
        "No VM writes more than replication carries",
        _churn,
        "Declare capacity.churn; use a premium account for VMs that write more, or leave them out.",
        PLANNER + "#azure-site-recovery-limits",
    ),
    Check(
        "capacity-link",
        "The link carries what the VMs write",
        _link,
        "Declare capacity.linkMbps; widen the link, or protect fewer VMs.",
        PLANNER,
    ),
    Check(
        "capacity-cache",
        "The cache account takes what arrives",
        _cache,
        "Spread the VMs over several sites with accounts of their own.",
        "https://learn.microsoft.com/azure/storage/common/scalability-targets-standard-account",
    ),
    Check(
        "capacity-initial-copy",
        "The initial copy ends in time",
        _copy,
        "Widen the link, allow more time (capacity.copyWithin), or onboard fewer VMs at first.",
        PLANNER + "#initial-replication-batching",
    ),
)
