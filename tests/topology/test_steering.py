from __future__ import annotations

import contextlib
import os
import select
import socket
from dataclasses import replace

import pytest
from real_sockets import child_with, inode_of, listening, needs_ipv6, port_of

from module_utils.topology.sockets import Process, listeners
from module_utils.topology.steering import SteeringError, borrowed, release, shareable, steer

CONNECTIONS = 24


def served(one: socket.socket, two: socket.socket) -> tuple[int, int]:
    """How many of some new connections each of two sockets gets."""
    counts = {one: 0, two: 0}
    address, port = one.getsockname()[:2]
    with contextlib.ExitStack() as clients:
        for _ in range(CONNECTIONS):
            clients.enter_context(socket.create_connection((address, port)))
            ready, _, _ = select.select([one, two], [], [], 10)
            for listener in ready:
                listener.accept()[0].close()
                counts[listener] += 1
    return counts[one], counts[two]


@pytest.mark.parametrize("address", ["127.0.0.1", pytest.param("::1", marks=needs_ipv6)])
def test_new_connections_go_where_they_are_steered(address: str) -> None:
    with (
        listening(address, shared=True) as one,
        listening(address, port_of(one), shared=True) as two,
    ):
        group = listeners({port_of(one)})
        steer(group, 0)
        assert served(one, two) == (CONNECTIONS, 0)
        steer(group, 1)
        assert served(one, two) == (0, CONNECTIONS)
        steer(group[:1], 0)
        assert served(one, two) == (CONNECTIONS, 0)
        release(group)
        assert all(served(one, two))
        release(group)


def test_a_member_that_joins_later_gets_nothing_from_a_group_that_is_steered() -> None:
    with listening(shared=True) as one:
        steer(listeners({port_of(one)}), 0)
        with listening(port=port_of(one), shared=True) as two:
            assert served(one, two) == (CONNECTIONS, 0)


@pytest.mark.parametrize("shared", [True, False])
def test_a_socket_says_whether_another_may_listen_beside_it(shared: bool) -> None:
    with listening(shared=shared) as one:
        (found,) = listeners({port_of(one)})
        assert shareable(found) is shared


def test_a_borrowed_socket_is_the_other_processs_own_and_stays_open_there() -> None:
    with listening() as one, child_with(one) as child:
        port = port_of(one)
        one.close()
        (found,) = listeners({port})
        assert [process.pid for process in found.processes] == [child]
        with borrowed(found) as copy:
            assert copy.getsockname() == ("127.0.0.1", port)
            assert inode_of(copy) == found.inode
        assert [f.inode for f in listeners({port})] == [found.inode]


def test_a_socket_that_is_gone_cannot_be_borrowed() -> None:
    with listening() as one:
        (found,) = listeners({port_of(one)})
    with pytest.raises(SteeringError, match=f"process {os.getpid()} no longer has socket"):
        shareable(found)


def test_a_process_that_is_gone_has_nothing_to_borrow() -> None:
    with listening() as one, child_with(one) as child:
        (found,) = listeners({port_of(one)})
    gone = replace(found, processes=(Process(child, "gone", ""),))
    with pytest.raises(OSError, match="No such process"):
        shareable(gone)
