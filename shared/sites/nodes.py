"""A node of a cluster as Azure shows it: its Arc machine and its ASR extension."""

from typing import Any

from pydantic import Field

from shared.arm_ids import names_by_type
from shared.messages import Message
from shared.site_recovery.views import ItemView
from shared.sites.site import SiteDocument


class ExtensionView(Message):
    """The ASR extension of one node.

    Attributes:
        message: What the handler said last, error text and all; never settings that are protected.
        settings: Its public settings, as strings.
    """

    id: str
    name: str
    provisioning_state: str
    code: str = ""
    message: str = ""
    version: str = ""
    location: str = ""
    enable_automatic_upgrade: bool = True
    settings: dict[str, Any] = Field(default_factory=dict)


class NodeView(Message):
    """An Arc machine that is a node of a cluster.

    Attributes:
        host_name: What its agent says that the host is called, empty where it does not say; the Arc machine may have
            another name.
        blocked: Why its agent will not take the ASR extension or run commands, empty when it will.
    """

    id: str
    name: str
    cluster_id: str
    status: str
    agent_version: str = ""
    location: str = ""
    host_name: str = ""
    blocked: str = ""
    extension: ExtensionView | None = None

    @property
    def host(self) -> str:
        """What the vault calls it: the host's own name, and that of the Arc machine only where that is not known."""
        return self.host_name or self.name


def same_host(host: str, other_host: str) -> bool:
    """Whether two names are those of one host: Arc says the short name, the vault often the full one."""
    return short_host_name(host) == short_host_name(other_host)


def short_host_name(host: str) -> str:
    """The name of a host without its domain, in lower case."""
    return host.partition(".")[0].lower()


def is_item_of_site(site: SiteDocument, view: ItemView) -> bool:
    """Whether an item replicates from the site's Hyper-V site; yes where the vault does not say from which."""
    names = {name.lower() for name in view.hyper_v_sites}
    return not names or site.hyper_v_site.lower() in names


def fabric_name_of(arm_id: str) -> str:
    """The name of the fabric (Hyper-V site) that an ARM id is in, empty where it is in none."""
    return names_by_type(arm_id).get("replicationfabrics", "")
