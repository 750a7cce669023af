"""The runs that are recorded: one of each runbook, with something that goes wrong in it where that is its purpose."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from lab.clock import LabClock
from orchestrators.change import change
from orchestrators.change_hold import change_hold
from orchestrators.change_lost_node import change_lost_node
from orchestrators.check_health import check_health
from orchestrators.declare import declare
from orchestrators.durable.cloud_events import deliver
from orchestrators.healing.repair import repair
from orchestrators.notify import notify
from orchestrators.onboarding.preflight import preflight
from orchestrators.onboarding.prepare import prepare
from orchestrators.onboarding.replication import replication
from orchestrators.onboarding.verify import verify
from orchestrators.reconcile.nodes import watch_nodes
from orchestrators.reconcile.reconcile import reconcile
from orchestrators.record_administration import record_administration
from orchestrators.run.recovery_plan_mirror import mirror
from orchestrators.settle_obligation import settle_obligation
from orchestrators.verbs.drill import cleanup, drill
from orchestrators.verbs.failback import failback, reprotect
from orchestrators.verbs.failover import cancel, change_point, commit, failover
from orchestrators.verbs.roundtrip import roundtrip
from orchestrators.verbs.source_power import prove_sources
from shared.onboarding.preparation import PrepareOrder
from shared.operations.kinds import Kind
from shared.recovery.operation import Operation
from shared.replication.run import ReplicationOrder
from shared.replication.settings import ReplicationRequest
from shared.site_recovery.verb_options import VerbOptions
from shared.sites.operation import SiteOperation
from tests.activities.lab import running
from tests.driver import Orchestrator, Result
from tests.histories.app_tales import (
    INSTANCE,
    administration_recorded,
    declared,
    delivered,
    health_checked,
    hold_set,
    node_lost,
    nodes_watched,
    notified,
    obligation_settled,
    reconciled,
    sources_proven,
)
from tests.orchestrators import azure_bench, test_change, test_preflight
from tests.orchestrators.benches import MirrorBench, PlanBench, RepairBench
from tests.orchestrators.test_runbooks import BROKEN, ORDER, SITE, Bench, placed, plan, word
from tests.orchestrators.test_seeds import HOOKS
from tests.shared.azure.fake import point_at
from tests.shared.preflight.samples import N1, N2, USUAL
from tests.shared.samples import site

START = datetime(2040, 1, 2, 8, tzinfo=UTC)
"""Of the lab's clock: recorded again, a run is the same to the byte. In the future, or its tokens had expired."""


class Tale(NamedTuple):
    """A runbook, and a run of it."""

    runbook: Orchestrator
    tell: Callable[[], Result]


def _drill() -> Result:
    """One machine fails, and what came up is cleaned up."""
    bench = Bench()
    bench.azure.jobs.failures[("app", "TestFailover")] = BROKEN
    return bench.run(drill, "drill", INSTANCE)


def _cleanup() -> Result:
    bench = Bench()
    for machine in bench.azure.items.machines.values():
        machine.reach("TestFailover")
    return bench.run(cleanup, "cleanup", INSTANCE)


def _failover() -> Result:
    """With settings to set, an answer that is lost, and the commit."""
    bench = Bench()
    bench.azure.jobs.unanswered = {"sql": 1}
    return bench.run(failover, "failover", INSTANCE, placed())


def _unplanned() -> Result:
    bench = Bench()
    bench.options = VerbOptions(failover_type="unplanned")
    return bench.run(failover, "failover", INSTANCE)


def _approved() -> Result:
    """By two others, one of whom says it twice."""
    bench, document = Bench(), plan(approvals={"count": 2})
    for minutes, person in ((10, "bob"), (20, "bob"), (30, "eve")):
        bench.driver.say(timedelta(minutes=minutes), "approve", word(person, document))
    return bench.run(failover, "failover", INSTANCE, document)


def _changed() -> Result:
    """A plan is declared anew, once another person has approved it."""
    bench = Bench()
    one = test_change.asked(test_change.declared(bench), id=INSTANCE)
    test_change.agree(bench, one, 10, test_change.BOB)
    return test_change.run(bench, one)


def _asked() -> Result:
    """A machine fails, the run waits for a person, and one lets it try again."""
    bench = Bench()
    bench.azure.jobs.failures[("sql", "PlannedFailover")] = BROKEN
    ends = bench.driver.clock.now + timedelta(hours=2)
    bench.driver.clock.watchers.append(lambda now: bench.azure.jobs.failures.clear() if now >= ends else None)
    bench.driver.say(timedelta(hours=3), "decide", {"verdict": "retry", "by": "ann", "vms": ["sql"]})
    return bench.run(failover, "failover", INSTANCE, plan(onFailure="ask"))


def _hooked() -> Result:
    """One of each kind before and after; a person does the step by hand."""
    bench = Bench()
    hooks = {"before": list(HOOKS), "after": list(HOOKS)}
    for hours in (0.5, 1.5):
        bench.driver.say(timedelta(hours=hours), "decide", {"verdict": "resume", "by": "ann", "vms": []})
    return bench.run(failover, "failover", INSTANCE, plan(hooks={"failover": hooks}))


