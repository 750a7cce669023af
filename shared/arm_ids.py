"""ARM ids: the names in them, the levels above them, and whether two of them name the same resource.

Ids are compared without regard to case: Azure spells one and the same resource in several ways.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple


class Level(NamedTuple):
    """One level of an id, such as ("vaults", "vault-dr"); the namespace is that of its provider where it is named."""

    type: str
    name: str
    namespace: str = ""


@lru_cache(maxsize=8192)
def _levels_of(arm_id: str) -> tuple[Level, ...]:
    """The levels of an id from its subscription on; none for what is no ARM id.

    Kept for the next time: a list of items is read every tick, and has the same ids each time.
    """
    from azure.mgmt.core.tools import parse_resource_id  # noqa: PLC0415 - costs a cold start 30 ms; only when used

    parts = {key: str(value) for key, value in parse_resource_id(f"/{arm_id.strip('/')}").items()}
    if "subscription" not in parts:
        return ()
    levels = [_level("subscriptions", parts["subscription"])]
    if "resource_group" in parts:
        levels.append(_level("resourceGroups", parts["resource_group"]))
    if "type" in parts:
        levels.append(_level(parts["type"], parts["name"], parts["namespace"]))
    return (*levels, *(_child_level(parts, number) for number in range(1, int(parts.get("last_child_num", 0)) + 1)))


@lru_cache(maxsize=1024)
def _level(resource_type: str, name: str, namespace: str = "") -> Level:
    """One for all ids that have it: the ids of a vault differ in their last level alone."""
    return Level(resource_type, name, namespace)


def _child_level(parts: Mapping[str, str], number: int) -> Level:
    namespace = parts.get(f"child_namespace_{number}", "")
    return _level(parts[f"child_type_{number}"], parts[f"child_name_{number}"], namespace)


def names_by_type(arm_id: str) -> dict[str, str]:
    """The names in an ARM id by their type in lower case: {"vaults": "vault-dr", ...}, each in its own casing.

    Of a type that occurs twice the last counts: below a vault that is the vault's own.
    """
    return {level.type.lower(): level.name for level in _levels_of(arm_id)}


def name_of(arm_id: str) -> str:
    """The resource's own name, which an id ends with; what is a name already, and no id, stays as it is."""
    return arm_id.rstrip("/").rpartition("/")[2]


def subscription_of(arm_id: str) -> str:
    """The subscription's id, empty for what is no ARM id."""
    return names_by_type(arm_id).get("subscriptions", "")


def subscription_path_of(arm_id: str) -> str:
    """ARM id of the subscription that a resource is in."""
    return f"/subscriptions/{subscription_of(arm_id)}"


def group_id_of(arm_id: str) -> str:
    """ARM id of the resource group that a resource is in."""
    names = names_by_type(arm_id)
    return f"{subscription_path_of(arm_id)}/resourceGroups/{names.get('resourcegroups', '')}"


def split_at(arm_id: str, collection: str) -> tuple[str, str]:
    """The id above a collection of children, and what follows it; where the id has none of it, itself and nothing.

    Args:
        collection: In any casing, such as "ipConfigurations".
    """
    above = arm_id.lower().partition(f"/{collection.lower()}/")[0]
    return arm_id[: len(above)], arm_id[len(above) + len(collection) + 2 :]


def key_of(arm_id: str) -> str:
    """A short key that is equal for equal resources, however their ids were spelt: the names in the id."""
    names = (name for level in _levels_of(arm_id) for name in (level.namespace, level.name) if name)
    return "|".join(names).lower()


def same_id(arm_id: str, other_id: str) -> bool:
    """Whether two ARM ids name the same resource."""
    return arm_id.strip("/").lower() == other_id.strip("/").lower()


def is_within(scope: str, above: str) -> bool:
    """Whether a scope is the other one, or below it; everything is below the scope "/"."""
    return f"{scope.lower().rstrip('/')}/".startswith(f"{above.lower().rstrip('/')}/")
