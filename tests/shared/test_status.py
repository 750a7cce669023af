"""Whatever is to be said of a run, its custom status can be kept: Durable Functions takes 16 kB of UTF-16."""

import json
from datetime import UTC, datetime
from typing import Any, get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.messages import VaultRef
from shared.obstacle import Obstacle
from shared.plans.hooks import HookResult
from shared.recovery.operation import STATE_CODES
from shared.recovery.people import Pause, People
from shared.recovery.run import RecoveryPlanRun, Run, RunResults
from shared.recovery.run_item import ItemState, RunItem
from shared.recovery.stage import Stage, StageProgress
from shared.recovery.status import (
    SHOWN_PROBLEMS,
    custom_status_of,
    fit_status,
    join_details,
    read_item_states,
    status_bytes,
)

T0 = datetime(2026, 1, 5, 8, tzinfo=UTC)
LIMIT = 16 * 1024
VAULT = VaultRef(subscription_id="s", resource_group="rg", vault="v")
LONG = st.builds(
    lambda text, times: text * times, st.sampled_from(["x", "gone: ", "ü", "\U0001f525", "\x01"]), st.integers(1, 3000)
)
STATES = st.sampled_from(get_args(ItemState))


@st.composite
def runs(draw: st.DrawFn) -> Run:
    """A run of up to 5,000 machines that says as much as it can."""
    count = draw(st.sampled_from([1, 9, 300, 5000]))
    named, detail, state = draw(st.sampled_from(["vm", "ü" * 100])), draw(LONG), draw(STATES)
    items = tuple(
        RunItem(vm=f"{named[:95]}{n}", id=f"/i/{n}", state=state, detail=detail, job="j" if state == "paused" else "")
        for n in range(count)
    )
    hook = HookResult(
        name=named[:60], kind="http", occasion="failover", moment="before", required=True, state="failed", detail=detail
    )
    failure = Obstacle(vm="x" * 90, subject=named[:60], code="28031", detail=detail, remedy=detail)
    parts = tuple(
        RecoveryPlanRun(name=named[:80], state="paused", detail=detail) for _ in range(draw(st.integers(0, 20)))
    )
    return Run(
        operation="failover-1",
        vaults=(VAULT,),
        items=items,
        began=T0,
        progress=StageProgress(stages=(Stage(verb="PlannedFailover"),), began=T0),
        results=RunResults(failures=(failure,) * draw(st.integers(0, 40)), hooks=(hook,) * draw(st.integers(0, 12))),
        plan_runs=parts,
        people=People(pause=draw(st.none() | st.builds(Pause, what=LONG, since=st.just(T0)))),
    )


@given(runs())
@settings(max_examples=60, deadline=None)
def test_the_status_of_any_run_fits_and_tells_the_state_of_every_machine(run: Run) -> None:
    told = fit_status(custom_status_of(run, T0))
    assert len(json.dumps(told).encode("utf-16-le")) <= LIMIT
    assert told["codes"] == "".join(STATE_CODES[item.state] for item in run.items)
    waits = told["waits"] or {}
    assert set(waits.get("vms", ())) <= {item.vm for item in run.items}
    if run.people.pause:
        assert waits["mark"] == run.people.pause.mark


@given(
    st.dictionaries(st.sampled_from(["waitingFor", "problems", "timeline", "what"]), LONG | st.lists(LONG, max_size=50))
)
@settings(max_examples=60, deadline=None)
def test_whatever_else_a_run_says_fits(status: dict[str, Any]) -> None:
    assert status_bytes(fit_status(status)) <= LIMIT


def test_what_fits_is_told_as_it_is_and_what_does_not_is_cut_with_a_mark() -> None:
    short = {"waitingFor": "job of sql", "problems": ["a"] * 30}
    assert fit_status(short) == short
    cut = fit_status({"waitingFor": "x" * 9000, "mark": "m" * 500})
    assert cut == {"waitingFor": "x" * 399 + "…", "mark": "m" * 500}


def test_of_many_sentences_the_first_are_told_and_the_others_counted() -> None:
    assert join_details(["a", "b"]) == "a; b"
    assert join_details([str(n) for n in range(SHOWN_PROBLEMS + 5)]).endswith("; 7; and 5 more")


def test_a_vm_whose_test_failover_failed_is_not_done_once_it_is_cleaned_up() -> None:
    """Nor does it wait for a decision: what could be retried would be its cleanup."""
    sick = RunItem(vm="sick", id="/i/0", state="failed", detail="28031").for_new_stage("waiting")
    items = (sick, RunItem(vm="well", id="/i/1", state="done"))
    stages = (Stage(verb="TestFailover"), Stage(verb="TestFailoverCleanup", after="touched"))
    progress = StageProgress(stages=stages, number=1, began=T0)
    run = Run(operation="drill-1", vaults=(VAULT,), items=items, began=T0, progress=progress)
    for state, shown, done in (("running", "running", 1), ("done", "failed-before", 1), ("failed", "failed", 1)):
        told = custom_status_of(run.with_items((sick.in_state(state, T0), items[1])), T0)  # type: ignore[arg-type]
        assert (read_item_states(told, ["sick", "well"]), told["done"]) == ({"sick": shown, "well": "done"}, done)
