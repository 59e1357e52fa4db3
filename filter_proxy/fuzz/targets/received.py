"""Header sections, and the walk through their Received fields."""

from sender_filter.core import addresses
from sender_filter.core.addresses import Address
from sender_filter.core.received import fields, source
from sender_filter.core.received.fields import MOST_BYTES, MOST_FIELDS

_PEER = addresses.parse("192.0.2.1")
_END = b"\r\n\r\n"

SEEDS = [
    (
        b"Received: from h (h.example.test [192.0.2.7])\r\n\tby mx (Postfix) with ESMTP id 4A;\r\n"
        b"Received: from a.example.test ([198.51.100.7]:25 helo=a) by b with esmtp (Exim 4)\r\n"
    ),
    (
        b"Received: (qmail 12 invoked from network); 1 Jan 2026 00:00:00 -0000\n"
        b"Received: from unknown (HELO x) (ident@203.0.113.7) by y with SMTP; 1 Jan 2026\n"
    ),
    b"received:from [IPv6:2001:db8::1] (port=1 helo=x) by y with esmtp\r\nSubject: z\r\n",
    b"Received: by mx (Postfix, from userid 0) id 4A; Thu, 1 Jan 2026\r\n",
]
WORDS = [
    b"Received:", b"\r\n\t", b"\r\n", b"\n", b" by ", b" from ", b" with ", b" (HELO ", b"helo=",
    b"[192.0.2.1]", b"[127.0.0.1]", b"[IPv6:2001:db8::1]", b"(may be forged)", b"ident@", b"port=",
    b"[UNIX: localhost]", b"envelope-sender <", b"(qmail 1 invoked ", b"Subject: ", b"(", b")",
]  # fmt: skip


def check(data: bytes) -> None:
    """It always finds somebody, in bounds; and a body behind the headers has no say."""
    found = fields.received(data)
    assert len(found) <= MOST_FIELDS + 1
    assert all(len(field) <= MOST_BYTES for field in found)
    for known in (_known_all, _known_even):
        walked = source.find(_PEER, found, known)
        assert 0 <= walked.hop <= len(found)
        assert walked.found == "none" or not known(walked.address), "a known host is judged"
    assert fields.received(data + _END) == fields.received(data + _END + SEEDS[0])
    if b"\r" not in data and len(data) < MOST_BYTES // 2:
        assert fields.received(data.replace(b"\n", b"\r\n")) == found


def _known_all(_address: Address) -> bool:
    return True


def _known_even(address: Address) -> bool:
    return address == _PEER or address.value % 2 == 0
