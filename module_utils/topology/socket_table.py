"""Rows of the kernel's table of TCP sockets, and the table as text (proc_pid_net(5))."""

from __future__ import annotations

import itertools
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ESTABLISHED = 0x01
TIME_WAIT = 0x06
LISTEN = 0x0A
PROC = Path("/proc")


@dataclass(frozen=True)
class Socket:
    """A TCP socket.

    `queue` counts the connections that wait to be accepted (state LISTEN) or the bytes that wait to
    be read. A connection that nobody has accepted yet has inode 0.
    """

    family: str  # "ipv4" or "ipv6"
    address: str
    port: int
    peer: tuple[str, int]
    state: int
    queue: int
    inode: int


def parse_table(lines: Iterable[str], family: str) -> Iterator[Socket]:
    """The rows of /proc/net/tcp (`family` "ipv4") or /proc/net/tcp6 ("ipv6").

    Connections that have ended (TIME_WAIT) are left out: a busy host has tens of thousands.
    """
    for line in itertools.islice(lines, 1, None):
        state = int(line.split(None, 4)[3], 16)
        if state != TIME_WAIT:
            row = line.split()
            yield Socket(
                family,
                *_parse_endpoint(row[1], family),
                peer=_parse_endpoint(row[2], family),
                state=state,
                queue=int(row[4].split(":")[1], 16),
                inode=int(row[9]),
            )


def _parse_endpoint(text: str, family: str) -> tuple[str, int]:
    address, port = text.split(":")
    words = [int(address[i : i + 8], 16) for i in range(0, len(address), 8)]
    # The kernel prints each 32-bit word of the address in the machine's own byte order.
    packed = b"".join(struct.pack("=I", word) for word in words)
    kind = socket.AF_INET if family == "ipv4" else socket.AF_INET6
    return socket.inet_ntop(kind, packed), int(port, 16)


def read(proc: Path = PROC) -> list[Socket]:
    """All TCP sockets of this network namespace, but those of connections that have ended."""
    return [row for table in _tables(proc) for row in table]


def listening(proc: Path = PROC) -> list[Socket]:
    """The listening sockets. The kernel shows them first: the rest of its table is not read."""
    return [row for table in _tables(proc) for row in itertools.takewhile(_listens, table)]


def _listens(row: Socket) -> bool:
    return row.state == LISTEN


def _tables(proc: Path) -> Iterator[Iterator[Socket]]:
    for name, family in (("tcp", "ipv4"), ("tcp6", "ipv6")):
        table = proc / "net" / name
        if table.exists():  # no tcp6 without IPv6
            with table.open() as lines:
                yield parse_table(lines, family)
