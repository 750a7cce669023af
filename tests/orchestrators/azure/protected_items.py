"""The vault's protected items: their states, what they allow, and whether their machines answer probes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from shared.recovery.contract import ProbeBatch, ProbesTried
from shared.replication.settings import VmSettings
from shared.site_recovery.contract import ItemsRead, ProbeAnswer, ReadItems
from shared.site_recovery.views import ItemView

FAILED_OVER = datetime(2026, 1, 5, 7, tzinfo=UTC)
LIFE = {
    "TestFailover": ("Protected", "Primary", ("TestFailoverCleanup",), 10),
    "TestFailoverCleanup": ("Protected", "Primary", ("PlannedFailover", "UnplannedFailover", "TestFailover"), 3),
    "PlannedFailover": ("PlannedFailoverCommitRequired", "Recovery", ("Commit", "ChangePit"), 6),
    "UnplannedFailover": ("UnplannedFailoverCommitPendingStatesBegin", "Recovery", ("Commit",), 6),
    "Commit": ("PlannedFailoverStatesBegin", "Recovery", ("Failback",), 1),
    "Failback": ("FailbackDone", "Primary", ("FinalizeFailback",), 9),
    "FinalizeFailback": ("FailbackCommitted", "Primary", ("ReverseReplicate",), 1),
    "CancelFailover": ("FailoverCancelled", "Primary", ("DisableProtection",), 1),
    "ChangePit": ("UnplannedFailoverCommitPendingStatesBegin", "Recovery", ("Commit", "ChangePit"), 6),
    "ReverseReplicate": ("Protected", "Primary", ("PlannedFailover", "UnplannedFailover", "TestFailover"), 2),
}
"""By verb: the protection state, the active location and the allowed operations after it, and its usual minutes."""


@dataclass
class Machine:
    """A protected item, and the machine behind it.

    Attributes:
        renamed: What Azure calls the machine once it is there, where that is another name.
        busy: The verb whose job runs, else "None".
    """

    vm: str
    protection: str = "Protected"
    location: str = "Primary"
    allowed: tuple[str, ...] = LIFE["ReverseReplicate"][2]
    test: str = "None"
    busy: str = "None"
    place: str = "/items"
    hyper_v_site: str = ""
    renamed: str = ""
    last_test_failover: datetime | None = None
    rpo: timedelta | None = None
    rpo_at: datetime | None = None

    @property
    def id(self) -> str:
        return f"{self.place}/{self.vm}"

    @property
    def is_tested(self) -> bool:
        """Whether its test machine is there."""
        return self.test == "WaitingForCompletion"

    @property
    def name(self) -> str:
        """What the item calls its machine in Azure: the real name only once that is there."""
        return self.renamed if self.renamed and self.location == "Recovery" else self.vm

    @property
    def probe_name(self) -> str:
        """Under which name it is to be probed."""
        return f"{self.vm}-test" if self.is_tested else self.renamed or self.vm

    def view(self) -> ItemView:
        return ItemView(
            id=self.id,
            vm=self.vm,
            protection_state=self.protection,
            active_location=self.location,
            test_failover_state=self.test,
            allowed_operations=() if self.busy != "None" else self.allowed,
            scenario=self.busy,
            azure_vm=self.name,
            target_group="/groups/target",
            last_failover=FAILED_OVER,
            last_test_failover=self.last_test_failover,
            hyper_v_site=self.hyper_v_site,
            rpo=self.rpo,
            rpo_at=self.rpo_at,
        )

    def reach(self, step: str) -> None:
        self.protection, self.location, self.allowed, _ = LIFE[step]
        if step.startswith("TestFailover"):
            self.test = "WaitingForCompletion" if step == "TestFailover" else "MarkedForDeletion"


@dataclass
class ProtectedItems:
    """Stands for the vault's list of protected items.

    Attributes:
        machines: Those that live as Site Recovery's do, by a name of the test's own.
        fixed_views: Those that a test sets as they are read, by a name of its own; no verb is sent to them.
        silent_vms: Those whose machines pass no probe.
        settings: What was set for a machine's life in Azure.
    """

    machines: dict[str, Machine] = field(default_factory=dict)
    fixed_views: dict[str, ItemView] = field(default_factory=dict)
    silent_vms: set[str] = field(default_factory=set)
    settings: dict[str, VmSettings] = field(default_factory=dict)

    def protect(self, vms: Sequence[str]) -> None:
        """These and no others."""
        self.machines = {vm: Machine(vm) for vm in vms}

    def find_machine(self, item_id: str) -> Machine:
        return next(machine for machine in self.machines.values() if machine.id == item_id)

    def read_items(self, ask: ReadItems) -> ItemsRead:
        names = {vm.lower() for vm in ask.vms}
        views = [*(machine.view() for machine in self.machines.values()), *self.fixed_views.values()]
        return ItemsRead(items=tuple(view for view in views if not names or view.vm.lower() in names))

    def probe_vms(self, ask: ProbeBatch) -> ProbesTried:
        """A machine that is not silent passes, under its real name only."""
        named = {target.vm for target in ask.targets if target.azure_vm == self.machines[target.vm].probe_name}
        passed = named - self.silent_vms
        tried = [ProbeAnswer(vm=one.vm, passed=one.vm in passed, detail="no answer on 1433") for one in ask.targets]
        return ProbesTried(answers=tuple(tried))
