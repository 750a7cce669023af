"""The runs that are recorded: one of each runbook, with something that goes wrong in it where that is its purpose."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from orchestrators.drill import cleanup, drill
from orchestrators.failover import cancel, change_point, commit, failover
from orchestrators.homecoming import failback, reprotect
from orchestrators.mirror import mirror
from orchestrators.preflight import preflight
from orchestrators.prepare import prepare
from orchestrators.repair import repair
from orchestrators.replication import replication
from orchestrators.roundtrip import roundtrip
from orchestrators.verify import verify
from shared.copying import ReplicationOrder
from shared.operations import Kind, Operation, SiteOperation
from shared.preparation import PrepareOrder
from shared.replication import ReplicationRequest
from tests.activities.lab import running
from tests.driver import Orchestrator, Result
from tests.orchestrators import azure_bench, test_preflight
from tests.orchestrators.mirror_world import MirrorWorld
from tests.orchestrators.node_world import NodeWorld
from tests.orchestrators.plan_world import PlanBench
from tests.orchestrators.test_runbooks import BROKEN, ORDER, SITE, Bench, placed, plan
from tests.shared.azure.fake import point_at
from tests.shared.preflight.samples import N1, N2, USUAL
from tests.shared.samples import site

INSTANCE = "run-1"


class Tale(NamedTuple):
    """A runbook, and a run of it."""

    runbook: Orchestrator
    tell: Callable[[], Result]


def _drill() -> Result:
    """One machine fails, and what came up is cleaned up."""
    bench = Bench()
    bench.world.fail[("app", "TestFailover")] = BROKEN
    return bench.run(drill, "drill", INSTANCE)


def _cleanup() -> Result:
    bench = Bench()
    for machine in bench.world.machines.values():
        machine.reach("TestFailover")
    return bench.run(cleanup, "cleanup", INSTANCE)


def _failover() -> Result:
    """With settings to set, an answer that is lost, and the commit."""
    bench = Bench()
    bench.world.unanswered = {"sql": 1}
    return bench.run(failover, "failover", INSTANCE, placed())


def _after(step: str, runbook: Orchestrator, kind: Kind) -> Callable[[], Result]:
    def tell() -> Result:
        bench = Bench()
        for vm in ORDER:
            bench.world.machines[vm].reach(step)
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
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as lab, pytest.MonkeyPatch.context() as patch:
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
    "commit": Tale(commit, _after("PlannedFailover", commit, "commit")),
    "cancel": Tale(cancel, _after("PlannedFailover", cancel, "cancel")),
    "change-point": Tale(change_point, _after("PlannedFailover", change_point, "change-point")),
    "failback": Tale(failback, _after("Commit", failback, "failback")),
    "reprotect": Tale(reprotect, _after("FinalizeFailback", reprotect, "reprotect")),
    "roundtrip": Tale(roundtrip, _roundtrip),
    "roundtrip-by-recovery-plans": Tale(roundtrip, _by_recovery_plans),
    "repair": Tale(repair, lambda: NodeWorld().repair(INSTANCE)),
    "preflight": Tale(preflight, _preflight),
    "verify": Tale(verify, _verify),
    "prepare": Tale(prepare, _prepare),
    "mirror": Tale(mirror, lambda: MirrorWorld().run(run=INSTANCE)),
    "replication": Tale(replication, _replication),
}
