"""A plan beside its recovery plans: what is to be written, what needs a word first, and what is taken over."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from shared.errors import Refused
from shared.messages import VaultRef
from shared.plans.plan import PlanDocument
from shared.recovery_plans.adoption import adopt_recovery_plans
from shared.recovery_plans.mirror import (
    FoundPart,
    Mirror,
    MirrorSurvey,
    find_busy_plans,
    required_confirmation,
    survey_mirror,
    writes_needed,
    writes_to_remove,
)
from shared.recovery_plans.parts import PlanAction, PlanGroup, PlanMember, PlanPart, parts_of
from shared.site_recovery.views import ItemView
from tests.shared.test_mirroring import SCRIPT
from tests.shared.test_recovery_plans import SITES, document, plans, protected

WISH = document(
    {"vm": "dc-01"},
    {"vm": "sql-01", "after": ["dc-01"], "probes": [{"port": 1433}]},
    {"vm": "app-01", "after": ["sql-01"]},
)


def vaults(*wishes: PlanDocument) -> dict[str, list[ItemView]]:
    found: dict[str, list[ItemView]] = {}
    for view in (view for wish in wishes for view in protected(wish).values()):
        found.setdefault(VaultRef.from_id(view.id).key, []).append(view)
    return found


THERE = vaults(WISH, document({"vm": "web-01"}))
(OURS,) = parts_of("payroll", WISH, SITES, protected(WISH))


def seen(*found: PlanPart, known: bool = True, wish: PlanDocument = WISH, busy: str = "") -> MirrorSurvey:
    shown = [FoundPart(part=part, busy_with=busy) for part in found]
    return survey_mirror("payroll", wish, SITES, THERE, shown, [part.id.lower() for part in found] if known else [])


def having(*groups: Sequence[str], after: Sequence[PlanAction] = ()) -> PlanPart:
    """The vault's recovery plan with these machines in its groups, and these actions after the first."""
    views = {view.vm: view for some in THERE.values() for view in some}
    made = [
        PlanGroup(members=tuple(PlanMember(id=views[vm].id, machine=views[vm].machine) for vm in vms)) for vms in groups
    ]
    made[0] = made[0].model_copy(update={"after": tuple(after)})
    return OURS.model_copy(update={"groups": (*OURS.groups[:2], *made)})


def todo(shown: MirrorSurvey, wish: PlanDocument = WISH) -> list[tuple[str, str]]:
    return [(write.what, write.part.name) for write in writes_needed("payroll", wish, shown)]


def test_what_is_in_step_needs_no_writing_even_if_somebody_else_made_it() -> None:
    assert seen(OURS, known=False).differences == ()
    assert todo(seen(OURS, known=False)) == []


def test_what_is_missing_is_saved_and_what_differs_is_replaced() -> None:
    assert todo(seen()) == [("save", "payroll")]
    assert todo(seen(having(["sql-01"], ["dc-01"], ["app-01"]))) == [("replace", "payroll")]


def test_machines_on_both_sides_are_told_but_call_for_no_writing() -> None:
    away = {
        key: [v.model_copy(update={"active_location": "Recovery"}) if v.vm == "dc-01" else v for v in some]
        for key, some in THERE.items()
    }
    shown = survey_mirror("payroll", WISH, SITES, away, [FoundPart(part=OURS)], [OURS.id.lower()])
    assert [one.what for one in shown.differences] == ["location-mixed"]
    assert todo(shown) == []


def test_a_recovery_plan_of_another_fabric_is_deleted_and_made_anew() -> None:
    other = OURS.model_copy(update={"fabric_id": f"{OURS.fabric_id}-old", "groups": OURS.groups[:3]})
    assert todo(seen(other)) == [("remove", "payroll"), ("save", "payroll")]


def test_parts_of_another_number_go_before_the_new_ones_come() -> None:
    former = OURS.model_copy(update={"name": "payroll-1-of-2"})
    shown = seen(former)
    assert todo(shown) == [("remove", "payroll-1-of-2"), ("save", "payroll")]
    assert [one.what for one in shown.differences] == ["plan-missing", "plan-left-over"]
    assert (
        required_confirmation("repair", "payroll", shown)
        == "Repair payroll: the recovery plan payroll-1-of-2 is deleted."
    )


def test_a_name_of_its_own_is_what_the_recovery_plan_is_called() -> None:
    wish = WISH.model_copy(update={"recovery_plan": WISH.recovery_plan.model_copy(update={"name": "HR-Payroll"})})
    assert todo(seen(wish=wish), wish) == [("save", "HR-Payroll")]


def test_a_foreign_action_and_a_foreign_recovery_plan_are_named_before_they_are_lost() -> None:
    foreign = having(["dc-01"], ["sql-01"], ["app-01"], after=[SCRIPT])
    assert required_confirmation("repair", "payroll", seen(foreign)) == (
        "Repair payroll: the action 'dns' after group 1 of payroll is deleted."
    )
    assert required_confirmation("save", "payroll", seen(having(["web-01"]), known=False)) == (
        "Save payroll: the recovery plan payroll, which this app did not make, is written over."
    )
    assert required_confirmation("repair", "payroll", seen(having(["sql-01"], ["dc-01"], ["app-01"]))) == ""


def test_a_removal_names_what_is_not_ours() -> None:
    foreign = having(["dc-01"], ["sql-01"], ["app-01"], after=[SCRIPT])
    assert required_confirmation("remove", "payroll", seen(OURS), [OURS.id.lower()]) == ""
    assert required_confirmation("remove", "payroll", seen(foreign)) == (
        "Remove payroll: the recovery plan payroll, which this app did not make, is deleted;"
        " the action 'dns' of payroll goes with it."
    )
    assert [write.what for write in writes_to_remove(seen(foreign))] == ["remove"]


