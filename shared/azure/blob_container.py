"""The blob container that evidence is kept in."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from azure.storage.blob.aio import ContainerClient

from shared.azure.http_pipeline import open_transport

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential


def open_container(url: str, identity: Callable[[], "AsyncTokenCredential"]) -> ContainerClient:
    """A client for a container, with the app's identity; over plain http, which only a test does, with none.

    Retries are off: the caller's are durable, and a blob that is there is not written again.
    """
    credential = identity() if url.startswith("https:") else None
    return ContainerClient.from_container_url(
        url, credential=credential, transport=open_transport(url), retry_total=0, retry_connect=0, retry_read=0
    )
