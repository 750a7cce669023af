"""A drill's run: what it refuses, when it ends, what it proves, and what the timer does for it afterwards."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from orchestrators.durable.cloud_events import deliver
from orchestrators.durable.entities import leases, obligations, plan_history, request_budget
from orchestrators.reconcile.reconcile import reconcile
from orchestrators.verbs.drill import cleanup, drill
from shared import activity
from shared.healing.contract import READ_NODE_RECORDS, NodeRecordsRead
from shared.operations import contract as app_contract
from shared.operations.obligations import Obligation
from shared.plans import contract as plans_contract
from shared.recovery import contract as recovery_contract
from shared.recovery.drill import AzureResource
from shared.recovery.operation import Operation
from shared.site_recovery import contract as c
from shared.site_recovery.contract import JobEnd
from tests.driver import Driver, Result, hours
from tests.orchestrators.test_runbooks import ISOLATED, ORDER, SITE, Bench, plan
from tests.orchestrators.world import World

CARD = AzureResource(id="/nics/sql-test-nic", type="Microsoft.Network/networkInterfaces")
HOOK = {"name": "tell", "url": "https://example.org/hook"}


@pytest.fixture
def bench() -> Bench:
    return Bench()


def drill_plan(**changes: Any) -> Any:
    return plan(drill={"network": ISOLATED, **changes})


def leave_a_card(world: World, after: str = "TestFailoverCleanup") -> None:
    """Have a card appear once a verb was sent."""

    def look(_now: Any) -> None:
        if any(verb == after for _, verb in world.sent) and CARD not in world.left:
            world.left.append(CARD)

    world.clock.watchers.append(look)


def owed(bench: Bench) -> Obligation:
    return Obligation.model_validate(bench.driver.states["@obligations@payroll"]["cleanup"])


def test_a_card_that_is_left_fails_the_drill_and_keeps_the_obligation_open(bench: Bench) -> None:
    leave_a_card(bench.world)
    result = bench.run(drill, "drill")
    assert result.output["state"] == "failed"
    assert f"left behind after the cleanup: {CARD.id}" in result.output["failures"]
    assert owed(bench).leftovers == (CARD.id,)
    refused = bench.run(drill, "drill", "drill-2")
    assert [(p["code"], CARD.id in p["detail"]) for p in refused.output["problems"]] == [("cleanup-owed", True)]
    assert bench.run(cleanup, "cleanup", "cleanup-1").output["state"] == "failed"
    bench.world.left.clear()
    bench.world.clock.watchers.pop()
    assert bench.run(cleanup, "cleanup", "cleanup-2").output["state"] == "succeeded"
    assert bench.owed() == set()


def test_what_was_there_before_and_what_is_somebody_elses_is_not_held_against_a_drill(bench: Bench) -> None:
    bench.world.left.append(CARD)
    other = AzureResource(id="/vms/erp", type="Microsoft.Compute/virtualMachines", machine="erp")
    bench.world.clock.watchers.append(lambda _now: bench.world.left.append(other))
    assert bench.run(drill, "drill").output["state"] == "succeeded"


def test_an_inventory_that_cannot_be_read_for_twenty_minutes_refuses_the_drill(bench: Bench) -> None:
    bench.world.crash = {"list_drill_resources": 999}
    result = bench.run(drill, "drill")
    assert [problem["code"] for problem in result.output["problems"]] == ["inventory-unreadable"]
    assert (bench.world.sent, bench.held(), bench.owed()) == ([], {}, set())


def test_at_its_time_to_live_a_drill_begins_nothing_more_and_cleans_up(bench: Bench) -> None:
    bench.world.silent.add("sql")
    document = drill_plan(timeToLive="PT15M")
    began = bench.world.clock.now
    result = bench.run(drill, "drill", document=document)
    states = {item["vm"]: item["state"] for item in result.output["items"]}
    assert (states["app"], states["web"]) == ("blocked", "blocked")
    assert "time to live" in next(text for text in result.output["failures"] if text.startswith("web"))
    cleaned = [vm for vm, verb in bench.world.sent if verb == "TestFailoverCleanup"]
    assert sorted(cleaned) == ["dc", "sql"]
    assert bench.owed() == set()
    assert bench.world.clock.now - began < hours(1)


def test_machines_soak_before_they_are_probed_once_more_and_cleaned_up(bench: Bench) -> None:
    began = bench.world.clock.now
    result = bench.run(drill, "drill", document=drill_plan(soak="PT1H"))
    assert result.output["state"] == "succeeded"
    assert bench.world.clock.now - began > hours(1) + timedelta(minutes=43)
    probed = [item["steps"][0]["probed"] for item in result.output["items"]]
    assert len(set(probed)) > 1, "the first passing of its probes is what counts for a machine's recovery time"


def test_a_machine_that_does_not_survive_the_soak_fails_the_drill(bench: Bench) -> None:
    def silence(now: Any) -> None:
        if now - began > hours(1):
            bench.world.silent.add("web")

    began = bench.world.clock.now
    bench.world.clock.watchers.append(silence)
    result = bench.run(drill, "drill", document=drill_plan(soak="PT1H"))
    assert result.output["state"] == "failed"
    assert result.output["failures"][0].startswith("web: TestFailover: probe failed")
    assert bench.owed() == set()


def test_hooks_are_asked_before_after_and_once_all_is_clean(bench: Bench) -> None:
    hooks = {"before": [HOOK], "after": [HOOK], "afterCleanup": [HOOK]}
    bench.run(drill, "drill", document=drill_plan(hooks=hooks))
    assert [ask.moment for ask in bench.world.hooked] == ["before", "after", "after-cleanup"]
    assert bench.world.kinds().count("hook") == 3


def test_a_required_hook_that_says_no_before_keeps_the_drill_from_beginning(bench: Bench) -> None:
    bench.world.hooks["before"] = recovery_contract.HookAnswer(state="failed", status=409, detail="change freeze")
    result = bench.run(drill, "drill", document=drill_plan(hooks={"before": [HOOK]}))
    assert result.output["state"] == "failed"
    assert "change freeze" in result.output["failures"][0]
    assert (bench.world.sent, bench.owed()) == ([], set())


def test_a_hook_that_does_not_answer_is_asked_until_its_deadline_and_counts_only_if_required(bench: Bench) -> None:
    bench.world.hooks["after"] = recovery_contract.HookAnswer(state="unanswered", detail="no answer")
    hook = {**HOOK, "deadline": "PT5M"}
    result = bench.run(drill, "drill", "d-1", drill_plan(hooks={"after": [hook]}))
    assert [text for text in result.output["failures"] if "hook tell" in text]
    assert len(bench.world.hooked) == 11
    assert len({ask.id for ask in bench.world.hooked}) == 1
    assert bench.owed() == set()
    optional = drill_plan(hooks={"after": [{**hook, "required": False}]})
    assert bench.run(drill, "drill", "d-2", optional).output["state"] == "succeeded"


def test_each_verb_job_and_finding_is_recorded_in_order(bench: Bench) -> None:
    bench.world.fail[("app", "TestFailover")] = JobEnd(job="", outcome="failed", state="Failed", code="1", detail="x")
    result = bench.run(drill, "drill")
    kinds = bench.world.kinds()
    assert kinds[:3] == ["request", "plan", "inventory"]
    assert kinds[-2:] == ["inventory", "outcome"]
    verbs = [e.body for _, e in bench.world.records if e.kind == "verb"]
    assert [(body["vm"], body["verb"]) for body in verbs] == bench.world.sent
    assert [e.body["vm"] for _, e in bench.world.records if e.kind == "finding"] == ["app", "web"]
    assert kinds.count("job") == len(bench.world.sent)
    assert result.output["facts"]["evidence"]["complete"] is True


def test_a_store_of_evidence_that_does_not_answer_delays_records_and_fails_nothing(bench: Bench) -> None:
    bench.world.crash = {"write_evidence_records": 30}
    result = bench.run(drill, "drill")
    assert result.output["state"] == "succeeded"
    assert bench.world.kinds()[0] == "request"
    assert len([kind for kind in bench.world.kinds() if kind == "verb"]) == 2 * len(ORDER)


def test_an_event_that_nobody_takes_is_handed_to_a_run_of_its_own(bench: Bench) -> None:
    bench.world.crash = {"publish_event": 99999}
    assert bench.run(drill, "drill").output["state"] == "succeeded"
    assert {start.orchestrator for start in bench.world.started} == {"publish_event"}
    assert len({start.id for start in bench.world.started}) == len(bench.world.started) == 4
    bench.world.crash = {"publish_event": 9}
    event = bench.world.started[0]
    assert bench.driver.run(deliver, event.payload, event.id).output["delivered"] is True
    assert bench.world.published == ["HciSiteRecovery.Operation.Started"]


# --- the timer ---------------------------------------------------------------------------------------------------


class Timer(Bench):
    """A bench whose timer sees the plan, what is owed and what is remembered."""

    def __init__(self, **drill: Any) -> None:
        super().__init__()
        self.document = drill_plan(**drill)
        self.declared = self.world.clock.now
        self.holders: tuple[str, ...] = ()
        self.outcome = "living"
        self.site = SITE
        self.tested: datetime | None = None
        self.cleanups: list[app_contract.StartCleanup] = []
        mine: dict[activity.Activity[Any, Any], Any] = {
            plans_contract.READ_DOCUMENTS: self.read_book,
            app_contract.READ_HOLDERS: lambda _ask: app_contract.HoldersRead(runs=self.holders),
            app_contract.READ_OUTCOMES: lambda ask: app_contract.OutcomesRead(
                runs=tuple(app_contract.RunEnded(id=run, state=self.outcome) for run in ask.ids)
            ),
            app_contract.START_CLEANUP: self.start_cleanup,
            READ_NODE_RECORDS: lambda _ask: NodeRecordsRead(records=(), ended_runs=()),
            c.READ_ITEMS: self.read_items,
        }
        served = {one.name: self.world._served(one, function) for one, function in mine.items()}
        entities = {
            "obligations": obligations,
            "plan_history": plan_history,
            "leases": leases,
            "request_budget": request_budget,
        }
        self.driver = Driver({**self.world.activities(), **served}, entities, self.world.clock)

    def read_book(self, _ask: plans_contract.ReadDocuments) -> plans_contract.DocumentsRead:
        document = self.document.model_dump(mode="json", by_alias=True)
        site = self.site.model_dump(mode="json", by_alias=True)
        owed = (self.driver.states.get("@obligations@payroll") or {}).values()
        known = self.driver.states.get("@plan_history@payroll")
        return plans_contract.DocumentsRead(
            sites=(plans_contract.DeclaredDocument(name="hci-01", document=site, declared=self.declared),),
            plans=(plans_contract.DeclaredDocument(name="payroll", document=document, declared=self.declared),),
            obligations=tuple(owed),
            plan_histories=(plans_contract.StoredPlanHistory(name="payroll", plan_history=known),) if known else (),
        )

    def read_items(self, ask: c.ReadItems) -> c.ItemsRead:
        items = self.world.read_items(ask).items
        return c.ItemsRead(items=tuple(one.model_copy(update={"last_test_failover": self.tested}) for one in items))

    def start_cleanup(self, ask: app_contract.StartCleanup) -> activity.Nothing:
        self.cleanups.append(ask)
        return activity.Nothing()

    def look(self, after: timedelta = timedelta(minutes=5)) -> list[str]:
        """Let time go by and the timer look: what it started."""
        self.world.clock.advance_to(self.world.clock.now + after)
        started: list[str] = self.reconciled("reconcile").output["started"]
        return started

    def reconciled(self, run: str) -> Result:
        """A look of the timer."""
        return self.driver.run(reconcile, {}, run)

    def events(self) -> list[str]:
        return [start.payload["type"] for start in self.world.started if start.orchestrator == "publish_event"]


def timer(**drill: Any) -> Timer:
    return Timer(schedule="0 0 9 * * *", startDeadline="PT2H", **drill)


def test_a_drill_that_is_due_is_begun_once() -> None:
    bench = timer()
    assert bench.look() == []
    (run,) = bench.look(hours(1))
    assert run.startswith("drill-payroll-")
    assert bench.look() == bench.look() == []
    bench.outcome = "succeeded"
    assert bench.look() == []
    (next_day,) = bench.look(hours(24))
    assert next_day != run


def test_a_drill_whose_machines_are_held_is_begun_as_soon_as_they_are_free() -> None:
    bench = timer()
    bench.holders = ("failover-payroll-1",)
    assert bench.look(hours(1)) == []
    bench.holders = ()
    assert len(bench.look()) == 1


def test_a_drill_that_was_refused_is_begun_again_under_another_id() -> None:
    bench = timer()
    (first,) = bench.look(hours(1))
    bench.outcome = "refused"
    (second,) = bench.look()
    assert first != second


def test_a_drill_that_could_not_begin_is_told_to_be_overdue_once() -> None:
    bench = timer()
    bench.holders = ("failover-payroll-1",)
    for _ in range(40):
        assert bench.look() == []
    assert bench.events() == ["HciSiteRecovery.Drill.Overdue"]


def test_the_cleanup_of_a_dead_run_begins_at_the_next_look_and_again_while_it_is_owed() -> None:
    bench = timer()
    due = bench.world.clock.now + hours(4)
    debt = Obligation(kind="cleanup", plan="payroll", owner="drill-9", opened=bench.world.clock.now, due=due)
    bench.driver.states["@obligations@payroll"] = {"cleanup": debt.model_dump(mode="json")}
    bench.look()
    assert bench.cleanups == []
    bench.world.ended_runs.add("drill-9")
    bench.look()
    assert [ask.plan for ask in bench.cleanups] == ["payroll"]
    bench.look()
    assert len(bench.cleanups) == 1, "the first one still runs"
    bench.world.ended_runs.add(bench.cleanups[0].id)
    bench.look()
    assert len({ask.id for ask in bench.cleanups}) == 2


def test_what_is_owed_too_long_is_told_once_a_day() -> None:
    bench = Timer()
    now = bench.world.clock.now
    debt = Obligation(kind="reprotect", plan="payroll", owner="failover-9", opened=now, due=now + hours(1))
    bench.driver.states["@obligations@payroll"] = {"reprotect": debt.model_dump(mode="json")}
    bench.look()
    assert bench.events() == []
    for _ in range(3):
        bench.look(hours(12))
    assert len({start.id for start in bench.world.started}) == 2


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
    bench.site = SITE.model_copy(update={"orphans": wish})
    bench.holders = held
    machine = bench.world.machines["sql"]
    machine.reach("TestFailover")
    bench.tested = bench.world.clock.now - hours(age)
    started = bench.look()
    assert [run.startswith("cleanup-orphans-hci-01-") for run in started] == ([True] if cleaned else [])
    if cleaned:
        order = bench.world.started[0].payload
        assert [item["vm"] for item in order["document"]["items"]] == ["sql"]
        result = bench.driver.run(cleanup, order, order["id"])
        assert (result.output["state"], machine.test) == ("succeeded", "MarkedForDeletion")


def test_an_operation_of_a_plan_that_was_withdrawn_is_still_cleaned_up(bench: Bench) -> None:
    """All that a cleanup needs stands in the obligation."""
    bench.world.crash = {"watch_jobs": 0}
    seen: list[Any] = []

    def look(_now: Any) -> None:
        seen.extend((bench.driver.states.get("@obligations@payroll") or {}).values())

    bench.world.clock.watchers.append(look)
    bench.run(drill, "drill")
    order = Operation.model_validate({**seen[0]["order"], "id": "cleanup-1", "kind": "cleanup"})
    assert [item.vm for item in order.document.items] == list(ORDER)
    assert order.sites == {"hci-01": SITE}
