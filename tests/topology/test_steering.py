from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from real_sockets import child_with, inode_of, listening, needs_ipv6, port_of

from module_utils.topology.borrowing import BorrowError, borrowed
from module_utils.topology.sockets import Process, listeners
from module_utils.topology.steering import release, shareable, steer
from module_utils.topology.survey import host_has_ipv6

ROOT = Path(__file__).resolve().parents[2]

CONNECTIONS = 24


def served(
    one: socket.socket, two: socket.socket, source: str = "", to: str = ""
) -> tuple[int, int]:
    """How many of some new connections each of two sockets gets."""
    counts = {one: 0, two: 0}
    address, port = one.getsockname()[:2]
    where = (source, 0) if source else None
    with contextlib.ExitStack() as clients:
        for _ in range(CONNECTIONS):
            client = socket.create_connection((to or address, port), source_address=where)
            clients.enter_context(client)
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


@pytest.mark.parametrize(
    ("address", "to", "another"),
    [
        ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
        ("0.0.0.0", "127.0.0.3", "127.0.0.2"),
        ("0.0.0.0", "127.0.0.1", "127.1.0.1"),
    ],
)
def test_connections_of_this_host_itself_can_go_elsewhere(
    address: str, to: str, another: str
) -> None:
    with (
        listening(address, shared=True) as one,
        listening(address, port_of(one), shared=True) as two,
    ):
        group = listeners({port_of(one)})
        steer(group, 0, ourselves=1)
        assert served(one, two, to, to) == (0, CONNECTIONS)
        assert served(one, two, another, to) == (CONNECTIONS, 0)
        steer(group, 1, ourselves=0)
        assert served(one, two, to, to) == (CONNECTIONS, 0)
        assert served(one, two, another, to) == (0, CONNECTIONS)
        steer(group, 1)
        assert served(one, two, to, to) == served(one, two, another, to) == (0, CONNECTIONS)


def word_twins() -> list[tuple[str, str]]:
    """Pairs of IPv6 addresses that differ in one 32-bit word alone."""
    return [
        ("fd00::1", "fd01::1"),
        ("fd00:0:1::1", "fd00:0:2::1"),
        ("fd00::1:0:0:1", "fd00::2:0:0:1"),
        ("fd00::1:1", "fd00::1:2"),
    ]


@pytest.mark.parametrize(("to", "another"), word_twins())
def test_every_word_of_an_ipv6_address_counts(to: str, another: str) -> None:
    """Addresses of our own choice, in a network namespace where no firewall gives them another."""
    script = """
import os, select, socket, subprocess, sys
sys.path.insert(0, sys.argv[1])
from module_utils.topology.sockets import listeners
from module_utils.topology.steering import steer
to, another = sys.argv[2:]
for command in ["link set lo up"] + [f"-6 address add {a}/128 dev lo nodad" for a in (to, another)]:
    subprocess.run(["ip", *command.split()], check=True)
def server(port):
    one = socket.socket(socket.AF_INET6)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    one.bind(("::", port))
    one.listen()
    return one
one = server(0)
two = server(one.getsockname()[1])
steer(listeners({one.getsockname()[1]}), 0, ourselves=1)
for source in (to, another):
    for _ in range(6):
        client = socket.create_connection((to, one.getsockname()[1]), source_address=(source, 0))
        ready, _, _ = select.select([one, two], [], [], 10)
        for listener in ready:
            listener.accept()[0].close()
            print("one" if listener is one else "two")
"""
    if not host_has_ipv6():
        pytest.skip("this machine has no IPv6")
    command = ["unshare", "--net", sys.executable, "-c", script, str(ROOT), to, another]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stderr}; this test needs a network namespace and ip"
    assert done.stdout.split() == ["two"] * 6 + ["one"] * 6


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
        with borrowed(found.processes[0], found.inode) as copy:
            assert copy.getsockname() == ("127.0.0.1", port)
            assert inode_of(copy) == found.inode
        assert [f.inode for f in listeners({port})] == [found.inode]


def test_a_socket_that_is_gone_cannot_be_borrowed() -> None:
    with listening() as one:
        (found,) = listeners({port_of(one)})
    with pytest.raises(BorrowError, match=f"process {os.getpid()} no longer has socket"):
        shareable(found)


def test_a_process_that_is_gone_has_nothing_to_borrow() -> None:
    with listening() as one, child_with(one) as child:
        (found,) = listeners({port_of(one)})
    gone = replace(found, processes=(Process(child, "gone", ""),))
    with pytest.raises(BorrowError, match="has ended"):
        shareable(gone)