def test_recovery_plans_that_only_begin_alike_are_left_alone() -> None:
    others = [OURS.model_copy(update={"name": name}) for name in ("payroll-hr", "payrolls", "payroll-2-of-x")]
    shown = seen(*others)
    assert (shown.found, writes_to_remove(shown)) == ((), ())
    assert [one.what for one in shown.differences] == ["plan-missing"]


def test_a_recovery_plan_that_is_run_is_not_written() -> None:
    shown = seen(having(["sql-01"]), busy="TestFailover")
    (busy,) = find_busy_plans(shown, writes_needed("payroll", WISH, shown))
    assert (busy.subject, busy.code, busy.passing) == ("payroll", "recovery-plan-busy", True)
    assert busy.detail == "The recovery plan payroll is being run (TestFailover). Ask again once that has ended."
    assert find_busy_plans(seen(OURS, busy="TestFailover"), ()) == ()


def test_what_is_remembered_of_a_mirror() -> None:
    mirror = Mirror().with_saved(["b", "a"]).with_saved(["a"])
    assert mirror.known_ids == ("a", "b")
    mirror = mirror.with_removed(["a"]).with_check("digest", "2026-11-25T00:00:00Z")
    assert mirror == Mirror(known_ids=("b",), reported_digest="digest", checked_at="2026-11-25T00:00:00Z")


# --- taking over -------------------------------------------------------------------------------------------------


def adopted(*groups: Sequence[str], after: Sequence[PlanAction] = (), wish: PlanDocument = WISH) -> PlanDocument:
    return adopt_recovery_plans(wish, SITES, THERE, seen(having(*groups, after=after), wish=wish))


def edges(wish: PlanDocument) -> dict[str, tuple[str, ...]]:
    return wish.edges


def test_another_order_becomes_ours_and_the_rest_of_each_machine_stays() -> None:
    got = adopted(["sql-01"], ["dc-01"], ["app-01"])
    assert edges(got) == {"dc-01": ("sql-01",), "sql-01": (), "app-01": ("dc-01",)}
    assert got.items[1].probes == WISH.items[1].probes


def test_a_machine_that_was_taken_out_leaves_the_order_of_the_others_as_it_is() -> None:
    assert edges(adopted(["dc-01"], ["app-01"])) == {"dc-01": (), "app-01": ("dc-01",)}
    wide = document({"vm": "dc-01"}, {"vm": "sql-01"}, {"vm": "app-01", "after": ["dc-01"]}, {"vm": "web-01"})
    kept = adopted(["dc-01", "web-01"], ["app-01"], wish=wide)
    assert edges(kept) == {"dc-01": (), "app-01": ("dc-01",), "web-01": ()}


def test_a_machine_that_was_put_in_joins_the_plan_at_its_site() -> None:
    got = adopted(["dc-01"], ["sql-01"], ["app-01", "web-01"])
    assert edges(got)["web-01"] == ("sql-01",)
    assert got.items[-1].site is None


def test_what_is_in_step_is_taken_over_as_it_is() -> None:
    assert adopted(["dc-01"], ["sql-01"], ["app-01"]) == WISH


@given(plans())
def test_whatever_the_groups_are_what_was_taken_over_is_in_step(wish: PlanDocument) -> None:
    """Every recovery plan turned back to front."""
    views = vaults(wish)
    parts = parts_of("payroll", wish, SITES, protected(wish))
    turned = [
        FoundPart(part=part.model_copy(update={"groups": (*part.groups[:2], *part.boot_groups[::-1])}))
        for part in parts
    ]
    shown = survey_mirror("payroll", wish, SITES, views, turned, [one.part.id.lower() for one in turned])
    got = adopt_recovery_plans(wish, SITES, views, shown)
    assert {item.vm for item in got.items} == {item.vm for item in wish.items}
    position = {
        m.vm: (n, g) for n, one in enumerate(turned) for g, w in enumerate(one.part.boot_groups) for m in w.members
    }
    assert all(position[before] < position[item.vm] for item in got.items for before in item.after)


@pytest.mark.parametrize(
    ("shown", "code"),
    [
        (seen(), "no-recovery-plan"),
        (seen(having(["dc-01"], ["sql-01"], ["app-01"], after=[SCRIPT])), "not-expressible"),
    ],
)
def test_what_a_plan_cannot_say_is_not_taken_over(shown: MirrorSurvey, code: str) -> None:
    with pytest.raises(Refused) as no:
        adopt_recovery_plans(WISH, SITES, THERE, shown)
    assert no.value.code == code


def test_a_recovery_plan_without_machines_makes_no_plan() -> None:
    with pytest.raises(ValidationError, match="at least one item"):
        adopted([])


def test_a_machine_that_was_protected_anew_is_taken_over_and_one_that_is_gone_is_not() -> None:
    view = next(v for some in THERE.values() for v in some if v.vm == "dc-01")
    former = PlanGroup(
        members=(PlanMember(id=f"{view.id}-old", machine=view.machine), PlanMember(id="/x/gone", machine="nobody"))
    )
    part: Any = OURS.model_copy(update={"groups": (*OURS.groups[:2], former, *OURS.boot_groups[1:])})
    assert edges(adopt_recovery_plans(WISH, SITES, THERE, seen(part))) == edges(WISH)
