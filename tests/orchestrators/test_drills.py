"""A drill's run: what it refuses, when it ends, what it proves, and what the timer does for it afterwards."""

from datetime import timedelta
from typing import Any

import pytest

from orchestrators.durable.cloud_events import deliver
from orchestrators.reconcile.reconcile import reconcile
from orchestrators.verbs.drill import cleanup, drill
from shared.operations.obligations import Obligation
from shared.plans.plan import PlanDocument
from shared.recovery import contract as recovery_contract
from shared.recovery.drill import AzureResource
from shared.recovery.operation import Operation
from shared.recovery.run_item import RunItem
from shared.site_recovery.contract import JobEnd, StartAnswer, StartsMade
from tests.driver import Result, hours
from tests.failures import failure_texts
from tests.orchestrators.azure.world import FakeAzure
from tests.orchestrators.owed import list_owed, owe, owed_by_kind
from tests.orchestrators.test_runbooks import BROKEN, HOME, ISOLATED, ORDER, SITE, Bench, plan
from tests.release import RELEASE

CARD = AzureResource(id="/nics/sql-test-nic", type="Microsoft.Network/networkInterfaces")
HOOK = {"name": "tell", "url": "https://example.org/hook"}


@pytest.fixture
def bench() -> Bench:
    return Bench()


def drill_plan(**changes: Any) -> Any:
    return plan(drill={"network": ISOLATED, **changes})


def leave_a_card(azure: FakeAzure, after: str = "TestFailoverCleanup") -> None:
    """Have a card appear once a verb was sent."""

    def look(_now: Any) -> None:
        if any(verb == after for _, verb in azure.jobs.sent) and CARD not in azure.resources.drill_resources:
            azure.resources.drill_resources.append(CARD)

    azure.clock.watchers.append(look)


def owed(bench: Bench) -> Obligation:
    return Obligation.model_validate(owed_by_kind(bench.driver.states)["cleanup"])


def test_a_retry_cleans_up_the_test_machine_that_a_failed_test_failover_has_left(bench: Bench) -> None:
    jobs = bench.azure.jobs
    jobs.failures[("sql", "TestFailover")] = BROKEN
    jobs.left_by_failure = {"TestFailover"}
    bench.azure.clock.watchers.append(
        lambda _now: jobs.failures.clear() if ("sql", "TestFailoverCleanup") in jobs.sent else None
    )
    bench.driver.say(hours(1), "decide", {"verdict": "retry", "by": "ann", "vms": ["sql"]})
    result = bench.run(drill, "drill", document=plan(onFailure="ask"))
    assert result.output["state"] == "succeeded", result.output
    of_sql = [verb for vm, verb in jobs.sent if vm == "sql"]
    assert of_sql == ["TestFailover", "TestFailoverCleanup", "TestFailover", "TestFailoverCleanup"]
    assert not bench.owed()


def test_a_card_that_is_left_fails_the_drill_and_keeps_the_obligation_open(bench: Bench) -> None:
    leave_a_card(bench.azure)
    result = bench.run(drill, "drill")
    assert result.output["state"] == "failed"
    assert f"left behind after the cleanup: {CARD.id}" in [one["detail"] for one in result.output["failures"]]
    assert owed(bench).leftovers == (CARD.id,)
    refused = bench.run(drill, "drill", "drill-2")
    assert [(p["code"], CARD.id in p["detail"]) for p in refused.output["problems"]] == [("cleanup-owed", True)]
    assert bench.run(cleanup, "cleanup", "cleanup-1").output["state"] == "failed"
    bench.azure.resources.drill_resources.clear()
    bench.azure.clock.watchers.pop()
    assert bench.run(cleanup, "cleanup", "cleanup-2").output["state"] == "succeeded"
    assert bench.owed() == set()


def test_what_was_there_before_and_what_is_somebody_elses_is_not_held_against_a_drill(bench: Bench) -> None:
    bench.azure.resources.drill_resources.append(CARD)
    other = AzureResource(id="/vms/erp", type="Microsoft.Compute/virtualMachines", machine="erp")
    bench.azure.clock.watchers.append(lambda _now: bench.azure.resources.drill_resources.append(other))
    assert bench.run(drill, "drill").output["state"] == "succeeded"


