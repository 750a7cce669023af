"""What is wrong with a plan beyond its single fields: names, the order, and addresses that are given twice.

It checks documents whose other fields may be wrong: whoever corrects a plan wants to know all of it at once. Whatever
cannot be read is left to the faults of its fields.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from shared.documents import Fault
from shared.graph import find_cycles
from shared.grouping import find_repetitions


class NamedItem(NamedTuple):
    """A VM's place in the order; each name it comes after with its own position."""

    place: int
    vm: str
    after: tuple[tuple[int, str], ...]


def find_plan_faults(given: Any) -> list[Fault]:
    """All of them, in the order of: names, what each VM comes after, circles, addresses, sites."""
    listed = _read_field(given, "items")
    items = listed if isinstance(listed, list | tuple) else ()
    named = []
    for place, item in enumerate(items):
        vm, after = _read_field(item, "vm"), _read_field(item, "after")
        if isinstance(vm, str):
            befores = enumerate(after if isinstance(after, list | tuple) else ())
            named.append(NamedItem(place, vm, tuple((at, name) for at, name in befores if isinstance(name, str))))
    twice = [
        Fault(("items", place, "vm"), "duplicate_vm", f"{named[at].vm} is already items[{first}]")
        for at, place, first in find_repetitions([(one.place, one.vm.casefold()) for one in named])
    ]
    orders = (*_predecessor_faults(named), *_circle_faults(named))
    return [*twice, *orders, *_address_faults(given, items), *_site_faults(given, items)]


def _read_field(given: Any, key: str) -> Any:
    return given.get(key) if isinstance(given, Mapping) else getattr(given, key, None)


def _predecessor_faults(items: Sequence[NamedItem]) -> Iterator[Fault]:
    names = {vm.casefold() for _, vm, _ in items}
    for place, vm, after in items:
        named_before: set[str] = set()
        for at, name in after:
            if name.casefold() == vm.casefold():
                yield Fault(("items", place, "after", at), "after_itself", f"{vm} cannot come after itself")
            elif name.casefold() not in names:
                yield Fault(("items", place, "after", at), "unknown_vm", f"the plan has no VM {name!r}")
            elif name.casefold() in named_before:
                yield Fault(("items", place, "after", at), "duplicate_after", f"{name} is named twice")
            named_before.add(name.casefold())


def _circle_faults(items: Sequence[NamedItem]) -> Iterator[Fault]:
    first = {item.vm.casefold(): item for item in reversed(items)}
    edges = {
        key: tuple(name.casefold() for _, name in item.after if name.casefold() in first and name.casefold() != key)
        for key, item in reversed(first.items())
    }
    for circle in find_cycles(edges):
        item = first[circle[0]]
        at = next(at for at, name in item.after if name.casefold() == circle[1])
        shown = " -> ".join(first[key].vm for key in circle)
        yield Fault(("items", item.place, "after", at), "circle", f"each waits for the next: {shown}")


def _address_faults(given: Any, items: Sequence[Any]) -> Iterator[Fault]:
    """Two VMs with one address; which networks they are in follows from their ids, or from their site."""
    keys = []
    for place, item in enumerate(items):
        address = _read_field(item, "address")
        if isinstance(address, str) and address:
            scope = _read_field(item, "network") or _read_field(item, "site") or _read_field(given, "site")
            keys.append((place, (str(scope).casefold(), address)))
    for index, place, first in find_repetitions(keys):
        detail = f"{keys[index][1][1]} is already the address of items[{first}]"
        yield Fault(("items", place, "address"), "duplicate_address", detail)


def _site_faults(given: Any, items: Sequence[Any]) -> Iterator[Fault]:
    """VMs without a site: neither they nor the plan name one."""
    if _read_field(given, "site") is not None:
        return
    without = [place for place, item in enumerate(items) if _read_field(item, "site") is None]
    if without and len(without) == len(items):
        yield Fault(("site",), "site_missing", "is required, unless each item names its own")
    else:
        for place in without:
            yield Fault(("items", place, "site"), "site_missing", "is required here, or as the plan's own site")
