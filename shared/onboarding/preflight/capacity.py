"""Checks of load: what the VMs write against what Site Recovery, the link and the cache account carry.

Source of the limits: the deployment planner's tables; they are averages that rest on tests.
"""

from collections.abc import Iterator
from datetime import timedelta

from shared.onboarding.preflight.check import PLANNER, Check, CheckLine
from shared.onboarding.preflight.facts import SiteFacts
from shared.wording import list_briefly

STANDARD_CHURN, PREMIUM_CHURN = 2.0, 20.0
"""Megabytes a second of one VM that replication carries to standard and to premium storage."""
ACCOUNT_INGRESS = 25_000 / 8
"""Megabytes a second that a general-purpose account takes: 25 gigabits in the smaller regions."""
SPARE = 0.8
"""Of the link: beyond that changes pile up on the volumes whenever there are more of them than usual (assumed)."""
GIB = 1024**3 / 1_000_000
"""Megabytes of a gibibyte."""


def total_churn(facts: SiteFacts) -> float:
    """Megabytes a second of all VMs whose churn is declared."""
    return sum(facts.site.capacity.churn_of(machine.name) or 0 for machine in facts.machines)


def is_churn_declared(facts: SiteFacts) -> bool:
    """Whether it is known of any VM how much it writes; of a site without VMs nothing has to be known."""
    churns = [facts.site.capacity.churn_of(machine.name) for machine in facts.machines]
    return not churns or any(churn is not None for churn in churns)


def copy_time(facts: SiteFacts) -> timedelta | None:
    """How long the initial copy takes with what the link has left beside the churn; None without end, or unknown."""
    left = (facts.site.capacity.link_mbps or 0) / 8 - total_churn(facts)
    if left <= 0:
        return None
    return timedelta(seconds=round(sum(machine.size_gb for machine in facts.machines) * GIB / left))


def check_churn(facts: SiteFacts) -> Iterator[CheckLine]:
    is_premium = facts.azure.account is not None and facts.azure.account.sku.lower().startswith("premium")
    most, declared = PREMIUM_CHURN if is_premium else STANDARD_CHURN, 0
    for machine in facts.machines:
        churn = facts.site.capacity.churn_of(machine.name)
        declared += churn is not None
        if churn is not None and churn > most:
            yield CheckLine("fail", f"{machine.name} writes {churn:g} MB/s, at most {most:g} MB/s are replicated")
    if facts.machines and not declared:
        yield CheckLine("warn", "no churn is declared: it is not known how much the VMs write")
    elif declared:
        yield CheckLine(
            "pass", f"{declared} of {len(facts.machines)} VMs have their churn declared; each may write {most:g} MB/s"
        )


def check_link(facts: SiteFacts) -> Iterator[CheckLine]:
    link, churn = facts.site.capacity.link_mbps, total_churn(facts)
    if link is None:
        yield CheckLine("warn", "the speed of the link is not declared")
        return
    if not is_churn_declared(facts):
        yield CheckLine(
            "warn", f"no churn is declared: how much of a link of {link:g} Mbit/s the VMs need is not known"
        )
        return
    used = churn * 8 / link
    detail = f"the VMs write {churn:g} MB/s, which is {used:.0%} of a link of {link:g} Mbit/s"
    yield CheckLine("fail" if used >= 1 else "warn" if used > SPARE else "pass", detail)


def check_cache(facts: SiteFacts) -> Iterator[CheckLine]:
    churn, link = total_churn(facts), facts.site.capacity.link_mbps
    if link is None and not is_churn_declared(facts):
        yield CheckLine(
            "warn", "neither churn nor link is declared: how much arrives at the cache account is not known"
        )
        return
    most = max(churn, (link or 0) / 8)
    detail = f"{most:g} MB/s at the most arrive at the cache account, which takes {ACCOUNT_INGRESS:g} MB/s"
    yield CheckLine("fail" if churn > ACCOUNT_INGRESS else "warn" if most > ACCOUNT_INGRESS else "pass", detail)


def check_initial_copy(facts: SiteFacts) -> Iterator[CheckLine]:
    if uncounted := [machine.name for machine in facts.machines if machine.unread_parts]:
        yield CheckLine(
            "unknown", f"not all disks could be read, and those are not counted, of {list_briefly(uncounted)}"
        )
    size = sum(machine.size_gb for machine in facts.machines)
    within, takes = facts.site.capacity.copy_within, copy_time(facts)
    if facts.site.capacity.link_mbps is None:
        yield CheckLine("warn", f"{size:,.0f} GiB are to be copied; over what link is not declared")
    elif takes is None:
        yield CheckLine("fail", f"{size:,.0f} GiB are to be copied, and the churn leaves nothing of the link for it")
    else:
        takes_in_words, within_in_words = duration_in_words(takes), duration_in_words(within)
        detail = f"the initial copy of {size:,.0f} GiB takes {takes_in_words}, and may take {within_in_words}"
        yield CheckLine.judge(takes <= within, detail)


def duration_in_words(span: timedelta) -> str:
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
        check_churn,
        "Declare capacity.churn; use a premium account for VMs that write more, or leave them out.",
        PLANNER + "#azure-site-recovery-limits",
    ),
    Check(
        "capacity-link",
        "The link carries what the VMs write",
        check_link,
        "Declare capacity.linkMbps; widen the link, or protect fewer VMs.",
        PLANNER,
    ),
    Check(
        "capacity-cache",
        "The cache account takes what arrives",
        check_cache,
        "Spread the VMs over several sites with accounts of their own.",
        "https://learn.microsoft.com/azure/storage/common/scalability-targets-standard-account",
    ),
    Check(
        "capacity-initial-copy",
        "The initial copy ends in time",
        check_initial_copy,
        "Widen the link, allow more time (capacity.copyWithin), or onboard fewer VMs at first.",
        PLANNER + "#initial-replication-batching",
    ),
)