def test_an_inventory_that_cannot_be_read_for_twenty_minutes_refuses_the_drill(bench: Bench) -> None:
    bench.azure.faults.crashes = {"list_drill_resources": 999}
    result = bench.run(drill, "drill")
    assert [problem["code"] for problem in result.output["problems"]] == ["inventory-unreadable"]
    assert (bench.azure.jobs.sent, bench.held(), bench.owed()) == ([], {}, set())


def test_at_its_time_to_live_a_drill_begins_nothing_more_and_cleans_up(bench: Bench) -> None:
    bench.azure.items.silent_vms.add("sql")
    document = drill_plan(timeToLive="PT15M")
    began = bench.azure.clock.now
    result = bench.run(drill, "drill", document=document)
    states = {item["vm"]: item["state"] for item in result.output["items"]}
    assert (states["app"], states["web"]) == ("blocked", "blocked")
    assert "time to live" in next(text for text in failure_texts(result.output) if text.startswith("web"))
    cleaned = [vm for vm, verb in bench.azure.jobs.sent if verb == "TestFailoverCleanup"]
    assert sorted(cleaned) == ["dc", "sql"]
    assert bench.owed() == set()
    assert bench.azure.clock.now - began < hours(1)


def test_machines_soak_before_they_are_probed_once_more_and_cleaned_up(bench: Bench) -> None:
    began = bench.azure.clock.now
    result = bench.run(drill, "drill", document=drill_plan(soak="PT1H"))
    assert result.output["state"] == "succeeded"
    assert bench.azure.clock.now - began > hours(1) + timedelta(minutes=43)
    probed = [item["steps"][0]["probed"] for item in result.output["items"]]
    assert len(set(probed)) > 1, "the first passing of its probes is what counts for a machine's recovery time"


def test_a_machine_that_does_not_survive_the_soak_fails_the_drill(bench: Bench) -> None:
    def silence(now: Any) -> None:
        if now - began > hours(1):
            bench.azure.items.silent_vms.add("web")

    began = bench.azure.clock.now
    bench.azure.clock.watchers.append(silence)
    result = bench.run(drill, "drill", document=drill_plan(soak="PT1H"))
    assert result.output["state"] == "failed"
    assert failure_texts(result.output)[0].startswith("web: probes-failed: test failover: probe failed")
    assert bench.owed() == set()


def test_hooks_are_asked_before_after_and_once_all_is_clean(bench: Bench) -> None:
    hooks = {"before": [HOOK], "after": [HOOK], "afterCleanup": [HOOK]}
    bench.run(drill, "drill", document=drill_plan(hooks=hooks))
    assert [ask.moment for ask in bench.azure.hooks.calls] == ["before", "after", "after-cleanup"]
    assert bench.azure.evidence.list_kinds().count("hook") == 3


def test_a_required_hook_that_says_no_before_keeps_the_drill_from_beginning(bench: Bench) -> None:
    bench.azure.hooks.answers["before"] = recovery_contract.HookAnswer(
        state="failed", status=409, detail="change freeze"
    )
    result = bench.run(drill, "drill", document=drill_plan(hooks={"before": [HOOK]}))
    assert result.output["state"] == "failed"
    assert "change freeze" in failure_texts(result.output)[0]
    assert (bench.azure.jobs.sent, bench.owed()) == ([], set())


def test_a_hook_that_does_not_answer_is_asked_until_its_deadline_and_counts_only_if_required(bench: Bench) -> None:
    bench.azure.hooks.answers["after"] = recovery_contract.HookAnswer(state="unanswered", detail="no answer")
    hook = {**HOOK, "deadline": "PT5M"}
    result = bench.run(drill, "drill", "d-1", drill_plan(hooks={"after": [hook]}))
    assert [text for text in failure_texts(result.output) if "hook tell" in text]
    assert len(bench.azure.hooks.calls) == 11
    assert len({ask.id for ask in bench.azure.hooks.calls}) == 1
    assert bench.owed() == set()
    optional = drill_plan(hooks={"after": [{**hook, "required": False}]})
    assert bench.run(drill, "drill", "d-2", optional).output["state"] == "succeeded"


