"""How a prerequisite is written down: an id, a title, a rule over the facts, a remedy and a link."""

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from shared.messages import Message
from shared.onboarding.preflight.facts import Seen

State = Literal["pass", "warn", "unknown", "fail"]
ORDER: tuple[State, ...] = ("pass", "warn", "unknown", "fail")
"""From the best to the worst."""
GUIDE = "https://learn.microsoft.com/azure-stack/hci/manage/azure-site-recovery"
MATRIX = "https://learn.microsoft.com/azure/site-recovery/hyper-v-azure-support-matrix"
PLANNER = "https://learn.microsoft.com/azure/site-recovery/hyper-v-deployment-planner-analyze-report"
TOLD = 20
"""Lines of evidence that are told of one check; the worst ones first."""


class Line(NamedTuple):
    """One piece of evidence, and what it means."""

    state: State
    text: str


type Rule = Callable[[Seen], Iterator[Line]]


class Check(NamedTuple):
    """A prerequisite or a known limit.

    Attributes:
        remedy: What to do when it does not hold; may name {cluster}, {subscription}, {tenant}, {node}, {vault} and
            {region}.
        link: Where that is documented.
    """

    id: str
    title: str
    rule: Rule
    remedy: str
    link: str


class Finding(Message):
    """How a check went.

    Attributes:
        remedy: What to do; empty where there is nothing to do.
    """

    id: str
    title: str
    state: State
    evidence: tuple[str, ...]
    remedy: str = ""
    link: str = ""


def judge(check: Check, seen: Seen) -> Finding:
    """Apply a check; one without a single line of evidence has nothing that stands against it."""
    lines = list(check.rule(seen)) or [Line("pass", "nothing to check")]
    worst: State = max((line.state for line in lines), key=ORDER.index)
    return Finding(
        id=check.id,
        title=check.title,
        state=worst,
        evidence=_told(lines),
        remedy=check.remedy.format_map(_names(seen)) if worst != "pass" else "",
        link=check.link,
    )


def _told(lines: list[Line]) -> tuple[str, ...]:
    ranked = sorted(lines, key=lambda line: -ORDER.index(line.state))  # stable: the rule's own order within a state
    told = [line.text for line in ranked[:TOLD]]
    return (*told, f"and {len(ranked) - TOLD} more") if len(ranked) > TOLD else tuple(told)


def _names(seen: Seen) -> dict[str, str]:
    site, azure = seen.site, seen.azure
    return {
        "cluster": site.cluster.rsplit("/", 1)[-1],
        "subscription": site.cluster.split("/")[2],
        "tenant": azure.cluster.tenant if azure.cluster and azure.cluster.tenant else "<tenant>",
        "node": azure.nodes[0].name if azure.nodes else "<node>",
        "vault": site.vault_name,
        "region": site.region,
    }


def unseen(seen: Seen, *what: str) -> Iterator[Line]:
    """A line for each of these that Azure would not show."""
    for one in what:
        if one in seen.azure.unseen:
            yield Line("unknown", f"{one} could not be read: {seen.azure.unseen[one]}")
