"""The Event Grid topic to which this product publishes what it does."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from azure.core.credentials import AzureKeyCredential
from azure.eventgrid.aio import EventGridPublisherClient
from pydantic import SecretStr

from shared.azure.http_pipeline import PlainHttp, is_plain_http, open_transport

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential


def open_publisher(
    endpoint: str, key: SecretStr | None, identity: Callable[[], "AsyncTokenCredential"]
) -> EventGridPublisherClient:
    """A client for a topic, with its key where there is one, else with the app's identity.

    Retries are off here too: the caller's are durable, and an event's id makes a second sending harmless.
    """
    return EventGridPublisherClient(
        endpoint,
        AzureKeyCredential(key.get_secret_value()) if key else identity(),
        transport=open_transport(endpoint),
        retry_total=0,
        per_call_policies=[PlainHttp()] if is_plain_http(endpoint) and not key else [],
    )
