"""What Azure shows to be wrong with a plan that is to be declared, by the fields of its document. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

from shared.identity import Missing, is_of, site_of
from shared.messages import ItemView, VaultRef
from shared.placing import Room, place_blockers
from shared.plans import PlanDocument
from shared.problems import FieldError
from shared.sites import SiteDocument

ALIKE, HINTS = 3, 20
"""How many names are offered for one that is unknown, and for how many: to look for them takes its time."""
_FIELDS = {"address-outside": "address", "subnet-missing": "subnet"}


def unknown_machines(
    plan: PlanDocument,
    sites: Mapping[str, SiteDocument],
    missing: Mapping[str, Missing],
    views: Mapping[str, Sequence[ItemView]],
) -> Iterator[FieldError]:
    """Machines that no protected item is found for, with names that are like theirs.

    Args:
        missing: By VM name in lower case, why there is none.
        views: The protected items, by key of their vault; a machine whose vault was not read is not judged.
    """
    hints = 0
    for place, item in enumerate(plan.items):
        site, why = site_of(plan, sites, item), missing.get(item.vm.lower())
        if why is None or (vault := VaultRef.from_id(site.vault)).key not in views:
            continue
        alike: list[str] = []
        if why.code == "not-protected" and hints < HINTS:
            alike, hints = _alike(item.vm, site, views[vault.key]), hints + 1
        hint = f"; {vault.vault} protects {', '.join(alike)}" if alike else ""
        yield FieldError(field=f"items[{place}].vm", detail=f"{why.detail}{hint}")


def _alike(vm: str, site: SiteDocument, views: Sequence[ItemView]) -> list[str]:
    names = {view.vm.lower(): view.vm for view in views if is_of(site, view)}
    return [names[name] for name in get_close_matches(vm.lower(), names, ALIKE)]


def misplaced(plan: PlanDocument, sites: Mapping[str, SiteDocument], rooms: Mapping[str, Room]) -> Iterator[FieldError]:
    """Networks that are not there, subnets that these do not have, and addresses outside of those.

    Args:
        rooms: The networks by ARM id in lower case; one that could not be read is not judged.
    """
    named = [("drill.network", plan.drill.network)] if plan.drill else []
    named += [(f"items[{place}].network", item.network) for place, item in enumerate(plan.items) if item.network]
    for field, network in named:
        if (room := rooms.get(network.lower())) and not room.found:
            yield FieldError(field=field, detail=f"there is no virtual network {network}")
    places = {item.vm: place for place, item in enumerate(plan.items)}
    for one in place_blockers(plan, sites, rooms):
        if one.vm:
            yield FieldError(field=f"items[{places[one.vm]}].{_FIELDS[one.code]}", detail=one.detail)
