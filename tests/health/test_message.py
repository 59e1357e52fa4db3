"""A message to a server that answers as it is told, and the waiting for its departure."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from lines import PROBE, log

from module_utils.health import message
from module_utils.health.decisions import Record
from module_utils.health.mail_log import Line
from module_utils.health.message import ProbeError, Sent, Way, follow, send

SENT = Sent(PROBE, "250 Ok", "192.0.2.11", 58574)
PASSED: list[Record] = [
    {"event": "decision", "address": "192.0.2.11", "port": 58574, "function": "none"}
    | {"action": "pass"}
]


def way(topology: str, *, judged: bool = True) -> Way:
    return Way(topology, judged, 25, 10025)


@contextmanager
def server(*replies: str) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection, connection.makefile("rb") as lines:
                for reply in replies:
                    connection.sendall(reply.encode() + b"\r\n")
                    end = b".\r\n" if reply.startswith("354") else b""
                    while (line := lines.readline()) and end not in (b"", line):
                        pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(listening.getsockname()[1])
        thread.join(5)


def test_a_message_is_handed_over_and_the_reply_known() -> None:
    with server("220 a", "250 a", "250 b", "250 c", "354 go", "250 queued", "221 bye") as port:
        sent = send("127.0.0.1", port, "", "a@b", PROBE)
    assert (sent.message_id, sent.reply, sent.address) == (PROBE, "250 queued", "127.0.0.1")


@pytest.mark.parametrize(
    ("replies", "command"),
    [
        (["554 5.7.1 blocked", "221 bye"], "connect"),
        (["220 a", "250 a", "450 later", "221 bye"], "MAIL FROM"),
        (["220 a", "250 a", "250 b", "550 no", "221 bye"], "RCPT TO"),
    ],
)
def test_a_refusal_is_named_with_its_command(replies: list[str], command: str) -> None:
    with server(*replies) as port, pytest.raises(ProbeError, match=f"refused after {command}: "):
        send("127.0.0.1", port, "", "a@b", PROBE)


def test_nobody_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(ProbeError, match=f"127.0.0.1:{port} took no message"):
        send("127.0.0.1", port, "", "a@b", PROBE)


@pytest.mark.parametrize("topology", ["edge", "inline", "direct"])
def test_the_hops_are_told_in_order(topology: str) -> None:
    records = [] if topology == "direct" else PASSED
    lines = log(f"{topology}-3.10")
    journey = follow(SENT, way(topology), lambda: lines, lambda: records, 0)
    kinds = [hop.partition(": ")[0].partition("[")[0] for hop in journey.hops]
    door = "postfix/after-filter/smtpd" if topology == "inline" else "postfix/smtpd"
    judged = [] if topology == "direct" else ["sender filter"]
    assert kinds == [
        "port 25", *judged, door, "127.0.0.1", "postfix/reinject/smtpd", "mailstore",
    ]  # fmt: skip


def test_a_message_around_the_filter_is_an_error_unless_the_filter_keeps_no_records() -> None:
    lines = log("edge-3.7")
    with pytest.raises(ProbeError, match="walked around the sender filter"):
        follow(SENT, way("edge"), lambda: lines, list, 0)
    assert follow(SENT, way("edge", judged=False), lambda: lines, list, 0).hops


def test_a_message_that_stays_is_an_error_that_says_where() -> None:
    lines = log("direct-3.7")[:3]
    with pytest.raises(ProbeError, match=r"has not left within 0 s: \w+ is queued"):
        follow(SENT, way("direct"), lambda: lines, list, 0)


def test_it_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message, "POLL_SECONDS", 0.01)
    lines = log("direct-3.7")
    ends = iter((0, 3, len(lines)))

    def growing() -> list[Line]:
        return lines[: next(ends)]

    assert len(follow(SENT, way("direct"), growing, list, 5).hops) == 5
