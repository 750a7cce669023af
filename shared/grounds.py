"""What a drill rests on beside its plan: where its sites bring machines, and how large these are. Pure."""

from collections.abc import Iterable, Iterator, Mapping

from shared.messages import ItemView, RunItem
from shared.plans import PlanDocument
from shared.sites import SiteDocument

FIELDS = {
    "cluster": "cluster",
    "vault": "vault",
    "hyper_v_site": "Hyper-V site",
    "target_resource_group": "target resource group",
    "network": "network",
}
"""Fields of a site that decide where a failover ends; of other ones a change proves no drill wrong."""
SHOWN = 5

type Grounds = dict[str, dict[str, str]]
"""By name of a site or a VM ("site hci-01", "VM sql-01"): what was so, by its own name."""


def grounds_of(
    plan: PlanDocument, sites: Mapping[str, SiteDocument], machines: Iterable[ItemView | RunItem]
) -> Grounds:
    """What a drill would rest on now; a machine whose disks the vault does not tell is left out."""
    told: Grounds = {}
    for name in plan.site_names:
        site = sites[name]
        told[f"site {name}"] = {said: str(getattr(site, field)).lower() for field, said in FIELDS.items()}
    names = {item.vm.lower() for item in plan.items}
    sizes = {f"VM {one.vm.lower()}": {"size of disks": str(one.disk_mb)} for one in machines if _counts(one, names)}
    return told | sizes


def _counts(machine: ItemView | RunItem, names: set[str]) -> bool:
    return bool(machine.disk_mb) and machine.vm.lower() in names


def changed(then: Grounds, now: Grounds) -> tuple[str, ...]:
    """What is no longer as it was, in words; what is known of one of both times only is not judged."""
    told = list(_changed(then, now))
    rest = len(told) - SHOWN
    return (*told[:SHOWN], f"and {rest} more") if rest > 0 else tuple(told)


def _changed(then: Grounds, now: Grounds) -> Iterator[str]:
    for about, known in then.items():
        for what, value in known.items():
            if about in now and now[about].get(what, value) != value:
                yield f"the {what} of {about} is {now[about][what]} and was {value}"
