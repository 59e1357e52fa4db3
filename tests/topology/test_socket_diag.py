"""What netlink says of sockets is what the kernel shows as text."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from ipaddress import IPv4Address, IPv6Address
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_sockets import inode_of, listening, needs_ipv6, port_of

from module_utils.topology import socket_diag, socket_table
from module_utils.topology.socket_table import ESTABLISHED, LISTEN, TIME_WAIT, Socket


@given(
    st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)),
    st.integers(0, 65535),
    st.integers(0, 65535),
    st.integers(1, 12),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
)
def test_a_message_comes_out_as_the_kernel_had_it(
    address: IPv4Address | IPv6Address,
    port: int,
    peer_port: int,
    state: int,
    queue: int,
    inode: int,
) -> None:
    kind = socket.AF_INET if address.version == 4 else socket.AF_INET6
    message = (
        struct.pack("=BBBB", kind, state, 0, 0)
        + struct.pack("!HH16s16s", port, peer_port, address.packed, address.packed)
        + struct.pack("=III", 7, 0xDEAD, 0xBEEF)  # interface, cookie
        + struct.pack("=IIIII", 9, queue, 11, 12, inode)  # timer, both queues, user, inode
    )
    text = socket.inet_ntop(kind, address.packed)
    assert socket_diag.parse(message + b"attributes") == Socket(
        f"ipv{address.version}", text, port, (text, peer_port), state, queue, inode
    )


@pytest.mark.parametrize("address", ["127.0.0.1", pytest.param("::1", marks=needs_ipv6)])
def test_it_says_what_the_text_says(address: str) -> None:
    with listening(address) as server, contextlib.ExitStack() as opened:
        port = port_of(server)
        for _ in range(3):
            opened.enter_context(socket.create_connection((address, port)))
        served = opened.enter_context(server.accept()[0])

        def ours(rows: list[Socket]) -> set[Socket]:
            return {row for row in rows if port in (row.port, row.peer[1])}

        found = ours(socket_diag.read())
        assert found == ours(socket_table.read())
        assert len(found) == 7  # the listener, and both ends of three connections
        (one,) = (row for row in socket_diag.listening() if row.port == port)
        assert (one.state, one.queue, one.inode) == (LISTEN, 2, inode_of(server))
        (established,) = (row for row in found if row.inode == inode_of(served))
        assert (established.state, established.peer) == (ESTABLISHED, served.getpeername()[:2])


def test_more_sockets_than_one_answer_has_room_for_are_all_there() -> None:
    with listening() as server, contextlib.ExitStack() as opened:
        port = port_of(server)
        for _ in range(400):
            opened.enter_context(socket.create_connection(("127.0.0.1", port)))
            opened.enter_context(server.accept()[0])
        rows = [row for row in socket_diag.read() if row.port == port and row.state == ESTABLISHED]
    assert len(rows) == 400


def test_connections_that_have_ended_are_left_out() -> None:
    with listening() as server:
        port = port_of(server)
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", port)), server.accept()[0]:
                pass
        assert [row.state for row in socket_diag.read() if row.port == port] == [LISTEN]
        assert TIME_WAIT not in {row.state for row in socket_diag.read()}


@pytest.mark.parametrize("kind", [2, 3], ids=["NLMSG_ERROR", "NLMSG_DONE"])
def test_an_empty_list_that_ends_with_an_error_is_none(kind: int) -> None:
    """So a kernel answers that has no tcp_diag; nobody would seem to listen on any port."""
    answer = struct.pack("=IHHIIi", 20, kind, 0, 0, 0, -errno.ENOENT)
    with mock.patch.object(socket_diag.socket, "socket") as made:
        made.return_value.__enter__.return_value.recv.return_value = answer
        with pytest.raises(FileNotFoundError):
            socket_diag.listening()


def test_a_refusal_of_the_kernel_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_diag, "_SOCK_DIAG_BY_FAMILY", 99)  # there is none
    with pytest.raises(OSError, match=os.strerror(errno.EINVAL)):
        socket_diag.listening()
