"""The SMTP session, followed and judged: what both sides may send, in any order and in any pieces.

The first byte says whether headers are judged, and how often each piece is sent. After it come the
pieces, each behind a byte that says which side it is from; one more byte stands for a long text.
"""

import re
from collections.abc import Iterator

from sender_filter.core.replies import Reply
from sender_filter.core.smtp.client_stream import MOST_PENDING, MOST_UNREAD
from sender_filter.core.smtp.events import (
    CloseClient,
    CloseServer,
    Event,
    HeadersComplete,
    ToClient,
    ToServer,
)
from sender_filter.core.smtp.session import Session

CLIENT, SERVER, LONG = b"\xf0", b"\xf1", b"\xf2"
_JUDGED, _MANY = 1, 2
_REPEATS = 200
_LONG_TEXT, _MOST_LONG = b"x" * 1024, 4
_REFUSAL = Reply(550, "5.7.1", "refused")

_BEGIN = SERVER + b"220 x\r\n" + CLIENT + b"EHLO x\r\n" + SERVER + b"250-x\r\n250 CHUNKING\r\n"
_ENVELOPE = CLIENT + b"MAIL FROM:<a@example.test>\r\nRCPT TO:<b@example.test>\r\n"
_OK = b"250 2.1.0 Ok\r\n"
_DATA = _BEGIN + _ENVELOPE + CLIENT + b"DATA\r\n" + SERVER + _OK + _OK + b"354 Go\r\n"
_CHUNKS = CLIENT + b"BDAT 6\r\nBad: x" + CLIENT + b"BDAT 2 LAST\r\nxx" + (SERVER + _OK * 2) * 2

SEEDS = [
    flags + script
    for flags in (b"\0", b"\1")
    for script in (
        _DATA + CLIENT + b"A: b\r\n\r\ntext\r\n.\r\nQUIT\r\n" + SERVER + b"250 Ok\r\n221 Bye\r\n",
        _DATA + CLIENT + b"Bad: x\r\n\r\ntext\r\n.\r\nQUIT\r\n",
        _DATA + CLIENT + b"A: b\n\ntext\n.\r\nmore\r\n.\r\n" + SERVER + b"250 Ok\r\n",
        _BEGIN + _ENVELOPE + _CHUNKS,
        _BEGIN + CLIENT + b"AUTH LOGIN\r\n" + SERVER + b"334 \r\n" + CLIENT + b"*\r\nNOOP\r\n",
        _BEGIN + CLIENT + b"NOOP\r\n" * 6 + b"NOOP " + LONG + LONG + b"\r\nNOOP\r\n",
        _BEGIN + CLIENT + b"STARTTLS\r\n" + SERVER + b"220 Go\r\n" + CLIENT + b"\x16\x03\x01",
    )
]
SEEDS += [
    flags + CLIENT + piece
    for flags in (b"\2", b"\3")
    for piece in (b"NOOP\r\n" * 6, b"DATA\r\n" + LONG * 3, b"BDAT 99999999\r\n", b"\n" * 9)
]
WORDS = [
    CLIENT, SERVER, LONG, b"\r\n.\r\n", b"\n.\n", b"\r\n.\n", b"\n.\r\n", b".\r\r\n", b"\r\n\r\n",
    b"DATA\r\n", b"BDAT 3\r\n", b"BDAT 5 LAST\r\n", b"BDAT 0 LAST\r\n", b"RSET\r\n", b"QUIT\r\n",
    b"STARTTLS\r\n", b"AUTH PLAIN\r\n", b"EHLO x\r\n", b"MAIL FROM:<>\r\n", b"RCPT TO:<a>\r\n",
    b"Bad: x\r\n", b"250 2.0.0 Ok\r\n", b"354 Go\r\n", b"334 \r\n", b"220 x\r\n", b"421 x\r\n",
    b"221 x\r\n", b"250-a\r\n", b"250 CHUNKING\r\n", b"530 5.7.0 x\r\n", b"500 5.5.2 x\r\n",
]  # fmt: skip


def check(data: bytes) -> None:
    """Whole or in single bytes, the same comes of it; and what is kept is bounded."""
    flags, script = data[:1], list(_pieces(data[1:]))
    judged = bool(flags and flags[0] & _JUDGED)
    if flags and flags[0] & _MANY:
        _feed([(side, piece * _REPEATS) for side, piece in script], judged=judged, step=1 << 20)
        return
    whole = _normal(_feed(script, judged=judged, step=1 << 20))
    singly = _normal(_feed(script, judged=judged, step=1))
    assert singly[0] == whole[0], "what is sent to Postfix"
    assert singly[1] == whole[1], "what is told"
    # Replies to what Postfix was never sent come from no Postfix: they may pass, or not.
    if not any(isinstance(event, CloseServer | CloseClient) for event in whole[1]):
        assert singly[2] == whole[2], "what is sent to the client"


def _pieces(script: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each side's name and what it sends."""
    script = script.replace(LONG, _LONG_TEXT, _MOST_LONG)
    for piece in re.finditer(rb"([\xf0\xf1]?)([^\xf0\xf1]+)", script):
        yield piece[1] or CLIENT, piece[2]


def _feed(script: list[tuple[bytes, bytes]], *, judged: bool, step: int) -> list[Event]:
    session = Session(judge_headers=judged)
    events: list[Event] = []
    asked = 0
    for side, piece in script:
        feed = session.from_client if side == CLIENT else session.from_server
        for at in range(0, len(piece), step):
            events += feed(piece[at : at + step])
            _bounded(session, len(piece))
        while len(sections := [e for e in events if isinstance(e, HeadersComplete)]) > asked:
            bad = b"Bad" in sections[asked].section
            events += session.judge_refuse(_REFUSAL) if bad else session.judge_pass()
            asked += 1
    _closed_means_closed(events)
    return events


def _bounded(session: Session, piece: int) -> None:
    client = session._client
    assert len(client.pending) <= MOST_PENDING
    assert len(client.unread()) <= MOST_UNREAD + piece


def _closed_means_closed(events: list[Event]) -> None:
    server_closed = client_closed = False
    for event in events:
        assert not (server_closed and isinstance(event, ToServer)), "sent after the close"
        assert not (client_closed and isinstance(event, ToClient)), "said after the close"
        server_closed |= isinstance(event, CloseServer)
        client_closed |= isinstance(event, CloseClient)


def _normal(events: list[Event]) -> tuple[bytes, list[Event], bytes]:
    """Bytes for Postfix, what else happened, bytes for the client."""
    return (
        b"".join(e.data for e in events if isinstance(e, ToServer)),
        [e for e in events if not isinstance(e, ToServer | ToClient)],
        b"".join(e.data for e in events if isinstance(e, ToClient)),
    )
