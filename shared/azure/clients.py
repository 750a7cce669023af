"""One process's way to Azure: a credential and one client per subscription and event loop, made when first used."""

import asyncio
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, cast
from weakref import WeakKeyDictionary

from shared.allowed_scopes import SCOPE_CODE, is_allowed_secret
from shared.azure.api_versions import HYBRID_COMPUTE_API, RESOURCES_API, SITE_RECOVERY_API
from shared.errors import Refused
from shared.settings import AzureSettings

if TYPE_CHECKING:
    from azure.core import AsyncPipelineClient
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.eventgrid.aio import EventGridPublisherClient
    from azure.mgmt.hybridcompute.aio import HybridComputeManagementClient
    from azure.mgmt.recoveryservicessiterecovery.aio import SiteRecoveryManagementClient
    from azure.mgmt.resource.resources.aio import ResourceManagementClient
    from azure.storage.blob.aio import ContainerClient

    from shared.azure.request_pacer import RequestPacer
    from shared.secret_references import SecretReference
    from shared.signing_key import KeyReference


class Closable(Protocol):
    """What every SDK client can do last."""

    async def close(self) -> None:
        """Give its connections back."""


class Azure:
    """Azure as these settings reach it. Its SDKs are imported when first used: that halves a cold start."""

    def __init__(self, settings: AzureSettings) -> None:
        self._settings = settings
        self._clients: dict[tuple[str, str], Closable] = {}
        self._pacer: RequestPacer | None = None

    def site_recovery_client(self, subscription: str) -> "SiteRecoveryManagementClient":
        """The client for vaults of a subscription."""

        def make_client() -> Closable:
            from azure.mgmt.recoveryservicessiterecovery.aio import SiteRecoveryManagementClient  # noqa: PLC0415 - only when used

            return SiteRecoveryManagementClient(**self._arm_client_options(subscription, SITE_RECOVERY_API))

        return cast("SiteRecoveryManagementClient", self._get_or_make("site recovery", subscription, make_client))

    def hybrid_compute_client(self, subscription: str) -> "HybridComputeManagementClient":
        """The client for Arc machines of a subscription."""

        def make_client() -> Closable:
            from azure.mgmt.hybridcompute.aio import HybridComputeManagementClient  # noqa: PLC0415 - only when used

            return HybridComputeManagementClient(**self._arm_client_options(subscription, HYBRID_COMPUTE_API))

        return cast("HybridComputeManagementClient", self._get_or_make("hybrid compute", subscription, make_client))

    def resource_client(self, subscription: str) -> "ResourceManagementClient":
        """The client for resources of any kind in a subscription."""

        def make_client() -> Closable:
            from azure.mgmt.resource.resources.aio import ResourceManagementClient  # noqa: PLC0415 - only when used

            return ResourceManagementClient(**self._arm_client_options(subscription, RESOURCES_API))

        return cast("ResourceManagementClient", self._get_or_make("resources", subscription, make_client))

    def event_publisher(self) -> "EventGridPublisherClient | None":
        """The client for the topic of this product's events, None when there is no topic."""
        topic = self._settings.topic_endpoint
        if not topic:
            return None

        def make_publisher() -> Closable:
            from shared.azure.event_grid_topic import open_publisher  # noqa: PLC0415 - only when used

            return open_publisher(topic, self._settings.topic_key, self._get_credential)

        return cast("EventGridPublisherClient", self._get_or_make("event grid", topic, make_publisher))

    def blob_container(self, url: str) -> "ContainerClient":
        """The client for a container of blob storage."""

        def make_container() -> Closable:
            from shared.azure.blob_container import open_container  # noqa: PLC0415 - only when used

            return open_container(url, self._get_credential)

        return cast("ContainerClient", self._get_or_make("blobs", url, make_container))

    async def token_for(self, audience: str) -> str:
        """A token of the app's identity for an app registration; nothing of Azure takes it.

        Raises:
            ClientAuthenticationError: the identity gives none: there is no such audience in its tenant.
        """
        return (await self._get_credential().get_token(f"{audience}/.default")).token

    def key_vault_client(self, named: "SecretReference | KeyReference") -> "tuple[str, AsyncPipelineClient[Any, Any]]":
        """The base URL of a key vault, and the client for it; in the lab it is where Azure is."""
        host = f"https://{named.vault}.{named.domain}"
        base = f"{self._settings.arm_url}/keyvault/{named.vault}" if self._settings.is_in_lab else host

        def make_client() -> Closable:
            from shared.azure.key_vault_client import open_vault  # noqa: PLC0415 - only when used

            return open_vault(base, self._get_credential(), f"https://{named.domain}/.default")

        return base, cast("AsyncPipelineClient[Any, Any]", self._get_or_make("key vault", base, make_client))

    def require_allowed_secret(self, reference: str) -> None:
        """Refuse a secret of a key vault that is none of the scopes that the app may work in.

        Raises:
            Refused: so it is.
        """
        settings = self._settings
        if not is_allowed_secret(settings.allowed_scopes, reference, settings.key_vault_domain):
            raise Refused(SCOPE_CODE, f"the key vault of {reference} is not among ALLOWED_SCOPES")

    async def close(self) -> None:
        """Give all connections back."""
        clients, self._clients = self._clients, {}
        for client in reversed(clients.values()):
            await client.close()

    def _arm_client_options(self, subscription: str, api_version: str) -> dict[str, Any]:
        from shared.azure.http_pipeline import arm_policies, open_transport  # noqa: PLC0415 - only when used
        from shared.azure.request_pacer import RequestPacer  # noqa: PLC0415 - only when used
        from shared.azure.shared_looks import SharedLooks  # noqa: PLC0415 - only when used

        base_url = self._settings.arm_url
        self._pacer = self._pacer or RequestPacer(self._settings.arm_pace)
        return {
            "credential": self._get_credential(),
            "subscription_id": subscription,
            "base_url": base_url,
            "api_version": api_version,
            "policies": arm_policies(
                self._get_credential(),
                base_url,
                self._pacer,
                SharedLooks(self._settings.arm_pace),
                self._settings.allowed_scopes,
            ),
            "transport": open_transport(base_url),
        }

    def _get_credential(self) -> "AsyncTokenCredential":
        def make_credential() -> Closable:
            from azure.identity.aio import ManagedIdentityCredential  # noqa: PLC0415 - only when used

            return ManagedIdentityCredential(client_id=self._settings.client_id)

        return cast("AsyncTokenCredential", self._get_or_make("credential", "", make_credential))

    def _get_or_make(self, kind: str, key: str, make: Callable[[], Closable]) -> Closable:
        if (kind, key.lower()) not in self._clients:
            self._clients[kind, key.lower()] = make()
        return self._clients[kind, key.lower()]


_open: WeakKeyDictionary[asyncio.AbstractEventLoop, Azure] = WeakKeyDictionary()


def azure() -> Azure:
    """Azure for the running event loop, as the environment says: connections belong to the loop that opened them."""
    loop = asyncio.get_running_loop()
    if loop not in _open:
        _open[loop] = Azure(AzureSettings.from_environment(os.environ))
    return _open[loop]


async def close_azure() -> None:
    """Close what the running event loop opened; the next use opens it anew."""
    opened = _open.pop(asyncio.get_running_loop(), None)
    if opened:
        await opened.close()
