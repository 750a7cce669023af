"""Whether a plan is ready, in one word and a reason, judged by the verbs that make sense for it as it stands. Pure.

1. A verb that would do nothing, such as a failback of a plan that is at home, does not apply, and is not judged.
2. A plan with VMs at home is judged by its failovers and its drill; one that is in Azure is `failed-over`.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

from shared.messages import Document
from shared.plans.next_steps import NextStep
from shared.plans.preview import Preview
from shared.plans.preview_kinds import RULES_OF_KINDS, PreviewKind
from shared.plans.readiness import DrillVerification
from shared.site_recovery.views import ItemView
from shared.wording import list_briefly, shortened

FAILOVERS: tuple[PreviewKind, ...] = ("planned-failover", "unplanned-failover")
DRILL_CODES = frozenset({"never-verified", "needs-verification", "drill-expired"})
"""Concerns and warnings that a good drill resolves."""
SHOWN_REASONS = 2
type PlanStateName = Literal["ready", "needs-verification", "concerns", "blocked", "failed-over"]


class PlanState(Document):
    """How ready a plan is.

    Attributes:
        state: "ready": nothing is in the way of a failover, and a drill has shown that it works; "needs-verification":
            nothing is in the way, but no drill that counts has shown that; "concerns": a failover needs an override, or
            no drill can begin; "blocked": Site Recovery or Azure would refuse a failover; "failed-over": no VM is home.
    """

    state: PlanStateName
    reason: str


def verb_applies(preview: Preview, views: Mapping[str, ItemView | None]) -> bool:
    """Whether the verb would do anything with the plan as it stands.

    Args:
        views: The plan's protected items by VM; None for one that has none.
    """
    may_be_home = any(view is None or not view.is_in_azure for view in views.values())
    if not may_be_home and (preview.kind == "drill" or RULES_OF_KINDS[preview.kind].fails_over):
        return False
    return all(one.vm or one.code not in {"nothing-to-do", "no-drill-settings"} for one in preview.blockers)


def judge_plan(
    previews: Mapping[PreviewKind, Preview],
    views: Mapping[str, ItemView | None],
    next_steps: Iterable[NextStep],
    last_drill: DrillVerification,
) -> PlanState:
    """How ready a plan is.

    Args:
        previews: Of the failovers and the drill at least.
    """
    applying = {kind: one for kind, one in previews.items() if verb_applies(one, views)}
    failovers = [applying[kind] for kind in FAILOVERS if kind in applying]
    if not failovers:
        steps = (f"{list_briefly(step.vms)}: {step.why}" for step in next_steps)
        return _state("failed-over", steps)
    if blockers := [one.detail for preview in failovers for one in preview.blockers]:
        return _state("blocked", blockers)
    concerns = [one.detail for preview in failovers for one in preview.concerns if one.code not in DRILL_CODES]
    drill_blockers = applying["drill"].blockers if "drill" in applying else ()
    concerns += [f"no drill can begin: {one.detail}" for one in drill_blockers]
    if concerns:
        return _state("concerns", concerns)
    unverified = [one for one in (*failovers[0].concerns, *failovers[0].warnings) if one.code in DRILL_CODES]
    if unverified:
        return _state("needs-verification", (one.detail for one in unverified))
    return _state("ready", [f"nothing is in the way, and the drill {last_drill.operation} has shown that it works"])


def _state(state: PlanStateName, reasons: Iterable[str]) -> PlanState:
    return PlanState(state=state, reason="; ".join(shortened(list(dict.fromkeys(reasons)), SHOWN_REASONS)))
