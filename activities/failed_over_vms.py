"""How the machines in Azure do: for the previews of what makes a failover final, ends it, or brings them home."""

from collections.abc import Mapping

from activities.probes import probe_vms
from shared.azure.azure_vms import read_instance_view
from shared.azure.errors import NotFound
from shared.concurrency import map_concurrently
from shared.errors import SiteRecoveryError
from shared.plans.failed_over_vms import GONE, RUNNING, FailedOverVm, is_uncommitted_failover
from shared.plans.machines import site_of
from shared.plans.plan import PlanDocument, PlanItem
from shared.recovery.contract import ProbeBatch, ProbeTarget
from shared.site_recovery.views import ItemDetail
from shared.sites.site import SiteDocument

HARMLESS_PROBES = frozenset({"tcp", "http"})
"""A preview changes nothing and tells nobody: probes that run a script or ask somebody are left to the run."""


async def read_failed_over_vms(
    plan: PlanDocument, sites: Mapping[str, SiteDocument], items: Mapping[str, ItemDetail]
) -> dict[str, FailedOverVm]:
    """How each machine that runs in Azure does now, by VM in lower case.

    Args:
        items: The protected items by VM name in lower case.
    """
    found = [(item, view) for item in plan.items if (view := items.get(item.vm.lower()))]
    targets = [
        _probe_target(item, view, view.target_group or site_of(plan, sites, item).target_resource_group)
        for item, view in found
        if view.is_in_azure
    ]
    vms = await map_concurrently(targets, _read_one)
    return {target.vm.lower(): vm for target, vm in zip(targets, vms, strict=True)}


def _probe_target(item: PlanItem, view: ItemDetail, target_group: str) -> ProbeTarget:
    is_judged = is_uncommitted_failover(view)
    probes = tuple(probe for probe in item.probes if probe.kind in HARMLESS_PROBES) if is_judged else ()
    return ProbeTarget(vm=item.vm, azure_vm=view.azure_vm or item.vm, target_group=target_group, probes=probes)


async def _read_one(target: ProbeTarget) -> FailedOverVm:
    vm_id = f"{target.target_group}/providers/Microsoft.Compute/virtualMachines/{target.azure_vm}"
    try:
        power, guest_agent = await read_instance_view(vm_id)
    except NotFound:
        return FailedOverVm(power=GONE)
    except SiteRecoveryError as failure:
        return FailedOverVm(unread=str(failure))
    if power != RUNNING or not target.probes:
        return FailedOverVm(power=power, guest_agent=guest_agent)
    (answer,) = (await probe_vms(ProbeBatch(targets=(target,)))).answers
    failed_probes = "" if answer.passed else answer.detail
    return FailedOverVm(power=power, guest_agent=guest_agent, failed_probes=failed_probes)
