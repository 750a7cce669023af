"""The declared documents, and what the app's entities remember beside them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.arm_ids import key_of
from shared.healing.contract import NodeRecordsRead, ReadNodeRecords
from shared.healing.node_record import NodeRecord
from shared.operations.holds import read_kept_holds
from shared.plans.contract import DeclaredDocument, DocumentsRead, ReadDocuments, StoredPlanHistory
from shared.plans.plan import PlanDocument
from shared.plans.readiness import PreviewFacts, preview_with_readiness, with_preview_digest
from shared.recovery.contract import PreviewTaken, TakePreview
from shared.site_recovery.views import ItemDetail
from shared.sites.lost_nodes import read_lost_nodes
from shared.sites.site import SiteDocument
from tests.driver import Clock
from tests.orchestrators.azure.protected_items import ProtectedItems
from tests.orchestrators.azure.runs import Runs


@dataclass
class Documents:
    """Stands for the declared sites and plans, by name, and the tables of the entities.

    Attributes:
        entity_states: States by entity and key, as the driver has them: "@nodes@…".
        declared: When each document was declared.
        plan_digest: Of the plan as it is declared now, where it is another than the run's own.
    """

    clock: Clock
    items: ProtectedItems
    runs: Runs
    declared: datetime
    sites: dict[str, SiteDocument] = field(default_factory=dict)
    plans: dict[str, PlanDocument] = field(default_factory=dict)
    entity_states: dict[str, Any] = field(default_factory=dict)
    plan_digest: str | None = None

    def list_states(self, entity: str) -> dict[str, Any]:
        """The states of an entity that are not empty, by key."""
        begin = f"@{entity}@"
        return {
            key.removeprefix(begin): state
            for key, state in self.entity_states.items()
            if key.startswith(begin) and state
        }

    def read_documents(self, _ask: ReadDocuments) -> DocumentsRead:
        owed = [one for table in self.list_states("obligations").values() for one in table.values()]
        histories = self.list_states("plan_history")
        holds = [hold for kept in self.list_states("holds").values() for hold in read_kept_holds(kept)]
        return DocumentsRead(
            sites=tuple(self._declare(name, document) for name, document in self.sites.items()),
            plans=tuple(self._declare(name, document) for name, document in self.plans.items()),
            obligations=tuple(one for one in owed if not one.get("settled")),
            settled_obligations=tuple(one for one in owed if one.get("settled")),
            plan_histories=tuple(StoredPlanHistory(name=name, plan_history=one) for name, one in histories.items()),
            holds=tuple(holds),
            lost_nodes=tuple(one for kept in self.list_states("lost_nodes").values() for one in read_lost_nodes(kept)),
        )

    def _declare(self, name: str, document: SiteDocument | PlanDocument) -> DeclaredDocument:
        body = document.model_dump(mode="json", by_alias=True)
        return DeclaredDocument(name=name, document=body, declared=self.declared)

    def read_node_records(self, ask: ReadNodeRecords) -> NodeRecordsRead:
        wanted = {key_of(machine) for machine in ask.machines}
        found = [NodeRecord.model_validate(state) for state in self.list_states("nodes").values()]
        records = tuple(record for record in found if key_of(record.machine_id) in wanted)
        ended = tuple(record.run for record in records if record.run in self.runs.ended)
        return NodeRecordsRead(records=records, ended_runs=ended)

    def take_preview(self, ask: TakePreview) -> PreviewTaken:
        order = ask.operation
        items = {machine.vm: ItemDetail(**machine.view().model_dump()) for machine in self.items.machines.values()}
        facts = PreviewFacts(at=self.clock.now, items=items, hosts={})
        preview = preview_with_readiness(order.document, order.preview_kind, order.sites, facts, options=order.options)
        digest = order.digest if self.plan_digest is None else self.plan_digest
        return PreviewTaken(preview=with_preview_digest(preview), declared_digest=digest)
