"""What differs between a plan and its recovery plan in the vault."""

from collections.abc import Sequence

import pytest

from shared.recovery_plans.differences import (
    Difference,
    compare_parts,
    left_over_difference,
    left_over_names,
    unprotected_differences,
)
from shared.recovery_plans.parts import PlacedAction, PlanAction, PlanGroup, PlanMember, PlanPart, manual_action
from shared.site_recovery.views import ItemView
from tests.shared.samples import plan
from tests.shared.test_recovery_plans import document, parts, protected

WISH = document(
    {"vm": "dc-01"},
    {"vm": "sql-01", "after": ["dc-01"]},
    {"vm": "app-01", "after": ["sql-01"]},
    {"vm": "app-02", "after": ["sql-01"]},
)
CALL = PlacedAction(action=manual_action("call", "call the office"), moment="after", vm="sql-01")
(WANTED,) = parts(WISH, CALL)
SEEN = protected(WISH) | protected(document({"vm": "web-01"}))
SCRIPT = PlanAction(name="dns", details={"instanceType": "ScriptActionDetails", "path": "\\\\share\\dns.cmd"})


def boots(*groups: PlanGroup, wanted: PlanPart = WANTED) -> PlanPart:
    return wanted.model_copy(update={"groups": (*WANTED.groups[:2], *groups)})


def found(**changes: PlanGroup) -> PlanPart:
    """Ours, with some of its groups changed: g1, g2, g3."""
    return boots(*(changes.get(f"g{n}", group) for n, group in enumerate(WANTED.boot_groups, start=1)))


def group(*vms: str, after: Sequence[PlanAction] = ()) -> PlanGroup:
    return PlanGroup(
        members=tuple(PlanMember(id=SEEN[vm].id, machine=SEEN[vm].machine) for vm in vms), after=tuple(after)
    )


def told(differences: Sequence[Difference]) -> list[tuple[str, str]]:
    return [(difference.what, difference.detail) for difference in differences]


def test_what_the_vault_has_as_we_saved_it_is_in_step() -> None:
    """The service leaves out names, and writes ids in a casing of its own."""
    shouted = [
        each.model_copy(
            update={"members": tuple(PlanMember(id=one.id.upper(), machine=one.machine) for one in each.members)}
        )
        for each in WANTED.boot_groups
    ]
    assert compare_parts(WANTED, boots(*shouted), SEEN) == ()
    assert compare_parts(WANTED, boots(*shouted), SEEN, ours=False) == ()


def test_a_recovery_plan_that_is_not_there_says_what_it_would_have() -> None:
    assert told(compare_parts(WANTED, None, SEEN)) == [
        ("plan-missing", "the vault has no recovery plan payroll, which would have 3 groups with 4 VMs")
    ]


def test_a_machine_that_was_taken_out_is_missing_and_disturbs_nothing_else() -> None:
    """Even if its group went with it."""
    (one,) = compare_parts(WANTED, boots(WANTED.boot_groups[0], WANTED.boot_groups[2]), SEEN)[:1]
    assert told([one]) == [("vm-missing", "sql-01 is not in the recovery plan payroll; our plan has it in group 2")]
    kinds = [
        difference.what
        for difference in compare_parts(WANTED, boots(WANTED.boot_groups[0], WANTED.boot_groups[2]), SEEN)
    ]
    assert kinds == ["vm-missing", "action-missing"]


def test_a_machine_that_was_put_in_is_named() -> None:
    assert told(compare_parts(WANTED, found(g3=group("app-01", "app-02", "web-01")), SEEN)) == [
        ("vm-foreign", "web-01 is in group 3 of the recovery plan payroll, and our plan does not have it there")
    ]


def test_groups_in_another_order_are_one_difference() -> None:
    turned = boots(WANTED.boot_groups[1], WANTED.boot_groups[0], WANTED.boot_groups[2])
    shown = [one for one in compare_parts(WANTED, turned, SEEN) if one.what == "order-changed"]
    assert [(one.declared, one.found) for one in shown] == [
        ("dc-01 -> sql-01 -> app-01, app-02", "sql-01 -> dc-01 -> app-01, app-02")
    ]
    assert "are in another order" in shown[0].detail