def _after(step: str, runbook: Orchestrator, kind: Kind) -> Callable[[], Result]:
    def tell() -> Result:
        bench = Bench()
        for vm in ORDER:
            bench.azure.items.machines[vm].reach(step)
        return bench.run(runbook, kind, INSTANCE, plan())

    return tell


def _roundtrip() -> Result:
    """Out and home, with the word of a person in between."""
    bench = Bench()
    bench.driver.say(timedelta(hours=9), "decide", {"verdict": "resume", "by": "ann", "vms": []})
    return bench.run(roundtrip, "roundtrip", INSTANCE)


def _by_recovery_plans() -> Result:
    """The same through Site Recovery's own recovery plans."""
    bench = PlanBench()
    order = Operation.model_validate(
        {"id": INSTANCE, "kind": "roundtrip", "plan": "payroll", "requested_by": "ann"}
        | {"digest": bench.document.digest, "document": bench.document, "sites": {"hci-01": SITE}}
    )
    bench.driver.say(timedelta(hours=9), "decide", {"verdict": "resume", "by": "ann", "vms": []})
    return bench.driver.run(roundtrip, order.model_dump(mode="json"), INSTANCE)


def _preflight() -> Result:
    nodes = test_preflight.Nodes({f"/machines/{N1}": ["a", "b", "sql-01"], f"/machines/{N2}": ["web-01"]})
    return nodes.driver.run(preflight, _site_order("preflight"), INSTANCE)


def _verify() -> Result:
    return test_preflight.Nodes({}).driver.run(verify, _site_order("verify"), INSTANCE)


def _site_order(kind: Kind) -> dict[str, object]:
    order = SiteOperation(id=INSTANCE, kind=kind, site="hci-01", requested_by="ann", document=site(**USUAL))
    return order.model_dump(mode="json")


@contextmanager
def _bare() -> Iterator[azure_bench.AzureBench]:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        LabClock.open(Path(folder), start=START, speed=0).close()
        yield from _in(Path(folder), patch)


def _in(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[azure_bench.AzureBench]:
    with running(folder) as lab:
        lab.reset("bare")
        point_at(lab.base, "lab-identity", patch)
        bench = azure_bench.AzureBench(lab)
        yield bench
        bench.close()


def _prepared(bench: azure_bench.AzureBench, run: str) -> Result:
    document = azure_bench.site()
    order = PrepareOrder(id=run, kind="prepare", site="hci-01", requested_by="ann", document=document)
    return bench.run(prepare, order, run)


def _prepare() -> Result:
    with _bare() as bench:
        return _prepared(bench, INSTANCE)


def _replication() -> Result:
    with _bare() as bench:
        _prepared(bench, "prepare-1")
        about = {"id": INSTANCE, "kind": "replication", "site": "hci-01", "requested_by": "ann"}
        wish = ReplicationRequest(initial_copies=3)
        order = ReplicationOrder.model_validate({**about, "document": azure_bench.site(), "request": wish})
        return bench.run(replication, order, INSTANCE)


TALES: Mapping[str, Tale] = {
    "drill": Tale(drill, _drill),
    "cleanup": Tale(cleanup, _cleanup),
    "failover": Tale(failover, _failover),
    "failover-unplanned": Tale(failover, _unplanned),
    "failover-approved": Tale(failover, _approved),
    "failover-asked": Tale(failover, _asked),
    "failover-hooked": Tale(failover, _hooked),
    "commit": Tale(commit, _after("PlannedFailover", commit, "commit")),
    "cancel": Tale(cancel, _after("PlannedFailover", cancel, "cancel")),
    "change-point": Tale(change_point, _after("PlannedFailover", change_point, "change-point")),
    "failback": Tale(failback, _after("Commit", failback, "failback")),
    "reprotect": Tale(reprotect, _after("FinalizeFailback", reprotect, "reprotect")),
    "roundtrip": Tale(roundtrip, _roundtrip),
    "roundtrip-by-recovery-plans": Tale(roundtrip, _by_recovery_plans),
    "repair": Tale(repair, lambda: RepairBench().repair(INSTANCE)),
    "preflight": Tale(preflight, _preflight),
    "verify": Tale(verify, _verify),
    "prepare": Tale(prepare, _prepare),
    "change": Tale(change, _changed),
    "mirror": Tale(mirror, lambda: MirrorBench().mirror(run=INSTANCE)),
    "replication": Tale(replication, _replication),
    "reconcile": Tale(reconcile, reconciled),
    "change-hold": Tale(change_hold, hold_set),
    "change-lost-node": Tale(change_lost_node, node_lost),
    "settle-obligation": Tale(settle_obligation, obligation_settled),
    "declare": Tale(declare, declared),
    "check-health": Tale(check_health, health_checked),
    "watch-nodes": Tale(watch_nodes, nodes_watched),
    "prove-sources": Tale(prove_sources, sources_proven),
    "deliver": Tale(deliver, delivered),
    "record-administration": Tale(record_administration, administration_recorded),
    "notify": Tale(notify, notified),
}
