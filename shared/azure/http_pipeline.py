"""What each request to ARM passes through on its way: written out, because the SDKs' own chain sends verbs twice.

Left out on purpose are their retries (they re-send a POST on 500, 503 and 504, and anything that has a Retry-After),
redirects, the registration of resource providers (it re-sends under another request id), and logging (polling URLs are
signed).
"""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
from azure.core.pipeline import policies as core
from azure.core.pipeline.transport import AioHttpTransport
from azure.mgmt.core.policies import AsyncARMChallengeAuthenticationPolicy

from shared.allowed_scopes import SCOPE_CODE, Scopes, is_allowed
from shared.azure.answer_shapes import JsonObjectsOnly
from shared.azure.request_pacer import PacedRequests, RequestPacer
from shared.azure.shared_looks import SharedLooks
from shared.azure.traced_requests import TracedRequests
from shared.errors import Refused
from shared.network_addresses import LOOPBACK

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.pipeline import PipelineRequest

SCOPE = "https://management.azure.com/.default"


class PlainHttp(core.SansIOHTTPPolicy[Any, Any]):
    """Lets a bearer token travel over http; only ever put in front of a loopback address."""

    def on_request(self, request: "PipelineRequest[Any]") -> None:
        """Take the option that the authentication policy looks at, and that no client has a setting for."""
        request.context.options["enforce_https"] = False


class OnlyHere(core.SansIOHTTPPolicy[Any, Any]):
    """Sends nothing elsewhere: an answer says where the next page of a list is, and our token would go with it."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self._place = _place_of(base_url)

    def on_request(self, request: "PipelineRequest[Any]") -> None:
        """Look where it goes.

        Raises:
            Refused: elsewhere than to Azure Resource Manager.
        """
        if _place_of(request.http_request.url) != self._place:
            host = urlsplit(request.http_request.url).hostname
            raise Refused("foreign-link", f"an answer of Azure links to {host!r}, which is not Azure Resource Manager")


class OnlyAllowed(core.SansIOHTTPPolicy[Any, Any]):
    """Changes nothing outside of the scopes that the app may work in, whoever asks; without scopes, nothing is held."""

    def __init__(self, scopes: Scopes) -> None:
        super().__init__()
        self._scopes = scopes

    def on_request(self, request: "PipelineRequest[Any]") -> None:
        """Look what it changes.

        Raises:
            Refused: something outside of the scopes.
        """
        path = urlsplit(request.http_request.url).path
        if request.http_request.method not in {"GET", "HEAD"} and not is_allowed(self._scopes, path):
            detail = f"{path} lies within none of the scopes that this app may work in: see ALLOWED_SCOPES"
            raise Refused(SCOPE_CODE, detail)


def _place_of(url: str) -> tuple[str, str, int | None]:
    address = urlsplit(url)
    usual_port = {"https": 443, "http": 80}.get(address.scheme)
    return address.scheme, (address.hostname or "").lower(), address.port or usual_port


def is_plain_http(url: str) -> bool:
    """Whether this address is asked over plain http.

    Raises:
        Refused: it is http to anywhere but this very machine: a token is not sent there.
    """
    address = urlsplit(url)
    if address.scheme == "https":
        return False
    if address.scheme == "http" and address.hostname in LOOPBACK:
        return True
    raise Refused("insecure-endpoint", f"{url} is neither https nor an http address of this machine")


def arm_policies(
    credential: "AsyncTokenCredential",
    base_url: str,
    pacer: RequestPacer,
    looks: SharedLooks,
    scopes: Scopes = (),
) -> list[Any]:
    """The chain for ARM."""
    return [
        OnlyHere(base_url),
        OnlyAllowed(scopes),
        core.CustomHookPolicy(),  # before what is shared: whoever waits for an answer hears of it, asked for or not
        looks,
        PacedRequests(pacer),
        core.RequestIdPolicy(),
        core.HeadersPolicy(),
        core.UserAgentPolicy(base_user_agent="hci-site-recovery"),
        *([PlainHttp()] if is_plain_http(base_url) else []),
        AsyncARMChallengeAuthenticationPolicy(credential, SCOPE),
        TracedRequests(),
        JsonObjectsOnly(),
    ]


def open_transport(base_url: str) -> AioHttpTransport:
    """Connections to one address; proxies of the environment count, except on the way to this machine."""
    session = aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # the SDKs do it
        trust_env=not is_plain_http(base_url),
        middlewares=(send_once,),
    )
    return AioHttpTransport(session=session, connection_timeout=10, read_timeout=60)


async def send_once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a PUT or a DELETE again when a connection that was kept open breaks.

    A run command's PUT would run its script twice; a GET may well be sent again.
    """
    try:
        return await send(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as broken:
        if request.method == "GET":
            raise
        raise aiohttp.ClientConnectionError(str(broken)) from broken
