"""Sockets of the running kernel, on loopback."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from module_utils.topology.sockets import Listener
from module_utils.topology.survey import host_has_ipv6

PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
needs_ipv6 = pytest.mark.skipif(not host_has_ipv6(), reason="this machine has no IPv6")


@contextlib.contextmanager
def listening(
    address: str = "127.0.0.1", port: int = 0, *, shared: bool = False
) -> Iterator[socket.socket]:
    kind = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(kind, socket.SOCK_STREAM) as one:
        if shared:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if port:
            one.bind((address, port))
        else:
            bind_apart(one, address)
        one.listen()
        yield one


def bind_apart(one: socket.socket, address: str) -> None:
    """Bind to a port that nobody gets as the near end of a connection: those are counted."""
    ports = range(10_000, int(PORT_RANGE.read_text().split()[0]))
    for _ in range(1000):
        with contextlib.suppress(OSError):
            return one.bind((address, random.choice(ports)))
    raise OSError(f"no port of {ports} is free")


@contextlib.contextmanager
def child_with(one: socket.socket) -> Iterator[int]:
    """A process that has the socket open too; its number."""
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[one.fileno()]
    ) as child:
        yield child.pid
        assert child.stdin
        child.stdin.write(b"\n")


def port_of(one: socket.socket) -> int:
    return int(one.getsockname()[1])


def inode_of(one: socket.socket) -> int:
    return os.fstat(one.fileno()).st_ino


def pids(one: Listener) -> list[int]:
    return sorted(process.pid for process in one.processes)
