"""How a prerequisite is written down: an id, a title, a rule over the facts, a remedy and a link."""

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple, Self

from shared.arm_ids import name_of, subscription_of
from shared.messages import Message
from shared.onboarding.preflight.facts import AzurePart, SiteFacts
from shared.wording import shortened

CheckState = Literal["pass", "warn", "unknown", "fail"]
STATES_BEST_FIRST: tuple[CheckState, ...] = ("pass", "warn", "unknown", "fail")
"""From the best to the worst."""
GUIDE = "https://learn.microsoft.com/azure-stack/hci/manage/azure-site-recovery"
MATRIX = "https://learn.microsoft.com/azure/site-recovery/hyper-v-azure-support-matrix"
PLANNER = "https://learn.microsoft.com/azure/site-recovery/hyper-v-deployment-planner-analyze-report"
MOST_EVIDENCE_LINES = 20
"""Lines of evidence that are shown of one check; the worst ones first."""


class CheckLine(NamedTuple):
    """One piece of evidence, and what it means."""

    state: CheckState
    text: str

    @classmethod
    def judge(cls, passed: bool, text: str) -> Self:
        """A pass, or a fail."""
        return cls("pass" if passed else "fail", text)


type CheckRule = Callable[[SiteFacts], Iterator[CheckLine]]


class Check(NamedTuple):
    """A prerequisite or a known limit.

    Attributes:
        remedy: What to do when it does not hold; may name {cluster}, {subscription}, {tenant}, {node}, {vault} and
            {region}.
        link: Where that is documented.
    """

    id: str
    title: str
    rule: CheckRule
    remedy: str
    link: str


class CheckResult(Message):
    """How a check went.

    Attributes:
        remedy: What to do; empty where there is nothing to do.
    """

    id: str
    title: str
    state: CheckState
    evidence: tuple[str, ...]
    remedy: str = ""
    link: str = ""


def apply_check(check: Check, facts: SiteFacts) -> CheckResult:
    """Apply a check; one without a single line of evidence has nothing that stands against it."""
    lines = list(check.rule(facts)) or [CheckLine("pass", "nothing to check")]
    worst: CheckState = max((line.state for line in lines), key=STATES_BEST_FIRST.index)
    worst_first = sorted(lines, key=lambda line: -STATES_BEST_FIRST.index(line.state))  # stable within a state
    return CheckResult(
        id=check.id,
        title=check.title,
        state=worst,
        evidence=shortened([line.text for line in worst_first], MOST_EVIDENCE_LINES),
        remedy=check.remedy.format_map(_remedy_names(facts)) if worst != "pass" else "",
        link=check.link,
    )


def _remedy_names(facts: SiteFacts) -> dict[str, str]:
    site, azure = facts.site, facts.azure
    return {
        "cluster": name_of(site.cluster),
        "subscription": subscription_of(site.cluster),
        "tenant": azure.cluster.tenant if azure.cluster and azure.cluster.tenant else "<tenant>",
        "node": azure.nodes[0].name if azure.nodes else "<node>",
        "vault": site.vault_name,
        "region": site.region,
    }


def unread_lines(facts: SiteFacts, *parts: AzurePart) -> Iterator[CheckLine]:
    """A line for each of these that Azure would not show."""
    for part in parts:
        if part in facts.azure.unread:
            yield CheckLine("unknown", f"{part} could not be read: {facts.azure.unread[part]}")
