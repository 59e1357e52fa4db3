"""Listening TCP sockets and their owners, from the kernel's own tables."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from . import socket_diag, socket_table
from .socket_table import PROC, Socket


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


def read_tables() -> list[Socket]:
    """All TCP sockets of this network namespace, but those of connections that have ended."""
    try:
        return socket_diag.read()
    except OSError:  # a kernel without inet_diag, or a unit that may not ask
        return socket_table.read()


def listening() -> list[Socket]:
    """The listening sockets."""
    try:
        return socket_diag.listening()
    except OSError:
        return socket_table.listening()


def listeners(ports: set[int]) -> list[Listener]:
    """The listeners on these ports, with their processes, sorted by port, family and address."""
    rows = [row for row in listening() if row.port in ports]
    owners = processes_by_inode({row.inode for row in rows})
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
    # By pathlib it takes four times as long, and a move looks again and again.
    files = f"{folder}/fd"
    try:
        numbers = os.listdir(files)  # noqa: PTH208
    except OSError:  # the process has ended meanwhile
        return []
    return [link for link in (_link(f"{files}/{number}") for number in numbers) if link]


def _link(file: str) -> str:
    try:
        return os.readlink(file)  # noqa: PTH115
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
