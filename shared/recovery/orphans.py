"""The cleanup of test failovers that no run of this app is known to have begun. Pure."""

from collections.abc import Sequence

from shared.operations.kinds import REQUESTED_BY_TIMER
from shared.plans.plan import PlanDocument, PlanItem
from shared.recovery.operation import Operation
from shared.request_ids import run_id
from shared.sites.site import SiteDocument


def orphan_cleanup(
    name: str, site: SiteDocument, vms: Sequence[str], slot: str, by: str = REQUESTED_BY_TIMER
) -> Operation:
    """The cleanup of test machines that no plan knows; one for the same machines in the same slot of time."""
    plan = PlanDocument(site=name, items=tuple(PlanItem(vm=vm) for vm in vms))
    return Operation(
        id=run_id("cleanup", f"orphans-{name}", ":".join([slot, *vms])),
        kind="cleanup",
        plan=f"orphans-{name}"[:42],
        requested_by=by,
        digest=plan.digest,
        document=plan,
        sites={name: site},
    )
