"""What giving a failover up would do, in one sentence that has to be repeated by whoever wants it. Pure."""

from collections.abc import Mapping, Sequence

from shared.messages import ItemView
from shared.plans import PlanDocument
from shared.verbs import ready

SHOWN = 10


def confirmation(plan: PlanDocument, items: Mapping[str, ItemView]) -> str:
    """The sentence for this plan as its machines are now; empty when there is nothing to cancel.

    Args:
        items: The protected items by VM name, in any casing.

    Source: the vendor's documentation: a failover that is cancelled ends the replication; a failback that is
    cancelled during its data synchronisation leaves the machine on premises corrupt.
    """
    known = {vm.casefold(): view for vm, view in items.items()}
    views = [known[item.vm.casefold()] for item in plan.items if item.vm.casefold() in known]
    struck = [view for view in views if ready("CancelFailover", view) is None]
    back = [view.vm for view in struck if _fails_back(view)]
    over = [view.vm for view in struck if not _fails_back(view)]
    told = [f"the replication of {_named(over)} ends, and they must be protected anew"] if over else []
    told += [f"on premises {_named(back)} may be corrupt until failed back once more"] if back else []
    return f"Cancel: {'; '.join(told)}." if told else ""


def _fails_back(view: ItemView) -> bool:
    """Whether a failback runs: Site Recovery calls its scenario PlannedFailover too."""
    return view.active_location == "Recovery" and "Commit" not in view.allowed_operations


def _named(vms: Sequence[str]) -> str:
    return ", ".join(vms[:SHOWN]) + (f" and {len(vms) - SHOWN} more" if len(vms) > SHOWN else "")
