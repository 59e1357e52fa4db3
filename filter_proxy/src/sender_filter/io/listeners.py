"""Where clients come in: sockets from systemd or of our own, and accepting from them.

uvloop's own server is not used, because it closes its listener for ever when one accept fails
(too many open files, no memory). This one takes a short rest and goes on.
"""

import asyncio
import errno
import os
import socket
from collections.abc import Callable

from sender_filter.core.addresses import is_loopback
from sender_filter.io import systemd
from sender_filter.io.arrival import local_end
from sender_filter.io.journal import log
from sender_filter.settings import endpoints
from sender_filter.settings.endpoints import Endpoint

_BACKLOG = 4096
_AT_ONCE = 64  # accepted in one turn of the loop, so that running sessions get theirs
_REST_SECONDS = 0.1
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

Admit = Callable[[socket.socket, tuple[str, int]], None]


def open_all(addresses: list[str], *, on_loopback: bool) -> tuple[list[socket.socket], bool]:
    """The listening sockets: systemd's if it passed any, else our own.

    Args:
        addresses: Where to listen.
        on_loopback: Whether systemd's may be reached from this host alone.

    Returns:
        The sockets, and whether systemd holds them too (then they outlive this process).

    Raises:
        OSError: An address cannot be bound, or may not be used; the message names it.
    """
    passed = systemd.take_sockets(os.environ)
    if passed:
        for listener in passed if on_loopback else ():
            _check_loopback(listener)
        return passed, True
    return [_bind(endpoints.parse(address)) for address in addresses], False


def _check_loopback(listener: socket.socket) -> None:
    """See that no stranger can reach a socket.

    Raises:
        OSError: One can.
    """
    name = local_end(listener)
    if not is_loopback(name.address):
        msg = f"{name} from systemd is not on loopback: a stranger could claim any client address"
        raise OSError(msg)


def _bind(endpoint: Endpoint) -> socket.socket:
    """Listen on one address; SO_REUSEPORT stays off, so that nobody can share the port."""
    family = socket.AF_INET if endpoint.address.version == 4 else socket.AF_INET6
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        listener.bind((str(endpoint.address), endpoint.port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        msg = f"cannot listen on {endpoint}: {error.strerror}"
        raise OSError(error.errno, msg) from None
    return listener


class Acceptor:
    """Accepts from one listening socket; hands each connection and its peer to ``admit``."""

    def __init__(self, listener: socket.socket, admit: Admit) -> None:
        """Start accepting."""
        self._listener = listener
        self._admit = admit
        self._loop = asyncio.get_running_loop()
        self._rest: asyncio.TimerHandle | None = None
        self._wake()

    def close(self, *, empty_queue: bool) -> None:
        """Stop accepting.

        Args:
            empty_queue: Take in first who waits in the kernel's queue. For a socket nobody else
                holds, whose queue the kernel would answer with resets.
        """
        self._loop.remove_reader(self._listener)
        if self._rest is not None:
            self._rest.cancel()
        while empty_queue and self._accept_one():
            pass
        self._listener.close()

    def _wake(self) -> None:
        self._rest = None
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            if not self._accept_one():
                return

    def _accept_one(self) -> bool:
        """Accept one connection; false if there is none or no room for it."""
        try:
            client, peer = self._listener.accept()
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in _EXHAUSTED:
                return True  # that client's own trouble, as accept(2) explains; on to the next
            log.error("cannot accept, resting for %s s: %s", _REST_SECONDS, error.strerror)
            self._loop.remove_reader(self._listener)
            self._rest = self._loop.call_later(_REST_SECONDS, self._wake)
            return False
        client.setblocking(False)
        self._admit(client, peer)
        return True
