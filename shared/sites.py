"""A site: one HCI cluster that is joined to one vault, as people declare it."""

from typing import Annotated

from pydantic import StringConstraints

from shared.documents import ClusterId, GroupId, NetworkIdOrNone, VaultId, digest_of
from shared.messages import Document

_NAME = r"[\w(][\w.() \-]*"  # it becomes a segment of a URL
AzureName = Annotated[str, StringConstraints(max_length=90, pattern=f"^{_NAME}$")]
AzureNameOrNone = Annotated[str, StringConstraints(max_length=90, pattern=f"^({_NAME})?$")]


class SiteDocument(Document):
    """Where the machines of a cluster go in a disaster.

    Attributes:
        hyper_v_site: Name of the Hyper-V site (fabric) in the vault that the nodes are registered with.
        policy: Name of the replication policy.
        target_resource_group: ARM id of the group that a failover creates its machines in.
        network: ARM id of the production network of a failover; empty when each protected item names its own.
        extension: Name of the ASR extension on the cluster's Arc machines.
        healing: Whether a failed extension is repaired without being asked.
    """

    cluster: ClusterId
    vault: VaultId
    hyper_v_site: AzureName
    policy: AzureNameOrNone = ""
    target_resource_group: GroupId
    network: NetworkIdOrNone = ""
    subnet: AzureNameOrNone = ""
    region: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]+$")]
    extension: AzureName = "AzureSiteRecovery"
    healing: bool = True

    @property
    def vault_name(self) -> str:
        """The vault's own name: the registry of a node calls it ResourceName."""
        return self.vault.rsplit("/", 1)[-1]

    @property
    def digest(self) -> str:
        """Names this content."""
        return digest_of(self)
