"""What the script read-node says of a node and of a page of its VMs."""

from collections.abc import Mapping, Sequence
from typing import Any

from shared.onboarding.preflight.facts import DiskFacts, HostFacts, MachineFacts
from shared.sites.node_output import Page, read_page, unpack_json


def read_node_page(node: str, output: Mapping[str, Any]) -> Page[HostFacts]:
    """Read one page.

    Raises:
        ValueError: it is not what the script writes.
    """
    return read_page("read-node", node, output, _read_host)


def _read_host(node: str, output: Mapping[str, Any]) -> HostFacts:
    """The host as its page shows it; fields of a VM have names of one letter: that halves the page."""
    machines = tuple(
        MachineFacts(
            name=fields["n"],
            id=fields.get("i", ""),
            node=node,
            generation=fields["g"],
            guest=fields.get("o") or "",
            highly_available=fields["h"] is True,
            cpus=fields["c"],
            memory_mb=fields["m"],
            fibre_channel=fields.get("f") is True,
            disks=tuple(
                DiskFacts(size_gb=size, kind=kind, unread=" ".join(unread)) for size, kind, *unread in fields["d"]
            ),
            unread=fields.get("e") or "",
        )
        for fields in unpack_json(output["machines"])
    )
    return HostFacts(
        node=node,
        os_version=output.get("osVersion") or "",
        hyper_v=output["hyperV"] is True,
        application_control=output.get("applicationControl") or "Off",
        registration=output.get("registration") or None,
        reached=output.get("endpoints") or {},
        machines=machines,
    )


def join_node_pages(pages: Sequence[HostFacts]) -> HostFacts:
    """All pages of a node as one; the first says what is not about VMs."""
    return pages[0].model_copy(update={"machines": tuple(m for page in pages for m in page.machines)})
