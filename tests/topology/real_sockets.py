"""Sockets of the running kernel, on loopback."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from module_utils.topology.sockets import Listener
from module_utils.topology.survey import host_has_ipv6

needs_ipv6 = pytest.mark.skipif(not host_has_ipv6(), reason="this machine has no IPv6")


@contextlib.contextmanager
def listening(
    address: str = "127.0.0.1", port: int = 0, *, shared: bool = False
) -> Iterator[socket.socket]:
    kind = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(kind, socket.SOCK_STREAM) as one:
        if shared:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind((address, port))
        one.listen()
        yield one


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
