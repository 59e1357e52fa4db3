from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

from module_utils.topology.services import banner, wait_until


@contextlib.contextmanager
def server(greeting: bytes) -> Iterator[int]:
    """Greets one client, and closes when that has said something."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(greeting)
                if greeting:
                    connection.recv(512)
                    connection.sendall(b"221 2.0.0 Bye\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def test_the_banner_is_the_first_line_of_the_greeting() -> None:
    with server(b"220 mx.example.test ESMTP\r\n250 more\r\n") as port:
        assert banner("127.0.0.1", port) == "220 mx.example.test ESMTP"


def test_a_server_that_only_closes_has_no_banner() -> None:
    with server(b"") as port:
        assert banner("127.0.0.1", port) in (
            "closed without a greeting",
            "no greeting: [Errno 104] Connection reset by peer",
        )


def test_a_port_without_a_server_has_no_banner() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        assert banner("127.0.0.1", reserved.getsockname()[1]).startswith("no greeting: ")


def test_a_server_that_says_nothing_is_not_waited_for_without_end() -> None:
    started = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert banner("127.0.0.1", silent.getsockname()[1], 0.05) == "no greeting: timed out"
    assert time.monotonic() - started < 2


def test_a_condition_is_waited_for_until_it_is_true() -> None:
    answers = iter([False, False, True])
    assert wait_until(lambda: next(answers), 10)
    assert list(answers) == []


def test_a_condition_that_stays_false_is_given_up() -> None:
    started = time.monotonic()
    assert not wait_until(lambda: False, 0.05)
    assert 0.05 <= time.monotonic() - started < 5


def test_a_condition_is_asked_even_without_any_time() -> None:
    assert wait_until(lambda: True, 0)
