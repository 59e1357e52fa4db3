"""What holds of a followed session whatever both sides send.

``SmallPostfix`` is Postfix's smtpd in small, written after ``smtpd.c``: it decides by itself
where a message ends, in either way that Postfix can be set to.
"""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from sender_filter.core.replies import Reply
from sender_filter.core.smtp.client_stream import MOST_PENDING, MOST_UNREAD
from sender_filter.core.smtp.content import EndOfData
from sender_filter.core.smtp.events import (
    BeginTls,
    CloseClient,
    CloseServer,
    HeadersComplete,
    Lost,
    MailAccepted,
    MessageAnswered,
    RecipientAnswered,
    SessionEnded,
    TlsBegun,
    ToClient,
    ToServer,
)
from sender_filter.core.smtp.session import Session

REFUSAL = Reply(550, "5.7.1", "refused")


class SmallPostfix:
    """A server; ``messages`` are those it took.

    Attributes:
        strict: As with ``smtpd_forbid_bare_newline = normalize``.
        told: What it answered to MAIL, RCPT and messages.
    """

    def __init__(self, *, strict):
        self.strict = strict
        self.data = b""
        self.messages = []
        self.told = []
        self.open = True
        self.secret = False
        self.sender = None
        self.recipients = 0
        self.chunks = None
        self.failed = False
        self.steps = self.talk()
        self.out = [next(self.steps)]

    def greeting(self):
        return b"".join(self.out)

    def receive(self, data):
        """Take bytes and return the replies."""
        self.data += data
        self.out = []
        while self.open and not self.secret:
            reply = next(self.steps)
            if reply is None:
                break
            self.out.append(reply)
        return b"".join(self.out)

    def line(self):
        while b"\n" not in self.data:
            yield None
        line, self.data = self.data.split(b"\n", 1)
        return line

    def bytes(self, size):
        while len(self.data) < size:
            yield None
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    def reset(self):
        self.sender, self.recipients, self.chunks, self.failed = None, 0, None, False

    def talk(self):
        yield b"220 mx.example.com\r\n"
        while True:
            line = (yield from self.line()).split(b"\0")[0]
            words = line.split()
            verb = words[0].lower() if words else b""
            name = "do_" + verb.decode("latin-1")
            if name.isascii() and name.isidentifier() and hasattr(self, name):
                yield from getattr(self, name)(words)
            else:
                yield b"500 5.5.2 Error: command not recognized\r\n"

    def do_ehlo(self, _words):
        self.reset()
        yield b"250-mx.example.com\r\n250-PIPELINING\r\n250 CHUNKING\r\n"

    def do_rset(self, _words):
        self.reset()
        yield b"250 2.0.0 Ok\r\n"

    def do_noop(self, _words):
        yield b"250 2.0.0 Ok\r\n"

    def do_quit(self, _words):
        self.open = False
        yield b"221 2.0.0 Bye\r\n"

    def do_starttls(self, words):
        if len(words) > 1:
            yield b"501 5.5.4 Syntax: STARTTLS\r\n"
        else:
            self.data, self.secret = b"", True
            yield b"220 2.0.0 Ready to start TLS\r\n"

    def do_auth(self, _words):
        yield b"334 \r\n"
        response = yield from self.line()
        yield b"501 5.7.0 Aborted\r\n" if response.strip() == b"*" else b"535 5.7.8 no\r\n"

    def do_mail(self, words):
        if self.sender is not None or self.chunks is not None:
            self.told.append(("mail", 503))
            yield b"503 5.5.1 Error: nested MAIL command\r\n"
        else:
            self.sender = words[1:]
            self.told.append(("mail", 250))
            yield b"250 2.1.0 Ok\r\n"

    def do_rcpt(self, words):
        code = 250 if self.sender is not None and self.chunks is None else 503
        if code == 250 and b"nobody" in b" ".join(words):
            code = 550
        self.recipients += code == 250
        self.told.append(("rcpt", code))
        yield b"%d 2.1.5 x\r\n" % code

    def do_data(self, words):
        code = 354 if self.recipients and self.chunks is None and len(words) == 1 else 554
        if code == 554:
            self.told.append(("message", 554))
        yield b"%d Go\r\n" % code
        if code == 354:
            content = yield from self.content()
            yield self.queue(content)

    def content(self):
        """receive_data_message()."""
        lines, bare_before = [], False
        while True:
            line = yield from self.line()
            bare = self.strict and not line.endswith(b"\r")
            text = line.removesuffix(b"\r") if self.strict else line.rstrip(b"\r")
            if text == b"." and not (bare or bare_before):
                return lines
            if text != b".":
                lines.append(text)
            bare_before = bare

    def do_bdat(self, words):
        last = len(words) == 3 and words[2].upper() == b"LAST"
        if not (len(words) == 2 or last) or not words[1].isdigit():
            self.open = False
            yield b"521 5.5.4 Syntax: BDAT count [LAST]\r\n"
            return
        chunk = yield from self.bytes(int(words[1]))
        if self.failed or not self.recipients:
            if not self.failed:
                self.told.append(("message", 554))
            self.failed = True
            self.chunks = self.chunks or b""
            reply = b"554 5.5.1 Error\r\n"
            if last:
                self.reset()
            yield reply
            return
        self.chunks = (self.chunks or b"") + chunk
        if not last:
            yield b"250 2.0.0 Ok\r\n"
        else:
            yield self.queue([line.rstrip(b"\r") for line in self.chunks.split(b"\n")])

    def queue(self, lines):
        self.messages.append(lines)
        self.told.append(("message", 250))
        self.reset()
        return b"250 2.0.0 Ok: queued\r\n"


