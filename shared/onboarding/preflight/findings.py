"""All checks of a preflight, what they come to, and how they read as a table."""

from collections import Counter
from collections.abc import Sequence
from textwrap import wrap
from typing import Literal

from shared.onboarding.preflight import azure_rights, azure_target, capacity, cluster, cluster_nodes, virtual_machines
from shared.onboarding.preflight.check import ORDER, Check, Finding, judge
from shared.onboarding.preflight.facts import Seen

CHECKS: tuple[Check, ...] = (
    *cluster.CHECKS,
    *cluster_nodes.CHECKS,
    *azure_rights.CHECKS,
    *azure_target.CHECKS,
    *virtual_machines.CHECKS,
    *capacity.CHECKS,
)
WIDTH = 120


def findings(seen: Seen) -> tuple[Finding, ...]:
    """Every check, in the order in which a person would go through them."""
    return tuple(judge(check, seen) for check in CHECKS)


def state_of(found: Sequence[Finding]) -> Literal["succeeded", "failed"]:
    """A preflight fails when any check does: what is only a warning, or not known, is for people to weigh."""
    return "failed" if any(finding.state == "fail" for finding in found) else "succeeded"


def counts(found: Sequence[Finding]) -> dict[str, int]:
    """How many checks are in each state, the worst first; all four are there."""
    counted = Counter(finding.state for finding in found)
    return {state: counted[state] for state in reversed(ORDER)}


def as_table(found: Sequence[Finding]) -> str:
    """The findings as text, one check after another, and a last line that sums up."""
    wide = max((len(finding.id) for finding in found), default=0)
    lines = [line for finding in found for line in _rows(finding, wide)]
    summed = ", ".join(f"{number} {state}" for state, number in counts(found).items())
    return "\n".join([*lines, "", f"{state_of(found).upper()}: {summed}", ""])


def _rows(finding: Finding, wide: int) -> list[str]:
    head = f"{finding.state.upper():7}  {finding.id:{wide}}  "
    told = [finding.title, *finding.evidence]
    told += [f"-> {finding.remedy}", f"   {finding.link}"] if finding.remedy else []
    rest = " " * len(head)
    rows = [
        row for line in told for row in wrap(line, WIDTH - len(head), break_long_words=False, break_on_hyphens=False)
    ]
    return [(head if at == 0 else rest) + row for at, row in enumerate(rows)]