def test_a_machine_in_another_group_is_told_for_itself() -> None:
    changed = found(g2=group("sql-01", "app-02", after=[CALL.action]), g3=group("app-01"))
    assert told(compare_parts(WANTED, changed, SEEN)) == [
        ("group-changed", "app-02 is in group 2 of the recovery plan payroll, not in group 3")
    ]


def test_a_foreign_action_is_named_with_its_place() -> None:
    assert told(compare_parts(WANTED, found(g2=group("sql-01", after=[CALL.action, SCRIPT])), SEEN)) == [
        (
            "action-foreign",
            "the recovery plan payroll has a script action 'dns' after group 2 that our plan does not know",
        )
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"operations": ("TestFailover",)}, "it runs in TestFailover, not in PlannedFailover, UnplannedFailover, Tes"),
        ({"directions": ("RecoveryToPrimary",)}, "its directions are RecoveryToPrimary, not PrimaryToRecovery"),
        ({"details": {"instanceType": "ManualActionDetails", "description": "x"}}, "description is 'x', not 'call the"),
    ],
)
def test_an_action_of_ours_that_was_changed_says_what_of_it(changes: dict[str, object], said: str) -> None:
    changed = CALL.action.model_copy(update=changes)
    (one,) = compare_parts(WANTED, found(g2=group("sql-01", after=[changed])), SEEN)
    assert one.what == "action-changed"
    assert said in one.detail


def test_an_action_of_ours_that_is_gone_or_elsewhere_is_told() -> None:
    assert told(compare_parts(WANTED, found(g2=group("sql-01")), SEEN)) == [
        ("action-missing", "the recovery plan payroll lacks our manual action 'call' after group 2")
    ]
    moved = found(g1=group("dc-01", after=[CALL.action]), g2=group("sql-01"))
    assert told(compare_parts(WANTED, moved, SEEN)) == [
        ("action-moved", "our manual action 'call' is after group 1 in the recovery plan payroll, not after group 2")
    ]


def test_a_machine_that_was_protected_anew_is_not_taken_for_a_stranger() -> None:
    former = PlanMember(id=SEEN["dc-01"].id + "-old", machine=SEEN["dc-01"].machine)
    assert [one.what for one in compare_parts(WANTED, found(g1=PlanGroup(members=(former,))), SEEN)] == ["vm-moved"]
    gone = PlanMember(id=SEEN["dc-01"].id + "-old", machine="guid-of-nobody")
    both = PlanGroup(members=(*WANTED.boot_groups[0].members, gone))
    assert told(compare_parts(WANTED, found(g1=both), SEEN)) == [
        (
            "vm-gone",
            "group 1 of the recovery plan payroll has the item dc-01-old, which the vault does not protect any more",
        )
    ]


def test_machines_on_both_sides_are_told() -> None:
    away = SEEN | {"dc-01": SEEN["dc-01"].model_copy(update={"active_location": "Recovery"})}
    (one,) = compare_parts(WANTED, found(), away)
    assert (one.what, one.found) == ("location-mixed", "on premises: sql-01, app-01, app-02; in Azure: dc-01")


def test_a_recovery_plan_of_the_same_name_that_is_somebody_elses_is_told_first() -> None:
    kinds = [one.what for one in compare_parts(WANTED, boots(group("web-01")), SEEN, ours=False)]
    assert kinds[0] == "plan-not-ours"
    assert set(kinds[1:]) == {"vm-missing", "vm-foreign", "action-missing"}


def test_parts_of_another_count_are_left_over() -> None:
    names = ["payroll", "payroll-1-of-2", "Payroll-2-of-2", "payroll-two-of-2", "payroll-of-", "pay", "payroll-hr"]
    assert left_over_names("payroll", [WANTED], names) == ("payroll-1-of-2", "Payroll-2-of-2")
    two = [WANTED.model_copy(update={"name": f"payroll-{n}-of-2"}) for n in (1, 2)]
    assert left_over_names("payroll", two, names) == ("payroll",)
    assert left_over_difference("payroll").what == "plan-left-over"


def test_a_machine_that_no_vault_protects_is_told() -> None:
    seen: dict[str, ItemView] = {vm: item for vm, item in protected(plan()).items() if vm != "sql-01"}
    assert told(unprotected_differences(plan(), "payroll", seen)) == [
        ("vm-not-protected", "sql-01 is not protected, so that no recovery plan can have it")
    ]
