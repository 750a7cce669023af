"""From each state of a plan the first of its next steps, taken again and again, ends with all VMs Protected."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.azure.site_recovery.items import lifecycle
from lab.azure.site_recovery.items.lifecycle import RESTING, STATES, State, allowed_operations, find_step
from shared.operations.obligations import Home, Obligation
from shared.plans.next_steps import NextStep, find_next_steps
from shared.plans.preview import build_preview
from shared.recovery.owed_in_azure import find_owed, is_done
from shared.site_recovery.verb_options import VerbOptions
from shared.site_recovery.views import ItemView
from tests.shared.samples import SITE, plan

MOST_STEPS = 40
AT = datetime(2027, 3, 1, tzinfo=UTC)
HOME = Home(site="hci-01", vault=SITE["vault"], fabrics=("hci-01-site",), cluster=SITE["cluster"])
OPERATIONS = {
    "commit": ("Commit", "FinalizeFailback"),
    "failback": ("Failback",),
    "reprotect": ("ReverseReplicate",),
    "cleanup": ("TestFailoverCleanup",),
}
BY_THEMSELVES = {
    lifecycle.INITIAL: lifecycle.FIRST_POINT,
    lifecycle.FIRST_POINT: lifecycle.PROTECTED,
    lifecycle.ENABLING: lifecycle.INITIAL,
    lifecycle.FINALIZING: lifecycle.PROTECTED,
    lifecycle.FAILBACK_SYNCED: lifecycle.FAILED_BACK,
    lifecycle.DISABLING: None,
} | {step.meanwhile: step.end for step in lifecycle.LIFE}
"""Where what is under way leads."""


def view_of(vm: str, state: State | None) -> ItemView | None:
    if state is None:
        return None
    is_resting = state in RESTING
    return ItemView(
        id=f"/items/{vm}",
        vm=vm,
        protection_state=state.protection,
        active_location=state.location,
        test_failover_state=state.test[0] if state.test else "None",
        allowed_operations=tuple(allowed_operations(state)) if is_resting else (),
        scenario="None" if is_resting else "Busy",
    )


def states_after(step: NextStep, states: dict[str, State | None]) -> dict[str, State | None]:
    """What the step leads to, by the lab's table of a machine's life."""
    return states | {vm: state_after(step.verb, states[vm]) for vm in step.vms}


def state_after(verb: str, state: State | None) -> State | None:
    if verb == "replication":
        assert state is None or "DisableProtection" in allowed_operations(state)
        return lifecycle.ENABLING
    assert state is not None
    if verb == "wait" or state not in RESTING:
        return BY_THEMSELVES[state]
    steps = [found for operation in OPERATIONS[verb] if (found := find_step(operation, state))]
    return steps[0].end


def require_accepted(step: NextStep, states: dict[str, State | None]) -> None:
    """The product itself takes the verb with these VMs, as its preview says."""
    views = {vm: view for vm, state in states.items() if (view := view_of(vm, state))}
    document = plan(items=[{"vm": vm} for vm in states])
    if step.verb in {"commit", "failback", "reprotect"}:
        seen = build_preview(document, step.verb, views, options=VerbOptions(vms=step.vms))
        assert not seen.blockers, (step, seen.blockers)


def owed_after(owed: list[Obligation], views: Mapping[str, ItemView | None]) -> list[Obligation]:
    """What a look at the vault opens, and leaves open of what was owed before, as the timer's does."""
    found = find_owed(HOME, [view for view in views.values() if view], owed, {}, AT)
    left = [
        one.model_copy(update={"vms": tuple(vm for vm in one.vms if not is_done(one, views[vm]))})
        for one in (*owed, *found)
    ]
    return [one for one in left if one.vms]


def follow(states: dict[str, State | None]) -> dict[str, State | None]:
    """Where the first step, taken again and again, ends; whatever was owed on the way is not owed at the end."""
    owed: list[Obligation] = []
    for _ in range(MOST_STEPS):
        views = {vm: view_of(vm, state) for vm, state in states.items()}
        owed = owed_after(owed, views)
        steps = find_next_steps(views)
        if not steps:
            assert owed == []
            return states
        require_accepted(steps[0], states)
        states = states_after(steps[0], states)
    raise AssertionError(f"no end after {MOST_STEPS} steps: {states}")


@given(
    st.lists(st.one_of(st.none(), st.sampled_from([STATES[name] for name in sorted(STATES)])), min_size=1, max_size=6)
)
def test_the_first_step_again_and_again_ends_with_all_protected(states: list[State | None]) -> None:
    ended = follow({f"vm-{number}": state for number, state in enumerate(states)})
    assert set(ended.values()) == {lifecycle.PROTECTED}


@pytest.mark.parametrize("name", sorted(STATES))
def test_every_state_of_the_table_has_a_way_out(name: str) -> None:
    assert follow({"sql-01": STATES[name]}) == {"sql-01": lifecycle.PROTECTED}


def test_vms_that_need_the_same_step_take_it_together_in_the_plans_order() -> None:
    states = [lifecycle.FAILED_BACK, lifecycle.PLANNED_COMMITTED, lifecycle.UNPLANNED_DONE, lifecycle.PROTECTED]
    steps = find_next_steps({vm: view_of(vm, state) for vm, state in zip("dcba", states, strict=True)})
    assert [(step.verb, step.vms) for step in steps] == [("commit", ("d", "b")), ("failback", ("c",))]
    assert all(step.why for step in steps)


def test_what_is_owed_on_the_way_is_seen() -> None:
    """The walks above would miss an obligation that stays."""
    away = {"a": view_of("a", lifecycle.PLANNED_COMMITTED), "b": view_of("b", lifecycle.TEST_PENDING)}
    owed = owed_after([], away)
    assert {(one.kind, one.vms) for one in owed} == {("cleanup", ("b",)), ("reprotect", ("a",)), ("source-off", ("a",))}
    assert owed_after(owed, away) == owed


def test_a_plan_that_is_well_has_nothing_to_do_next() -> None:
    assert find_next_steps({"sql-01": view_of("sql-01", lifecycle.PROTECTED)}) == ()
