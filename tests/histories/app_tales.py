"""Runs that no person asks for: the timer's looks, a declaration, a proof, an event that is delivered late."""

from datetime import timedelta

from orchestrators.change_hold import change_hold
from orchestrators.change_lost_node import change_lost_node
from orchestrators.check_health import check_health
from orchestrators.declare import declare
from orchestrators.durable.cloud_events import deliver
from orchestrators.notify import notify
from orchestrators.record_administration import record_administration
from orchestrators.settle_obligation import settle_obligation
from orchestrators.verbs.source_power import SourceCheck, prove_sources
from shared.evidence.administration import Act, AdministrationRecord
from shared.notifications.contract import Awaited
from shared.operations.contract import PublishEvent
from shared.operations.holds import HOLDS_KEY, Hold, HoldChange
from shared.operations.lost_runs import LostRun
from shared.operations.obligations import Obligation, SettlementOrder
from shared.plans.versions import DocumentChange
from shared.sites.lost_nodes import LostNodeChange, lost_node_sentence
from tests.driver import Result
from tests.orchestrators.benches import RepairBench
from tests.orchestrators.owed import owe
from tests.orchestrators.test_drills import Timer
from tests.orchestrators.test_notify import Channel
from tests.orchestrators.test_runbooks import HOME, ORDER, SITE, Bench, plan
from tests.shared.notifications.samples import order_of

INSTANCE = "run-1"
OWED = ("cleanup", "reprotect", "source-off", "leftovers")


def reconciled() -> Result:
    """A drill is due; a dead run owes a cleanup, a re-protect that is late, a proof, and leftovers to look for.

    The engine ended it; the evidence of another such run is to be sealed, and a third one is forgotten.
    """
    bench = Timer(schedule="0 0 9 * * *", startDeadline="PT2H")
    bench.azure.documents.sites["hci-01"] = SITE.model_copy(update={"orphans": "clean"})
    bench.azure.runs.ended.add("failover-9")
    now = bench.azure.clock.now
    for kind in OWED:
        owed = Obligation(kind=kind, plan="payroll", owner="failover-9", opened=now, due=now, vms=("sql",), home=HOME)
        owe(bench.driver.states, owed)
    bench.azure.clock.advance_to(now + timedelta(minutes=61))
    facts = {"kind": "failover", "ending": "terminated", "subject": "plans/payroll", "plan": "payroll"}
    lost = LostRun.model_validate({**facts, "id": "failover-9", "lease_tables": ("s|rg|v",)})
    known = lost.model_copy(update={"id": "failover-8", "published_at": now, "lease_tables": ()})
    bench.azure.runs.lost, bench.azure.runs.forgotten = [lost, known], ("failover-7",)
    return bench.reconciled(INSTANCE)


def declared() -> Result:
    bench = Bench()
    document = plan().model_dump(mode="json")
    change = DocumentChange(
        document_kind="plan", name="payroll", action="put", document=document, digest="d1", by="ann"
    )
    return bench.driver.run(declare, change.model_dump(mode="json"), INSTANCE)


def hold_set() -> Result:
    """A hold of a site, while another one is over."""
    bench = Bench()
    at = bench.azure.clock.now
    past = Hold(id="hold-1", reason="change freeze", by="bob", since=at - timedelta(hours=2), until=at)
    bench.driver.states[f"@holds@{HOLDS_KEY}"] = {past.key: past.model_dump(mode="json")}
    until = at + timedelta(hours=1)
    change = HoldChange(id="hold-2", action="set", site="hci-01", reason="incident 7", by="ann", until=until)
    return bench.driver.run(change_hold, change.model_dump(mode="json"), INSTANCE)


def node_lost() -> Result:
    facts = {"site": "hci-01", "node": "n2", "reason": "scrap", "confirmed": lost_node_sentence("n2"), "by": "ann"}
    change = LostNodeChange.model_validate({"id": "lost-1", "action": "declare", **facts})
    return Bench().driver.run(change_lost_node, change.model_dump(mode="json"), INSTANCE)


def obligation_settled() -> Result:
    bench = Bench()
    at = bench.azure.clock.now
    owed = Obligation(kind="reprotect", plan="payroll", owner="failover-9", opened=at, due=at, vms=("sql",), home=HOME)
    owe(bench.driver.states, owed)
    order = SettlementOrder(table=owed.table, id=owed.id, by="ann", reason="it is retired")
    return bench.driver.run(settle_obligation, order.model_dump(mode="json"), INSTANCE)


def health_checked() -> Result:
    bench = Bench()
    bench.driver.states["@event_counts@events"] = {"duplicate": 2}
    return bench.driver.run(check_health, {}, INSTANCE)


def nodes_watched() -> Result:
    return RepairBench().watch_nodes(INSTANCE)


def sources_proven() -> Result:
    """One of the machines runs at home."""
    bench = Bench()
    bench.azure.on_premises.source("sql").state = "Running"
    check = SourceCheck(id=INSTANCE, plan="payroll", vms=tuple(ORDER), home=HOME, owner="failover-1")
    return bench.driver.run(prove_sources, check.model_dump(mode="json"), INSTANCE)


def administration_recorded() -> Result:
    """The store is away for half an hour."""
    bench = Bench()
    bench.azure.evidence.is_away = True
    back = bench.azure.clock.now + timedelta(minutes=30)
    bench.azure.clock.watchers.append(lambda now: setattr(bench.azure.evidence, "is_away", now < back))
    act = Act(act="withdrawn", subject="plans/payroll", at=bench.azure.clock.now, by="ann", facts={"digest": ""})
    record = AdministrationRecord(id=INSTANCE, acts=(act,))
    return bench.driver.run(record_administration, record.model_dump(mode="json"), INSTANCE)


def delivered() -> Result:
    """Nobody listens at first."""
    bench = Bench()
    bench.azure.faults.crashes = {"publish_event": 9}
    event = PublishEvent(id="run-9:started", type="Started", subject="plans/payroll", at=bench.azure.clock.now, data={})
    return bench.driver.run(deliver, event.model_dump(mode="json"), INSTANCE)


def notified() -> Result:
    """Nobody takes it at first; then people are reminded once, until somebody decides."""
    channel = Channel()
    began = channel.driver.clock.now
    channel.takes = lambda request: request.at >= began + timedelta(minutes=5)
    channel.awaited = lambda _request: Awaited(still_waits=channel.driver.clock.now < began + timedelta(hours=2))
    order = order_of(id=INSTANCE, remind=timedelta(hours=1), reminders=3)
    return channel.driver.run(notify, order.model_dump(mode="json"), INSTANCE)
