"""The PROXY header, read back by a reader that was written from its specification."""

import ipaddress
import struct

from proxy_header import header_length, read_header

from sender_filter.core import addresses, proxy_protocol

_LONGEST = 536  # what Postfix peeks at: the header has to be in it

SEEDS = [bytes(13), b"\x01" + bytes(range(36)), b"\x01" + bytes(10) + b"\xff\xff" + bytes(24)]
WORDS = [b"\r\n\r\n\x00\r\nQUIT\n", b"\xff\xff", bytes(10), b"PROXY UNKNOWN\r\n"]


def check(data: bytes) -> None:
    """Whoever connects from wherever: it names just these two ends."""
    width = 16 if data[:1] and data[0] & 1 else 4
    if len(data) < 5 + 2 * width:
        return
    ends = [data[1:][at : at + width] for at in (0, width)]
    ports = struct.unpack("!HH", data[1 + 2 * width :][:4])
    source, target = (addresses.parse(str(ipaddress.ip_address(end))) for end in ends)
    if source.version != target.version:  # one was an IPv4 address in IPv6's clothes
        return
    header = proxy_protocol.header(source, ports[0], target, ports[1])
    assert len(header) == header_length(header[:16]) <= _LONGEST
    from_address, from_port, to_address, to_port = read_header(header)
    assert (addresses.parse(from_address), from_port) == (source, ports[0])
    assert (addresses.parse(to_address), to_port) == (target, ports[1])
