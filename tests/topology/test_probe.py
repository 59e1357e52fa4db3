from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from real_sockets import listening, needs_ipv6, port_of

from module_utils.topology.probe import LONGEST_LINE, Answer, transaction

GREETING = b"220 mx.example.test ESMTP\r\n"
EHLO = b"250-mx.example.test\r\n250-PIPELINING\r\n250 SIZE 10240000\r\n"
OK, BYE = b"250 2.0.0 Ok\r\n", b"221 2.0.0 Bye\r\n"
REFUSED = b"550 5.1.1 unknown\r\n"


@contextlib.contextmanager
def server(*replies: bytes | None, address: str = "127.0.0.1") -> Iterator[tuple[int, list[bytes]]]:
    """Says its replies, one for each line of the client, then closes; None keeps it silent."""
    heard: list[bytes] = []
    over = threading.Event()
    with listening(address) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                lines = connection.makefile("rb")
                for number, reply in enumerate(replies):
                    if number:
                        heard.append(lines.readline())
                    if reply is None:
                        over.wait(10)
                        return
                    connection.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield port_of(listener), heard
        finally:
            over.set()
            thread.join(10)


@pytest.mark.parametrize("address", ["127.0.0.1", pytest.param("::1", marks=needs_ipv6)])
def test_a_recipient_is_accepted_and_no_message_is_sent(address: str) -> None:
    with server(GREETING, EHLO, OK, b"250 2.1.5 Ok\r\n", OK, BYE, address=address) as (port, heard):
        answer = transaction(address, port, 5)
    assert answer == Answer("RCPT TO", "250 2.1.5 Ok")
    assert answer.accepted
    assert answer.greeted
    assert str(answer) == "RCPT TO: 250 2.1.5 Ok"
    assert heard == [
        b"EHLO [127.0.0.1]\r\n",
        b"MAIL FROM:<>\r\n",
        b"RCPT TO:<postmaster>\r\n",
        b"RSET\r\n",
        b"QUIT\r\n",
    ]


@pytest.mark.parametrize("reply", [b"450 4.2.0 later\r\n", REFUSED])
def test_a_recipient_that_is_refused_is_not_accepted(reply: bytes) -> None:
    with server(GREETING, EHLO, OK, reply, OK, BYE) as (port, heard):
        answer = transaction("127.0.0.1", port, 5)
    assert answer == Answer("RCPT TO", reply.decode().strip())
    assert not answer.accepted
    assert answer.greeted
    assert heard[-1] == b"QUIT\r\n"


@pytest.mark.parametrize(
    ("replies", "command"),
    [
        ((GREETING, b"502 5.5.2 what\r\n", OK, BYE), "EHLO"),
        ((GREETING, EHLO, b"451 4.3.0 later\r\n", OK, BYE), "MAIL FROM"),
    ],
)
def test_an_earlier_refusal_ends_it(replies: tuple[bytes, ...], command: str) -> None:
    with server(*replies) as (port, heard):
        answer = transaction("127.0.0.1", port, 5)
    assert answer.command == command
    assert answer.greeted
    assert not answer.accepted
    assert heard[-1] == b"QUIT\r\n"


def test_the_last_line_of_a_greeting_counts() -> None:
    with server(b"220-wait\r\n220-for it\r\n220 mx\r\n", EHLO, OK, OK, OK, BYE) as (port, _):
        assert transaction("127.0.0.1", port, 5).accepted


@pytest.mark.parametrize(
    "greeting", [b"554 5.7.1 no\r\n", b"421 4.3.2 later\r\n", b"hello\r\n", b"\r\n"]
)
def test_who_does_not_greet_is_told_nothing(greeting: bytes) -> None:
    with server(greeting) as (port, heard):
        answer = transaction("127.0.0.1", port, 5)
    assert answer == Answer("connect", greeting.decode().strip())
    assert not answer.greeted
    assert not answer.accepted
    assert heard == []


def test_who_closes_at_once_does_not_greet() -> None:
    with server() as (port, _):
        answer = transaction("127.0.0.1", port, 5)
    assert not answer.greeted
    assert answer.reply.startswith("no answer: ")


@pytest.mark.parametrize("last", [GREETING, EHLO, OK])
def test_who_closes_on_the_way_does_not_accept(last: bytes) -> None:
    replies = [GREETING, EHLO, OK]
    with server(*replies[: replies.index(last) + 1]) as (port, _):
        answer = transaction("127.0.0.1", port, 5)
    assert not answer.accepted
    assert answer.reply.startswith("no answer: ")


def test_who_is_silent_is_not_waited_for_without_end() -> None:
    began = time.monotonic()
    with server(None) as (port, _):
        assert transaction("127.0.0.1", port, 0.2) == Answer("connect", "no answer: timed out")
    with server(GREETING, EHLO, None) as (port, _):
        answer = transaction("127.0.0.1", port, 0.2)
    assert time.monotonic() - began < 5
    assert answer.reply == "no answer: timed out"
    assert not answer.accepted


def test_where_nobody_listens_nobody_answers() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        answer = transaction("127.0.0.1", reserved.getsockname()[1], 5)
    assert answer.command == "connect"
    assert "refused" in answer.reply


@pytest.mark.parametrize("garbage", [b"\xff\xfe\x00\r\n", b"x" * 100_000, b"25\r\n", b"2\n"])
def test_garbage_is_no_acceptance(garbage: bytes) -> None:
    with server(garbage, EHLO, garbage) as (port, _):
        answer = transaction("127.0.0.1", port, 2)
    assert not answer.accepted
    assert len(answer.reply) <= LONGEST_LINE


def test_a_line_that_is_too_long_is_not_taken_for_an_acceptance() -> None:
    with server(GREETING, b"250-" + b"x" * 5000 + b"\r\n250 SIZE\r\n", OK, REFUSED) as (port, _):
        assert not transaction("127.0.0.1", port, 2).accepted


def test_a_line_that_is_too_long_is_one_line() -> None:
    long = b"250-" + b"x" * 600 + b"\r\n250 SIZE\r\n"
    with server(GREETING, long, OK, OK, OK, BYE) as (port, _):
        assert transaction("127.0.0.1", port, 5).accepted


def test_who_leaves_after_the_recipients_reply_has_replied() -> None:
    with server(GREETING, EHLO, OK, OK) as (port, _):
        assert transaction("127.0.0.1", port, 5) == Answer("RCPT TO", "250 2.0.0 Ok")


def test_two_answers_are_alike_if_they_came_equally_far() -> None:
    one = Answer("RCPT TO", "450 4.2.0 later")
    assert one.like(Answer("RCPT TO", "451 4.3.0 other"))
    assert not one.like(Answer("RCPT TO", "550 5.1.1 unknown"))
    assert not one.like(Answer("MAIL FROM", "450 4.2.0 later"))
