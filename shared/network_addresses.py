"""Addresses that a plan's author must not have the app ask: those that trust whoever is on the machine. Pure."""

import ipaddress
from urllib.parse import urlsplit

WIRE_SERVER = ipaddress.ip_address("168.63.129.16")
"""Azure's own services for a machine. Source: documented for virtual networks."""
TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
"""IPv4 addresses behind a translator (RFC 6052)."""
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
"""Hosts to which http may be spoken: nothing leaves this machine."""
OWN_NAMES = ("localhost", "ip6-localhost", "ip6-loopback")


def find_address_flaw(address: str, *, is_own_allowed: bool = False) -> str:
    """Why this IP address is not asked, as the end of a sentence; empty when it is.

    Args:
        address: As a name has led to it, or as it stands in a URL.
        is_own_allowed: Whether this machine itself may be asked: in the lab, where all is on it.
    """
    plain = _plain(ipaddress.ip_address(address.partition("%")[0]))
    if plain.is_loopback or plain.is_unspecified:
        return "" if is_own_allowed else "is the app's own machine"
    if plain.is_link_local or plain == WIRE_SERVER:
        return "is where a machine asks Azure for its own identity"
    return "is no single machine" if plain.is_multicast or plain.is_reserved else ""


def _plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address in one of IPv6, where there is one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def find_host_flaw(url: str, *, is_own_allowed: bool = False) -> str:
    """The same for the host of a URL, as far as it says by itself where it leads: a name may lead anywhere."""
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    if host in OWN_NAMES or host.endswith(".localhost"):
        return "" if is_own_allowed else f"{host} is the app's own machine"
    try:
        flaw = find_address_flaw(host, is_own_allowed=is_own_allowed)
    except ValueError:
        return ""
    return f"{host} {flaw}" if flaw else ""
