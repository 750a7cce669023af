"""Resources in Azure beside the vault: what drills and failbacks leave there, and who is on a network."""

from dataclasses import dataclass, field

from shared.activity import Nothing
from shared.errors import Transient
from shared.failback.leftovers import (
    Leftover,
    LeftoversRead,
    ReadLeftovers,
    ReadVmResources,
    RemoveLeftovers,
    VmResourcesRead,
    is_removable,
)
from shared.recovery.contract import NetworkNeighbours, ReadNetwork, TakeInventory
from shared.recovery.drill import AzureResource, Inventory, mark_of
from tests.driver import Clock
from tests.orchestrators.azure.protected_items import ProtectedItems


@dataclass
class AzureResources:
    """Stands for the resource groups and networks in Azure that machines come up in.

    Attributes:
        drill_resources: What is there beside the test machines that run.
        leftovers: What machines that went home have left in Azure.
    """

    clock: Clock
    items: ProtectedItems
    drill_resources: list[AzureResource] = field(default_factory=list)
    leftovers: list[Leftover] = field(default_factory=list)
    silent_reads: int = 0
    network: NetworkNeighbours = field(default_factory=lambda: NetworkNeighbours(found=True))

    def take_inventory(self, ask: TakeInventory) -> Inventory:
        """What was there before, the test machines that run, and what is left of them."""
        tested = [
            AzureResource(id=f"/vm/{machine.vm}-test", type="vm", machine=f"{machine.vm}-test")
            for machine in self.items.machines.values()
            if machine.is_tested
        ]
        resources = [*tested, *self.drill_resources]
        marks = tuple(mark_of(resource.id) for resource in resources)
        before = marks if ask.known_marks is None else ask.known_marks
        added = tuple(resource for resource in resources if mark_of(resource.id) not in before)
        return Inventory(at=self.clock.now, marks=marks, added=added)

    def read_vm_resources(self, ask: ReadVmResources) -> VmResourcesRead:
        """What hangs on each machine; unanswered as often as a test says."""
        if self.silent_reads:
            self.silent_reads -= 1
            raise Transient("no answer")
        return VmResourcesRead(marks={one.vm: (mark_of(f"/azure/{one.azure_vm}-nic"),) for one in ask.machines})

    def read_leftovers(self, ask: ReadLeftovers) -> LeftoversRead:
        return LeftoversRead(leftovers=tuple(one for one in self.leftovers if mark_of(one.id) in ask.marks))

    def remove_leftovers(self, ask: RemoveLeftovers) -> Nothing:
        self.leftovers = [
            one for one in self.leftovers if mark_of(one.id) not in ask.marks or not is_removable(one, ask.since)
        ]
        return Nothing()

    def read_network(self, _ask: ReadNetwork) -> NetworkNeighbours:
        return self.network
