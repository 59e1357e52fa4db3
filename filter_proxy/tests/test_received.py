"""Known Hosts: fields out of headers, addresses out of fields, and the walk to the source."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from received_corpus import FORGED, GENUINE, LIE, TRUTH

from sender_filter.core import addresses, networks
from sender_filter.core.addresses import Address
from sender_filter.core.lists import AddressList
from sender_filter.core.received import fields, forms, source

IPV4 = st.integers(0, 2**32 - 1).map(lambda value: Address(4, value))
IPV6 = st.integers(1 << 64, 2**128 - 1).map(lambda value: Address(6, value))
KNOWN = AddressList()
KNOWN.read("default", source.KNOWN_BY_DEFAULT, flags=False)
PEER = addresses.parse("10.0.0.1")


def is_known(address):
    return KNOWN.find(address) is not None


def header(*bodies, name="Received", end="\r\n"):
    text = "".join(f"{name}: {body}\n" for body in bodies).replace("\n", end)
    return text.encode("latin-1")


def read(body):
    """What is made of a field on its way out of a header: an address, or a kind."""
    [field] = fields.received(header(body))
    hop = forms.handed_over_by(field)
    assert (hop.address is not None) == (hop.kind == "client")
    assert hop.reason
    return str(hop.address or hop.kind)


def said_by_postfix(address):
    tag = "IPv6:" if address.version == 6 else ""
    text = f"from helo.example.org (unknown [{tag}{address}]) by mx.example.com (Postfix) id 1; d"
    return text.encode()


# Fields of a header section


def test_received_fields_are_found_top_most_first_whatever_their_case_and_line_ends():
    for end in ("\r\n", "\n"):
        section = "RECEIVED: one\n two\nX-Received: no\nSubject: a\n b\nreceived \t:\n\tthree\n"
        section = (section + "\nReceived: body\n").replace("\n", end).encode()
        assert fields.received(section) == [b"one two", b"three"]


@pytest.mark.parametrize("line", ["no field", ">From a", "Re ceived: x", ": x", "\u00e9: x"])
def test_the_section_ends_at_the_first_line_that_is_no_field(line):
    section = f"Received: one\r\n{line}\r\nReceived: two\r\n".encode("latin-1")
    assert fields.received(section) == [b"one"]


def test_a_section_may_end_without_a_line_end_or_be_empty():
    assert fields.received(b"A: b\nReceived: one") == [b"one"]
    assert fields.received(b"Received:") == [b""]
    assert fields.received(b"") == fields.received(b"\r\n") == fields.received(b" a: b\n") == []


def test_a_field_that_is_too_long_is_doubt_and_the_next_one_is_not():
    longest = "x" * (fields.MOST_BYTES - 2)  # a blank in front, a CR behind
    assert fields.received(header(longest)) == [longest.encode()]
    assert fields.received(header(longest + "x", "next")) == [fields.UNREADABLE, b"next"]
    assert forms.handed_over_by(fields.UNREADABLE).kind == "doubt"
    assert forms.handed_over_by(said_by_postfix(PEER) + b" " * fields.MOST_BYTES).kind == "doubt"


def test_fields_beyond_the_hundredth_are_doubt():
    hundred = ["x"] * fields.MOST_FIELDS
    assert fields.received(header(*hundred)) == [b"x"] * 100
    assert fields.received(header(*hundred, "y", "z")) == [b"x"] * 100 + [fields.UNREADABLE]


# One field


@pytest.mark.parametrize(
    ("body", "seen"), [row[1:] for row in GENUINE], ids=[r[0] for r in GENUINE]
)
def test_what_an_mta_writes_is_understood(body, seen):
    assert read(body) == seen


@pytest.mark.parametrize(("body", "seen"), [r[1:] for r in FORGED], ids=[r.name for r in FORGED])
def test_what_a_client_says_is_never_taken_for_what_the_mta_saw(body, seen):
    assert read(body) == seen


@pytest.mark.parametrize(("body", "seen"), [r[1:] for r in GENUINE], ids=[r.name for r in GENUINE])
def test_a_field_means_the_same_however_it_is_folded(body, seen):
    flat = re.sub(r"[ \n\t]+", " ", body)
    assert read(flat.replace(" ", "\n ")) == seen
    assert read(flat.replace(" ", " \n\t \n ")) == seen


TEMPLATES = {
    "postfix": "from {helo} (evil.test [{truth}]) by mx.example.com (Postfix) with SMTP id 1; d",
    "sendmail": "from {helo} ([{truth}]) by mx.example.com (8.17.1/8.17.1) with SMTP id 1; d",
    "exim": "from [{truth}] (helo={helo}) by mx.example.com with smtp (Exim 4.96) id 1; d",
    "exim, name": "from x.test ([{truth}] helo={helo}) by mx.example.com with smtp (Exim 4) id 1",
    "qmail": "from unknown (HELO {helo}) ({truth}) by mx.example.com with SMTP; d",
    "qmail-ldap": "from unknown (HELO {helo}) (x@[{truth}]) by mx.example.com (qmail-ldap-1.03)",
    "exchange": "from {helo} ({truth}) by ex.example.com (10.0.0.1) with Microsoft SMTP Server; d",
    "courier": "from {helo} (softdnserr [::ffff:{truth}]) (AUTH: LOGIN x) by mx.example.com; d",
}
PIECES = st.sampled_from(
    f'a b.test [{LIE}] {LIE} x@ ( ) (b [{LIE}]) (b.test ({LIE}) [ ] by from with local id ; " < > '
    f"\\ helo= (helo=x) ident= HELO (HELO x) Exim (Exim 4.96) IPv6: (Postfix) \u00a0 = : @".split(
        " "
    )
)


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
@given(st.lists(PIECES, max_size=12), st.sampled_from(["", " "]))
@settings(max_examples=200, deadline=None)
def test_no_helo_name_makes_its_own_address_the_client(template, pieces, glue):
    helo = glue.join(pieces)
    hop = forms.handed_over_by(template.format(helo=helo, truth=TRUTH).encode("latin-1"))
    assert hop.address in (None, addresses.parse(TRUTH))


@given(st.text("abc0123456789.-_[]:%+=/\u00e9", min_size=1, max_size=30))
def test_no_helo_name_without_blanks_and_parentheses_gets_a_client_out_of_sight(helo):
    for mta in ("postfix", "sendmail", "qmail", "qmail-ldap", "exchange", "courier"):
        body = TEMPLATES[mta].format(helo=helo, truth=TRUTH)
        assert str(forms.handed_over_by(body.encode("latin-1")).address) == TRUTH


@given(st.one_of(IPV4, IPV6))
def test_every_address_is_read_as_it_was_written(address):
    assert forms.handed_over_by(said_by_postfix(address)).address == addresses.parse(str(address))


# Hostile input


@given(st.binary(max_size=300), st.sampled_from([b"", b"Received: ", b"Received: from a (b [192"]))
@settings(max_examples=500)
def test_any_bytes_are_read_without_an_error(data, prefix):
    for field in [data, *fields.received(prefix + data)]:
        assert forms.handed_over_by(field).kind in ("client", "local", "inside", "doubt")


@given(st.lists(PIECES, max_size=40))
def test_any_words_of_the_forms_are_read_without_an_error(pieces):
    assert forms.handed_over_by(" ".join(["from", *pieces]).encode("latin-1")).reason


HOSTILE = [
    b"(", b")", b"()", b"( ", b"by ", b"from ", b"a@", b"[", b"[a", b"a[1]", b"a ", b"\t", b":",
    b"1:", b"1.", b"helo=a ", b"helo=[", b"(a)", b"by a (b)", b"IDENT:", b"\r", b"x",
]  # fmt: skip


def seconds(work, data):
    """The best of three, for a busy machine must not fail a test."""
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        work(data)
        best = min(best, time.process_time() - start)
    return best


@pytest.mark.parametrize("piece", HOSTILE)
def test_the_longest_field_costs_little_whatever_is_in_it(piece):
    for before in (b"", b"from a (", b"from [192.0.2.1] (", b"from a (HELO b) (", b"(qmail 1"):
        room = fields.MOST_BYTES - len(before) - 20
        data = before + piece * (room // len(piece))
        for after in (b"", b") by mx with SMTP"):
            assert seconds(forms.handed_over_by, data + after) < 0.05


@pytest.mark.parametrize(
    "piece", [b"a:\n", b"a:\n b\n", b"\n", b" \n", b"a", b"a \t", b"Received:\n "]
)
def test_a_long_header_section_costs_little_whatever_is_in_it(piece):
    for before in (b"", b"Received: a", b"a: b\n"):
        assert seconds(fields.received, before + piece * 100_000) < 1  # a square would be minutes


# The walk


def chain(length, last):
    """Fields of a mail that came from ``last`` over so many known hosts behind the peer."""
    known = [Address(4, (10 << 24) + 2 + number) for number in range(length)]
    return [said_by_postfix(address) for address in [*known, last]]


STRANGER = addresses.parse("192.0.2.200")


def test_an_unknown_peer_is_the_source_whatever_its_mail_says():
    found = source.find(STRANGER, chain(0, addresses.parse("198.51.100.1")), is_known)
    assert found == source.Source(STRANGER, "peer", 0, None)
    assert source.find(STRANGER, [b"("], is_known) == found


@given(st.integers(0, 99), st.one_of(IPV4, IPV6).filter(lambda address: not is_known(address)))
def test_behind_n_known_hosts_the_next_one_is_found(length, stranger):
    stranger = addresses.parse(str(stranger))
    found = source.find(PEER, chain(length, stranger), is_known)
    assert found == source.Source(stranger, "received", length + 1, None)


@given(
    st.integers(0, 5),
    st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.sampled_from([row.body.encode("latin-1") for row in GENUINE + FORGED]),
        ),
        max_size=5,
    ),
)
def test_a_hop_behind_an_unknown_one_is_not_believed(length, forged):
    true = chain(length, STRANGER)
    assert source.find(PEER, true + forged, is_known) == source.find(PEER, true, is_known)


def test_the_same_holds_for_a_header_as_it_comes():
    section = header(
        "from mx (mx [127.0.0.1])\n\tby mx (Postfix); d",
        f"from [10.9.9.9] (unknown [{STRANGER}])\n\tby mx (Postfix); d",
        "from x (x [198.51.100.9])\n\tby y (Postfix); d",
    )
    found = source.find(PEER, fields.received(section), is_known)
    assert found == source.Source(STRANGER, "received", 2, None)


def test_a_field_that_cannot_be_read_ends_the_walk_at_a_known_host_with_a_doubt():
    received = [said_by_postfix(addresses.parse("10.0.0.7")), b"from a b c", *chain(0, STRANGER)]
    found = source.find(PEER, received, is_known)
    assert (str(found.address), found.found, found.hop) == ("10.0.0.7", "none", 1)
    assert found.doubt == "the field has no by clause"


def test_a_field_too_long_and_a_hundred_known_hosts_end_it_likewise():
    long = header("x" * fields.MOST_BYTES, f"from x (x [{STRANGER}]) by y; d")
    assert source.find(PEER, fields.received(long), is_known).found == "none"
    many = header(*[field.decode() for field in chain(100, STRANGER)])
    found = source.find(PEER, fields.received(many), is_known)
    assert (found.found, found.hop) == ("none", 100)
    assert found.doubt is not None


@pytest.mark.parametrize("received", [[], chain(3, addresses.parse("fe80::1"))])
def test_a_mail_from_known_hosts_only_leaves_nobody_to_judge_and_no_doubt(received):
    found = source.find(PEER, received, is_known)
    assert (found.found, found.hop, found.doubt) == ("none", len(received), None)


def test_a_mail_that_a_known_host_created_is_that_hosts_own():
    received = [b"by mx.example.com (Postfix, from userid 33) id 1; d", *chain(0, STRANGER)]
    assert source.find(PEER, received, is_known) == source.Source(PEER, "none", 0, None)


def test_qmail_writes_two_fields_for_one_hop():
    received = [
        b"(qmail 1 invoked from network); d",
        b"from unknown (HELO [10.0.0.3]) (192.0.2.200) by mx.example.com with SMTP; d",
    ]
    assert source.find(PEER, received, is_known) == source.Source(STRANGER, "received", 1, None)


def test_a_scanner_on_the_same_host_is_walked_through():
    bodies = {row.name: row.body for row in GENUINE}
    section = header(bodies["amavis out"], bodies["amavis in"], bodies["postfix tls 1.3"])
    found = source.find(PEER, fields.received(section), is_known)
    assert (str(found.address), found.found, found.hop) == ("198.51.100.4", "received", 3)


@pytest.mark.parametrize(
    ("address", "known"),
    [
        ("127.0.0.1", True), ("127.255.255.255", True), ("128.0.0.0", False), ("10.0.0.0", True),
        ("9.255.255.255", False), ("11.0.0.0", False), ("172.16.0.0", True),
        ("172.31.255.255", True), ("172.32.0.0", False), ("192.168.0.0", True),
        ("192.169.0.0", False), ("169.254.0.1", True), ("100.64.0.0", True),
        ("100.127.255.255", True), ("100.128.0.0", False), ("::1", True), ("::2", False),
        ("fe80::1", True), ("febf::1", True), ("fec0::1", False), ("fc00::1", True),
        ("fdff::1", True), ("fe00::1", False), ("2001:db8::1", False),
        ("::ffff:10.0.0.1", True), ("::ffff:192.0.2.1", False),
    ],
)  # fmt: skip
def test_localhost_and_private_ranges_are_known_by_default(address, known):
    assert is_known(addresses.parse(address)) == known


def test_each_default_is_one_network():
    assert all(len(networks.parse(entry)) == 1 for entry in source.KNOWN_BY_DEFAULT)
