from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from real_sockets import child_with, inode_of, listening, needs_ipv6, port_of

from module_utils.topology import sessions
from module_utils.topology.sockets import listeners, processes_by_inode


@pytest.mark.parametrize("address", ["127.0.0.1", pytest.param("::1", marks=needs_ipv6)])
def test_sessions_are_counted_on_the_servers_side_while_they_last(address: str) -> None:
    with listening(address) as server:
        port = port_of(server)
        assert sessions.of_postfix(port) == 0
        with contextlib.ExitStack() as served:
            for count in (1, 2, 3):
                client = socket.create_connection((address, port))
                served.enter_context(client)
                served.enter_context(server.accept()[0])
                assert sessions.of_postfix(port) == count
            assert sessions.of_filter(port) == 0
        assert sessions.of_postfix(port) == 0


def test_a_session_that_the_client_has_left_still_runs() -> None:
    with listening() as server:
        client = socket.create_connection(("127.0.0.1", port_of(server)))
        with server.accept()[0]:
            client.close()
            assert sessions.of_postfix(port_of(server)) == 1
        assert sessions.of_postfix(port_of(server)) == 0


def test_a_session_that_two_processes_hold_is_one() -> None:
    with listening() as server:
        client = socket.create_connection(("127.0.0.1", port_of(server)))
        with client, server.accept()[0] as session, child_with(session):
            assert sessions.of_postfix(port_of(server)) == 1
            session.close()
            assert sessions.of_postfix(port_of(server)) == 1


def test_a_connection_that_waits_is_in_the_queue_and_no_session() -> None:
    with listening() as server, contextlib.ExitStack() as clients:
        port = port_of(server)
        (found,) = listeners({port})
        assert sessions.waiting(found) == 0
        for _ in range(3):
            clients.enter_context(socket.create_connection(("127.0.0.1", port)))
        assert sessions.waiting(found) == 3
        assert sessions.of_postfix(port) == 0
        with server.accept()[0]:
            assert sessions.waiting(found) == 2
            assert sessions.of_postfix(port) == 1


def test_each_socket_on_a_port_has_a_queue_of_its_own() -> None:
    with contextlib.ExitStack() as opened:
        one = opened.enter_context(listening(shared=True))
        two = opened.enter_context(listening(port=port_of(one), shared=True))
        for _ in range(12):
            opened.enter_context(socket.create_connection(("127.0.0.1", port_of(one))))
        found = {f.inode: sessions.waiting(f) for f in listeners({port_of(one)})}
        assert sum(found.values()) == 12
        assert set(found) == {inode_of(one), inode_of(two)}


def test_a_connection_is_named_by_both_its_ends_while_somebody_serves_it() -> None:
    with listening() as server, contextlib.ExitStack() as opened:
        port = port_of(server)
        clients = [
            opened.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(2)
        ]
        assert sessions.on(port) == frozenset()
        with server.accept()[0], server.accept()[0]:
            ends = {("127.0.0.1", client.getsockname()[:2]) for client in clients}
            assert sessions.on(port) == ends
        assert sessions.on(port) == frozenset()


def test_some_sessions_are_ended_and_no_others_and_no_process() -> None:
    with listening() as server, contextlib.ExitStack() as opened:
        port = port_of(server)
        clients, children, ends = [], [], []
        for _ in range(2):
            client = opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            with server.accept()[0] as session:
                children.append(opened.enter_context(process_with(session)))
            clients.append(client)
            ends.append(("127.0.0.1", client.getsockname()[:2]))
        sessions.end(port, frozenset(ends[:1]))
        assert clients[0].recv(1) == b""
        assert [child.poll() for child in children] == [None, None]
        clients[1].setblocking(False)
        with pytest.raises(BlockingIOError):
            clients[1].recv(1)
        children[0].kill()
        children[0].wait(10)
        sessions.end(port, frozenset(ends[:1]))  # it has gone


def test_who_has_left_before_he_was_cut_is_no_trouble() -> None:
    with listening() as server:
        client = socket.create_connection(("127.0.0.1", port_of(server)))
        with server.accept()[0] as session:
            inode = inode_of(session)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()  # by a reset: the server's socket is still open, and not connected
            (process,) = processes_by_inode({inode})[inode]
            sessions._shut(process, inode)


@contextlib.contextmanager
def process_with(session: socket.socket) -> Iterator[subprocess.Popen[bytes]]:
    """A process that alone has a session open."""
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[session.fileno()]
    ) as child:
        yield child
        child.kill()


def test_a_server_that_is_not_the_filter_is_told_from_it() -> None:
    with listening() as server:

        def serve() -> None:
            with server.accept()[0] as connection:
                connection.sendall(b"220 mx.example.test ESMTP\r\n")
                connection.recv(512)
                connection.sendall(b"221 2.0.0 Bye\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        assert not sessions.reaches_filter("127.0.0.1", port_of(server), lambda: None)
        thread.join(10)


def test_nobody_is_an_error_and_not_somebody_else() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="refused"):
            sessions.reaches_filter("127.0.0.1", port_of(reserved), lambda: None)


def test_who_will_never_greet_is_not_waited_for() -> None:
    def dead() -> None:
        raise RuntimeError("its master has died")

    with listening() as server:
        started = time.monotonic()
        with pytest.raises(RuntimeError, match="its master has died"):
            sessions.reaches_filter("127.0.0.1", port_of(server), dead)
        assert time.monotonic() - started < 10
        with pytest.raises(TimeoutError, match="no greeting in 1 s"):
            sessions.reaches_filter("127.0.0.1", port_of(server), lambda: None, 1)
