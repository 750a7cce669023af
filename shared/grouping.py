"""Pairs gathered by their first part, and keys that come again."""

from collections.abc import Iterable, Iterator


def group_pairs[K, V](pairs: Iterable[tuple[K, V]]) -> dict[K, list[V]]:
    """The second parts of the pairs by the first, both in the order in which they come."""
    groups: dict[K, list[V]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


def find_repetitions[K](keys: Iterable[tuple[int, K]]) -> Iterator[tuple[int, int, int]]:
    """Of each key that was there before at another place: its index, its own place, and that of the first."""
    first: dict[K, int] = {}
    for index, (place, key) in enumerate(keys):
        if first.setdefault(key, place) != place:
            yield index, place, first[key]