def test_each_verb_job_and_finding_is_recorded_in_order(bench: Bench) -> None:
    bench.azure.jobs.failures[("app", "TestFailover")] = JobEnd(
        job="", outcome="failed", state="Failed", code="1", detail="x"
    )
    result = bench.run(drill, "drill")
    kinds = bench.azure.evidence.list_kinds()
    assert kinds[:3] == ["request", "plan", "inventory"]
    assert kinds[-2:] == ["inventory", "outcome"]
    verbs = [e.body for _, e in bench.azure.evidence.records if e.kind == "verb"]
    assert [(body["vm"], body["verb"]) for body in verbs] == bench.azure.jobs.sent
    assert [e.body["vm"] for _, e in bench.azure.evidence.records if e.kind == "finding"] == ["app", "web"]
    assert kinds.count("job") == len(bench.azure.jobs.sent)
    assert result.output["facts"]["evidence"]["complete"] is True


def test_a_store_of_evidence_that_does_not_answer_delays_records_and_fails_nothing(bench: Bench) -> None:
    bench.azure.faults.crashes = {"write_evidence_records": 5}
    result = bench.run(drill, "drill")
    assert result.output["state"] == "succeeded"
    first = bench.azure.evidence.records[0][1]
    assert (first.kind, first.body["release"]) == ("request", RELEASE)
    assert len([kind for kind in bench.azure.evidence.list_kinds() if kind == "verb"]) == 2 * len(ORDER)


def test_an_event_that_nobody_takes_is_handed_to_a_run_of_its_own(bench: Bench) -> None:
    bench.azure.faults.crashes = {"publish_event": 99999}
    assert bench.run(drill, "drill").output["state"] == "succeeded"
    assert {start.orchestrator for start in bench.azure.runs.started} == {"publish_event"}
    assert len({start.id for start in bench.azure.runs.started}) == len(bench.azure.runs.started) == 4
    bench.azure.faults.crashes = {"publish_event": 9}
    event = bench.azure.runs.started[0]
    assert bench.driver.run(deliver, event.payload, event.id).output["delivered"] is True
    assert bench.azure.runs.list_event_types() == ["HciSiteRecovery.Operation.Started"]


# --- the timer ---------------------------------------------------------------------------------------------------


class Timer(Bench):
    """A bench whose timer sees the plan, what is owed and what is remembered."""

    def __init__(self, **drill: Any) -> None:
        super().__init__()
        self.azure.documents.sites = {"hci-01": SITE}
        self.document = drill_plan(**drill)

    @property
    def document(self) -> PlanDocument:
        """The plan as it is declared."""
        return self.azure.documents.plans["payroll"]

    @document.setter
    def document(self, document: PlanDocument) -> None:
        self.azure.documents.plans["payroll"] = document

    def look(self, after: timedelta = timedelta(minutes=5)) -> list[str]:
        """Let time go by and the timer look: what it started."""
        self.azure.clock.advance_to(self.azure.clock.now + after)
        started: list[str] = self.reconciled("reconcile").output["started"]
        return started

    def reconciled(self, run: str) -> Result:
        """A look of the timer."""
        return self.driver.run(reconcile, {}, run)

    def events(self) -> list[str]:
        return [start.payload["type"] for start in self.azure.runs.started if start.orchestrator == "publish_event"]


def timer(**drill: Any) -> Timer:
    return Timer(schedule="0 0 9 * * *", startDeadline="PT2H", **drill)


def test_a_drill_that_is_due_is_begun_once() -> None:
    bench = timer()
    assert bench.look() == []
    (run,) = bench.look(hours(1))
    assert run.startswith("drill-payroll-")
    assert bench.look() == bench.look() == []
    bench.azure.runs.outcome = "succeeded"
    assert bench.look() == []
    (next_day,) = bench.look(hours(24))
    assert next_day != run


