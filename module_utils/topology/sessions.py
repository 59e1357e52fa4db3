"""SMTP sessions on a port: how many, and whose."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Callable

from . import passing
from .borrowing import borrowed
from .fronts import SERVICE_UNITS
from .socket_table import LISTEN, Socket
from .sockets import Listener, Process, listening, processes_by_inode, read_tables

GREETING_SECONDS, GREETING_POLL_SECONDS = 30.0, 0.5

Ends = tuple[str, tuple[str, int]]
"""A connection: our address, and the address and port of the other end."""


def on(port: int) -> frozenset[Ends]:
    """The connections on a port that somebody serves."""
    return frozenset((row.address, row.peer) for row in _connections(port) if row.inode)


def end(port: int, connections: frozenset[Ends]) -> None:
    """End these connections on a port: for who serves one it looks as if the client had left.

    The process is left alone. Of a child that dies before it has served one client to the end,
    master(8) believes that its service is broken, and starts no other for a minute.

    Raises:
        BorrowError: the kernel forbids it.
    """
    rows = [row for row in _connections(port) if (row.address, row.peer) in connections]
    owners = processes_by_inode({row.inode for row in rows if row.inode})
    for inode, processes in owners.items():
        _shut(processes[0], inode)


def _shut(process: Process, inode: int) -> None:
    try:
        with borrowed(process, inode) as connection, contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)  # fails where the client has ended it already
    except OSError:
        if inode in processes_by_inode({inode}):  # else it has gone by itself
            raise


def of_filter(port: int) -> int:
    """How many sessions on a port the sender filter serves, or has handed over to Postfix."""
    return sum(map(_is_filters, _served(port)))


def of_postfix(port: int) -> int:
    """How many sessions on a port anybody else serves."""
    return sum(not _is_filters(owners) for owners in _served(port))


def handed_over(port: int) -> int:
    """How many sessions on a port Postfix has taken over from the sender filter."""
    return sum(any(map(passing.serves, owners)) for owners in _served(port))


def waiting(listener: Listener) -> int:
    """How many connections wait in a listener's queue to be accepted."""
    return sum(row.queue for row in listening() if row.inode == listener.inode)


def reaches_filter(
    address: str, port: int, check_alive: Callable[[], None], seconds: float = GREETING_SECONDS
) -> bool:
    """Whether a new connection to an address comes to the sender filter.

    While nobody greets, `check_alive` is called again and again: it raises when waiting is vain.

    Raises:
        OSError: nobody greets.
    """
    with socket.create_connection((address, port), timeout=seconds) as probe:
        own = probe.getsockname()[:2]
        _wait_for_greeting(probe, check_alive, seconds)
        reader = probe.makefile("rb")
        if not reader.readline(512):
            msg = "closed without a greeting"
            raise OSError(msg)
        # The address too: at a busy port another client may well use the same number.
        answer = any(map(_is_filters, _served(port, own)))
        probe.sendall(b"QUIT\r\n")
        reader.readline(512)
    return answer


def _wait_for_greeting(
    probe: socket.socket, check_alive: Callable[[], None], seconds: float
) -> None:
    deadline = time.monotonic() + seconds
    while not select.select([probe], [], [], GREETING_POLL_SECONDS)[0]:
        check_alive()
        if time.monotonic() > deadline:
            msg = f"no greeting in {seconds:.0f} s"
            raise TimeoutError(msg)


def _connections(port: int) -> list[Socket]:
    rows = [row for row in read_tables() if row.port == port and row.state != LISTEN]
    # What changes while the kernel shows it may be shown twice.
    return list({(row.address, row.peer): row for row in rows}.values())


def _served(port: int, client: tuple[str, int] | None = None) -> list[list[Process]]:
    """The processes of each connection that any has, of one client or of all."""
    rows = [row for row in _connections(port) if client in (None, row.peer)]
    owners = processes_by_inode({row.inode for row in rows if row.inode})
    return [owners[row.inode] for row in rows if row.inode in owners]


def _is_filters(owners: list[Process]) -> bool:
    return any(one.unit in SERVICE_UNITS or passing.serves(one) for one in owners)