def headers(lines):
    """The header section of a message as Postfix has stored it."""
    return list(itertools.takewhile(bool, lines))


class Gateway:
    """Client, session and server put together; ``judge`` refuses a section with ``Bad``."""

    def __init__(self, *, strict, judge_headers, ends_tls=False, single=False):
        self.postfix = SmallPostfix(strict=strict)
        self.session = Session(judge_headers=judge_headers, ends_tls=ends_tls)
        self.single = single
        self.events = []
        self.sent = b""
        self.heard = b""
        self.closed = set()
        self.replies = b""
        self.run(self.session.from_server(self.postfix.greeting()))

    def client(self, data):
        self.feed(self.session.from_client, data)

    def server(self):
        """Let the replies through that Postfix has given."""
        replies, self.replies = self.replies, b""
        self.feed(self.session.from_server, replies)

    def feed(self, side, data):
        """Bytes of one side; a handshake is made behind what came with its STARTTLS."""
        for piece in [bytes([b]) for b in data] if self.single else [data]:
            self.run(side(piece))
        self.session.tls_begun()

    def run(self, events):
        for event in events:
            if isinstance(event, ToServer):
                assert CloseServer not in self.closed
                self.sent += event.data
                self.replies += self.postfix.receive(event.data)
            elif isinstance(event, ToClient):
                assert CloseClient not in self.closed
                self.heard += event.data
            else:
                self.events.append(event)
                self.closed.add(type(event))
        for section in [e.section for e in events if isinstance(e, HeadersComplete)]:
            assert self.told() == self.postfix.told  # of all that came before the message
            bad = b"Bad" in section
            self.run(self.session.judge_refuse(REFUSAL) if bad else self.session.judge_pass())

    def told(self):
        names = {MailAccepted: "mail", RecipientAnswered: "rcpt", MessageAnswered: "message"}
        return [
            ("mail", 503) if type(e).__name__ == "MailRefused"
            else (names[type(e)], getattr(e, "code", 250))
            for e in self.events
            if type(e).__name__ == "MailRefused" or type(e) in names
        ]  # fmt: skip


