"""The kernel's table of TCP sockets, asked for by netlink as ss(8) does it.

It says what /proc/net/tcp says, in a hundredth of the time where only listeners are wanted: for the
file the kernel goes through all places that it has for connections, of which a host with much
memory has hundreds of thousands. A move looks at the listeners again and again.

Source: sock_diag(7), netlink(7); linux/inet_diag.h.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

from .socket_table import LISTEN, TIME_WAIT, Socket

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_ERROR, _DONE = 2, 3  # types of message
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_REQUEST = struct.Struct("=BBBxI48x")  # struct inet_diag_req_v2, for every socket
_ENDS = struct.Struct("!BBxxHH16s16s")  # struct inet_diag_msg, to the end of the addresses
_REST = struct.Struct("=16xIIII")  # interface, cookie, timer; both queues, user and inode
_ANSWER_BYTES = 64 * 1024  # the kernel fills 32 KiB at most
_FAMILIES: dict[int, tuple[str, int]] = {socket.AF_INET: ("ipv4", 4), socket.AF_INET6: ("ipv6", 16)}
_ALL = 0x1FFF & ~(1 << TIME_WAIT)  # to TCP_NEW_SYN_RECV


def read() -> list[Socket]:
    """All TCP sockets of this network namespace, but those of connections that have ended.

    Raises:
        OSError: The kernel does not answer this question, or this process may not ask.
    """
    return [row for family in _FAMILIES for row in _ask(family, _ALL)]


def listening() -> list[Socket]:
    """The listening sockets.

    Raises:
        OSError: As above.
    """
    return [row for family in _FAMILIES for row in _ask(family, 1 << LISTEN)]


def _ask(family: int, states: int) -> Iterator[Socket]:
    body = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, states)
    length = _HEADER.size + len(body)
    header = _HEADER.pack(length, _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
        kernel.send(header + body)
        while True:
            for kind, message in _messages(kernel.recv(_ANSWER_BYTES)):
                if kind in (_ERROR, _DONE):
                    _check(message)
                    return
                yield parse(message)


def _check(message: bytes) -> None:
    """The last message has an error in it, or 0.

    So ends an empty list where the kernel's module tcp_diag is missing.

    Raises:
        OSError: The error.
    """
    number = -struct.unpack_from("=i", message)[0]
    if number:
        raise OSError(number, os.strerror(number))


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The messages of an answer, each with its type."""
    at = 0
    while at < len(data):
        length, kind, *_ = _HEADER.unpack_from(data, at)
        yield kind, data[at + _HEADER.size : at + length]
        at += length + 3 & ~3


def parse(message: bytes) -> Socket:
    """One socket, of a struct inet_diag_msg."""
    kind, state, port, peer_port, address, peer = _ENDS.unpack_from(message)
    family, size = _FAMILIES[kind]
    queue, _, _, inode = _REST.unpack_from(message, _ENDS.size)
    here, there = (socket.inet_ntop(kind, one[:size]) for one in (address, peer))
    return Socket(family, here, port, (there, peer_port), state, queue, inode)
