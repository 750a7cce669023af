"""TCP listeners that stand for the services inside a running Azure VM, on a loopback address of its own."""

import asyncio
import logging
import socket
from collections.abc import Iterator
from ipaddress import ip_address

log = logging.getLogger(__name__)

GREETING = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"


class Guests:
    """What listens, by address."""

    def __init__(self) -> None:
        self._listeners: dict[str, list[socket.socket]] = {}
        self._servers: dict[str, list[asyncio.Task[None]]] = {}

    def free_address(self, wanted: str, taken: set[str], ports: list[int]) -> str:
        """The address wanted, or the next one of its network that nothing has, here or on this machine."""
        if not wanted.startswith("127."):
            return wanted  # a person's choice of address: nothing can listen on it, so no probe reaches it
        for address in _addresses(wanted):
            if address not in taken and all(_is_free(address, port) for port in ports):
                return address
        raise OSError(f"no loopback address is free after {wanted}")

    def listen(self, address: str, ports: list[int]) -> None:
        """Accept connections; a port answers an HTTP request with 200 and anything else by staying open."""
        self.close(address)
        if not address.startswith("127."):
            return
        opened: list[socket.socket] = []
        for port in ports:
            listener = socket.create_server((address, port))
            listener.setblocking(False)
            opened.append(listener)
        self._listeners[address] = opened
        self._servers[address] = [asyncio.get_running_loop().create_task(_serve(listener)) for listener in opened]

    def close(self, address: str) -> None:
        """Refuse connections from now on."""
        for task in self._servers.pop(address, []):
            task.cancel()
        for listener in self._listeners.pop(address, []):
            listener.close()

    def close_all(self) -> None:
        """Refuse connections everywhere."""
        for address in list(self._listeners):
            self.close(address)


def _addresses(wanted: str) -> Iterator[str]:
    first = int(ip_address(wanted))
    return (str(ip_address(number)) for number in range(first, (first | 0xFFFF) + 1))


def _is_free(address: str, port: int) -> bool:
    try:
        socket.create_server((address, port)).close()
    except OSError:
        return False
    return True


async def _serve(listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    talks: set[asyncio.Task[None]] = set()
    while True:
        connection, _ = await loop.sock_accept(listener)
        talk = loop.create_task(_talk(connection))
        talks.add(talk)
        talk.add_done_callback(talks.discard)


async def _talk(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    connection.setblocking(False)
    with connection:
        try:
            while heard := await loop.sock_recv(connection, 4096):
                if heard.split(b" ", 1)[0] in (b"GET", b"HEAD", b"POST"):
                    await loop.sock_sendall(connection, GREETING)
                    return
        except OSError as gone:
            log.debug("a probe went away: %r", gone)
