"""The sizes of VMs that the region offers; a choice of Azure's, with their cores and memory."""

from typing import NamedTuple


class Size(NamedTuple):
    """A size; `family` is the name of its quota among the usages of Microsoft.Compute."""

    name: str
    cores: int
    memory_gb: float
    family: str


SIZES = (
    Size("Standard_B1s", 1, 1.0, "standardBSFamily"),
    Size("Standard_B2s", 2, 4.0, "standardBSFamily"),
    Size("Standard_D2s_v5", 2, 8.0, "standardDSv5Family"),
    Size("Standard_D4s_v5", 4, 16.0, "standardDSv5Family"),
    Size("Standard_E4s_v5", 4, 32.0, "standardESv5Family"),
    Size("Standard_E8s_v5", 8, 64.0, "standardESv5Family"),
)
FAMILIES = {
    "standardBSFamily": "Standard BS Family vCPUs",
    "standardDSv5Family": "Standard DSv5 Family vCPUs",
    "standardESv5Family": "Standard ESv5 Family vCPUs",
}
"""By the name of the quota: what people call it."""


def find_size(name: str) -> Size | None:
    """A size by its name in any casing."""
    return next((size for size in SIZES if size.name.lower() == name.lower()), None)
