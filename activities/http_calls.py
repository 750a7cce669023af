"""Calls to what a plan's author runs himself, hooks and probes: bounded, and never to what only the app may ask.

Where a name leads is decided when the connection is made: a name that was harmless when the plan was declared may lead
elsewhere today.
"""

import json
import os
import socket
from collections.abc import Mapping
from typing import Any, NamedTuple

import aiohttp

from shared.network_addresses import find_address_flaw
from shared.settings import AzureSettings

TIMEOUT = aiohttp.ClientTimeout(total=30)
"""Hooks and probes are tried again: an answer that takes longer comes to nobody."""
LONGEST_BODY = 65_536
"""Bytes of an answer that are read."""
JSON_AS_IT_IS = {"Accept-Encoding": "identity", "Content-Type": "application/json"}
"""A few packed kilobytes may be gigabytes."""


class HttpAnswer(NamedTuple):
    """An answer; of its body no more than LONGEST_BODY, and nothing of one that is packed."""

    status: int
    body: bytes


def encode_json(body: Mapping[str, Any]) -> bytes:
    """A body as it is sent and signed."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


async def post_content(url: str, content: bytes, headers: Mapping[str, str] | None = None) -> HttpAnswer:
    """POST JSON once, and have the answer; redirects are not followed.

    Raises:
        aiohttp.ClientError: there is no answer, or the address is one that is not asked.
        TimeoutError: there is none in time.
    """
    return await call_url("POST", url, content, headers)


async def call_url(
    method: str, url: str, content: bytes | None = None, headers: Mapping[str, str] | None = None
) -> HttpAnswer:
    """The same by any method.

    Raises:
        aiohttp.ClientError, TimeoutError: as there.
    """
    connector = aiohttp.TCPConnector(socket_factory=_open_socket, force_close=True)
    async with (
        aiohttp.ClientSession(timeout=TIMEOUT, connector=connector, auto_decompress=False) as session,
        session.request(
            method, url, data=content, headers={**JSON_AS_IT_IS, **(headers or {})}, allow_redirects=False
        ) as response,
    ):
        is_packed = response.headers.get("Content-Encoding", "identity") != "identity"
        return HttpAnswer(response.status, b"" if is_packed else await _read_beginning(response))


async def _read_beginning(response: aiohttp.ClientResponse) -> bytes:
    found = bytearray()
    async for chunk in response.content.iter_any():
        found += chunk
        if len(found) >= LONGEST_BODY:
            break
    return bytes(found[:LONGEST_BODY])


def _open_socket(place: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
    """A socket for an address that a name has led to."""
    family, kind, protocol, _, address = place
    if flaw := find_address_flaw(str(address[0]), is_own_allowed=is_in_lab()):
        raise OSError(f"{address[0]} {flaw}")
    return socket.socket(family=family, type=kind, proto=protocol)


def is_in_lab() -> bool:
    """Whether Azure itself is simulated on this machine: then so are the hooks."""
    return read_azure_settings().is_in_lab


def read_azure_settings() -> AzureSettings:
    """The settings by which the app calls others."""
    return AzureSettings.from_environment(os.environ)
