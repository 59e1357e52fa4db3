"""A descriptor of our own for a socket of another process.

Source: pidfd_getfd(2), Linux 5.6.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
from collections.abc import Iterator

from .socket_table import PROC
from .sockets import Process

_PIDFD_GETFD = 438  # the same number on every architecture


class BorrowError(OSError):
    """The socket or its process is gone, or the kernel forbids it; the text says which."""


@contextlib.contextmanager
def borrowed(process: Process, inode: int) -> Iterator[socket.socket]:
    """A socket that a process has open.

    Raises:
        BorrowError: as above.
    """
    try:
        pidfd = os.pidfd_open(process.pid)
    except OSError as error:
        msg = f"{process} has ended"
        raise BorrowError(msg) from error
    try:
        number = _descriptor(process.pid, inode)
        libc = ctypes.CDLL(None, use_errno=True)
        copy = libc.syscall(_PIDFD_GETFD, pidfd, number, 0)
        if copy < 0:
            reason = os.strerror(ctypes.get_errno())
            msg = f"the socket of {process} cannot be borrowed: {reason}"
            raise BorrowError(msg)
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
    raise BorrowError(msg)
