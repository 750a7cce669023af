"""The order of a plan: who waits for whom, as plain edges from a name to the names it comes after."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from graphlib import CycleError, TopologicalSorter
from itertools import chain, pairwise

from shared.grouping import group_pairs

Edges = Mapping[str, Sequence[str]]
"""For each name, those that must be up before it; every name that is mentioned is a key."""


def waves_of(after: Edges) -> tuple[tuple[str, ...], ...]:
    """Names in waves: each wave waits only for those before it; inside a wave, in the order of `after`.

    Raises:
        ValueError: the names wait for each other in a circle.
    """
    depth: dict[str, int] = {}
    for name in _topological_order(after):
        depth[name] = 1 + max((depth[before] for before in after[name]), default=-1)
    waves: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name in after:
        waves[depth[name]].append(name)
    return tuple(tuple(wave) for wave in waves)


def find_cycle(after: Edges) -> tuple[str, ...] | None:
    """A circle of names, each waiting for the next and the last equal to the first; None when there is none."""
    sorter = TopologicalSorter(after)
    try:
        sorter.prepare()
    except CycleError as error:
        found: list[str] = error.args[1][::-1]  # the library lists who is waited for first
        return _start_at_first_declared(found, after)
    return None


def find_cycles(after: Edges, most: int = 10) -> tuple[tuple[str, ...], ...]:
    """Circles that share no name, at most `most` of them."""
    left = {name: tuple(before) for name, before in after.items()}
    found: list[tuple[str, ...]] = []
    while len(found) < most and (cycle := find_cycle(left)):
        found.append(cycle)
        rest = [name for name in left if name not in cycle]
        left = {name: tuple(before for before in left[name] if before not in cycle) for name in rest}
    return tuple(found)


def reversed_edges(after: Edges) -> dict[str, tuple[str, ...]]:
    """The same plan from its end: what came last comes first, as on the way back."""
    follows = group_pairs((before, name) for name, befores in after.items() for before in befores)
    return {name: tuple(follows.get(name, ())) for name in after}


def bridged_edges(after: Edges, kept: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The order among the names that are kept: what is left out between two of them still keeps them in order."""
    before_by_name: dict[str, tuple[str, ...]] = {}
    for name in _topological_order(after):
        befores = ((one,) if one in kept else before_by_name[one] for one in after[name])
        before_by_name[name] = tuple(dict.fromkeys(chain.from_iterable(befores)))
    return {name: before_by_name[name] for name in after if name in kept}


def critical_path(after: Edges, durations: Mapping[str, timedelta]) -> tuple[timedelta, tuple[str, ...]]:
    """The longest chain of waiting: how long it takes when nothing else holds it up, and its names in order."""
    finish: dict[str, timedelta] = {}
    waited_for: dict[str, str | None] = {}
    for name in _topological_order(after):
        last = max(after[name], key=finish.__getitem__, default=None)
        waited_for[name] = last
        finish[name] = durations[name] + (finish[last] if last is not None else timedelta(0))
    if not finish:
        return timedelta(0), ()
    return max(finish.values()), _path_to(max(finish, key=finish.__getitem__), waited_for)


def _path_to(end: str | None, waited_for: Mapping[str, str | None]) -> tuple[str, ...]:
    path: list[str] = []
    while end is not None:
        path.append(end)
        end = waited_for[end]
    return tuple(reversed(path))


def _topological_order(after: Edges) -> tuple[str, ...]:
    try:
        return tuple(TopologicalSorter(after).static_order())
    except CycleError:
        raise ValueError(f"they wait for each other: {' -> '.join(find_cycle(after) or ())}") from None


def _start_at_first_declared(cycle: Sequence[str], after: Edges) -> tuple[str, ...]:
    ring = [here for here, _ in pairwise(cycle)]
    rank = {name: place for place, name in enumerate(after)}
    start = min(range(len(ring)), key=lambda place: rank.get(ring[place], len(rank)))
    rotated = ring[start:] + ring[:start]
    return (*rotated, rotated[0])
