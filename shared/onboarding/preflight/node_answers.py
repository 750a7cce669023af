"""What the script read-node says: a page of VMs as packed as a run command's 4,096 bytes of output need it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from shared.onboarding.preflight.facts import DiskFacts, HostFacts, MachineFacts
from shared.sites.node_output import unpack_json


class NodePage(NamedTuple):
    """One run of the script.

    Attributes:
        next_start: Where the next page of VMs begins, None when this was the last.
    """

    host: HostFacts
    next_start: int | None


def read_node_page(node: str, answer: Mapping[str, Any]) -> NodePage:
    """Read one page.

    Raises:
        ValueError: it is not what the script says.
    """
    try:
        packed = unpack_json(answer["machines"])
        host = HostFacts(
            node=node,
            os_version=answer.get("osVersion") or "",
            hyper_v=answer["hyperV"] is True,
            application_control=answer.get("applicationControl") or "Off",
            registration=answer.get("registration") or None,
            reached=answer.get("endpoints") or {},
            machines=tuple(_machine_facts(node, one) for one in packed),
        )
    except (KeyError, TypeError, IndexError, ValueError) as wrong:
        raise ValueError(f"read-node said something else on {node}: {wrong}") from wrong
    return NodePage(host, answer.get("next"))


def _machine_facts(node: str, fields: Mapping[str, Any]) -> MachineFacts:
    """Names are single letters: that halves the page."""
    return MachineFacts(
        name=fields["n"],
        id=fields.get("i", ""),
        node=node,
        generation=fields["g"],
        guest=fields.get("o") or "",
        highly_available=fields["h"] is True,
        cpus=fields["c"],
        memory_mb=fields["m"],
        fibre_channel=fields.get("f") is True,
        disks=tuple(DiskFacts(size_gb=size, kind=kind) for size, kind in fields["d"]),
    )


def join_node_pages(pages: Sequence[HostFacts]) -> HostFacts:
    """All pages of a node as one; the first says what is not about VMs."""
    return pages[0].model_copy(update={"machines": tuple(m for page in pages for m in page.machines)})
