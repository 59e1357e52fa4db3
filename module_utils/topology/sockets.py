"""Listening TCP sockets and their owners, from the kernel's own tables (proc_pid_net(5))."""

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
    """One row of /proc/net/tcp or tcp6.

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


@dataclass(frozen=True)
class Process:
    """A process that holds a socket; `unit` is its systemd unit, or empty."""

    pid: int
    name: str
    unit: str

    def __str__(self) -> str:
        unit = f", {self.unit}" if self.unit else ""
        return f"{self.name} (pid {self.pid}{unit})"


@dataclass(frozen=True)
class Listener:
    """A listening socket with every process that has it open.

    Two processes on one socket are one owner (systemd and the service it passed it to); two sockets
    on one port are two owners, whoever holds them: the kernel deals connections to both.
    """

    family: str
    address: str
    port: int
    inode: int
    processes: tuple[Process, ...]

    @property
    def loopback(self) -> bool:
        """Whether only this host can reach it."""
        mapped = self.address.removeprefix("::ffff:")
        return mapped.startswith("127.") or self.address == "::1"


def reachable(address: str) -> str:
    """Where this host itself reaches a listener: of a wildcard address the loopback one."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)


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


def read_tables(proc: Path = PROC) -> list[Socket]:
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


def listeners(ports: set[int], proc: Path = PROC) -> list[Listener]:
    """The listeners on these ports, with their processes, sorted by port, family and address."""
    rows = [row for row in listening(proc) if row.port in ports]
    owners = processes_by_inode({row.inode for row in rows}, proc)
    found = [
        Listener(row.family, row.address, row.port, row.inode, tuple(owners.get(row.inode, ())))
        for row in rows
    ]
    return sorted(found, key=lambda one: (one.port, one.family, one.address, one.inode))


def listen_drops(proc: Path = PROC) -> int:
    """How many connections the kernel has dropped because a listener's queue was full, since boot.

    Source: proc_pid_net(5), /proc/net/netstat, TcpExt ListenDrops.
    """
    names, values = (
        row.split()[1:]
        for row in (proc / "net" / "netstat").read_text().splitlines()
        if row.startswith("TcpExt:")
    )
    return int(dict(zip(names, values, strict=True))["ListenDrops"])


def processes_by_inode(inodes: set[int], proc: Path = PROC) -> dict[int, list[Process]]:
    """Who has these sockets open. Needs root to see other users' processes."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    found: dict[int, list[Process]] = {}
    for folder in proc.iterdir():
        if not folder.name.isdigit():
            continue
        for inode in sorted({wanted[link] for link in _open_files(folder) if link in wanted}):
            process = _process(folder)
            if process is not None:
                found.setdefault(inode, []).append(process)
    return found


def _open_files(folder: Path) -> list[str]:
    try:
        files = list((folder / "fd").iterdir())
    except OSError:  # the process has ended meanwhile
        return []
    return [link for link in map(_link, files) if link]


def _link(file: Path) -> str:
    try:
        return str(file.readlink())
    except OSError:  # the file was closed meanwhile
        return ""


def _process(folder: Path) -> Process | None:
    try:
        name = (folder / "comm").read_text().strip()
        control_groups = (folder / "cgroup").read_text()
    except OSError:  # the process has ended meanwhile
        return None
    return Process(int(folder.name), name, unit_of(control_groups))


def unit_of(control_groups: str) -> str:
    """The systemd unit in the text of /proc/PID/cgroup, or an empty string.

    cgroup2 has one line `0::/system.slice/postfix.service`; with cgroup1 it is the line of the
    hierarchy `name=systemd`.
    """
    for line in control_groups.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "name=systemd"):
            units = [part for part in path.split("/") if part.endswith((".service", ".scope"))]
            if units:
                return units[-1]
    return ""
