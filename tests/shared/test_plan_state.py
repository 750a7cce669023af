"""A plan is ready, or not, in one word with its reason, judged by what makes sense for it as it stands."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.azure.site_recovery.items.lifecycle import STATES, State
from shared.plans.history import PlanHistory, grounds_of
from shared.plans.next_steps import find_next_steps
from shared.plans.plan import PlanDocument
from shared.plans.plan_state import PlanState, judge_plan, verb_applies
from shared.plans.preview import view_by_vm
from shared.plans.preview_kinds import PREVIEW_KINDS
from shared.plans.readiness import PreviewFacts, preview_with_readiness, verify_last_drill
from shared.plans.versions import Version
from shared.site_recovery.views import ProviderView
from tests.shared.samples import plan, site
from tests.shared.test_next_steps import view_of
from tests.shared.test_readiness import HOST, NOW, ONE, VERIFIED, item

PLAN = plan(**ONE, targets={"rpo": "PT15M"})
SITES = {"hci-01": site()}
IN_AZURE: dict[str, Any] = {"active_location": "Recovery", "allowed_operations": ("Failback", "DisableProtection")}
UNCOMMITTED: dict[str, Any] = {
    "protection_state": "PlannedFailoverCommitPending",
    "active_location": "Recovery",
    "allowed_operations": ("Commit", "ChangePit", "CancelFailover"),
}
LOST = HOST.model_copy(update={"connected": False})


def judged(
    document: PlanDocument = PLAN,
    *,
    host: ProviderView = HOST,
    is_rehearsed: bool = True,
    protected: bool = True,
    versions: tuple[Version, ...] = (),
    **changes: Any,
) -> tuple[PlanState, dict[str, bool]]:
    """The state of a plan, and which of its verbs apply."""
    drill = VERIFIED.past_runs[0].model_copy(update={"digest": PLAN.digest})
    facts = PreviewFacts(
        at=NOW,
        items={"sql-01": item(**changes)} if protected else {},
        hosts={host.id.lower(): host},
        plan_history=PlanHistory(past_runs=(drill,) if is_rehearsed else ()),
        versions=versions,
    )
    previews = {kind: preview_with_readiness(document, kind, SITES, facts, "payroll") for kind in PREVIEW_KINDS}
    views = view_by_vm(document, facts.items)
    grounds = grounds_of(document, SITES, facts.items.values())
    last_drill = verify_last_drill(document, facts.plan_history, NOW, grounds, versions)
    applies = {str(kind): verb_applies(one, views) for kind, one in previews.items()}
    return judge_plan(previews, views, find_next_steps(views), last_drill), applies


def test_a_healthy_plan_is_ready_and_the_way_home_simply_does_not_apply() -> None:
    state, applies = judged()
    assert (state.state, "drill-1" in state.reason) == ("ready", True)
    home = {"drill", "planned-failover", "unplanned-failover", "planned-roundtrip", "unplanned-roundtrip"}
    assert {kind for kind, one in applies.items() if one} == home


@pytest.mark.parametrize(
    ("changes", "state", "words"),
    [
        ({"is_rehearsed": False}, "needs-verification", "no drill of this plan has succeeded yet"),
        ({"replication_health": "Critical"}, "concerns", "the replication of sql-01 is Critical"),
        ({"host": LOST}, "concerns", "not connected"),
        ({"protected": False}, "blocked", "sql-01"),
        (IN_AZURE, "failed-over", "running in Azure"),
        (UNCOMMITTED, "failed-over", "not committed"),
    ],
    ids=["never-rehearsed", "critical", "host-lost", "unprotected", "in-azure", "uncommitted"],
)
def test_each_state_comes_with_its_reason(changes: dict[str, Any], state: str, words: str) -> None:
    found, _ = judged(**changes)
    assert found.state == state
    assert words in found.reason


def test_of_a_plan_in_azure_the_verbs_on_the_way_home_apply_and_its_failovers_do_not() -> None:
    for changes, verb in ((IN_AZURE, "failback"), (UNCOMMITTED, "commit")):
        _, applies = judged(**changes)
        assert (applies[verb], applies["planned-failover"], applies["drill"]) == (True, False, False)


@given(st.sampled_from([*STATES.values(), None]))
def test_whatever_state_its_vm_is_in_a_plan_has_a_state_with_a_reason(state: State | None) -> None:
    """It is ready or wants a drill only where its VM is at home and Protected."""
    view = view_of("sql-01", state)
    names = {"protection_state", "active_location", "test_failover_state", "allowed_operations", "scenario"}
    found, applies = judged(protected=view is not None, **(view.model_dump(include=names) if view else {}))
    is_home = view is None or view.active_location != "Recovery"
    assert found.reason
    assert (found.state == "failed-over") == (not applies["planned-failover"])
    if found.state in {"ready", "needs-verification"}:
        assert is_home
        assert view is not None
        assert "PlannedFailover" in view.allowed_operations or view.is_busy
    if not is_home:
        assert found.state == "failed-over"


def test_what_has_changed_in_a_plan_since_its_drill_is_named() -> None:
    def version(number: int, document: PlanDocument, *fields: str) -> Version:
        facts = {"version": number, "digest": document.digest, "declared_by": "ann", "changed_fields": fields}
        return Version.model_validate(facts | {"declared_at": NOW - timedelta(hours=9 - number)})

    changed = plan(**ONE, targets={"rpo": "PT15M"}, onFailure="ask")
    again = plan(**ONE, targets={"rpo": "PT15M"}, onFailure="ask", maxStarts=7)
    versions = (version(1, PLAN), version(2, changed, "onFailure"), version(3, again, "maxStarts"))
    found, _ = judged(again, versions=versions)
    assert found.state == "needs-verification"
    assert "onFailure of the plan changed in version 2 (ann, 2026-03-02 02:00 UTC)" in found.reason
    assert "maxStarts of the plan changed in version 3" in found.reason
    forgotten, _ = judged(again, versions=versions[1:])
    assert "the plan has changed" in forgotten.reason
