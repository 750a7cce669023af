"""Drivers over the fake Azure for runs by recovery plans, the mirroring of plans, and the repair of nodes."""

import random
from contextlib import suppress
from typing import Any

import pytest

from orchestrators.durable.entities import ENTITIES
from orchestrators.durable.timer_look import TimerLook
from orchestrators.healing.repair import repair
from orchestrators.reconcile.nodes import watch_nodes
from orchestrators.reconcile.recovery_plans import keep_mirrors
from orchestrators.run.recovery_plan_mirror import mirror
from shared.arm_ids import key_of
from shared.healing.node_record import NodeRecord
from shared.healing.repair import Repair
from shared.plans.contract import ReadDocuments
from shared.plans.plan import PlanDocument
from shared.recovery_plans.mirror import MirrorOrder
from shared.recovery_plans.parts import parts_of
from shared.sites.site import HealingRules
from tests.driver import Driver, Result
from tests.orchestrators.azure.faults import Terminated
from tests.orchestrators.azure.nodes import LOCK, Node
from tests.orchestrators.azure.world import FakeAzure
from tests.orchestrators.owed import list_owed
from tests.orchestrators.test_runbooks import SITE, Bench, plan
from tests.shared.samples import site
from tests.shared.test_classifier import RACE
from tests.shared.test_recovery_plans import document, protected

PLAN = document({"vm": "dc-01"}, {"vm": "sql-01", "after": ["dc-01"]})
SITES = {"hci-01": site()}
(OURS,) = parts_of("payroll", PLAN, SITES, protected(PLAN))


class PlanBench(Bench):
    """The bench of the runbooks, for plans with engine site-recovery."""

    def __init__(self, **changes: Any) -> None:
        super().__init__()
        self.document = plan(engine="site-recovery", **changes)
        self.azure.recovery_plans.mirror_plan("payroll", self.document, {"hci-01": SITE})


class MirrorBench:
    """The plan PLAN, whose machines are protected, and no recovery plan yet."""

    def __init__(self) -> None:
        self.azure = FakeAzure()
        self.azure.items.fixed_views = protected(PLAN)
        self.azure.documents.sites = dict(SITES)
        self.driver = Driver(self.azure.activities(), dict(ENTITIES), self.azure.clock)

    def mirror(self, action: str = "save", confirm: str = "", run: str = "mirror-1") -> Result:
        order = MirrorOrder.model_validate(
            {"id": run, "plan": "payroll", "requested_by": "ann", "action": action, "confirm": confirm}
            | {"document": PLAN, "sites": SITES}
        )
        return self.driver.run(mirror, order.model_dump(mode="json"), run)

    def keep_mirrors(self, plan: PlanDocument) -> Result:
        """The timer runs once, while the plan is this one."""
        documents = self.azure.documents
        documents.plans, documents.declared = {"payroll": plan}, self.azure.clock.now
        declared = documents.read_documents(ReadDocuments())

        def duty(ctx: Any, _payload: Any) -> Any:
            look = TimerLook(declared)
            started = yield from keep_mirrors(ctx, look)
            return {"started": started, "failures": [f"{one.about}: {one.detail}" for one in look.failures]}

        return self.driver.run(duty, {}, "reconcile")

    @property
    def remembered_ids(self) -> list[str]:
        """Of the recovery plans that the app wrote."""
        ids: list[str] = self.driver.states["@recovery_plan_mirrors@payroll"]["known_ids"]
        return ids


class RepairBench:
    """Three nodes, of which n2 has lost the certificate race."""

    def __init__(self) -> None:
        self.azure = FakeAzure(nodes=("n1", "n2", "n3"))
        self.azure.nodes.by_name["n2"] = Node("n2", "Failed", RACE, registered=False)
        self.azure.documents.sites = {"hci-01": site()}
        self.driver = Driver(self.azure.activities(), dict(ENTITIES), self.azure.clock)
        self.azure.documents.entity_states = self.driver.states

    def allow(self, **rules: object) -> None:
        """Give the site these healing rules."""
        declared = HealingRules.model_validate(rules).model_dump(by_alias=True, mode="json")
        self.azure.documents.sites["hci-01"] = site(healingRules=declared)

    def repair(self, run: str = "repair-1", node: str = "n2", **changes: Any) -> Result:
        machine = self.azure.nodes.by_name[node].id
        sites = self.azure.documents.sites
        order = Repair(id=run, machine_id=machine, **{"requested_by": "ann", "sites": sites, **changes})
        return self.driver.run(repair, order.model_dump(mode="json"), run)

    def terminate_repair(self, run: str = "repair-1", *, at: int = 0, after: str = "") -> None:
        """A repair that is terminated at its n-th activity, or once it has made a change."""
        faults = self.azure.faults
        faults.terminate_at = at and faults.calls + at
        faults.is_time_to_terminate = lambda: after in self.azure.nodes.changes
        with pytest.raises(Terminated):
            self.repair(run)
        faults.terminate_at, faults.is_time_to_terminate = 0, lambda: False
        self.azure.runs.ended.add(run)

    def watch_nodes(self, run: str = "watch") -> Result:
        """The timer runs once."""
        return self.driver.run(watch_nodes, {"site": "hci-01"}, run)

    def read_record(self, node: str = "n2") -> NodeRecord:
        machine = self.azure.nodes.by_name[node].id
        return NodeRecord.model_validate(self.driver.states[f"@nodes@{key_of(machine)}"])

    def list_states(self, entity: str) -> list[Any]:
        return list(self.azure.documents.list_states(entity).values())

    def list_event_names(self) -> list[str]:
        return [event_type.rpartition(".")[2] for event_type in self.azure.runs.list_event_types()]


def repair_with_faults(seed: int) -> RepairBench:
    """A locked node's repair with answers lost all the time, every second one terminated; then the timer's runs."""
    bench = RepairBench()
    bench.allow(allowLockRemoval=True)
    bench.azure.nodes.locks = [LOCK]
    faults = bench.azure.faults
    faults.chance, faults.rate = random.Random(seed), 0.15
    faults.terminate_at = faults.chance.randrange(5, 60) if seed % 2 else 0
    with suppress(Terminated):
        bench.repair()
    bench.azure.runs.ended.add("repair-1")
    faults.terminate_at = 0
    for number in range(12):
        if list_owed(bench.driver.states):
            bench.watch_nodes(f"watch-{number}")
    return bench
