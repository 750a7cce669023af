"""ARM ids: they keep the casing that they were written with, and are compared without it."""

from itertools import pairwise
from urllib.parse import quote


def is_same_id(one: str, other: str) -> bool:
    """Whether two ARM ids name the same resource."""
    return one.rstrip("/").lower() == other.rstrip("/").lower()


def name_of(arm_id: str) -> str:
    """The last segment: the resource's own name."""
    return arm_id.rstrip("/").rpartition("/")[2]


def part_of(arm_id: str, kind: str) -> str | None:
    """The segment that follows `kind` ("resourceGroups", "machines"), or None where the id has no such part."""
    segments = arm_id.strip("/").split("/")
    for label, value in pairwise(segments):
        if label.lower() == kind.lower():
            return value
    return None


def type_of(arm_id: str) -> str:
    """The resource type after the last `providers`: "Microsoft.HybridCompute/machines/extensions"."""
    found = arm_id.lower().rfind("/providers/")
    if found < 0:
        return "Microsoft.Resources/resourceGroups" if part_of(arm_id, "resourceGroups") else ""
    segments = arm_id[found + len("/providers/") :].split("/")
    return "/".join([segments[0], *segments[1::2]])


def group_id(subscription: str, group: str) -> str:
    """The id of a resource group."""
    return f"/subscriptions/{subscription}/resourceGroups/{group}"


def resource_id(subscription: str, group: str, resource_type: str, *names: str) -> str:
    """The id of a resource: `resource_type` is "Provider/type[/type...]", with one name for each type."""
    namespace, *types = resource_type.split("/")
    path = "/".join(f"{kind}/{quote(name)}" for kind, name in zip(types, names, strict=True))
    return f"{group_id(subscription, group)}/providers/{namespace}/{path}"
