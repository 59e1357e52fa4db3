"""Which of two listeners on one port gets the new connections.

Sockets that share an address by SO_REUSEPORT form a group, and the kernel deals new connections
to its members by a hash. A classic BPF program that returns k deals them to the k-th member, in the
order in which they joined. A number out of range means the hash again.

Source: socket(7), SO_REUSEPORT and SO_ATTACH_REUSEPORT_CBPF.
"""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
from collections.abc import Iterable

from .borrowing import borrowed
from .sockets import Listener

_SO_ATTACH_REUSEPORT_CBPF = 51
_SO_DETACH_REUSEPORT_BPF = 68
_LD_W_ABS, _TAX, _JEQ_X, _RET_K = 0x20, 0x07, 0x1D, 0x06  # classic BPF, linux/bpf_common.h
_NETWORK_HEADER = 0xFFF00000  # SKF_NET_OFF, linux/filter.h
_SOURCE_AND_DESTINATION = {"ipv4": (12, 16, 1), "ipv6": (8, 24, 4)}  # offsets; words of an address


def shareable(listener: Listener) -> bool:
    """Whether another socket of the same user may listen beside this one."""
    with _borrowed(listener) as sock:
        return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT))


def steer(listeners: Iterable[Listener], member: int, *, ourselves: int | None = None) -> None:
    """Deal new connections to the `member`-th socket of each of these listeners' groups.

    `ourselves` is another member for the connections that this host makes to itself.
    """
    for listener in listeners:
        code = _program(listener.family, member, member if ourselves is None else ourselves)
        instructions = ctypes.create_string_buffer(code, len(code))
        program = struct.pack("@HP", len(code) // 8, ctypes.addressof(instructions))
        with _borrowed(listener) as sock:
            sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_REUSEPORT_CBPF, program)


def _program(family: str, others: int, ourselves: int) -> bytes:
    """Who connects to the very address that it comes from is this host itself."""
    source, destination, words = _SOURCE_AND_DESTINATION[family]
    code = []
    for word in range(words):
        left = words - 1 - word
        code += [
            (_LD_W_ABS, 0, 0, _NETWORK_HEADER + source + 4 * word),
            (_TAX, 0, 0, 0),
            (_LD_W_ABS, 0, 0, _NETWORK_HEADER + destination + 4 * word),
            (_JEQ_X, 0, 4 * left + 1, 0),
        ]
    code += [(_RET_K, 0, 0, ourselves), (_RET_K, 0, 0, others)]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def release(listeners: Iterable[Listener]) -> None:
    """Take the program off again; a group without one deals by the hash."""
    for listener in listeners:
        with _borrowed(listener) as sock, contextlib.suppress(FileNotFoundError):
            sock.setsockopt(socket.SOL_SOCKET, _SO_DETACH_REUSEPORT_BPF, 0)


def _borrowed(listener: Listener) -> contextlib.AbstractContextManager[socket.socket]:
    return borrowed(listener.processes[0], listener.inode)
