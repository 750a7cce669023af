"""What a machine in Azure says about a commit, a cancel or a failback: how it does now. Pure."""

from collections.abc import Iterator

from shared.messages import Message
from shared.obstacle import Obstacle
from shared.plans.preview_kinds import PreviewKind
from shared.plans.readiness_checks import WeightedObstacle
from shared.site_recovery.views import ItemView

JUDGED_BY_AZURE_VM: frozenset[PreviewKind] = frozenset({"commit", "cancel", "failback"})
RUNNING, GONE = "running", "gone"


class FailedOverVm(Message):
    """A machine that runs in Azure.

    Attributes:
        power: Its power state as Azure spells it, "gone" when there is no such machine, empty when it is not known.
        unread: Why that could not be read.
        guest_agent: The version of the Azure VM agent in it; empty where none reports.
        failed_probes: What the plan's probes of its ports said that failed now.
    """

    power: str = ""
    unread: str = ""
    guest_agent: str = ""
    failed_probes: str = ""


def is_uncommitted_failover(view: ItemView) -> bool:
    """Whether it runs in Azure, and may still be committed, cancelled or started from another point."""
    return view.is_in_azure and "Commit" in view.allowed_operations


def weigh_failed_over_vm(kind: PreviewKind, vm: str, azure_vm: FailedOverVm) -> Iterator[WeightedObstacle]:
    """What there is to say about a machine; that its probes fail speaks for a cancel, and not against it."""
    if azure_vm.guest_agent and kind != "cancel":
        yield "warning", _guest_agent_obstacle(vm, azure_vm.guest_agent)
    if azure_vm.unread:
        detail = f"how the Azure VM of {vm} does could not be read: {azure_vm.unread}"
        yield "warning", Obstacle(vm=vm, code="azure-vm-unread", detail=detail)
    elif kind != "failback":
        yield from _weigh_uncommitted_vm(kind, vm, azure_vm)


def _weigh_uncommitted_vm(kind: PreviewKind, vm: str, azure_vm: FailedOverVm) -> Iterator[WeightedObstacle]:
    if azure_vm.power == GONE:
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


def _guest_agent_obstacle(vm: str, version: str) -> Obstacle:
    """Source: the caveats of the vendor's guide for Site Recovery on Azure Stack HCI."""
    detail = (
        f"the Azure VM agent ({version}) runs in {vm}: where Arc has installed extensions, two agents that manage them "
        f"get into each other's way once it is home. Uninstall it, or switch off its management of extensions"
    )
    return Obstacle(vm=vm, code="guest-agent", detail=detail)
