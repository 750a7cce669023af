"""TCP listeners that stand for the services inside a running Azure VM, on a loopback address of its own."""

import asyncio
import logging
import socket
from ipaddress import ip_address

log = logging.getLogger(__name__)

GREETING = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"


class Guests:
    """What listens, by address."""

    def __init__(self) -> None:
        self._listeners: dict[str, list[socket.socket]] = {}
        self._conversations: set[asyncio.Task[None]] = set()

    def free_address(self, wanted: str, taken: set[str], ports: list[int]) -> str:
        """The address wanted, or the next one of its network that nothing has, here or on this machine."""
        if not wanted.startswith("127."):
            return wanted  # a person's choice of address: nothing can listen on it, so no probe reaches it
        first = int(ip_address(wanted))
        for number in range(first, (first | 0xFFFF) + 1):
            address = str(ip_address(number))
            if address not in taken and all(_is_free(address, port) for port in ports):
                return address
        raise OSError(f"no loopback address is free after {wanted}")

    def open_ports(self, address: str, ports: list[int]) -> None:
        """Accept connections; a port answers an HTTP request with 200 and anything else by staying open.

        One that somebody else on this machine has by now stays his: the VM runs all the same.
        """
        self.close_ports(address)
        if not address.startswith("127."):
            return
        loop = asyncio.get_running_loop()
        self._listeners[address] = [listener for port in ports if (listener := _listen(address, port))]
        for listener in self._listeners[address]:
            listener.setblocking(False)
            loop.add_reader(listener, self._accept_connection, listener)

    def _accept_connection(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        talk = asyncio.get_running_loop().create_task(_answer_probe(connection))
        self._conversations.add(talk)
        talk.add_done_callback(self._conversations.discard)

    def close_ports(self, address: str) -> None:
        """Refuse connections from now on."""
        for listener in self._listeners.pop(address, []):
            asyncio.get_running_loop().remove_reader(listener)  # before its number belongs to another socket
            listener.close()

    def close_all(self) -> None:
        """Refuse connections everywhere."""
        for address in list(self._listeners):
            self.close_ports(address)


def _listen(address: str, port: int) -> socket.socket | None:
    try:
        return socket.create_server((address, port))
    except OSError as taken:
        log.warning("nothing listens at %s:%d for its VM: %s", address, port, taken)
        return None


def _is_free(address: str, port: int) -> bool:
    try:
        socket.create_server((address, port)).close()
    except OSError:
        return False
    return True


async def _answer_probe(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    connection.setblocking(False)
    with connection:
        try:
            while received := await loop.sock_recv(connection, 4096):
                if received.split(b" ", 1)[0] in (b"GET", b"HEAD", b"POST"):
                    await loop.sock_sendall(connection, GREETING)
                    return
        except OSError as gone:
            log.debug("a probe went away: %r", gone)
