"""A verb on a plan acts on the VMs for which it makes sense, and says of each other one why it takes no part."""

from typing import Any

import pytest

from shared.plans.left_out import find_exclusion
from shared.plans.machines import missing_from_vault
from shared.plans.plan import PlanDocument
from shared.plans.preview import Preview, build_preview
from shared.plans.readiness import describe_differences
from shared.site_recovery.verb_options import VerbOptions
from shared.site_recovery.views import ItemView, Verb
from tests.shared.samples import plan, view

STATES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "protected": ("Primary", "Protected", ("PlannedFailover", "UnplannedFailover", "TestFailover")),
    "over": ("Recovery", "PlannedFailoverCommitRequired", ("Commit", "ChangePit")),
    "committed": ("Recovery", "PlannedFailoverStatesBegin", ("Failback",)),
    "back": ("Primary", "FailbackCommitRequired", ("FinalizeFailback",)),
    "back-for-good": ("Primary", "FailbackStatesBegin", ("ReverseReplicate",)),
    "ended": ("Primary", "FailoverCancelled", ("DisableProtection",)),
}
ACTS_ON: dict[Verb, set[str]] = {
    "PlannedFailover": {"protected", "over", "committed"},
    "UnplannedFailover": {"protected", "over", "committed"},
    "Commit": set(STATES),
    "CancelFailover": {"over", "committed", "ended"},
    "ChangePit": {"over"},
    "Failback": {"over", "committed", "back", "back-for-good"},
    "ReverseReplicate": {"protected", "back", "back-for-good"},
    "TestFailover": set(STATES),
}
"""Those that take part: the verb is about them, is done with them already, or has to wait for another verb first."""
NAMES = tuple(item.vm for item in plan().items)
MOVED, AT_HOME = NAMES[:2], NAMES[2:]


def item_in(state: str, vm: str = "sql-01", **changes: Any) -> ItemView:
    location, protection, allowed = STATES[state]
    return view(vm, active_location=location, protection_state=protection, allowed_operations=allowed, **changes)


def half_moved(state: str = "committed") -> dict[str, ItemView]:
    return {vm: item_in(state if vm in MOVED else "protected", vm) for vm in NAMES}


def preview_of(kind: str, document: PlanDocument | None = None, **options: Any) -> Preview:
    return build_preview(document or plan(), kind, half_moved(), name="erp", options=VerbOptions(**options))


@pytest.mark.parametrize("verb", sorted(ACTS_ON))
def test_a_verb_leaves_out_those_for_which_it_makes_no_sense(verb: Verb) -> None:
    kept = {state for state in STATES if not find_exclusion(verb, item_in(state), missing_from_vault("sql-01"))}
    assert kept == ACTS_ON[verb]


@pytest.mark.parametrize("changes", [{"scenario": "PlannedFailover"}, {"test_failover_state": "WaitingForCompletion"}])
def test_what_may_pass_leaves_nobody_out(changes: dict[str, Any]) -> None:
    busy = item_in("protected", **changes)
    assert find_exclusion("Failback", busy, missing_from_vault("sql-01")) is None


def test_a_vm_without_protection_is_left_out_on_the_way_home_alone() -> None:
    missing = missing_from_vault("sql-01")
    assert find_exclusion("Failback", None, missing) == missing
    assert find_exclusion("PlannedFailover", None, missing) is None
    assert find_exclusion("Failback", None, missing.model_copy(update={"code": "ambiguous-vm"})) is None


def test_a_vm_that_is_named_is_an_obstacle_instead() -> None:
    seen = preview_of("failback", vms=(AT_HOME[0], MOVED[0]))
    assert [(one.vm, one.code) for one in seen.blockers] == [(AT_HOME[0], "failback-not-allowed")]
    assert not seen.left_out
    assert [item.vm for item in seen.items] == [MOVED[0], AT_HOME[0]]


def test_a_vm_that_is_named_and_done_already_is_an_obstacle_too() -> None:
    seen = preview_of("commit", vms=("DC-01", "web-01")[:1])
    assert [(one.vm, one.code) for one in seen.blockers] == [("", "nothing-to-do")]
    seen = build_preview(plan(), "commit", half_moved("over"), options=VerbOptions(vms=(MOVED[0], AT_HOME[0])))
    assert [(one.vm, one.code) for one in seen.blockers] == [(AT_HOME[0], "nothing-to-do")]


def test_a_half_moved_plan_is_previewed_on_its_way_home_in_its_order() -> None:
    seen = preview_of("failback")
    assert not seen.blockers
    assert [one.vm for one in seen.left_out] == list(AT_HOME)
    assert seen.order == tuple((vm,) for vm in reversed(MOVED))
    assert not seen.warnings


def test_what_is_left_out_between_two_still_keeps_them_in_order() -> None:
    part = plan().with_vms(("dc-01", "WEB-01"))
    assert part.edges == {"dc-01": (), "web-01": ("dc-01",)}
    assert plan().with_vms(NAMES) == plan()


def test_one_that_comes_after_a_vm_which_takes_no_part_and_is_not_there_is_a_warning() -> None:
    seen = preview_of("planned-failover", vms=(NAMES[-1],))
    assert [(one.vm, one.code) for one in seen.warnings] == [(NAMES[-1], "dependency-left-out")]
    assert not preview_of("planned-failover", vms=AT_HOME[:1]).warnings


def test_where_nobody_is_left_there_is_nothing_to_do_and_all_are_shown() -> None:
    everywhere = {vm: item_in("protected", vm) for vm in NAMES}
    seen = build_preview(plan(), "failback", everywhere, name="erp")
    assert seen.blockers[0].code == "nothing-to-do"
    assert [item.vm for item in seen.items] == list(NAMES)


def test_an_approval_does_not_hold_for_more_vms_left_out() -> None:
    before = build_preview(plan(), "failback", {vm: item_in("committed", vm) for vm in NAMES})
    assert f"{AT_HOME[0]} is left out" in describe_differences(before, preview_of("failback"))


def test_a_part_of_a_plan_goes_vm_by_vm() -> None:
    document = plan(engine="site-recovery")
    assert document.with_vms(MOVED).engine == "scheduler"
    assert document.with_vms(NAMES).engine == "site-recovery"
