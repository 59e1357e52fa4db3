"""What goes over the wire: the PROXY header, replies, the conversation with a refused client."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proxy_header import read_header

from sender_filter.core import addresses, proxy_protocol, replies
from sender_filter.core.refusal import MOST_BYTES, MOST_LINES, Refusal
from sender_filter.core.replies import Reply

PORTS = st.integers(0, 65535)
FOR_GOOD = replies.blocked_for_good(addresses.parse("192.0.2.1"))
FOR_NOW = replies.blocked_for_now(addresses.parse("192.0.2.1"))


@given(st.one_of(st.tuples(*[st.ip_addresses(v=4)] * 2), st.tuples(*[st.ip_addresses(v=6)] * 2)),
       PORTS, PORTS)  # fmt: skip
def test_the_header_is_understood_by_an_independent_reader(ends, source_port, target_port):
    source, target = (addresses.parse_literal(str(a)) for a in ends)
    header = proxy_protocol.header(source, source_port, target, target_port)
    assert read_header(header) == (str(ends[0]), source_port, str(ends[1]), target_port)
    assert len(header) == (28 if source.version == 4 else 52)


def test_a_connection_between_two_ip_versions_does_not_exist():
    with pytest.raises(ValueError, match="two ends of one connection"):
        proxy_protocol.header(addresses.parse("::1"), 1, addresses.parse("127.0.0.1"), 1)


@given(st.integers(200, 599), st.text(max_size=600))
def test_a_reply_is_one_printable_line(code, text):
    line = Reply(code, "5.7.1", text).line()
    assert re.fullmatch(rb"[2-5]\d\d 5\.7\.1 [\x20-\x7e]*\r\n", line)
    assert len(line) <= 512


def test_the_refusals_name_the_client():
    assert str(FOR_GOOD) == "554 5.7.1 Service unavailable; client [192.0.2.1] is blocked here"
    assert str(FOR_NOW).startswith("421 4.7.0 Service unavailable; client [192.0.2.1]")


def test_a_client_refused_for_good_may_say_quit():
    refusal = Refusal(FOR_GOOD)
    assert refusal.greeting().startswith(b"554 5.7.1 ")
    assert not refusal.closed
    assert refusal.receive(b"EHLO x\r\n").startswith(b"503 5.5.1 ")
    assert refusal.receive(b"quit \r\n") == b"221 2.0.0 Bye\r\n"
    assert refusal.closed
    assert refusal.receive(b"EHLO x\r\n") == b""
    assert refusal.expire() == b""


def test_a_client_refused_for_now_is_closed_at_once():
    refusal = Refusal(FOR_NOW)
    assert refusal.closed
    assert refusal.greeting().startswith(b"421 4.7.0 ")


@pytest.mark.parametrize(
    ("speech", "goodbye"),
    [
        ([b"QUIT\r\n"], True),
        ([b"QU", b"IT\r\n"], True),
        ([b"EHLO x\r\n", b"quit\n"], True),
        ([b"QUIT\r\nNOOP\r\n"], False),
        ([b"QUIT\r\nNO"], False),
        ([b"NOOP\r\n" * MOST_LINES], False),
        ([b"NOOP\r\n"], False),
    ],
)
def test_only_who_says_nothing_after_quit_has_taken_leave(speech, goodbye):
    refusal = Refusal(FOR_GOOD)
    for data in speech:
        refusal.receive(data)
    assert refusal.goodbye == goodbye


def test_time_lines_and_bytes_are_bounded():
    refusal = Refusal(FOR_GOOD)
    assert refusal.expire().startswith(b"421 4.4.2 ")
    assert refusal.closed
    refusal = Refusal(FOR_GOOD)
    answers = refusal.receive(b"NOOP\r\n" * 100).splitlines()
    assert len(answers) == MOST_LINES
    assert answers[-1].startswith(b"421 4.7.0 ")
    refusal = Refusal(FOR_GOOD)
    assert refusal.receive(b"x" * (MOST_BYTES - 1)) == b""
    assert refusal.receive(b"x").startswith(b"421 4.7.0 ")
    assert refusal.closed


SPEECH = st.lists(
    st.one_of(
        st.sampled_from([b"EHLO x\r\n", b"QUIT\r\n", b"MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n",
                         b"\n", b"quit\n", b"\r\n.\r\n", b"x" * 1500, b"QUIT", b"\0\xff\r"]),
        st.binary(max_size=40),
    ),
    max_size=30,
).map(b"".join)  # fmt: skip


@given(SPEECH, st.data())
def test_bytes_in_pieces_give_the_same_answers(speech, data):
    whole = Refusal(FOR_GOOD)
    expected = whole.receive(speech)
    singly = Refusal(FOR_GOOD)
    assert b"".join(singly.receive(bytes([b])) for b in speech) == expected
    assert singly.closed == whole.closed
    cuts = sorted(data.draw(st.lists(st.integers(0, len(speech)), max_size=5)))
    pieces = [speech[a:b] for a, b in zip([0, *cuts], [*cuts, len(speech)], strict=True)]
    pieced = Refusal(FOR_GOOD)
    assert b"".join(map(pieced.receive, pieces)) == expected


@given(SPEECH)
def test_nothing_is_ever_accepted(speech):
    answers = Refusal(FOR_GOOD).receive(speech)
    assert all(re.match(rb"(503|221|421) ", line) for line in answers.splitlines())
