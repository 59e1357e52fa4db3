"""The followed SMTP session: scripts of both sides, with what is told after each line.

``C`` is the client, ``S`` is Postfix, ``=`` an event that the line before it causes. Lines of
one side that stand together arrive together. Escapes are Python's; a line gets its CRLF unless
it ends in a backslash. ``PASS`` and ``REFUSE`` are judgements; ``>`` is what Postfix got since
the last ``>``, ``<`` likewise the client, each with ``repr``.
"""

import ast
import itertools
import re

import pytest

from sender_filter.core.replies import Reply
from sender_filter.core.smtp import client_stream, commands, replies_parser
from sender_filter.core.smtp.content import EndOfData
from sender_filter.core.smtp.events import CloseClient, CloseServer, ToClient, ToServer
from sender_filter.core.smtp.session import Session

HELLO = r"""
    S 220 mx.example.com ESMTP Postfix
    C EHLO client.example.net
    S 250-mx.example.com
    S 250-PIPELINING
    S 250 CHUNKING
"""
ENVELOPE = r"""
    C MAIL FROM:<a@example.net>
    S 250 2.1.0 Ok
    = MailAccepted('a@example.net')
    C RCPT TO:<b@example.com>
    S 250 2.1.5 Ok
    = RecipientAnswered('b@example.com', 250, '2.1.5', 'Ok')
"""
DATA = r"""
    C DATA
    S 354 End data with <CR><LF>.<CR><LF>
    = DataBegun()
"""
PIPELINED = r"""
    C MAIL FROM:<a@example.net>
    C RCPT TO:<b@example.com>
"""
ENVELOPE_ANSWERED = r"""
    S 250 2.1.0 Ok
    S 250 2.1.5 Ok
    = MailAccepted('a@example.net')
    = RecipientAnswered('b@example.com', 250, '2.1.5', 'Ok')
"""
QUEUED = r"""
    S 250 2.0.0 Ok: queued as 4F
    = MessageAnswered(250, '2.0.0', 'Ok: queued as 4F')
"""
FOLLOWED = r"""
    C QUIT
    S 221 2.0.0 Bye
    = SessionEnded(221)
"""
CLOSED = "= CloseServer()\n = CloseClient()\n"
REFUSAL = Reply(550, "5.7.1", "Client host blocked")
_LINE = re.compile(r"\s*(PASS|REFUSE|[CS=<>]) ?(.*)")


class Play:
    """A session with its two wires; ``script`` runs a piece of text on it."""

    def __init__(self, *scripts, judge_headers=False):
        self.session = Session(judge_headers=judge_headers)
        self.transparent = not judge_headers
        self.got = {"<": b"", ">": b""}
        self.events = []
        self.closed = []
        for script in scripts:
            self.script(script)

    def script(self, text):
        steps = [_LINE.fullmatch(line).groups() for line in text.splitlines() if line.strip()]
        heard = []
        for kind, group in itertools.groupby(steps, lambda step: step[0]):
            rests = [rest for _, rest in group]
            if kind == "=":
                assert heard == rests
                heard = []
            elif kind in "<>":
                assert self.got[kind] == ast.literal_eval("b" + rests[0])
                self.got[kind] = b""
            else:
                assert heard == []
                spoken = b"".join(map(unescaped, rests))
                heard = self.say(kind, spoken) if kind in "CS" else self.judge(kind)
        assert heard == []
        return self

    def say(self, side, data):
        feed = self.session.from_client if side == "C" else self.session.from_server
        before = dict(self.got)
        heard = self.take(feed(data))
        if self.transparent:
            towards = ">" if side == "C" else "<"
            assert self.got[towards] == before[towards] + data
        return heard

    def judge(self, judgement):
        session = self.session
        return self.take(
            session.judge_pass() if judgement == "PASS" else session.judge_refuse(REFUSAL)
        )

    def take(self, events):
        told = []
        for event in events:
            if isinstance(event, ToServer):
                assert CloseServer not in self.closed
                self.got[">"] += event.data
            elif isinstance(event, ToClient):
                assert CloseClient not in self.closed
                self.got["<"] += event.data
            else:
                if isinstance(event, CloseServer | CloseClient):
                    self.closed.append(type(event))
                told.append(shown(event))
        self.events += told
        return told


def shown(event):
    values = ", ".join(repr(getattr(event, name)) for name in event.__struct_fields__)
    return f"{type(event).__name__}({values})"


def unescaped(text):
    end = b"" if text.endswith("\\") else b"\r\n"
    text = text.removesuffix("\\")
    return text.encode().decode("unicode_escape").encode("latin-1") + end


def judged(*scripts):
    return Play(*scripts, judge_headers=True)


# Commands and their replies


def test_a_whole_session_is_told():
    Play(HELLO, ENVELOPE, DATA, "C Subject: x\n C \n C text\n C .", QUEUED, FOLLOWED)


def test_pipelined_commands_are_matched_in_order():
    Play(HELLO, r"""
        C MAIL FROM:<a@example.net>
        C RCPT TO:<b@example.com>
        C RCPT TO:<nobody@example.com>
        C DATA
        S 250 2.1.0 Ok
        = MailAccepted('a@example.net')
        S 250 2.1.5 Ok
        S 550 5.1.1 <nobody@example.com>: unknown
        S 354 Go
        = RecipientAnswered('b@example.com', 250, '2.1.5', 'Ok')
        = RecipientAnswered('nobody@example.com', 550, '5.1.1', '<nobody@example.com>: unknown')
        = DataBegun()
        C text
        C .
        C MAIL FROM:<c@example.net>
        C RSET
        C NOOP
        C QUIT
        S 250 2.0.0 Ok: queued
        S 250 2.1.0 Ok
        S 250 2.0.0 Ok
        S 250 2.0.0 Ok
        S 221 2.0.0 Bye
        = MessageAnswered(250, '2.0.0', 'Ok: queued')
        = MailAccepted('c@example.net')
        = SessionEnded(221)
    """)  # fmt: skip


def test_a_reply_of_several_lines_is_one_reply():
    Play(HELLO, r"""
        C MAIL FROM:<>
        S 550-5.7.1 one
        S 550-5.7.1 two
        S 550 5.7.1 three
        = MailRefused('', 550, '5.7.1', 'one\ntwo\nthree')
        C RCPT TO:<b@example.com>
        S 503
        = RecipientAnswered('b@example.com', 503, '', '')
    """)  # fmt: skip


def test_commands_that_say_nothing_about_a_message_still_have_their_reply():
    Play(HELLO, r"""
        C NOOP
        C VRFY b@example.com
        C HELP
        C ETRN example.com
        C XFORWARD NAME=x
        C RSET
        S 250 2.0.0 Ok
        S 252 2.0.0 b@example.com
        S 214 2.0.0 Commands: x
        S 458 unable
        S 550 5.7.0 no
        S 250 2.0.0 Ok
        C
        C \x16\x03\x01 nonsense
        S 500 5.5.2 Error: bad syntax
        S 500 5.5.2 Error: command not recognized
        C HELO client.example.net
        S 250 mx.example.com
    """, ENVELOPE, FOLLOWED)  # fmt: skip


def test_a_client_that_talks_before_the_greeting_is_followed():
    Play(r"""
        C EHLO x
        C MAIL FROM:<a@example.net>
        S 220 mx.example.com
        S 250 mx.example.com
        S 250 2.1.0 Ok
        = MailAccepted('a@example.net')
    """)


@pytest.mark.parametrize("code", [421, 521])
def test_a_reply_that_closes_ends_the_session_whenever_it_comes(code):
    for script in (HELLO, HELLO + ENVELOPE + DATA, HELLO + ENVELOPE + DATA + r"C text\n.\n" + "\\"):
        Play(script, rf"""
            S {code} 4.4.2 mx.example.com Error: timeout exceeded
            = SessionEnded({code})
            C whatever
        """)  # fmt: skip
    Play(HELLO, rf"""
        C RCPT TO:<b@example.com>
        S {code} 4.7.0 too many errors
        = RecipientAnswered('b@example.com', {code}, '4.7.0', 'too many errors')
        = SessionEnded({code})
    """)  # fmt: skip


def test_a_greeting_can_refuse():
    Play("S 554 mx.example.com\n C QUIT\n S 221 Bye\n = SessionEnded(221)")
    Play("S 421 4.7.0 too many connections\n = SessionEnded(421)")


@pytest.mark.parametrize("reply", ["no reply", "2500 Ok", "650 Ok", "", "250-a\r\n251 b"])
def test_what_is_no_reply_is_not_guessed(reply):
    escaped = reply.replace("\r\n", r"\r\n")
    script = f"C NOOP\n S {escaped}\n = Lost('reply not understood')\n C DATA\n C x"
    Play(HELLO, script)
    assert judged(HELLO, script).closed == []  # no client is to blame for it


def test_a_reply_nobody_asked_for_is_not_guessed():
    Play(HELLO, "S 250 2.0.0 Ok\n = Lost('reply nobody has asked for')\n C MAIL FROM:<>")
    Play(HELLO, ENVELOPE, DATA, "C text\n S 250 Ok\n = Lost('reply nobody has asked for')")


@pytest.mark.parametrize(
    ("command", "reply", "reason"),
    [
        ("NOOP", "354 Go", "354 to another command than DATA"),
        ("NOOP", "334 ", "334 to another command than AUTH"),
        ("XYZZY", "220 Ready", "220 to an unknown command"),
    ],
)
def test_a_reply_that_does_not_fit_its_command_is_not_guessed(command, reply, reason):
    play = judged(HELLO, f"C {command}\n S {reply}\n = Lost({reason!r})\n" + CLOSED)
    assert play.closed == [CloseServer, CloseClient]
    Play(HELLO, f"C {command}\n S {reply}\n = Lost({reason!r})\n C anything")


def test_long_replies_are_bounded_and_matched():
    play = Play(HELLO, "C MAIL FROM:<>")
    told = play.say("S", b"550-" + b"x" * 100_000 + b"\r\n" + b"550-y\r\n" * 10_000 + b"550 z\r\n")
    assert len(told) == 1
    assert len(told[0]) < 12_000
    play.script(ENVELOPE)


# Lines as Postfix reads them


@pytest.mark.parametrize(
    ("line", "address"),
    [
        ("MAIL FROM:<a@example.net>", "a@example.net"),
        ("mail from:<a@example.net>", "a@example.net"),
        ("MaIl  FrOm:   <a@example.net>  ", "a@example.net"),
        (" \tMAIL\tFROM:\t<a@example.net>", "a@example.net"),
        ("MAIL FROM:<a@example.net> SIZE=1000 BODY=8BITMIME", "a@example.net"),
        ("MAIL FROM:<a@example.net>SIZE=1000", "a@example.net"),
        ("MAIL FROM:a@example.net SIZE=1", "a@example.net"),
        ("MAIL FROM: < a@example.net >", "a@example.net"),
        ("MAIL FROM:a<b@example.net>", "b@example.net"),
        ('MAIL FROM:"a <b"<c@example.net> SIZE=1', "c@example.net"),
        ("MAIL FROM: a <b@example.net>", "a"),
        ("MAIL FROM:(a<b>)c@example.net", "(a<b>)c@example.net"),
        ("MAIL FROM:<>", ""),
        ("MAIL FROM:", ""),
        ("MAIL", ""),
        ("MAIL a@example.net", "a@example.net"),
        ("MAIL FROM:<@one.test,@two.test:a@example.net>", "a@example.net"),
        ('MAIL FROM:<"a>b c"@example.net>', '"a>b c"@example.net'),
        (r'MAIL FROM:<"a\"> b"@example.net>', r'"a\"> b"@example.net'),
        ("MAIL FROM:<a@example.net", "<a@example.net"),
        ("MAIL FROM:<a@example.net>\0<b@example.net>", "a@example.net"),
        ("MAIL FROM:<\xc3\xa4@example.net> SMTPUTF8", "\xe4@example.net"),
        ("MAIL FROM:<\xe4@example.net>", r"\xe4@example.net"),
        ("MAIL FROM:<" + '"' * 2000, "<" + '"' * 2000),
    ],
)
def test_an_address_is_found(line, address):
    command = commands.parse(line.encode("latin-1") + b"\r\n")
    assert (command.verb, command.address) == ("MAIL", address)
    rcpt = re.sub("(?i)mail", "RCPT", line, count=1).replace("FROM", "TO").replace("FrOm", "tO")
    command = commands.parse(rcpt.encode("latin-1") + b"\n")
    assert (command.verb, command.address) == ("RCPT", address)


@pytest.mark.parametrize(
    ("line", "verb"),
    [
        ("data", "DATA"),
        ("DATA\0x", "DATA"),
        ("DATA now", "DATA"),
        ("\vDATA\f", "DATA"),
        ('"DATA"', "other"),
        ("DATA:", "other"),
        ("DA TA", "other"),
        ("StartTLS", "STARTTLS"),
        (".", "other"),
        ("connect", "other"),
        ("other", "other"),
        ("", "other"),
        ("\0DATA", "other"),
        ("MAIL\xa0FROM:<>", "other"),
    ],
)
def test_a_verb_is_recognised_as_postfix_does(line, verb):
    assert commands.parse(line.encode("latin-1") + b"\r\n").verb == verb


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("BDAT 5", (5, False)),
        ("bdat  5  last ", (5, True)),
        ("BDAT 0 LAST", (0, True)),
        ("BDAT 0005", (5, False)),
        ("BDAT " + "0" * 2000 + "5", (5, False)),
        ("BDAT 9223372036854775807", (2**63 - 1, False)),
        ("BDAT 9223372036854775808", None),
        ("BDAT " + "9" * 2000, None),
        ("BDAT 5\0 LAST", (5, False)),
        ("BDAT -1", None),
        ("BDAT +1", None),
        ("BDAT 1_0", None),
        ("BDAT \xb2", None),
        ("BDAT", None),
        ("BDAT LAST", None),
        ("BDAT 5 LASTS", None),
        ("BDAT 5 LAST x", None),
    ],
)
def test_the_size_of_a_chunk_is_read_as_postfix_does(line, expected):
    command = commands.parse(line.encode("latin-1") + b"\r\n")
    if expected is None:
        assert command.verb == "other"
    else:
        assert command.verb == "BDAT"
        assert (command.size, command.last) == expected


def test_lines_may_end_in_a_bare_newline():
    Play(HELLO, r"""
        C MAIL FROM:<a@example.net>\nRCPT TO:<b@example.com>\n\
        S 250 2.1.0 Ok
        S 250 2.1.5 Ok
        = MailAccepted('a@example.net')
        = RecipientAnswered('b@example.com', 250, '2.1.5', 'Ok')
    """)  # fmt: skip


def test_a_line_longer_than_postfix_reads_is_not_guessed():
    longest = "NOOP " + "x" * (2048 - 7)
    Play(HELLO, f"C {longest}\n S 250 2.0.0 Ok", ENVELOPE)
    lost = "= Lost('command line too long')\n"
    Play(HELLO, f"C {longest}x\n {lost} C {longest}")
    Play(HELLO, f"C {longest}xxx\\\n {lost}")
    play = judged(HELLO, f"C {longest}x\n {lost}" + CLOSED)
    assert play.got["<"].endswith(b"421 4.7.0 Session cannot be followed, closing\r\n")
    assert play.say("C", b"DATA\r\n") == play.say("S", b"250 Ok\r\n") == []


def test_a_long_line_in_pieces_is_not_guessed():
    play = Play(HELLO)
    assert play.say("C", b"x" * 1000) == play.say("C", b"x" * 1000) == []
    assert play.say("C", b"x" * 49) == ["Lost('command line too long')"]


def test_a_reply_line_without_end_is_bounded():
    play = Play(HELLO, "C NOOP")
    for _ in range(100):
        play.say("S", b"2" * 1000)
    assert len(play.session._replies._partial) == replies_parser.MOST_LINE


# What a reply decides


def test_sasl_responses_are_no_commands():
    Play(HELLO, r"""
        C AUTH LOGIN
        S 334 VXNlcm5hbWU6
        C REFUQQ==
        S 334 UGFzc3dvcmQ6
        C DATA
        S 235 2.7.0 Authentication successful
    """, ENVELOPE, FOLLOWED)  # fmt: skip
    Play(HELLO, r"""
        C AUTH PLAIN
        S 334 \
        S \r\n\
        C *
        S 501 5.7.0 Authentication aborted
    """, ENVELOPE)  # fmt: skip
    Play(HELLO, f"C AUTH GSSAPI\n S 334\n C {'x' * 12_000}\n S 535 5.7.8 no", ENVELOPE)
    Play(HELLO, "C AUTH PLAIN AGEAYg==\n S 535 5.7.8 no", ENVELOPE)


def test_nothing_is_seen_after_starttls():
    Play(HELLO, r"""
        C STARTTLS
        S 220 2.0.0 Ready to start TLS
        = TlsBegun()
        C \x16\x03\x01\x02\x00DATA\r\n
        S \x16\x03\x03\x00\x00 no reply \n421 x
    """)  # fmt: skip


def test_a_refused_starttls_changes_nothing():
    Play(HELLO, "C STARTTLS\n S 454 4.7.0 TLS not available", ENVELOPE, FOLLOWED)


def test_bytes_behind_starttls_wait_for_its_reply():
    play = judged(HELLO, r"""
        > 'EHLO client.example.net\r\n'
        C STARTTLS
        C MAIL FROM:<a@example.net>
        > 'STARTTLS\r\n'
        S 454 4.7.0 TLS not available
        > 'MAIL FROM:<a@example.net>\r\n'
        S 250 2.1.0 Ok
        = MailAccepted('a@example.net')
        C STARTTLS
        C injected
        S 220 2.0.0 Ready
        = TlsBegun()
        > 'STARTTLS\r\ninjected\r\n'
    """)  # fmt: skip
    assert play.closed == []


def test_without_354_there_is_no_content():
    script = HELLO + ENVELOPE + r"""
        C DATA
        C RCPT TO:<c@example.com>
        S 554 5.7.1 refused
        = MessageAnswered(554, '5.7.1', 'refused')
        S 250 2.1.5 Ok
        = RecipientAnswered('c@example.com', 250, '2.1.5', 'Ok')
    """  # fmt: skip
    Play(script, DATA)
    judged(script)


def test_content_before_354_is_read_when_354_has_come():
    Play(HELLO, PIPELINED + r"""
        C DATA
        C MAIL FROM:<in-the@content.test>
        C .
        C RSET
    """, ENVELOPE_ANSWERED, r"""
        S 354 Go
        = DataBegun()
        S 250 2.0.0 Ok: queued
        S 250 2.0.0 Ok
        = MessageAnswered(250, '2.0.0', 'Ok: queued')
    """, ENVELOPE)  # fmt: skip


def test_a_line_that_postfix_takes_for_data_is_data():
    Play(HELLO, ENVELOPE, r"""
        C XDATA
        C RCPT TO:<in-the@content.test>
        C .
        S 354 Go
        = DataBegun()
    """, QUEUED)  # fmt: skip


def test_a_client_is_slowed_that_sends_ahead_of_a_reply():
    for judge_headers in (False, True):
        play = Play(HELLO, ENVELOPE, "C DATA", judge_headers=judge_headers)
        play.say("C", b"A: b\r\n\r\n" + b"x" * (client_stream.WINDOW - 9))
        assert play.session.wants_client_data
        play.say("C", b"x")
        assert not play.session.wants_client_data
        play.say("S", b"354 Go\r\n")
        assert play.session.wants_client_data is not judge_headers
        play.judge("PASS")
        assert play.session.wants_client_data
        play.script(r"C \r\n." + "\n" + QUEUED)


def test_a_client_that_goes_on_sending_ahead_is_lost():
    for play in (Play(HELLO, ENVELOPE, "C DATA"), judged(HELLO, ENVELOPE, "C DATA")):
        for _ in range(16):
            assert play.say("C", b"x" * client_stream.WINDOW) == []
        assert play.say("C", b"x")[0] == "Lost('too much sent ahead of a reply')"


def test_many_pipelined_commands_wait_for_their_replies():
    many = client_stream.MOST_PENDING * 3
    play = judged(HELLO)
    play.say("C", b"NOOP\r\n" * many + b"MAIL FROM:<a@example.net>\r\n")
    assert len(play.session._client.pending) == client_stream.MOST_PENDING
    play.say("S", b"250 Ok\r\n" * (many // 2))
    assert play.say("S", b"250 Ok\r\n" * (many // 2 + 1)) == ["MailAccepted('a@example.net')"]
    assert play.got[">"].endswith(b"NOOP\r\nMAIL FROM:<a@example.net>\r\n")


# The end of data


@pytest.mark.parametrize(
    "content",
    [".\r\n", "x\r\n.\r\n", "x\r\n..\r\n.x\r\n.\r\n", "x\n.x\n\r\n.\r\n", "\n..\n\r\n.\r\n",
     "x\r\r\n.\r\n", "x\r.\r\n\r\n.\r\n", ".\r.\r\n.\r\n", " .\r\n.\r\n"],
)  # fmt: skip
def test_content_ends_at_a_lone_dot(content):
    script = f"C {content.encode('unicode_escape').decode()}\\\n C NOOP\n" + QUEUED
    play = Play(HELLO, ENVELOPE, DATA, script, "S 250 2.0.0 Ok", FOLLOWED)
    assert "Lost" not in str(play.events)


DOUBTFUL = ["x\n.\n", "x\r\n.\n", "x\n.\r\n", ".\n", "x\r\n.\r\r\n", "\n.\r\r\r\r\n"]


@pytest.mark.parametrize("content", DOUBTFUL)
@pytest.mark.parametrize("judge_headers", [False, True])
def test_a_doubtful_end_is_one_if_postfix_says_so(content, judge_headers):
    play = Play(HELLO, ENVELOPE, DATA, judge_headers=judge_headers)
    heard = play.say("C", b"A: b\r\n\r\n" + content.encode())
    if judge_headers:
        assert heard == ["HeadersComplete(b'A: b\\r\\n', False)"]
        play.judge("PASS")
    play.script(QUEUED + ENVELOPE + FOLLOWED)


@pytest.mark.parametrize("content", DOUBTFUL)
def test_commands_behind_a_doubtful_end_are_read_when_postfix_has_said_so(content):
    escaped = content.encode("unicode_escape").decode()
    Play(HELLO, ENVELOPE, DATA, rf"""
        C {escaped}MAIL FROM:<c@example.net>
        C RCPT TO:<d@example.com>
        S 250 2.0.0 Ok: queued
        S 250 2.1.0 Ok
        S 550 5.1.1 unknown
        = MessageAnswered(250, '2.0.0', 'Ok: queued')
        = MailAccepted('c@example.net')
        = RecipientAnswered('d@example.com', 550, '5.1.1', 'unknown')
    """)  # fmt: skip


@pytest.mark.parametrize("content", DOUBTFUL)
def test_two_possible_ends_are_not_guessed(content):
    escaped = content.encode("unicode_escape").decode()
    Play(HELLO, ENVELOPE, DATA, rf"""
        C {escaped}text
        C .
        = Lost('end of data in doubt')
        S 250 2.0.0 Ok: queued
        C MAIL FROM:<c@example.net>
    """)  # fmt: skip


def test_much_content_behind_a_doubtful_end_is_not_guessed():
    play = Play(HELLO, ENVELOPE, DATA, r"C x\n.\n" + "\\")
    assert play.say("C", b"x" * (client_stream.WINDOW - 1)) == []
    assert play.session.wants_client_data
    assert play.say("C", b"x") == ["Lost('end of data in doubt')"]
    assert play.session.wants_client_data


def test_content_behind_a_doubtful_end_is_looked_at_once():
    play = Play(HELLO, ENVELOPE, DATA, r"C x\n.\n.\r\nRSET\r\n" + "\\\n C NOOP")
    play.say("C", b"NOOP\r\n")
    play.script(QUEUED + "S 500 5.5.2 Error\n S 250 Ok\n S 250 Ok\n S 250 Ok" + FOLLOWED)


@pytest.mark.parametrize(("content", "certain"), [
    *((content, False) for content in DOUBTFUL),
    ("x\r\n.\r\n", True), (".\r\n", True), ("x\r\r\n.\r\n", True), ("\n\r\n.\r\n", True),
])  # fmt: skip
def test_an_end_in_pieces_is_found(content, certain):
    end = EndOfData()
    found = [end.find(bytes([byte])) for byte in content.encode()]
    assert found == [None] * (len(content) - 1) + [(1, certain)]


# BDAT


def test_chunks_may_hold_anything():
    Play(HELLO, ENVELOPE, r"""
        C BDAT 17
        C Subject: x\r\n\r\n.\r\n\
        S 250 2.0.0 Ok: 17 bytes
        C BDAT 7
        C .\nQUIT\n\
        S 250 2.0.0 Ok: 7 bytes
        C BDAT 0 LAST
    """, QUEUED, FOLLOWED)  # fmt: skip


def test_a_whole_session_of_chunks_can_be_pipelined():
    Play(HELLO, PIPELINED + r"""
        C BDAT 6
        C abcdef\
        C BDAT 3 LAST
        C .\r\n\
        C RSET
    """, ENVELOPE_ANSWERED, r"""
        S 250 2.0.0 Ok: 6 bytes
        S 250 2.0.0 Ok: queued as 4F
        S 250 2.0.0 Ok
        = MessageAnswered(250, '2.0.0', 'Ok: queued as 4F')
    """, FOLLOWED)  # fmt: skip


def test_a_message_is_refused_once_however_many_chunks_it_has():
    Play(HELLO, PIPELINED + r"""
        C BDAT 3
        C abc\
        C BDAT 3
        C abc\
        C BDAT 3 LAST
        C abc\
        C BDAT 3
        C abc\
        S 550 5.7.1 no
        S 550 5.7.1 no
        = MailRefused('a@example.net', 550, '5.7.1', 'no')
        = RecipientAnswered('b@example.com', 550, '5.7.1', 'no')
        S 503 5.5.1 Error: need RCPT command
        S 551 5.0.0 Discarded 3 bytes after earlier error
        S 551 5.0.0 Discarded 3 bytes after earlier error
        S 503 5.5.1 Error: need RCPT command
        = MessageAnswered(503, '5.5.1', 'Error: need RCPT command')
        = MessageAnswered(503, '5.5.1', 'Error: need RCPT command')
        C RSET
        S 250 2.0.0 Ok
        C BDAT 1 LAST
        C x\
        S 552 5.3.4 too large
        = MessageAnswered(552, '5.3.4', 'too large')
    """, FOLLOWED)  # fmt: skip


@pytest.mark.parametrize(
    "reply", ["500 5.5.2 unknown", "502 5.5.1 unknown", "530 5.7.0 TLS", "503 5.7.0 denied"]
)
def test_a_chunk_that_postfix_may_read_as_commands_is_not_guessed(reply):
    script = f"C BDAT 6\n C NOOP\n S {reply}\n"
    told = f"MessageAnswered({reply[:3]}, {reply[4:9]!r}, {reply[10:]!r})"
    Play(HELLO, script + f"= {told}\n = Lost('BDAT not known to Postfix')")
    play = judged(HELLO, "C BDAT 6\n C NOOP\n = HeadersComplete(b'NOOP\\r\\n', True)\n PASS")
    assert play.say("S", reply.encode() + b"\r\n")[1:] == [
        "Lost('BDAT not known to Postfix')", "CloseServer()", "CloseClient()",
    ]  # fmt: skip


def test_a_chunk_answered_before_its_end_is_not_guessed():
    Play(HELLO, ENVELOPE, r"""
        C BDAT 9000
        C abc
        S 552 5.3.4 Chunk exceeds message size limit
        = MessageAnswered(552, '5.3.4', 'Chunk exceeds message size limit')
        = Lost('BDAT answered before its end')
    """)  # fmt: skip


def test_a_malformed_bdat_has_no_chunk():
    Play(HELLO, ENVELOPE, r"""
        C BDAT 99999999999999999999
        C whatever
        S 521 5.5.4 Syntax: BDAT count [LAST]
        = SessionEnded(521)
    """)  # fmt: skip


# Judging headers

RECEIVED = r"C Received: from x by y\r\n\tfor z\r\nSubject: x\r\n"
SECTION = r"b'Received: from x by y\r\n\tfor z\r\nSubject: x\r\n'"


def at_data():
    play = judged(HELLO, ENVELOPE, DATA)
    play.got = {"<": b"", ">": b""}
    return play


def test_content_waits_for_the_judgement_of_its_headers():
    play = at_data()
    play.script(rf"""
        {RECEIVED}\
        > ''
        C \r\nText
        = HeadersComplete({SECTION}, False)
        C more
        C .
        C RSET
        > ''
        PASS
        > 'Received: from x by y\r\n\tfor z\r\nSubject: x\r\n\r\nText\r\nmore\r\n.\r\nRSET\r\n'
        S 250 2.0.0 Ok: queued
        S 250 2.0.0 Ok
        = MessageAnswered(250, '2.0.0', 'Ok: queued')
    """)
    play.script(ENVELOPE)


def test_every_message_of_a_session_is_judged():
    play = at_data()
    play.script(r"C A: b\r\n\r\n." + "\n = HeadersComplete(b'A: b\\r\\n', False)\n PASS" + QUEUED)
    play.script(ENVELOPE + DATA)
    play.script(r"C C: d\r\n\r\n." + "\n = HeadersComplete(b'C: d\\r\\n', False)\n REFUSE\n"
                "= CloseServer()")  # fmt: skip


@pytest.mark.parametrize(
    ("content", "section"),
    [
        ("\r\nbody", b""),
        (".\r\n", b""),
        ("\nbody", b""),
        ("A: b\r\n.\r\n", b"A: b\r\n"),
        ("A: b\n\nbody", b"A: b\n"),
        ("A: b\r\n\r\r\nbody", b"A: b\r\n"),
        ("A: b\r\n..\r\n.x\r\n\r\n", b"A: b\r\n..\r\n.x\r\n"),
    ],
)
def test_a_header_section_ends_at_the_first_empty_line(content, section):
    assert at_data().say("C", content.encode()) == [f"HeadersComplete({section!r}, False)"]


def test_a_refused_message_reaches_nobody_and_the_client_hears_it_at_its_end():
    at_data().script(rf"""
        {RECEIVED}\r\nText\r\n\
        = HeadersComplete({SECTION}, False)
        REFUSE
        = CloseServer()
        C more
        < ''
        C .
        < '550 5.7.1 Client host blocked\r\n'
        S 250 2.0.0 too late
        C MAIL FROM:<c@example.net>
        = CloseClient()
        < '421 4.7.0 Closing after a refused message\r\n'
        C MAIL FROM:<c@example.net>
        > ''
        < ''
    """)


def test_a_refused_client_may_say_quit():
    at_data().script(r"""
        C A: b\r\n\r\nText\r\n.\r\nquit
        = HeadersComplete(b'A: b\r\n', False)
        REFUSE
        = CloseServer()
        = CloseClient()
        > ''
        < '550 5.7.1 Client host blocked\r\n221 2.0.0 Bye\r\n'
    """)


def test_a_refusal_of_421_is_the_last_word():
    play = at_data()
    play.say("C", b"A: b\r\n\r\n.\r\n")
    told = play.take(play.session.judge_refuse(Reply(421, "4.7.1", "later")))
    assert told == ["CloseServer()", "CloseClient()"]
    assert play.got == {"<": b"421 4.7.1 later\r\n", ">": b""}


def test_each_chunk_of_a_refused_message_has_its_reply():
    play = judged(HELLO, ENVELOPE)
    play.got = {"<": b"", ">": b""}
    play.script(r"""
        C BDAT 12
        C A: b\r\n\r\nTe\
        = HeadersComplete(b'A: b\r\n', False)
        REFUSE
        = CloseServer()
        > 'BDAT 12\r\n'
        < ''
        C xt\
        < '550 5.7.1 Client host blocked\r\n'
        C BDAT 0
        C BDAT 6
        C NOOP
        < '550 5.7.1 Client host blocked\r\n550 5.7.1 Client host blocked\r\n'
        C BDAT 5 LAST
        C QUIT\n\
        < '550 5.7.1 Client host blocked\r\n'
        C BDAT 5
        = CloseClient()
        < '421 4.7.0 Closing after a refused message\r\n'
        > ''
    """)


def test_the_commands_before_a_refused_chunk_are_answered_first():
    play = judged(HELLO)
    play.got = {"<": b"", ">": b""}
    play.script(
        PIPELINED
        + r"""
        C BDAT 9 LAST
        C A: b\r\n\r\nx\
        C QUIT
        PASS
        REFUSE
        > 'MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.com>\r\nBDAT 9 LAST\r\n'
        < ''
        S 250 2.1.0 Ok
        = MailAccepted('a@example.net')
        S 250 2.1.5 Ok
        = RecipientAnswered('b@example.com', 250, '2.1.5', 'Ok')
        = HeadersComplete(b'A: b\r\n', False)
        REFUSE
        = CloseServer()
        = CloseClient()
        < '250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n550 5.7.1 Client host blocked\r\n221 2.0.0 Bye\r\n'
        > ''
    """
    )


def test_a_message_whose_first_chunk_cuts_its_headers_is_judged_by_these():
    play = judged(HELLO, ENVELOPE)
    play.got = {"<": b"", ">": b""}
    play.script(r"""
        C BDAT 0
        S 551 5.7.1 Null BDAT request
        = MessageAnswered(551, '5.7.1', 'Null BDAT request')
        C BDAT 4
        C A: b\
        = HeadersComplete(b'A: b', True)
        PASS
        > 'BDAT 0\r\nBDAT 4\r\nA: b'
        S 250 2.0.0 Ok: 4 bytes
        C BDAT 4 LAST
        C \r\n\r\n\
        > 'BDAT 4 LAST\r\n\r\n\r\n'
    """)
    play.script(r"""
        S 551 5.0.0 Discarded
        C BDAT 4 LAST
        C C: d\
        = HeadersComplete(b'C: d', False)
    """)


@pytest.mark.parametrize("command", ["RSET", "EHLO x", "HELO x", "MAIL FROM:<>", "XCLIENT NAME=x"])
def test_a_chunk_after_a_restart_is_the_first_again(command):
    play = judged(HELLO, ENVELOPE, "C BDAT 4\n C A: b\\\n = HeadersComplete(b'A: b', True)\n PASS")
    play.say("S", b"250 Ok\r\n")
    play.say("C", command.encode() + b"\r\n")
    play.say("S", b"250 CHUNKING\r\n")
    assert play.say("C", b"BDAT 4\r\nC: d") == ["HeadersComplete(b'C: d', True)"]


def test_a_chunk_is_judged_only_if_postfix_offered_chunks():
    start = "S 220 x\n C EHLO x\n S 250 x\n"
    judged(start, ENVELOPE, "C BDAT 6\n = Lost('BDAT was not offered')\n" + CLOSED)
    Play(
        start,
        ENVELOPE,
        r"""
        C BDAT 6 LAST
        C abcdef\
        S 250 2.0.0 Ok: queued
        = MessageAnswered(250, '2.0.0', 'Ok: queued')
    """,
    )


MOST_BYTES, MOST_LINES = client_stream.MOST_HEADER_BYTES, client_stream.MOST_HEADER_LINES
LINES = b"A:b\r\n" * MOST_LINES
LONG_LINE = b"A: " + b"x" * (MOST_BYTES // 2) + b"\r\n"
TOO_LONG = pytest.mark.parametrize(
    ("content", "section"), [
        (LINES + b"A:b\r\n", LINES),
        (LINES * 10, LINES),
        (LONG_LINE * 2, LONG_LINE),
        (b"A:b\n" + LONG_LINE * 3, b"A:b\n" + LONG_LINE),
        (b"A" * MOST_BYTES, b""),
    ], ids=["lines", "many lines", "bytes", "many bytes", "one line"],
)  # fmt: skip


def told_of(section, *, cut):
    return [f"HeadersComplete({section!r}, {cut})"]


@TOO_LONG
def test_a_message_whose_headers_are_too_long_is_judged_by_the_first_of_them(content, section):
    play = at_data()
    message = content + b"\r\n\r\nText\r\n.\r\n"
    assert play.say("C", message) == told_of(section, cut=True)
    assert play.got[">"] == b""
    assert play.judge("PASS") == []
    assert play.got[">"] == message
    play.script(QUEUED + ENVELOPE + FOLLOWED)


@TOO_LONG
def test_a_message_whose_headers_are_too_long_can_be_refused(content, section):
    play = at_data()
    assert play.say("C", content) == told_of(section, cut=True)
    assert play.judge("REFUSE") == ["CloseServer()"]
    assert play.say("C", content) == []
    assert play.got == {"<": b"", ">": b""}
    assert play.say("C", b"\r\n.\r\nQUIT\r\n") == ["CloseClient()"]
    assert play.got == {"<": b"550 5.7.1 Client host blocked\r\n221 2.0.0 Bye\r\n", ">": b""}


@TOO_LONG
@pytest.mark.parametrize("last", ["", " LAST"])
@pytest.mark.parametrize("more", [1, MOST_BYTES])
def test_a_chunk_whose_headers_are_too_long_passes_when_it_may(content, section, last, more):
    play = judged(HELLO, ENVELOPE)
    play.got[">"] = b""
    command = f"BDAT {len(content) + more}{last}\r\n".encode()
    assert play.say("C", command + content) == told_of(section, cut=True)
    assert play.got[">"] == command
    assert play.judge("PASS") == []
    assert play.got[">"] == command + content
    play.say("C", b"x" * more)
    if not last:
        play.say("S", b"250 2.0.0 Ok\r\n")
        play.say("C", b"BDAT 3 LAST\r\nabc")
        assert play.got[">"] == command + content + b"x" * more + b"BDAT 3 LAST\r\nabc"
    play.script(QUEUED + FOLLOWED)


@TOO_LONG
@pytest.mark.parametrize("more", [1, MOST_BYTES])
def test_a_chunk_whose_headers_are_too_long_can_be_refused(content, section, more):
    play = judged(HELLO, ENVELOPE)
    play.got = {"<": b"", ">": b""}
    command = f"BDAT {len(content) + more}\r\n".encode()
    assert play.say("C", command + content) == told_of(section, cut=True)
    assert play.judge("REFUSE") == ["CloseServer()"]
    play.say("C", b"x" * (more - 1))
    assert play.got == {"<": b"", ">": command}
    refusal = b"550 5.7.1 Client host blocked\r\n"
    play.say("C", b"x")
    assert play.got["<"] == refusal
    assert play.say("C", b"BDAT 5 LAST\r\nQUIT\nQUIT\r\n") == ["CloseClient()"]
    assert play.got == {"<": refusal * 2 + b"221 2.0.0 Bye\r\n", ">": command}


def test_a_chunk_as_long_as_is_held_is_judged_by_all_of_it():
    for last, cut in (("", True), (" LAST", False)):
        play = judged(HELLO, ENVELOPE)
        content = b"A: " + b"x" * (MOST_BYTES - 3)
        command = f"BDAT {MOST_BYTES}{last}\r\n".encode()
        assert play.say("C", command + content) == told_of(content, cut=cut)


def test_headers_as_long_as_may_be_are_judged_whole():
    for section in (LINES, b"A: " + b"x" * (MOST_BYTES - 7) + b"\r\n"):
        assert at_data().say("C", section + b"\r\n") == told_of(section, cut=False)
        play = judged(HELLO, ENVELOPE)
        command = f"BDAT {len(section) + 2}\r\n".encode()
        assert play.say("C", command + section + b"\r\n") == told_of(section, cut=False)


AROUND_THE_WINDOW = [client_stream.WINDOW - 1, client_stream.WINDOW, client_stream.WINDOW + 1]
IN_PIECES = pytest.mark.parametrize("size", [4096, 16384, 65536, 1 << 20])


def said_in_pieces(play, data, size):
    """What is told of bytes that are sent for as long as they are wanted."""
    heard = []
    for at in range(0, len(data), size):
        assert play.session.wants_client_data
        heard += play.say("C", data[at : at + size])
        if heard:
            break
    return heard


@IN_PIECES
@pytest.mark.parametrize("command", ["", "BDAT 70000 LAST\r\n"])
@pytest.mark.parametrize("length", AROUND_THE_WINDOW)
def test_no_client_waits_for_a_judgement_that_nobody_was_asked_for(length, command, size):
    play = judged(HELLO, ENVELOPE) if command else at_data()
    play.say("C", command.encode())
    line = b"To: " + b"x" * 90 + b"\r\n"
    section = line * (client_stream.WINDOW // len(line))
    heard = said_in_pieces(play, (section + line)[:length], size)
    waits = length >= client_stream.WINDOW
    assert heard == (told_of(section, cut=True) if waits else [])
    assert play.session.wants_client_data is not waits


@IN_PIECES
@pytest.mark.parametrize("length", AROUND_THE_WINDOW)
@pytest.mark.parametrize("judge_headers", [False, True])
def test_no_client_waits_behind_a_doubtful_end(length, judge_headers, size):
    play = Play(HELLO, ENVELOPE, DATA, judge_headers=judge_headers)
    play.say("C", b"A: b\r\n\r\nx\n.\n")
    play.judge("PASS")
    heard = said_in_pieces(play, b"x" * length, size)
    assert bool(heard) is (length >= client_stream.WINDOW)
    assert play.session.wants_client_data


def test_content_before_354_is_judged_too():
    play = judged(HELLO, ENVELOPE)
    play.got[">"] = b""
    play.script(r"""
        C DATA
        C A: b\r\n
        > 'DATA\r\n'
        S 354 Go
        = DataBegun()
        = HeadersComplete(b'A: b\r\n', False)
        > ''
    """)


@pytest.mark.parametrize("content", DOUBTFUL)
def test_no_second_message_passes_behind_a_doubtful_end(content):
    play = at_data()
    smuggled = (
        b"MAIL FROM:<c@example.net>\r\nRCPT TO:<d@example.com>\r\nDATA\r\nBad: x\r\n\r\n.\r\n"
    )
    play.say("C", b"A: b\r\n\r\n" + content.encode() + smuggled)
    assert play.judge("PASS") == ["Lost('end of data in doubt')", "CloseServer()"]
    assert play.got[">"] == b"A: b\r\n\r\n" + content.encode()
    assert play.got["<"].startswith(b"550 5.5.2 Bare <LF> received\r\n")


def test_behind_a_doubtful_end_within_headers_nothing_passes():
    play = at_data()
    assert play.say("C", b"A: b\n.\nDATA\r\nBad: x\r\n.\r\n") == [
        "HeadersComplete(b'A: b\\n', False)"
    ]
    play.judge("PASS")
    assert play.got[">"] == b"A: b\n.\n"
    assert play.got["<"].startswith(b"550 5.5.2 ")


def test_bare_newlines_that_end_nothing_pass():
    play = at_data()
    content = b"A: b\nC: d\n\nText\n..\n.x\nDATA\n\rx\r.\r\r\n.\r\n"
    assert play.say("C", content) == ["HeadersComplete(b'A: b\\nC: d\\n', False)"]
    assert play.judge("PASS") == []
    assert play.got[">"] == content
    play.script(QUEUED)


def test_commands_behind_a_doubtful_end_wait_for_the_reply():
    play = at_data()
    play.script(r"""
        C \nText\n.\nQUIT\n\
        = HeadersComplete(b'', False)
        PASS
        > '\nText\n.\n'
        S 250 2.0.0 Ok: queued
        = MessageAnswered(250, '2.0.0', 'Ok: queued')
        > 'QUIT\n'
        S 221 2.0.0 Bye
        = SessionEnded(221)
    """)


def test_a_judgement_comes_too_late_after_the_end():
    play = at_data()
    play.say("C", b"A: b\r\n\r\n")
    play.script("S 421 4.4.2 timeout\n = SessionEnded(421)")
    assert play.judge("PASS") == play.judge("REFUSE") == []
    assert play.got[">"] == b""


def test_a_judgement_is_given_once():
    play = at_data()
    assert play.judge("PASS") == play.judge("REFUSE") == []
    play.say("C", b"A: b\r\n\r\n")
    play.judge("REFUSE")
    assert play.judge("PASS") == play.judge("REFUSE") == []
    assert play.closed == [CloseServer]


def test_a_refused_message_does_not_pass_because_postfix_is_not_understood():
    play = judged(
        HELLO, ENVELOPE, "C BDAT 4\n C A: b\\\n = HeadersComplete(b'A: b', True)\n REFUSE\n"
        "= CloseServer()"
    )  # fmt: skip
    assert play.say("S", b"gibberish\r\n") == []
    assert not play.got[">"].endswith(b"A: b")


def test_held_content_passes_when_postfix_is_not_understood():
    for envelope, told in ((PIPELINED, ""), (ENVELOPE, "= HeadersComplete(b'A: b', True)")):
        play = judged(HELLO, envelope + "C BDAT 4\n C A: b\\\n" + told)
        assert play.say("S", b"gibberish\r\n") == ["Lost('reply not understood')"]
        assert play.got[">"].endswith(b"BDAT 4\r\nA: b")
        assert play.judge("REFUSE") == []


def test_a_pipelined_message_is_judged_when_the_one_before_it_was_answered():
    play = judged(HELLO)
    play.got = {"<": b"", ">": b""}
    first = PIPELINED + "C BDAT 7 LAST\n" + r"C A: \r\n\r\n" + "\\\n"
    play.script(first + PIPELINED + "C BDAT 8 LAST\n" + r"C A: b\r\n\r\n" + "\\\n")
    play.script(ENVELOPE_ANSWERED + r"""
        = HeadersComplete(b'A: \r\n', False)
        > 'MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.com>\r\nBDAT 7 LAST\r\n'
        PASS
        > 'A: \r\n\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.com>\r\nBDAT 8 LAST\r\n'
    """ + QUEUED + ENVELOPE_ANSWERED + r"""
        = HeadersComplete(b'A: b\r\n', False)
        PASS
        > 'A: b\r\n\r\n'
    """ + QUEUED + FOLLOWED)  # fmt: skip


# What is withheld

WAITING = pytest.mark.parametrize("speech", [
    "DATA\r\nA: b", "AUTH PLAIN\r\nx", "STARTTLS\r\nNOOP\r\n", "XDATA\r\nx", "QUIT\r\nx",
    "NOOP\r\n" * (client_stream.MOST_PENDING + 1), "NOOP\r\nBDAT 5 LAST\r\nA",
    "RSET\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.com>\r\nBDAT 9 LAST\r\nA: b\r\n\r\nx",
])  # fmt: skip


@WAITING
def test_what_waits_for_a_reply_is_withheld(speech):
    play = judged(HELLO, ENVELOPE)
    assert not play.session.withholds
    play.say("C", speech.encode())
    assert play.session.withholds
    play.say("S", b"421 4.7.0 closing\r\n")
    assert not play.session.withholds


@WAITING
def test_nothing_is_withheld_that_was_passed_on(speech):
    play = Play(HELLO, ENVELOPE)
    play.say("C", speech.encode())
    assert not play.session.withholds


def test_what_waits_for_a_reply_is_withheld_until_it_is_there():
    play = judged(HELLO, "C NOOP\n C NOOP\n C BDAT 9 LAST\n C A: b")
    for _ in range(2):
        assert play.session.withholds
        play.say("S", b"250 2.0.0 Ok\r\n")
    assert not play.session.withholds
    assert play.say("C", b"\r\nx") == ["HeadersComplete(b'A: b\\r\\n', False)"]
    assert not play.session.withholds  # it waits, but for no reply


@pytest.mark.parametrize("speech", [
    "", "NOOP", "NOOP\r\n", "DATA\r\n", "BDAT 9 LAST\r\n", "BDAT 9 LAST\r\nA",
])  # fmt: skip
@pytest.mark.parametrize("ends_tls", [False, True])
def test_what_no_reply_lets_go_is_not_withheld(speech, ends_tls):
    play = Play(judge_headers=True)
    play.session = Session(judge_headers=True, greeted=False, ends_tls=ends_tls)
    play.script(HELLO)
    play.say("C", speech.encode())
    assert not play.session.withholds


def test_content_is_not_withheld():
    play = at_data()
    for said in (b"A: b\r\n", b"\r\nx\n.\n", b"MAIL FROM:<>\r\n"):
        play.say("C", said)
        assert not play.session.withholds
        play.judge("PASS")
        assert not play.session.withholds
