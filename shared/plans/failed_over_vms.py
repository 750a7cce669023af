"""What speaks against making a failover final, or giving it up: how its machine in Azure does now. Pure."""

from collections.abc import Iterator

from shared.messages import Message
from shared.obstacle import Obstacle
from shared.plans.preview_kinds import PreviewKind
from shared.plans.readiness_checks import WeightedObstacle
from shared.site_recovery.views import ItemView

JUDGED_BY_AZURE_VM: frozenset[PreviewKind] = frozenset({"commit", "cancel"})
RUNNING, GONE = "running", "gone"


class FailedOverVm(Message):
    """A machine in Azure whose failover is not committed.

    Attributes:
        power: Its power state as Azure spells it, "gone" when there is no such machine, empty when it is not known.
        unread: Why that could not be read.
        failed_probes: What the plan's probes of its ports said that failed now.
    """

    power: str = ""
    unread: str = ""
    failed_probes: str = ""


def is_uncommitted_failover(view: ItemView) -> bool:
    """Whether it runs in Azure, and may still be committed, cancelled or started from another point."""
    return view.active_location == "Recovery" and "Commit" in view.allowed_operations


def weigh_failed_over_vm(kind: PreviewKind, vm: str, azure_vm: FailedOverVm) -> Iterator[WeightedObstacle]:
    """Concerns about a machine; that its probes fail speaks for a cancel, and not against it."""
    if azure_vm.unread:
        detail = f"how the Azure VM of {vm} does could not be read: {azure_vm.unread}"
        yield "warning", Obstacle(vm=vm, code="azure-vm-unread", detail=detail)
    elif azure_vm.power == GONE:
        detail = (
            f"the Azure VM of {vm} is not there: another recovery point makes it anew, as long as nothing is committed"
        )
        yield "concern", Obstacle(vm=vm, code="azure-vm-gone", detail=detail)
    elif azure_vm.power != RUNNING:
        power = azure_vm.power or "power state unknown"
        detail = f"the Azure VM of {vm} does not run ({power}): start it, and see whether it is well"
        yield "concern", Obstacle(vm=vm, code="azure-vm-stopped", detail=detail)
    elif azure_vm.failed_probes and kind == "commit":
        remedy = "Until the commit another recovery point can be chosen"
        detail = f"{vm} does not pass its probes: {azure_vm.failed_probes}. {remedy}"
        yield "concern", Obstacle(vm=vm, code="probes-failed", detail=detail)
