"""What the activities answer, without Azure: parts that keep the contracts of `shared`, on one clock.

How Azure itself behaves is the simulated Azure's business; here a runbook is run on its own.
"""

from collections.abc import Callable, Iterable
from typing import Any

from shared.activity import Activity
from shared.evidence import contract as evidence
from shared.failback import leftovers
from shared.healing import contract as healing
from shared.operations import contract as operations
from shared.plans import contract as plans
from shared.recovery import contract as recovery
from shared.recovery_plans import contract as recovery_plans
from shared.replication.contract import START_PROTECTION
from shared.site_recovery import contract as site_recovery
from tests.driver import Clock
from tests.orchestrators.azure.azure_resources import AzureResources
from tests.orchestrators.azure.documents import Documents
from tests.orchestrators.azure.evidence import EvidenceStore
from tests.orchestrators.azure.faults import Faults
from tests.orchestrators.azure.hooks import Hooks
from tests.orchestrators.azure.jobs import Jobs
from tests.orchestrators.azure.nodes import Nodes
from tests.orchestrators.azure.on_premises import OnPremises
from tests.orchestrators.azure.protected_items import ProtectedItems
from tests.orchestrators.azure.recovery_plans import RecoveryPlans
from tests.orchestrators.azure.recovery_points import RecoveryPoints
from tests.orchestrators.azure.runs import Runs


class FakeAzure:
    """Stands for all that activities reach: the vault, the nodes, other resources, and the app's own stores."""

    def __init__(self, vms: Iterable[str] = (), nodes: Iterable[str] = ("n1", "n2")) -> None:
        self.clock = Clock()
        self.faults = Faults()
        self.items = ProtectedItems()
        self.items.protect(tuple(vms))
        self.jobs = Jobs(self.clock, self.items)
        self.recovery_plans = RecoveryPlans(self.jobs)
        self.recovery_points = RecoveryPoints()
        self.on_premises = OnPremises()
        self.nodes = Nodes(self.clock, self.on_premises)
        self.nodes.add_nodes(nodes)
        self.resources = AzureResources(self.clock, self.items)
        self.hooks = Hooks(self.clock)
        self.evidence = EvidenceStore()
        self.runs = Runs()
        self.documents = Documents(self.clock, self.items, self.runs, declared=self.clock.now)
        self.clock.watchers.append(lambda _now: self._follow_clock())

    def _follow_clock(self) -> None:
        self.jobs.end_due_jobs()
        self.recovery_plans.advance_jobs()
        self.nodes.make_due_changes()

    def activities(self) -> dict[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        """Each activity by its name, as the durable engine calls it."""
        return {activity.name: self.faults.serve(activity, answer) for activity, answer in self._answers().items()}

    def _answers(self) -> dict[Activity[Any, Any], Callable[[Any], Any]]:
        """By contract, which part answers."""
        return {
            site_recovery.READ_ITEMS: self.items.read_items,
            site_recovery.START_VERBS: self.jobs.start_verbs,
            site_recovery.WATCH_JOBS: self.jobs.watch_jobs,
            site_recovery.RESUME_JOBS: self.recovery_plans.resume_jobs,
            site_recovery.READ_PROVIDERS: self.nodes.read_providers,
            START_PROTECTION: self.jobs.start_protection,
            recovery.PROBE_VMS: self.items.probe_vms,
            recovery.START_RECOVERY_PLAN: self.recovery_plans.start_plan,
            recovery.READ_RECOVERY_PLAN_JOB: self.recovery_plans.read_plan_job,
            recovery.CHECK_POINTS: self.recovery_points.check_points,
            recovery.KEEP_POINTS: self.recovery_points.keep_points,
            recovery.TAKE_PREVIEW: self.documents.take_preview,
            recovery.TAKE_INVENTORY: self.resources.take_inventory,
            recovery.READ_NETWORK: self.resources.read_network,
            recovery.RUN_HOOK: self.hooks.run_hook,
            recovery.BEGIN_HOOK_WORK: self.hooks.begin_work,
            recovery.READ_HOOK_WORK: self.hooks.read_work,
            recovery.END_HOOK_WORK: self.hooks.end_work,
            recovery_plans.READ_MIRROR: self.recovery_plans.read_mirror,
            recovery_plans.WRITE_PART: self.recovery_plans.write_part,
            leftovers.READ_VM_RESOURCES: self.resources.read_vm_resources,
            leftovers.READ_LEFTOVERS: self.resources.read_leftovers,
            leftovers.REMOVE_LEFTOVERS: self.resources.remove_leftovers,
            healing.READ_NODES: self.nodes.read_nodes,
            healing.READ_CAUSE: self.nodes.read_cause,
            healing.REMOVE_EXTENSION: self.nodes.remove_extension,
            healing.CREATE_EXTENSION: self.nodes.create_extension,
            healing.RUN_SCRIPT: self.nodes.run_script,
            healing.READ_SCRIPT: self.nodes.read_script,
            healing.REMOVE_SCRIPT: self.nodes.remove_script,
            healing.READ_LOCKS: self.nodes.read_locks,
            healing.REMOVE_LOCKS: self.nodes.remove_locks,
            healing.RESTORE_LOCKS: self.nodes.restore_locks,
            healing.READ_NODE_RECORDS: self.documents.read_node_records,
            plans.READ_DOCUMENTS: self.documents.read_documents,
            operations.PUBLISH_EVENT: self.runs.publish_event,
            operations.CHECK_SEAL: self.runs.check_seal,
            operations.READ_ENDED_RUNS: self.runs.read_ended,
            operations.READ_HOLDERS: self.runs.read_holders,
            operations.READ_OUTCOMES: self.runs.read_outcomes,
            operations.START_RUN: self.runs.start_run,
            operations.PURGE_ENDED_RUNS: self.runs.purge_ended_runs,
            operations.START_CLEANUP: self.runs.start_cleanup,
            evidence.WRITE_RECORDS: self.evidence.write_records,
            evidence.SEAL_PACK: self.evidence.seal_pack,
            evidence.SEAL_LOST_PACK: self.evidence.seal_lost_pack,
            evidence.READ_LOG_END: self.evidence.read_log_end,
            evidence.LOG_ACTS: self.evidence.log_acts,
            operations.READ_LOST_RUNS: self.runs.read_lost_runs,
        }
