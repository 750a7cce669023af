"""How many cores a region gives to a subscription, in all and by family of sizes, against what VMs need. Pure."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pydantic import Field

from shared.messages import Message
from shared.wording import list_briefly

TOTAL = "cores"
"""What Azure calls the quota of all cores."""


class VmSize(Message):
    """A size of VMs.

    Attributes:
        family: Name of its quota: "standardDSv5Family".
    """

    cores: int
    family: str


class Usage(Message):
    """A quota, and what of it is used; `shown` as Azure calls it for people."""

    used: int
    limit: int
    shown: str = ""

    @property
    def free(self) -> int:
        """What is left."""
        return max(0, self.limit - self.used)


class RegionQuota(Message):
    """The quotas of a region.

    Attributes:
        usages: By name of the quota.
        sizes: By name of the size in lower case; only those that were asked for.
    """

    region: str
    usages: dict[str, Usage] = Field(default_factory=dict)
    sizes: dict[str, VmSize] = Field(default_factory=dict)


class Demand(NamedTuple):
    """What some VMs need of one quota.

    Attributes:
        usage: The quota as it is.
    """

    name: str
    usage: Usage
    cores: int
    vms: tuple[str, ...]

    @property
    def is_too_much(self) -> bool:
        """Whether a VM would be refused."""
        return self.cores > self.usage.free

    def describe(self, region: str) -> str:
        """The figures."""
        usage = self.usage
        quota = "cores" if self.name == TOTAL else f"cores of the family {usage.shown or self.name}"
        return (
            f"{self.cores} {quota} are needed for {list_briefly(self.vms)}; {usage.free} of {usage.limit} are free in "
            f"{region}"
        )


def find_demands(quota: RegionQuota, sizes: Mapping[str, str]) -> Iterator[Demand]:
    """What VMs need of each quota that Azure shows, in all and by family; nothing of sizes that nobody knows.

    Args:
        sizes: By VM, its size.
    """
    known = {vm: found for vm, size in sizes.items() if (found := quota.sizes.get(size.lower()))}
    for name in (TOTAL, *dict.fromkeys(size.family for size in known.values())):
        vms = tuple(vm for vm, size in known.items() if name in {TOTAL, size.family})
        if vms and (usage := quota.usages.get(name)):
            yield Demand(name, usage, sum(known[vm].cores for vm in vms), vms)