PIECES = [
    b"EHLO x\r\n", b"MAIL FROM:<a@b.test>\r\n", b"RCPT TO:<c@d.test>\r\n", b"RCPT TO:<nobody>\n",
    b"DATA\r\n", b"data\n", b"RSET\r\n", b"NOOP\r\n", b"QUIT\r\n", b"STARTTLS\r\n",
    b"STARTTLS x\r\n", b"AUTH LOGIN\r\n", b"*\r\n", b"BDAT 3\r\n", b"BDAT 5 LAST\r\n",
    b"BDAT 0\r\n", b"BDAT 0 LAST\r\n", b"BDAT x\r\n", b"BDAT 9 LAST\r\nA: b\r\n\r\nx",
    b"DATA\x00 x\r\n", b"\r\n", b"\n", b".\r\n", b".\n", b".\r\r\n", b"\r\n.\r\n", b"\n.\n",
    b"\r\n.\n", b"\n.\r\n", b"..\r\n", b".", b"\r", b"text", b"text\r\n", b"text\n", b"A: b\r\n",
    b"Bad: x\r\n", b"Bad: x\n\n",
]  # fmt: skip
ENVELOPE = b"MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n"
ENDS = [b"\r\n.\r\n", b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r\n.\r\r\n"]
HEADERS = st.sampled_from([b"A: b\r\n\r\n", b"Bad: x\r\n\r\n", b"A: b\n\n", b"A: b", b""])
TEXT = st.sampled_from([b"text", b"", b"a\nb", b"a\n..\nb"])
MESSAGE = st.tuples(
    st.sampled_from([ENVELOPE + b"DATA\r\n", b"\r\n.\r\n" + ENVELOPE + b"DATA\r\n"]),
    HEADERS,
    TEXT,
    st.sampled_from(ENDS),
    st.sampled_from([b"", b"NOOP\r\n", b"text\r\n", b"RSET\r\n"]),
).map(b"".join)


def in_chunks(headers, text, first):
    """A message with all its commands, ``first`` bytes of it in a chunk of their own."""
    content = headers + text
    chunk = b"BDAT %d\r\n%b" % (first, content[:first]) if first else b""
    return ENVELOPE + chunk + b"BDAT %d LAST\r\n%b" % (len(content) - first, content[first:])


CHUNKS = st.tuples(HEADERS, TEXT, st.just(0)) | st.tuples(HEADERS, st.just(b"text"), st.just(4))
TALK = st.lists(
    st.one_of(
        st.sampled_from(PIECES),
        st.just(ENVELOPE),
        st.just(ENVELOPE + b"DATA\r\n"),
        MESSAGE,
        MESSAGE,
        CHUNKS.map(lambda parts: in_chunks(*parts)),
        st.binary(max_size=5),
    ),
    max_size=12,
)
REPLIES = st.lists(
    st.one_of(
        st.sampled_from([b"220 x\r\n", b"250 2.0.0 Ok\r\n", b"354 Go\r\n", b"334 \r\n",
                         b"421 x\r\n",
                         b"550 5.1.1 no\r\n", b"250-a\r\n", b"250 CHUNKING\r\n", b"503 5.7.0 x\r\n",
                         b"221 x\r\n", b"\r\n", b"500"]),
        st.binary(max_size=4),
    ),
    max_size=12,
)  # fmt: skip


def normal(events):
    """Forwards by direction, and the other events in order."""
    return (
        b"".join(e.data for e in events if isinstance(e, ToServer)),
        b"".join(e.data for e in events if isinstance(e, ToClient)),
        [e for e in events if not isinstance(e, ToServer | ToClient)],
    )


def run(script, *, judge_headers, single):
    """Feed (side, data) steps; answer each judgement at the end of its step."""
    session = Session(judge_headers=judge_headers)
    events = []
    judged = 0
    for side, data in script:
        feed = session.from_client if side == "C" else session.from_server
        for piece in [bytes([b]) for b in data] if single else [data]:
            events += feed(piece)
        while len(sections := [e for e in events if isinstance(e, HeadersComplete)]) > judged:
            bad = b"Bad" in sections[judged].section
            events += session.judge_refuse(REFUSAL) if bad else session.judge_pass()
            judged += 1
    return events


SCRIPT = st.lists(
    st.one_of(
        st.tuples(st.just("C"), TALK.map(b"".join)),
        st.tuples(st.just("S"), REPLIES.map(b"".join)),
    ),
    max_size=8,
)


def after_hello(script):
    return [
        ("S", b"220 x\r\n"), ("C", b"EHLO x\r\n"), ("S", b"250-x\r\n250 CHUNKING\r\n"), *script,
    ]  # fmt: skip


@settings(deadline=None)
@given(SCRIPT, st.booleans())
def test_bytes_in_pieces_give_the_same_events(script, judge_headers):
    script = after_hello(script)
    whole = run(script, judge_headers=judge_headers, single=False)
    singly = run(script, judge_headers=judge_headers, single=True)
    sent, heard, told = normal(whole)
    sent_singly, heard_singly, told_singly = normal(singly)
    assert (sent_singly, told_singly) == (sent, told)
    if CloseClient() not in told:
        assert heard_singly == heard


LONG_SECTION = st.lists(
    st.sampled_from([b"A: b\r\n" * 400, b"A: b\r\n" * 1000, b"A: " + b"x" * 20_000, b"x" * 65_000,
                     b"\r\n", b"\n", b" y\r\n", b"\r\n\r\n", b"\r\n.\r\n", b"text"]),
    max_size=8,
).map(b"".join)  # fmt: skip


def judged_in_pieces(content, size, *, command, passes):
    """What a session does with a message; nobody waits who could wait for ever."""
    session = Session(judge_headers=True)
    replies = b"250 2.1.0 Ok\r\n" * 2 + (b"354 Go\r\n" if command.startswith(b"DATA") else b"")
    script = after_hello([("C", ENVELOPE + command), ("S", replies)])
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    events = []
    for side, data in [*script, *(("C", piece) for piece in pieces)]:
        found = session.from_client(data) if side == "C" else session.from_server(data)
        events += found
        if any(isinstance(e, HeadersComplete) for e in found):
            events += session.judge_pass() if passes else session.judge_refuse(REFUSAL)
        assert session.wants_client_data or session.withholds
    return normal(events)


@settings(deadline=None)
@given(LONG_SECTION, st.sampled_from([997, 4096, 65_535, 65_536]), st.booleans(),
       st.sampled_from([b"DATA\r\n", b"BDAT 200000\r\n", b"BDAT 70000 LAST\r\n",
                        b"BDAT 65536\r\n"]))  # fmt: skip
def test_long_headers_in_pieces_give_the_same_events(content, size, passes, command):
    content += b"x" * 70_000
    whole = judged_in_pieces(content, len(content), command=command, passes=passes)
    assert judged_in_pieces(content, size, command=command, passes=passes) == whole
    [section] = [e for e in whole[2] if isinstance(e, HeadersComplete)]
    assert content.startswith(section.section)
    sent = whole[0].partition(command)[2]
    assert content.startswith(sent)
    assert bool(sent) is passes


@settings(deadline=None)
@given(SCRIPT)
def test_without_judging_every_byte_passes_at_once(script):
    session = Session(judge_headers=False)
    for side, data in after_hello(script):
        feed, towards = (
            (session.from_client, ToServer) if side == "C" else (session.from_server, ToClient)
        )
        events = feed(data)
        assert events[0] == towards(data)
        assert not any(isinstance(e, ToServer | ToClient) for e in events[1:])


def talks(gateway, pieces, patience):
    """Send pieces; Postfix's replies come back after each, or later, as ``patience`` says."""
    for piece, wait in itertools.zip_longest(pieces, patience[: len(pieces)], fillvalue=True):
        gateway.client(piece)
        while wait and gateway.replies:
            gateway.server()
    while gateway.replies:
        gateway.server()


@settings(max_examples=150, deadline=None)
@given(TALK, st.lists(st.booleans(), max_size=12), st.booleans())
def test_what_is_told_is_what_postfix_did(pieces, patience, strict):
    gateway = Gateway(strict=strict, judge_headers=False)
    talks(gateway, [b"EHLO x\r\n", *pieces], patience)
    told = gateway.told()
    if any(isinstance(e, Lost | TlsBegun) for e in gateway.events):
        assert told == gateway.postfix.told[: len(told)]
    else:
        assert told == gateway.postfix.told


@settings(max_examples=150, deadline=None)
@given(TALK, st.lists(st.booleans(), max_size=12), st.booleans())
def test_no_message_reaches_postfix_unjudged(pieces, patience, strict):
    gateway = Gateway(strict=strict, judge_headers=True)
    talks(gateway, [b"EHLO x\r\n", *pieces], patience)
    for message in gateway.postfix.messages:
        judged = [e for e in gateway.events if isinstance(e, HeadersComplete) and not e.cut]
        cut = any(isinstance(e, HeadersComplete) and e.cut for e in gateway.events)
        assert cut or not any(b"Bad" in line for line in headers(message))
        assert cut or judged or not any(message)


@settings(max_examples=150, deadline=None)
@given(TALK, st.lists(st.booleans(), max_size=12), st.booleans())
def test_judging_changes_nothing_for_those_who_pass(pieces, patience, strict):
    gateway = Gateway(strict=strict, judge_headers=True)
    pieces = [b"EHLO x\r\n", *(p.replace(b"Bad", b"Yes") for p in pieces)]
    talks(gateway, pieces, patience)
    assert b"".join(pieces).startswith(gateway.sent)
    if not any(isinstance(e, Lost | SessionEnded | TlsBegun) for e in gateway.events):
        assert gateway.told() == gateway.postfix.told
        assert CloseClient not in gateway.closed


def with_tls_here(pieces, patience, *, judge_headers, single):
    gateway = Gateway(strict=True, judge_headers=judge_headers, ends_tls=True, single=single)
    talks(gateway, [b"EHLO x\r\n", *pieces], patience)
    return gateway


TLS_TALK = st.lists(st.one_of(st.just([b"STARTTLS\r\n"]), st.just([b"EHLO y\r\n"]), TALK)).map(
    lambda parts: list(itertools.chain(*parts))
)


@settings(max_examples=150, deadline=None)
@given(TLS_TALK, st.lists(st.booleans(), max_size=12), st.booleans())
def test_with_tls_ended_here_pieces_give_the_same(pieces, patience, judge_headers):
    whole = with_tls_here(pieces, patience, judge_headers=judge_headers, single=False)
    singly = with_tls_here(pieces, patience, judge_headers=judge_headers, single=True)
    assert (singly.sent, singly.events) == (whole.sent, whole.events)
    if not singly.closed & {CloseClient}:
        assert singly.heard == whole.heard


@settings(max_examples=150, deadline=None)
@given(TLS_TALK, st.lists(st.booleans(), max_size=12), st.booleans())
def test_postfix_is_not_asked_for_tls_that_ends_here(pieces, patience, judge_headers):
    gateway = with_tls_here(pieces, patience, judge_headers=judge_headers, single=False)
    if not any(isinstance(e, Lost) for e in gateway.events):
        assert not gateway.postfix.secret
        assert not any(isinstance(e, TlsBegun) for e in gateway.events)
        asked = sum(isinstance(e, BeginTls) for e in gateway.events)
        assert asked == gateway.heard.count(b"220 2.0.0 Ready") <= 1


@settings(deadline=None)
@given(st.lists(st.sampled_from([b"x", b"\r", b"\n", b".", b"\r\n", b"\r\n.\r\n"]), max_size=40),
       st.data())  # fmt: skip
def test_the_end_of_data_is_where_each_postfix_sees_one(parts, data):
    content = b"".join(parts)
    lenient, strict = (end_in_small_postfix(content, strict=s) for s in (False, True))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(content)))))
    end, found = EndOfData(), None
    for a, b in itertools.pairwise([0, *cuts, len(content)]):
        found = found or end.find(content[:b], a)
    assert (found and found.position) == lenient
    assert bool(found and found.certain) == (lenient is not None and lenient == strict)


def end_in_small_postfix(content, *, strict):
    postfix = SmallPostfix(strict=strict)
    postfix.data = content
    try:
        while next(steps := postfix.content()) is not None:
            pass
    except StopIteration:
        return len(content) - len(postfix.data)
    del steps
    return None


@settings(deadline=None)
@given(st.lists(st.sampled_from([b"NOOP\n", b"\n", b"x" * 3000, b"DATA\r\n", b"BDAT 99999999\r\n",
                                 b"BDAT 0\n", b"BDAT 1\nx"]),
                max_size=30))  # fmt: skip
def test_memory_is_bounded(pieces):
    for judge_headers in (False, True):
        session = Session(judge_headers=judge_headers)
        for piece in [b"EHLO x\n", *pieces]:
            session.from_client(piece * 300)
            assert len(session._client.pending) <= MOST_PENDING
            assert len(session._client.unread()) <= MOST_UNREAD + 300 * len(piece)
