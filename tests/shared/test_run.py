"""What a run carries over when it continues as new; and that no sentence in it decides anything."""

from collections.abc import Callable
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.obstacle import Obstacle
from shared.plans.plan import Probe
from shared.recovery import run_answers, scheduler
from shared.recovery.pauses import paused_vms
from shared.recovery.people import Decision, People
from shared.recovery.results import find_changes_in_azure, uncommitted_vms
from shared.recovery.run import Limits, Run, RunBudget
from shared.recovery.run_item import ItemStep
from shared.recovery.stages import leave_stage
from shared.recovery.status import custom_status_of
from shared.site_recovery.contract import JobEnd, StartAnswer
from shared.site_recovery.request_budget import Allowance
from shared.site_recovery.views import ItemView
from tests.shared.test_scheduler import COMMIT, MOVE, T0, item, run_of, started, succeeded

ASKS = Limits(on_failure="ask")
FAILURE = Obstacle(vm="dc", code="x", detail="it failed")


def test_a_run_carries_over_only_what_is_not_as_it_is_by_default() -> None:
    run = run_of(item("sql"))
    carried = run.model_dump(mode="json", exclude_defaults=True)
    assert set(carried) == {"operation", "vaults", "items", "began", "progress"}
    assert carried["items"] == [{"vm": "sql", "id": "/items/sql"}]
    assert Run.model_validate(carried) == run


def test_of_each_of_its_parts_it_carries_over_only_what_is_not_as_it_is_by_default() -> None:
    run = run_of(item("sql")).with_people(People(skipped_vms=("dc",)))
    run = run.with_budget(RunBudget(allowances={"s": Allowance(unused_reads=2)})).with_failures([FAILURE])
    carried = run.model_dump(mode="json", exclude_defaults=True)
    assert carried["people"] == {"skipped_vms": ["dc"]}
    assert carried["budget"] == {"allowances": {"s": {"unused_reads": 2}}}
    assert carried["results"] == {"failures": [{"vm": "dc", "code": "x", "detail": "it failed"}]}
    assert not {"clock", "returned", "chain"} & set(carried)
    assert Run.model_validate(carried) == run


def eventful_run() -> Run:
    """One VM failed, one is given up, one waits at its job, one is renamed and settles, one waits for what failed."""
    probed = item("renamed", probes=(Probe(port=443),)).model_copy(update={"azure_vm": "renamed"})
    names = ("failed", "late", "paused")
    items = (probed, *(item(vm) for vm in names), item("after", "failed"))
    run = run_of(*items, stages=(MOVE, COMMIT), limits=ASKS)
    run = run_answers.with_start_answers(run, [started(vm) for vm in ("renamed", "failed", "late", "paused")], T0)
    warned = succeeded("renamed").model_copy(update={"warnings": ("28175: renamed",), "renamed": True})
    suspended = JobEnd(job="job-paused", outcome="suspended", state="Suspended", detail="WaitingForUserInput")
    failed = JobEnd(job="job-failed", outcome="failed", state="Failed", code="499", detail="no quota")
    run = run_answers.with_jobs_ended(run, [warned, suspended, failed], T0)
    return run_answers.with_jobs_ended(run, [], T0 + ASKS.patience + timedelta(seconds=1))


def reworded(run: Run, words: str) -> Run:
    """The run with every sentence that it holds in other words."""

    def say(step: ItemStep) -> ItemStep:
        return step.model_copy(update={"note": words})

    return run.with_items(
        one.model_copy(update={"detail": words, "steps": tuple(say(step) for step in one.steps)}) for one in run.items
    )


def decide(verdict: str) -> Callable[[Run], Run]:
    decision = Decision.model_validate({"verdict": verdict, "by": "ann", "at": T0})
    return lambda run: scheduler.apply_decision(run, decision)


def read_as(name: str) -> Callable[[Run], Run]:
    views = [ItemView(id="/items/renamed", vm="renamed", protection_state="X", azure_vm=name)]
    return lambda run: run_answers.with_items_read(run, views, lambda _: True, lambda _: True, T0)


NEXT: tuple[Callable[[Run], Run], ...] = (
    scheduler.block_items,
    decide("retry"),
    decide("skip"),
    decide("resume"),
    decide("abort"),
    read_as("renamed"),
    read_as("renamed-7c1e"),
    lambda run: leave_stage(run, T0),
    lambda run: run_answers.with_start_answers(run, [StartAnswer(vm="after", outcome="refused", detail="no")], T0),
)


@given(st.sampled_from(["", "PlannedFailover: ", "28175", "Commit: no", "the run was aborted"]) | st.text(max_size=30))
def test_no_sentence_decides_what_a_run_does(words: str) -> None:
    run = eventful_run()
    assert set(scheduler.undecided_vms(run)) == {"failed", "late"}
    assert {one.state for one in run.items} == {"failed", "paused", "settling", "waiting"}
    for act in (lambda run: run, *NEXT):
        usual, other = act(run), act(reworded(run, words))
        assert reworded(usual, "") == reworded(other, "") or usual.results.failures
        assert [one.state for one in usual.items] == [one.state for one in other.items]
        assert scheduler.undecided_vms(usual) == scheduler.undecided_vms(other)
        assert (paused_vms(usual), uncommitted_vms(usual)) == (paused_vms(other), uncommitted_vms(other))
        codes = [custom_status_of(one, T0)["codes"] for one in (usual, other)]
        assert codes[0] == codes[1]
        if usual.current:
            assert scheduler.plan_tick(usual, T0) == scheduler.plan_tick(other, T0)


@given(st.text(min_size=1, max_size=30))
def test_a_machine_that_azure_renamed_is_named_however_azure_says_so(words: str) -> None:
    run = read_as("renamed-7c1e")(eventful_run())
    assert len(find_changes_in_azure(run.items)) == len(find_changes_in_azure(reworded(run, words).items))
