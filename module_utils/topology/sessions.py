"""SMTP sessions on a port: how many, and whose."""

from __future__ import annotations

import contextlib
import os
import signal
import socket

from .fronts import SERVICE_UNITS
from .sockets import LISTEN, Listener, Socket, listening, processes_by_inode, read_tables

Ends = tuple[str, tuple[str, int]]
"""A connection: our address, and the address and port of the other end."""


def on(port: int) -> frozenset[Ends]:
    """The connections on a port that somebody serves."""
    return frozenset((row.address, row.peer) for row in _connections(port) if row.inode)


def end(port: int, connections: frozenset[Ends]) -> None:
    """End the processes that serve these connections on a port."""
    rows = [row for row in _connections(port) if (row.address, row.peer) in connections]
    owners = processes_by_inode({row.inode for row in rows if row.inode})
    for process in {each for processes in owners.values() for each in processes}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGTERM)


def of_filter(port: int) -> int:
    """How many sessions on a port the sender filter serves."""
    return sum(_by_filter(_connections(port)))


def of_postfix(port: int) -> int:
    """How many sessions on a port anybody but the sender filter serves."""
    return sum(not filters for filters in _by_filter(_connections(port)))


def waiting(listener: Listener) -> int:
    """How many connections wait in a listener's queue to be accepted."""
    return sum(row.queue for row in listening() if row.inode == listener.inode)


def reaches_filter(address: str, port: int, seconds: float = 30) -> bool:
    """Whether a new connection to an address is served by the sender filter.

    Raises:
        OSError: nobody greets.
    """
    with socket.create_connection((address, port), timeout=seconds) as probe:
        own = probe.getsockname()[:2]
        reader = probe.makefile("rb")
        if not reader.readline(512):
            msg = "closed without a greeting"
            raise OSError(msg)
        # The address too: at a busy port another client may well use the same number.
        served = [row for row in _connections(port) if row.peer == own]
        answer = any(_by_filter(served))
        probe.sendall(b"QUIT\r\n")
        reader.readline(512)
    return answer


def _connections(port: int) -> list[Socket]:
    rows = [row for row in read_tables() if row.port == port and row.state != LISTEN]
    # What changes while the kernel shows it may be shown twice.
    return list({(row.address, row.peer): row for row in rows}.values())


def _by_filter(rows: list[Socket]) -> list[bool]:
    """For each connection that a process has, whether that is the filter."""
    owners = processes_by_inode({row.inode for row in rows if row.inode})
    return [
        any(process.unit in SERVICE_UNITS for process in owners[row.inode])
        for row in rows
        if row.inode in owners
    ]