def test_a_drill_whose_machines_are_held_is_begun_as_soon_as_they_are_free() -> None:
    bench = timer()
    bench.azure.runs.holders = ("failover-payroll-1",)
    assert bench.look(hours(1)) == []
    bench.azure.runs.holders = ()
    assert len(bench.look()) == 1


def test_a_drill_that_was_refused_is_begun_again_under_another_id() -> None:
    bench = timer()
    (first,) = bench.look(hours(1))
    bench.azure.runs.outcome = "refused"
    (second,) = bench.look()
    assert first != second


def test_a_drill_that_could_not_begin_is_told_to_be_overdue_once() -> None:
    bench = timer()
    bench.azure.runs.holders = ("failover-payroll-1",)
    for _ in range(40):
        assert bench.look() == []
    assert bench.events() == ["HciSiteRecovery.Drill.Overdue"]


def test_the_cleanup_of_a_dead_run_begins_at_the_next_look_and_again_while_it_is_owed() -> None:
    bench = timer()
    due = bench.azure.clock.now + hours(4)
    debt = Obligation(kind="cleanup", plan="payroll", owner="drill-9", opened=bench.azure.clock.now, due=due, home=HOME)
    owe(bench.driver.states, debt)
    bench.look()
    assert bench.azure.runs.cleanups == []
    bench.azure.runs.ended.add("drill-9")
    bench.look()
    assert [ask.obligation for ask in bench.azure.runs.cleanups] == [debt.id]
    bench.look()
    assert len(bench.azure.runs.cleanups) == 1, "the first one still runs"
    bench.azure.runs.ended.add(bench.azure.runs.cleanups[0].id)
    bench.look()
    assert len({ask.id for ask in bench.azure.runs.cleanups}) == 2


def test_what_is_owed_too_long_is_told_once_a_day() -> None:
    bench = Timer()
    now = bench.azure.clock.now
    debt = Obligation(
        kind="reprotect", plan="payroll", owner="failover-9", opened=now, due=now + hours(1), vms=("sql",)
    )
    debt = debt.model_copy(update={"home": HOME.model_copy(update={"fabrics": ("another-site",)})})
    owe(bench.driver.states, debt)
    bench.look()
    assert bench.events() == []
    for _ in range(3):
        bench.look(hours(12))
    assert len({start.id for start in bench.azure.runs.started}) == 2


@pytest.mark.parametrize(
    ("wish", "age", "held", "cleaned"),
    [
        ("clean", 5, (), True),
        ("clean", 3, (), False),
        ("clean", 5, ("drill-other-1",), False),
        ("leave", 5, (), False),
    ],
)
def test_a_test_failover_that_nobody_here_knows_of_is_cleaned_up_if_the_site_says_so(
    wish: str, age: int, held: tuple[str, ...], cleaned: bool
) -> None:
    bench = Timer()
    bench.azure.documents.sites["hci-01"] = SITE.model_copy(update={"orphans": wish})
    bench.azure.runs.holders = held
    machine = bench.azure.items.machines["sql"]
    machine.reach("TestFailover")
    machine.last_test_failover = bench.azure.clock.now - hours(age)
    started = bench.look()
    assert [run.startswith("cleanup-orphans-hci-01-") for run in started] == ([True] if cleaned else [])
    if cleaned:
        (order,) = [start.payload for start in bench.azure.runs.started if start.orchestrator == "cleanup"]
        assert [item["vm"] for item in order["document"]["items"]] == ["sql"]
        result = bench.driver.run(cleanup, order, order["id"])
        assert (result.output["state"], machine.test) == ("succeeded", "MarkedForDeletion")


