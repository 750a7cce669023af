"""A client for one key vault.

Only GETs are needed, so no SDK: its client lets the challenge of whoever answers say for whom to get a token, and sends
requests again by its own clock.
"""

from typing import TYPE_CHECKING, Any

from azure.core import AsyncPipelineClient
from azure.core.pipeline import policies as core

from shared.azure.http_pipeline import OnlyHere, PlainHttp, is_plain_http, open_transport

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential


def open_vault(base_url: str, credential: "AsyncTokenCredential", scope: str) -> AsyncPipelineClient[Any, Any]:
    """A client for one vault: it sends its token nowhere else, and each request once."""
    return AsyncPipelineClient(
        base_url,
        policies=[
            OnlyHere(base_url),
            core.HeadersPolicy(),
            core.UserAgentPolicy(base_user_agent="hci-site-recovery"),
            *([PlainHttp()] if is_plain_http(base_url) else []),
            core.AsyncBearerTokenCredentialPolicy(credential, scope),
        ],
        transport=open_transport(base_url),
    )
