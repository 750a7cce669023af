"""What the script read-node says: a page of VMs as packed as a run command's 4,096 bytes of output need it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from shared.onboarding.preflight.facts import DiskFacts, HostFacts, MachineFacts
from shared.sites.node_output import unpacked


class Page(NamedTuple):
    """One run of the script.

    Attributes:
        following: Where the next page of VMs begins, None when this was the last.
    """

    host: HostFacts
    following: int | None


def page_of(node: str, said: Mapping[str, Any]) -> Page:
    """Read one page.

    Raises:
        ValueError: it is not what the script says.
    """
    try:
        packed = unpacked(said["machines"])
        host = HostFacts(
            node=node,
            os_version=said.get("osVersion") or "",
            hyper_v=said["hyperV"] is True,
            application_control=said.get("applicationControl") or "Off",
            registration=said.get("registration") or None,
            reached=said.get("endpoints") or {},
            machines=tuple(_machine(node, one) for one in packed),
        )
    except (KeyError, TypeError, IndexError, ValueError) as wrong:
        raise ValueError(f"read-node said something else on {node}: {wrong}") from wrong
    return Page(host, said.get("next"))


def _machine(node: str, one: Mapping[str, Any]) -> MachineFacts:
    """Names are single letters: that halves the page."""
    return MachineFacts(
        name=one["n"],
        id=one.get("i", ""),
        node=node,
        generation=one["g"],
        guest=one.get("o") or "",
        highly_available=one["h"] is True,
        cpus=one["c"],
        memory_mb=one["m"],
        fibre_channel=one.get("f") is True,
        disks=tuple(DiskFacts(size_gb=size, kind=kind) for size, kind in one["d"]),
    )


def joined(pages: Sequence[HostFacts]) -> HostFacts:
    """All pages of a node as one; the first says what is not about VMs."""
    return pages[0].model_copy(update={"machines": tuple(m for page in pages for m in page.machines)})
