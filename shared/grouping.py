"""Pairs gathered by their first part."""

from collections.abc import Iterable


def group_pairs[K, V](pairs: Iterable[tuple[K, V]]) -> dict[K, list[V]]:
    """The second parts of the pairs by the first, both in the order in which they come."""
    groups: dict[K, list[V]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups
