"""Topology inline without a socket: XFORWARD, what comes before MAIL, refusals, visits."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sender_filter.core import addresses, replies
from sender_filter.core.inline import prologue, refusal, visits, xforward
from sender_filter.core.inline.introduction import Introduction
from sender_filter.core.inline.prologue import Announced, Prologue
from sender_filter.core.inline.refusal import RefusedTransaction
from sender_filter.core.inline.visits import Visits
from sender_filter.core.inline.xforward import NAMES, Client
from sender_filter.core.received import source
from sender_filter.core.replies import Reply
from sender_filter.core.smtp.events import DataBegun, MailAccepted, RecipientAnswered
from sender_filter.core.smtp.session import Session

# What Postfix 3.7 sends for a client with an IPv6 address and an underscore in its HELO.
WORDS = (
    b"NAME=client.example.net ADDR=IPV6:2001:db8::1 PORT=51326 HELO=a_b.example IDENT=4ABC12 "
    b"PROTO=ESMTP SOURCE=REMOTE"
)
FIRST = b"EHLO mx.example.com\r\nXFORWARD " + WORDS + b"\r\n"
MAIL = b"MAIL FROM:<a@example.net> SIZE=1000 BODY=8BITMIME\r\n"
RCPT = b"RCPT TO:<b@example.com>\r\n"
REFUSED = Reply(550, "5.7.1", "Service unavailable")
OFFERS = (
    b"220 mx.example.com ESMTP Postfix\r\n"
    b"250-mx.example.com\r\n250-XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT\r\n250 DSN\r\n"
)


def address(text):
    return addresses.parse(text)


def in_pieces(data, draw):
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=5)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def bytewise(data):
    return [bytes([byte]) for byte in data]


# XFORWARD


def test_what_postfix_sends_is_read_and_handed_on_as_it_came():
    found = xforward.parse(WORDS)
    assert list(found) == ["NAME", "ADDR", "PORT", "HELO", "IDENT", "PROTO", "SOURCE"]
    assert xforward.client(found) == Client(address("2001:db8::1"), 51326)
    assert xforward.lines(found, NAMES) == [b"XFORWARD " + WORDS]
    assert xforward.lines(found, {"ADDR", "NAME"}) == [
        b"XFORWARD NAME=client.example.net ADDR=IPV6:2001:db8::1"
    ]


@pytest.mark.parametrize(
    ("words", "client"),
    [
        (b"ADDR=192.0.2.7 PORT=25", Client(address("192.0.2.7"), 25)),
        (b"addr=+31+39+32.0.2.7", Client(address("192.0.2.7"), 0)),
        (b"ADDR=ipv6:2001:db8::1", Client(address("2001:db8::1"), 0)),
        (b"ADDR=IPv6:::ffff:192.0.2.7", Client(address("192.0.2.7"), 0)),
        (b"ADDR=[UNAVAILABLE] PORT=[UNAVAILABLE]", Client(None, 0)),
        (b"NAME=client.example.net", Client(None, 0)),
        (b"ADDR=192.0.2.1 ADDR=192.0.2.2", Client(address("192.0.2.2"), 0)),
    ],
)
def test_the_client_is_whom_postfix_names(words, client):
    assert xforward.client(xforward.parse(words)) == client


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (b"", "Syntax: XFORWARD attribute=value"),
        (b"ADDR", "attribute=value expected"),
        (b"ADDR=", "attribute=value expected"),
        (b"LOGIN=root", "Bad XFORWARD attribute name: LOGIN"),
        (b"ADDR=192.0.2.256", "Bad ADDR syntax: 192.0.2.256"),
        (b"ADDR=mail.example.net", "Bad ADDR syntax"),
        (b"PORT=65536", "Bad PORT syntax"),
        (b"PORT=+C2+B2", "Bad PORT syntax"),  # a superscript two, which is a digit to Unicode
        (b"HELO=a=b", "Bad HELO syntax"),
        (b"HELO=a+2", "Bad HELO syntax"),
        (b"HELO=\xe4", "Bad HELO syntax"),
        (b"HELO=" + b"x" * 256, "attribute value too long"),
    ],
)
def test_what_postfix_would_refuse_is_refused(words, why):
    with pytest.raises(ValueError, match=re.escape(why)):
        xforward.parse(words)


XTEXT = st.text("abz09.-[]_", min_size=1, max_size=255).map(str.encode)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["NAME", "PROTO", "HELO", "IDENT", "SOURCE"]), XTEXT, max_size=5
)


@given(ATTRIBUTES, st.sets(st.sampled_from(NAMES)))
def test_the_lines_say_what_is_offered_and_none_is_too_long(attributes, offered):
    lines = xforward.lines(attributes, offered)
    read = {}
    for line in lines:
        assert len(line) <= 510
        verb, arguments = line.split(b" ", 1)
        assert verb == b"XFORWARD"
        read |= xforward.parse(arguments)
    assert list(read.items()) == [each for each in attributes.items() if each[0] in offered]


@pytest.mark.parametrize(("length", "count"), [(245, 1), (246, 2)])
def test_a_line_is_as_long_as_rfc_5321_allows(length, count):
    lines = xforward.lines({"NAME": b"n" * 245, "HELO": b"h" * length}, NAMES)
    assert len(lines) == count
    assert len(lines[0]) == (510 if count == 1 else 259)


@given(st.binary(max_size=600))
def test_whatever_is_sent_it_is_read_or_refused(words):
    try:
        found = xforward.parse(words)
    except ValueError:
        return
    assert set(found) <= set(NAMES)
    assert all(0 < len(value) <= 255 for value in found.values())


# Before MAIL


def test_up_to_mail_the_filter_is_the_server_and_then_knows_the_client():
    machine = Prologue("mx.example.com")
    assert machine.greeting() == b"220 mx.example.com ESMTP\r\n"
    answers = machine.receive(FIRST).decode().splitlines()
    assert answers == [
        "250-mx.example.com",
        "250-XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE",
        "250-8BITMIME",
        "250-SMTPUTF8",
        "250-DSN",
        "250-SIZE",
        "250 ENHANCEDSTATUSCODES",
        "250 2.0.0 Ok",
    ]
    assert machine.announced is None
    assert machine.receive(b"NOOP\r\nRSET\r\n" + MAIL + RCPT) == b"250 2.0.0 Ok\r\n" * 2
    assert machine.announced == Announced(b"mx.example.com", xforward.parse(WORDS), MAIL + RCPT)
    assert not machine.closed


def test_attributes_on_several_lines_are_put_together():
    machine = Prologue("x")
    machine.receive(b"HELO a\r\nXFORWARD NAME=[UNAVAILABLE]\r\nXFORWARD ADDR=192.0.2.1\r\n" + MAIL)
    assert machine.announced.attributes == {"NAME": b"[UNAVAILABLE]", "ADDR": b"192.0.2.1"}


@pytest.mark.parametrize(
    ("said", "codes"),
    [
        (MAIL, [503]),
        (b"EHLO a\r\nRCPT TO:<b@example.com>\r\nDATA\r\n", [250, 503, 503]),
        (b"EHLO\r\n" + MAIL, [501, 503]),
        (b"XFORWARD LOGIN=root\r\nXFORWARD\r\n", [501, 501]),
        (b"STARTTLS\r\nAUTH PLAIN\r\nXCLIENT ADDR=192.0.2.1\r\nBDAT 3\r\n", [502] * 4),
        (b"QUIT\r\nNOOP\r\n", [221]),
        (b"NOOP\r\n" * 60, [250] * 49 + [421]),
        (b"NOOP " + b"x" * 3000, [421]),
    ],
)
def test_replies_before_mail(said, codes):
    machine = Prologue("x")
    answers = machine.receive(said).decode().splitlines()
    assert [int(line[:3]) for line in answers if line[3] == " "] == codes
    assert machine.closed == (codes[-1] in (221, 421))
    assert machine.announced is None


def test_who_says_nothing_is_told_so_once():
    machine = Prologue("x")
    assert machine.expire().startswith(b"421 4.4.2 ")
    assert machine.closed
    assert machine.expire() == machine.receive(b"NOOP\r\n") == b""


SAID = st.lists(
    st.one_of(
        st.sampled_from([
            b"EHLO a\r\n", b"XFORWARD " + WORDS + b"\r\n", b"XFORWARD ADDR=1\r\n", MAIL, RCPT,
            b"\n", b"DATA\r\n", b"RSET\n", b"QUIT\r\n", b"QUIT", b"\0\xff\r", b"x" * 1500,
        ]),
        st.binary(max_size=20),
    ),
    max_size=20,
).map(b"".join)  # fmt: skip


def said_to(machine, pieces):
    """The answers, and how the machine ends, when it is fed as a shell does it."""
    answers = b""
    for number, piece in enumerate(pieces):
        answers += machine.receive(piece)
        if getattr(machine, "announced", None) is not None:
            rest = b"".join(pieces[number + 1 :])
            return answers, machine.announced._replace(unread=machine.announced.unread + rest)
    return answers, machine.closed


@given(SAID, st.data())
def test_a_prologue_in_pieces_is_the_same(said, data):
    whole = said_to(Prologue("x"), [said])
    assert said_to(Prologue("x"), bytewise(said)) == whole
    assert said_to(Prologue("x"), in_pieces(said, data.draw)) == whole


# Refusals


@pytest.mark.parametrize(
    ("reply", "code", "status"),
    [
        (replies.blocked_for_good(address("192.0.2.1")), 550, "5.7.1"),
        (replies.blocked_for_now(address("192.0.2.1")), 450, "4.7.0"),
        (replies.too_many_sessions(), 451, "4.3.2"),
        (replies.upstream_away(), 451, "4.3.2"),
        (replies.sender_blocked(), 450, "4.7.1"),
        (Reply(521, "5.7.1", "x"), 521, "5.7.1"),
    ],
)
def test_a_reply_to_a_connection_becomes_one_to_a_command(reply, code, status):
    assert refusal.in_transaction(reply) == Reply(code, status, reply.text)


def test_each_recipient_is_refused_and_no_content_taken():
    machine = RefusedTransaction(REFUSED, MAIL + RCPT)
    assert machine.greeting() == b"250 2.1.0 Ok\r\n550 5.7.1 Service unavailable\r\n"
    assert machine.receive(RCPT * 2) == REFUSED.line() * 2
    assert machine.receive(b"DATA\r\nRSET\r\n" + RCPT + b"NOOP\r\nXYZ\r\n").decode().split(
        "\r\n"
    ) == [
        "503 5.5.1 Error: no valid recipients",
        "250 2.0.0 Ok",
        "503 5.5.1 Error: need MAIL command",
        "250 2.0.0 Ok",
        "502 5.5.2 Error: command not recognized",
        "",
    ]
    assert machine.receive(MAIL + RCPT + b"QUIT\r\n" + RCPT).endswith(b"550 5.7.1 Service "
        b"unavailable\r\n221 2.0.0 Bye\r\n")  # fmt: skip
    assert machine.closed


def test_a_refused_transaction_has_an_end():
    machine = RefusedTransaction(REFUSED, MAIL)
    machine.greeting()
    answers = machine.receive(RCPT * 3000).splitlines()
    assert len(answers) == refusal.MOST_COMMANDS - 1
    assert answers[-1].startswith(b"421 ")
    machine = RefusedTransaction(REFUSED, b"")
    assert machine.receive(b"x" * 3000).startswith(b"421 ")
    machine = RefusedTransaction(REFUSED, MAIL)
    assert machine.expire().startswith(b"421 4.4.2 ")
    assert machine.expire() == b""


@given(SAID, st.data())
def test_a_refused_transaction_in_pieces_is_the_same_and_takes_nothing(said, data):
    whole = said_to(RefusedTransaction(REFUSED, MAIL), [said])
    assert said_to(RefusedTransaction(REFUSED, MAIL), bytewise(said)) == whole
    assert said_to(RefusedTransaction(REFUSED, MAIL), in_pieces(said, data.draw)) == whole
    assert not re.search(rb"^(354|250 2\.1\.5)", whole[0], re.MULTILINE)


# Introduction


def introduced(said, words=WORDS, pieces=None):
    machine = Introduction(Announced(b"mx.example.com", xforward.parse(words), b""))
    heard = b"".join(machine.receive(piece) for piece in pieces or [said])
    return heard, machine.stage, machine.reason


def test_the_next_postfix_is_told_the_client_line_by_line():
    long = b"NAME=" + b"n" * 250 + b" ADDR=192.0.2.1 HELO=" + b"h" * 250
    machine = Introduction(Announced(b"mx.example.com", xforward.parse(long), b""))
    greeting, _, ehlo = OFFERS.partition(b"\r\n")
    assert machine.receive(greeting + b"\r\n") == b"EHLO mx.example.com\r\n"
    assert machine.receive(ehlo) == b"XFORWARD " + long.partition(b" HELO")[0] + b"\r\n"
    assert machine.receive(b"250 2.0.0 Ok\r\n") == b"XFORWARD HELO=" + b"h" * 250 + b"\r\n"
    assert machine.stage == "XFORWARD"
    assert machine.receive(b"250 2.0.0 Ok\r\n") == b""
    assert machine.over
    assert (machine.stage, machine.reason) == ("done", "")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"421 4.3.2 All busy\r\n", "greeting was answered with 421 All busy"),
        (b"220 x\r\n502 5.5.1 no\r\n", "EHLO was answered with 502 no"),
        (b"220 x\r\n250-x\r\n250 DSN\r\n", "it offers no XFORWARD"),
        (OFFERS + b"550 5.7.0 no\r\n", "XFORWARD was answered with 550 no"),
        (OFFERS + b"250 Ok\r\n250 Ok\r\n", "it goes on talking"),
        (OFFERS + b"250 Ok\r\n25", "it goes on talking"),
        (b"HTTP/1.1 400 Bad Request\r\n", "reply not understood"),
    ],
)
def test_why_the_next_postfix_cannot_be_told(said, reason):
    _, stage, why = introduced(said)
    assert stage == "failed"
    assert reason in why


ANSWERS = st.lists(
    st.sampled_from([
        OFFERS, b"220 x\r\n", b"250-XFORWARD ADDR HELO\r\n", b"250 Ok\r\n", b"250", b"550 no\r\n",
        b"xyz\r\n",
    ]),
    max_size=6,
).map(b"".join)  # fmt: skip


@given(ANSWERS)
def test_an_introduction_in_pieces_is_the_same(said):
    assert introduced(said, pieces=bytewise(said)) == introduced(said)


# Visits


def test_messages_of_one_address_and_port_are_one_visit_for_a_while():
    known = Visits(seconds=10, most=2)
    one, two, three = (Client(address("192.0.2.1"), port) for port in (1, 2, 3))
    assert known.begins(one, 0.0)
    assert not known.begins(one, 9.0)
    assert not known.begins(one, 18.0)
    assert known.begins(one, 28.0)
    assert known.begins(two, 28.0)
    assert not known.begins(one, 29.0)
    assert known.begins(three, 29.0)  # two was not seen for longest
    assert len(known) == 2
    assert known.begins(two, 30.0)
    assert visits.VISIT_SECONDS > 300


# What is shared with edge


def test_a_session_can_be_followed_from_mail_on():
    session = Session(judge_headers=False, greeted=True)
    told = session.from_client(MAIL)
    told += session.from_server(b"250 2.1.0 Ok\r\n")
    told += session.from_client(RCPT)
    told += session.from_server(b"250 2.1.5 Ok\r\n")
    told += session.from_client(b"DATA\r\n")
    told += session.from_server(b"354 go on\r\n")
    events = [each for each in told if not hasattr(each, "data")]
    assert events == [
        MailAccepted("a@example.net"),
        RecipientAnswered("b@example.com", 250, "2.1.5", "Ok"),
        DataBegun(),
    ]


OWN = (
    b"from helo.example.net (relay.example.net [IPv6:2001:db8::1])\t(using TLSv1.3 with cipher "
    b"TLS_AES_256_GCM_SHA384 (256/256 bits))\tby mx.example.com (Postfix) with ESMTPS id 4ABC"
)
OTHER = b"from a.example.net (a.example.net [192.0.2.9]) by relay.example.net (Postfix) with ESMTP"


def test_the_field_of_this_hosts_own_postfix_is_no_hop():
    peer = address("2001:db8::1")
    assert source.behind_own(peer, [OWN, OTHER]) == [OTHER]
    assert source.behind_own(peer, [OTHER, OWN]) == [OTHER, OWN]
    assert source.behind_own(peer, []) == []
    assert prologue.KEYWORDS[0].startswith("XFORWARD ")
