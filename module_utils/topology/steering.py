"""Which of two listeners on one port gets the new connections.

Sockets that share an address by SO_REUSEPORT form a group, and the kernel deals new connections
to its members by a hash. A classic BPF program of one instruction, "return k", deals all of them
to the k-th member, in the order in which they joined. A number out of range means the hash again.

Source: socket(7), SO_REUSEPORT and SO_ATTACH_REUSEPORT_CBPF; pidfd_getfd(2), Linux 5.6.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import struct
from collections.abc import Iterable, Iterator

from .sockets import PROC, Listener

_PIDFD_GETFD = 438  # the same number on every architecture
_SO_ATTACH_REUSEPORT_CBPF = 51
_SO_DETACH_REUSEPORT_BPF = 68
_BPF_RET_K = 0x06


class SteeringError(Exception):
    """The kernel does not let us steer; the text says why."""


@contextlib.contextmanager
def borrowed(listener: Listener) -> Iterator[socket.socket]:
    """A descriptor of our own for another process's listening socket.

    Raises:
        SteeringError: the socket or its process is gone, or the kernel forbids it.
    """
    process = listener.processes[0]
    pidfd = os.pidfd_open(process.pid)
    try:
        number = _descriptor(process.pid, listener.inode)
        libc = ctypes.CDLL(None, use_errno=True)
        copy = libc.syscall(_PIDFD_GETFD, pidfd, number, 0)
        if copy < 0:
            reason = os.strerror(ctypes.get_errno())
            msg = f"the socket of {process} cannot be borrowed: {reason}"
            raise SteeringError(msg)
    finally:
        os.close(pidfd)
    with socket.socket(fileno=copy) as borrowed_socket:
        yield borrowed_socket


def _descriptor(pid: int, inode: int) -> int:
    for file in (PROC / str(pid) / "fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            if str(file.readlink()) == f"socket:[{inode}]":
                return int(file.name)
    msg = f"process {pid} no longer has socket {inode}"
    raise SteeringError(msg)


def shareable(listener: Listener) -> bool:
    """Whether another socket of the same user may listen beside this one."""
    with borrowed(listener) as sock:
        return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT))


def steer(listeners: Iterable[Listener], member: int) -> None:
    """Deal new connections to the `member`-th socket of each of these listeners' groups."""
    instruction = ctypes.create_string_buffer(struct.pack("=HBBI", _BPF_RET_K, 0, 0, member))
    program = struct.pack("@HP", 1, ctypes.addressof(instruction))
    for listener in listeners:
        with borrowed(listener) as sock:
            sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_REUSEPORT_CBPF, program)


def release(listeners: Iterable[Listener]) -> None:
    """Take the program off again; a group without one deals by the hash."""
    for listener in listeners:
        with borrowed(listener) as sock, contextlib.suppress(FileNotFoundError):
            sock.setsockopt(socket.SOL_SOCKET, _SO_DETACH_REUSEPORT_BPF, 0)
