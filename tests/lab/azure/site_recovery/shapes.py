"""The shape of a JSON body: which properties it has and of which types, whatever their values."""

from typing import Any

type Shape = dict[str, set[str]]


def shape(value: Any, where: str = "") -> Shape:
    """Types by path; all entries of a list share one path, ids in keys of affectedObjectDetails are names."""
    found: Shape = {where: {type(value).__name__}}
    if isinstance(value, dict):
        for name, each in value.items():
            _merge(found, shape(each, f"{where}.{name}"))
    elif isinstance(value, list):
        for each in value:
            _merge(found, shape(each, f"{where}[]"))
    return found


def _merge(into: Shape, other: Shape) -> None:
    for path, types in other.items():
        into.setdefault(path, set()).update(types)


def differences(recorded: Any, ours: Any) -> list[str]:
    """Where two bodies differ in shape; null stands for any type, an empty list or object for any content."""
    one, other = shape(recorded), shape(ours)
    found = [f"missing {path}" for path in one if path not in other and not _is_open(path, other)]
    found += [f"added {path}" for path in other if path not in one and not _is_open(path, one)]
    for path in one.keys() & other.keys():
        types = (one[path] | other[path]) - {"NoneType"}
        if len(types) > 1 and types != {"int", "float"}:
            found.append(f"type {path}: {sorted(one[path])} became {sorted(other[path])}")
    return sorted(found)


def _is_open(path: str, shape: Shape) -> bool:
    """Whether what is above a path is null or empty on the other side, so that nothing can be said."""
    parent = path
    while "." in parent or "[" in parent:
        parent = parent[: max(parent.rfind("."), parent.rfind("["))]
        if parent in shape:
            children = [other for other in shape if other != parent and other.startswith((parent + ".", parent + "["))]
            return not children
    return False