def test_an_operation_of_a_plan_that_was_withdrawn_is_still_cleaned_up(bench: Bench) -> None:
    """All that a cleanup needs stands in the obligation."""
    bench.azure.faults.crashes = {"watch_jobs": 0}
    seen: list[Any] = []

    def look(_now: Any) -> None:
        seen.extend(list_owed(bench.driver.states))

    bench.azure.clock.watchers.append(look)
    bench.run(drill, "drill")
    order = Operation.model_validate({**seen[0]["order"], "id": "cleanup-1", "kind": "cleanup"})
    assert [item.vm for item in order.document.items] == list(ORDER)
    assert order.sites == {"hci-01": SITE}


def states_of(result: Result) -> dict[str, tuple[str, str]]:
    return {item["vm"]: (item["state"], item["detail"]) for item in result.output["items"]}


@pytest.mark.parametrize("code", ["AuthorizationFailed", "ScopeLocked", "http-409"])
def test_a_vm_whose_verb_was_refused_has_failed_and_nobody_cleans_it_up(bench: Bench, code: str) -> None:
    """Somebody else's test failover of it may wait for its own cleanup."""
    start = bench.azure.jobs.start_verbs

    def refuse_sql(ask: Any) -> Any:
        answers = start(ask.model_copy(update={"starts": tuple(one for one in ask.starts if one.vm != "sql")})).answers
        refused = [
            StartAnswer(vm=one.vm, outcome="refused", code=code, detail="no") for one in ask.starts if one.vm == "sql"
        ]
        return StartsMade(answers=(*answers, *refused))

    bench.azure.jobs.start_verbs = refuse_sql  # type: ignore[method-assign] # says no for one of them
    bench.driver.activities = bench.azure.activities()
    result = bench.run(drill, "drill")
    assert result.output["state"] == "failed"
    assert states_of(result)["sql"] == ("failed", "test failover: no")
    assert ("sql", "TestFailoverCleanup") not in bench.azure.jobs.sent
    assert ("dc", "TestFailoverCleanup") in bench.azure.jobs.sent
    assert bench.owed() == set()


def test_a_vm_that_failed_is_cleaned_up_and_has_failed_all_the_same(bench: Bench) -> None:
    bench.azure.jobs.failures[("sql", "TestFailover")] = JobEnd(
        job="", outcome="failed", state="Failed", code="28031", detail="no cores"
    )
    result = bench.run(drill, "drill")
    assert states_of(result)["sql"] == ("failed", "test failover: no cores")
    assert states_of(result)["dc"][0] == "done"


def test_a_cleanup_that_was_refused_says_with_what(bench: Bench) -> None:
    start = bench.azure.jobs.start_verbs

    def refuse_cleanup(ask: Any) -> Any:
        if ask.verb != "TestFailoverCleanup":
            return start(ask)
        return StartsMade(
            answers=tuple(
                StartAnswer(vm=one.vm, outcome="refused", code="AuthorizationFailed", detail="no") for one in ask.starts
            )
        )

    bench.azure.jobs.start_verbs = refuse_cleanup  # type: ignore[method-assign] # says no to every cleanup
    bench.driver.activities = bench.azure.activities()
    failures = failure_texts(bench.run(drill, "drill").output)
    assert any("AuthorizationFailed: no, but the item is still missing" in failure for failure in failures)
    assert not any("the job succeeded" in failure for failure in failures)


def test_a_drill_shows_how_old_its_data_was_also_in_its_evidence(bench: Bench) -> None:
    """Of a point that the test failover itself has made the vault's last measure counts, with its own age."""
    began = bench.azure.clock.now
    for machine in bench.azure.items.machines.values():
        machine.rpo, machine.rpo_at = timedelta(minutes=2), began - timedelta(minutes=1)
    result = bench.run(drill, "drill")
    ages = [RunItem.model_validate(one).replica_age for one in result.output["items"]]
    assert all(age and timedelta(minutes=3) <= age <= timedelta(minutes=4) for age in ages)
    [body] = [entry.body for _, entry in bench.azure.evidence.records if entry.kind == "outcome"]
    assert [one["lossCountedFrom"] for one in body["achieved"]["machines"]] == ["testFailoverStart"] * len(ages)
    assert not [one["rpo"] for one in body["achieved"]["machines"] if one["rpo"] in {None, "PT0S"}]
