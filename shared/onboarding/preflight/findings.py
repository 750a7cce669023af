"""All checks of a preflight, what they come to, and how they read as a table."""

from collections import Counter
from collections.abc import Sequence
from textwrap import wrap
from typing import Literal

from shared.onboarding.preflight import (
    azure_rights,
    azure_target,
    capacity,
    cluster,
    cluster_nodes,
    protection,
    virtual_machines,
)
from shared.onboarding.preflight.check import STATES_BEST_FIRST, Check, CheckResult, apply_check
from shared.onboarding.preflight.facts import SiteFacts

CHECKS: tuple[Check, ...] = (
    *cluster.CHECKS,
    *cluster_nodes.CHECKS,
    *azure_rights.CHECKS,
    *azure_target.CHECKS,
    *virtual_machines.CHECKS,
    *protection.CHECKS,
    *capacity.CHECKS,
)
WIDTH = 120


def run_checks(facts: SiteFacts) -> tuple[CheckResult, ...]:
    """Every check, in the order in which a person would go through them."""
    return tuple(apply_check(check, facts) for check in CHECKS)


def overall_state(results: Sequence[CheckResult]) -> Literal["succeeded", "failed"]:
    """A preflight fails when any check does: what is only a warning, or not known, is for people to weigh."""
    return "failed" if any(finding.state == "fail" for finding in results) else "succeeded"


def count_by_state(results: Sequence[CheckResult]) -> dict[str, int]:
    """How many checks are in each state, the worst first; all four are there."""
    counted = Counter(finding.state for finding in results)
    return {state: counted[state] for state in reversed(STATES_BEST_FIRST)}


def results_table(results: Sequence[CheckResult]) -> str:
    """The findings as text, one check after another, and a last line that sums up."""
    wide = max((len(finding.id) for finding in results), default=0)
    lines = [line for finding in results for line in _result_rows(finding, wide)]
    summary = ", ".join(f"{number} {state}" for state, number in count_by_state(results).items())
    return "\n".join([*lines, "", f"{overall_state(results).upper()}: {summary}", ""])


def _result_rows(finding: CheckResult, wide: int) -> list[str]:
    head = f"{finding.state.upper():7}  {finding.id:{wide}}  "
    lines = [finding.title, *finding.evidence]
    lines += [f"-> {finding.remedy}", f"   {finding.link}"] if finding.remedy else []
    rest = " " * len(head)
    rows = [
        row for line in lines for row in wrap(line, WIDTH - len(head), break_long_words=False, break_on_hyphens=False)
    ]
    return [(head if at == 0 else rest) + row for at, row in enumerate(rows)]
